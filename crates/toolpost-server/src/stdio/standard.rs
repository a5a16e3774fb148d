//! The process's own stdin and stdout, without a thread between where the system allows it.
//!
//! Tokio reads stdin and writes stdout on its blocking pool, which costs several times what the
//! call does. A client that starts a server gives it pipes or sockets, and those the reactor can
//! wait for.

use tokio::io::{AsyncRead, AsyncWrite};

/// The process's stdin.
pub(crate) fn stdin() -> Box<dyn AsyncRead + Send + Unpin> {
    #[cfg(unix)]
    if let Some(reader) = unix::reader() {
        return reader;
    }
    Box::new(tokio::io::stdin())
}

/// The process's stdout.
pub(crate) fn stdout() -> Box<dyn AsyncWrite + Send + Unpin> {
    #[cfg(unix)]
    if let Some(writer) = unix::writer() {
        return writer;
    }
    Box::new(tokio::io::stdout())
}

#[cfg(unix)]
mod unix {
    //! Pipes and sockets that the reactor waits for.

    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::FileTypeExt as _;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncRead, AsyncWrite, Interest};
    use tokio::net::UnixStream;
    use tokio::net::unix::pipe;

    pub(super) fn reader() -> Option<Box<dyn AsyncRead + Send + Unpin>> {
        match Stream::of(io::stdin()).ok()? {
            Stream::Pipe(fd) => Some(Box::new(pipe::Receiver::from_owned_fd(fd).ok()?)),
            Stream::Socket(socket) => Some(Box::new(socket)),
            Stream::Other => None,
        }
    }

    pub(super) fn writer() -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        match Stream::of(io::stdout()).ok()? {
            Stream::Pipe(fd) => Some(Box::new(Pipe(pipe::Sender::from_owned_fd(fd).ok()?))),
            Stream::Socket(socket) => Some(Box::new(socket)),
            Stream::Other => None,
        }
    }

    /// A pipe to which even a write of nothing fails once nobody reads it. (The system's would not.)
    struct Pipe(pipe::Sender);

    impl Pipe {
        fn is_closed(&self) -> bool {
            let ready = self.0.ready(Interest::WRITABLE).now_or_never();
            ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_write_closed()))
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if buf.is_empty() && self.is_closed() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    enum Stream {
        Pipe(OwnedFd),
        Socket(UnixStream),
        Other,
    }

    impl Stream {
        fn of(standard: impl AsFd) -> io::Result<Self> {
            let file = File::from(standard.as_fd().try_clone_to_owned()?);
            let kind = file.metadata()?.file_type();
            if kind.is_fifo() {
                return Ok(Self::Pipe(file.into()));
            }
            if !kind.is_socket() {
                return Ok(Self::Other);
            }
            let socket = std::os::unix::net::UnixStream::from(OwnedFd::from(file));
            socket.set_nonblocking(true)?;
            UnixStream::from_std(socket).map(Self::Socket)
        }
    }
}
