//! The process's own stdin and stdout, without a thread between where the system allows it.
//!
//! Tokio reads stdin and writes stdout on its blocking pool, which costs several times what the
//! call does. A client that starts a server gives it pipes or sockets, and those the reactor can
//! wait for. All else is for [threads](super::threaded).

use tokio::io::{AsyncRead, AsyncWrite};

use super::print_guard::PrintGuard;
use super::threaded::{Reader, Writer};

/// The process's stdin.
pub(crate) fn stdin() -> Box<dyn AsyncRead + Send + Unpin> {
    #[cfg(unix)]
    if let Some(reader) = unix::reader() {
        return reader;
    }
    Box::new(Reader::new(std::io::stdin()))
}

/// The process's stdout, and what keeps everybody else away from it for as long as it is kept.
pub(crate) fn stdout() -> (Box<dyn AsyncWrite + Send + Unpin>, Option<PrintGuard>) {
    #[cfg(unix)]
    if let Some(writer) = unix::writer() {
        // The writer has the pipe by now, under a descriptor of its own.
        return (writer, PrintGuard::new());
    }
    (Box::new(Writer::new(std::io::stdout())), None)
}

#[cfg(unix)]
mod unix {
    //! Pipes and sockets that the reactor waits for.
    //!
    //! Not to block is a property of the open pipe, which others may have too: stderr is often the same as stdout, and
    //! a parent's terminal outlives its children. So a pipe is opened anew where the system can do that; elsewhere it
    //! blocks again when the server is done with it, and so does a socket.

    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::FileTypeExt as _;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
    use tokio::net::UnixStream;
    use tokio::net::unix::pipe;

    /// Opens an end of a pipe that is its own; fails where only Linux has the file.
    const STDIN: &str = "/proc/self/fd/0";
    const STDOUT: &str = "/proc/self/fd/1";

    pub(super) fn reader() -> Option<Box<dyn AsyncRead + Send + Unpin>> {
        match Stream::of(io::stdin()).ok()? {
            Stream::Pipe(fd) => Some(match pipe::OpenOptions::new().open_receiver(STDIN) {
                Ok(own) => Box::new(own),
                Err(_) => Box::new(Shared(Some(pipe::Receiver::from_owned_fd(fd).ok()?))),
            }),
            Stream::Socket(socket) => Some(Box::new(Shared(Some(socket)))),
            Stream::Other => None,
        }
    }

    pub(super) fn writer() -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        match Stream::of(io::stdout()).ok()? {
            Stream::Pipe(fd) => Some(match pipe::OpenOptions::new().open_sender(STDOUT) {
                Ok(own) => Box::new(Pipe(own)),
                Err(_) => Box::new(Shared(Some(Pipe(pipe::Sender::from_owned_fd(fd).ok()?)))),
            }),
            Stream::Socket(socket) => Some(Box::new(Shared(Some(socket)))),
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
            if buf.is_empty() {
                return Poll::Ready(match self.is_closed() {
                    true => Err(io::ErrorKind::BrokenPipe.into()),
                    false => Ok(0),
                });
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

    /// A stream that others may have open too: it blocks again once it is dropped. Never empty before.
    struct Shared<S: Blocking>(Option<S>);

    trait Blocking: Unpin {
        fn block(self);
    }

    // What cannot be set back stays as it is: there is nobody left to tell.
    impl Blocking for pipe::Receiver {
        fn block(self) {
            drop(self.into_blocking_fd());
        }
    }

    impl Blocking for Pipe {
        fn block(self) {
            drop(self.0.into_blocking_fd());
        }
    }

    impl Blocking for UnixStream {
        fn block(self) {
            let _set = self.into_std().and_then(|socket| socket.set_nonblocking(false));
        }
    }

    impl<S: Blocking> Drop for Shared<S> {
        fn drop(&mut self) {
            if let Some(stream) = self.0.take() {
                stream.block();
            }
        }
    }

    impl<S: Blocking> Shared<S> {
        fn stream(&mut self) -> io::Result<Pin<&mut S>> {
            self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
        }
    }

    impl<S: Blocking + AsyncRead> AsyncRead for Shared<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.stream()?.poll_read(cx, buf)
        }
    }

    impl<S: Blocking + AsyncWrite> AsyncWrite for Shared<S> {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.stream()?.poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.stream()?.poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.stream()?.poll_shutdown(cx)
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
