//! A connection that does not wait for ever for a client that does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::clock;

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What was read ahead of a connection to tell one version of HTTP from the other: no more than the
/// preface of HTTP/2, and held in place, for it is held as long as the connection is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    bytes: [u8; PREFACE.len()],
    /// How many of them were received.
    received: u8,
    /// How many of those were passed on.
    passed: u8,
}

impl Ahead {
    /// Where to read what comes next.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[usize::from(self.received)..]
    }

    /// Counts `read` more bytes in.
    pub(crate) fn fill(&mut self, read: usize) {
        self.received += u8::try_from(read).unwrap_or(0);
    }

    pub(crate) fn is_preface(&self) -> bool {
        self.received() == PREFACE
    }

    /// Whether the next bytes will tell.
    pub(crate) fn may_become_preface(&self) -> bool {
        PREFACE.starts_with(self.received()) && !self.is_preface()
    }

    fn received(&self) -> &[u8] {
        &self.bytes[..usize::from(self.received)]
    }

    /// Takes at most `most` bytes that were not passed on yet.
    fn pass(&mut self, most: usize) -> &[u8] {
        let from = usize::from(self.passed);
        let to = usize::from(self.received).min(from.saturating_add(most));
        self.passed = u8::try_from(to).unwrap_or(self.received);
        &self.bytes[from..to]
    }

    const fn is_passed(&self) -> bool {
        self.passed == self.received
    }
}

/// A connection whose writes fail once the client has read nothing for too long.
pub(crate) struct Guarded<I> {
    io: TokioIo<I>,
    ahead: Ahead,
    patience: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> Guarded<I> {
    pub(crate) fn new(io: I, ahead: Ahead, patience: Duration) -> Self {
        Self { io: TokioIo::new(io), ahead, patience, stalled: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(clock::sleep(self.patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> Read for Guarded<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_passed() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let fits = buf.remaining();
        buf.put_slice(self.ahead.pass(fits));
        // With what follows, if it is there: a first read that small would make hyper's buffer grow. An
        // error shows again at the next read.
        if buf.remaining() != 0 {
            let _what_follows = Pin::new(&mut self.io).poll_read(cx, buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> Write for Guarded<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.judge(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
        self.judge(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.judge(cx, outcome)
    }
}
