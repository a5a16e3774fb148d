//! A connection that does not wait for ever for its client: one that does not read, or does not go on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::connection_state::ConnectionState;
use crate::clock;

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What was read ahead of a connection to tell one version of HTTP from the other: no more than the
/// preface of HTTP/2, and held in place, for it is held as long as the connection is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preface {
    bytes: [u8; PREFACE.len()],
    /// How many of them were received.
    received: u8,
    /// How many of those were passed on.
    passed: u8,
}

impl Preface {
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

/// How long a connection that is closed under a client that still sends is read from, so that the client
/// gets to read its answer.
const LINGER: Duration = Duration::from_secs(2);

/// A connection that fails once the client has read nothing for too long, or has taken too long over the
/// head of a request.
pub(crate) struct TimeoutIo<I> {
    io: I,
    ahead: Preface,
    state: Arc<ConnectionState>,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// While a head is being received: how many requests had begun before it.
    head: Option<usize>,
    /// Runs while the rest of a head is waited for.
    unfinished: Option<Pin<Box<Sleep>>>,
    /// Whether the client has closed its half, and hyper has been told.
    end: End,
    /// Runs from the moment our half is closed.
    lingering: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Open,
    Seen,
    Told,
}

impl<I> TimeoutIo<I> {
    /// `heads`: whether the client sends one head after the other, as HTTP/1 does.
    pub(crate) fn new(io: I, ahead: Preface, state: Arc<ConnectionState>, heads: bool) -> Self {
        let head = heads.then_some(0);
        Self { io, ahead, state, stalled: None, head, unfinished: None, end: End::Open, lingering: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.stalled.take().is_some() {
                self.state.stall_or_go_on();
            }
            return outcome;
        }
        let patience = self.state.http.limits.write_timeout;
        let state = &self.state;
        let stalled = self.stalled.get_or_insert_with(|| {
            state.stall_or_go_on();
            Box::pin(clock::sleep(patience))
        });
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What follows from having read `read` bytes, none of which is the end; `None` if nothing was there.
    fn received(&mut self, cx: &mut Context<'_>, read: Option<usize>) -> Poll<io::Result<()>> {
        let idle = !self.state.is_asked();
        match read {
            Some(0) if self.end == End::Open => {
                // What came before the end may have been a whole request that can be answered at once.
                self.end = End::Seen;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(0) => {
                self.end = End::Told;
                Poll::Ready(Ok(()))
            }
            Some(_) => {
                if idle && self.head.is_some() {
                    self.head = Some(self.state.begun());
                }
                Poll::Ready(Ok(()))
            }
            None if idle && self.head == Some(self.state.begun()) => {
                let wait = self.state.http.limits.header_timeout;
                let unfinished = self.unfinished.get_or_insert_with(|| Box::pin(clock::sleep(wait)));
                unfinished.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            None => {
                self.unfinished = None;
                Poll::Pending
            }
        }
    }
}

impl<I: AsyncRead + Unpin> TimeoutIo<I> {
    /// Reads what the client still sends, and throws it away; ready when it has closed or time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.lingering.get_or_insert_with(|| Box::pin(clock::sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scrap = [0; 4 << 10];
        for _ in 0..16 {
            let mut scrap = ReadBuf::new(&mut scrap);
            match Pin::new(&mut self.io).poll_read(cx, &mut scrap) {
                Poll::Ready(Ok(())) if !scrap.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TimeoutIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if !self.ahead.is_passed() {
            buf.put_slice(self.ahead.pass(buf.remaining()));
            // With what follows, if it is there: a first read that small would make hyper's buffer grow. An
            // end or an error shows again at the next read.
            if buf.remaining() != 0 {
                let _what_follows = Pin::new(&mut self.io).poll_read(cx, buf);
            }
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => self.received(cx, Some(buf.filled().len() - before)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.received(cx, None),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.judge(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.judge(cx, outcome))?;
            if self.end != End::Open || !self.state.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_linger(cx).map(Ok)
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
