//! Streams that only a thread can wait for: terminals and files, and whatever there is on Windows.
//!
//! Tokio's own would do, but its pool's threads are waited for when the runtime ends, and nothing ends a read of a
//! terminal: the process would outlive every signal until somebody presses Enter. These threads are nobody's; they
//! hold no more than one piece of data each, and end with their stream or with the process.

#![expect(clippy::disallowed_methods, reason = "nothing can wait for these threads: see above")]

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

/// How much is read or written at once.
const PIECE: usize = 64 << 10;

/// What a thread reads.
pub(super) struct Reader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: Bytes,
}

impl Reader {
    pub(super) fn new(mut from: impl Read + Send + 'static) -> Self {
        let (send, pieces) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut room = vec![0; PIECE];
            loop {
                let piece = match from.read(&mut room) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map(|read| Bytes::copy_from_slice(&room[..read])),
                };
                let over = piece.as_ref().map_or(true, Bytes::is_empty);
                if send.blocking_send(piece).is_err() || over {
                    return;
                }
            }
        });
        Self { pieces, left: Bytes::new() }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => self.left = piece?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.left.len().min(buf.remaining());
        buf.put_slice(&self.left[..taken]);
        self.left.advance(taken);
        Poll::Ready(Ok(()))
    }
}

/// One piece to be written, and who hears that it is.
type Piece = (Bytes, oneshot::Sender<io::Result<()>>);

/// What a thread writes.
pub(super) struct Writer {
    pieces: SyncSender<Piece>,
    /// The piece that is being written.
    writing: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Writer {
    pub(super) fn new(mut to: impl Write + Send + 'static) -> Self {
        let (pieces, receive) = sync_channel::<Piece>(1);
        std::thread::spawn(move || {
            while let Ok((piece, written)) = receive.recv() {
                // Whoever does not wait for it any more needs not hear of it.
                let _gone = written.send(to.write_all(&piece).and_then(|()| to.flush()));
            }
        });
        Self { pieces, writing: None }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.as_mut().poll_flush(cx))?;
        let piece = Bytes::copy_from_slice(&buf[..buf.len().min(PIECE)]);
        let (len, (send, written)) = (piece.len(), oneshot::channel());
        // There is room: nothing else is being written.
        self.pieces.try_send((piece, send)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.writing = Some(written);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(writing).poll(cx));
        self.writing = None;
        Poll::Ready(written.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_a_thread_reads_and_writes_arrives_whole() {
        let (reader, writer) = io::pipe().unwrap();
        let (mut reader, mut writer) = (Reader::new(reader), Writer::new(writer));
        let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.flush().await.unwrap();
            drop(writer);
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(write, reader.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent);
    }

    #[test]
    fn a_runtime_ends_while_nothing_can_be_read() {
        // Nobody writes, and the end that is held open keeps the read from ending.
        let (reader, _held) = io::pipe().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut reader = Reader::new(reader);
        runtime.block_on(async {
            let polled = futures_util::poll!(Box::pin(reader.read_u8()));
            assert!(polled.is_pending());
        });
        drop(runtime);
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut writer = Writer::new(writer);
        writer.write_all(b"x").await.unwrap();
        assert_eq!(writer.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
