//! Events on their way from whoever writes a stream to the connection that carries it, if there is one.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard, ReusableBoxFuture, WaitForCancellationFutureOwned};

/// So many bytes may wait for a client that does not read them.
const WAITING: usize = 1 << 20;

/// The end that a connection reads.
pub(super) struct Relay {
    chunks: UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    /// What writes the stream, where nothing else runs it; it goes on when all that it wrote has been read.
    writing: Option<ReusableBoxFuture<'static, ()>>,
    /// Resolves when another connection reads the stream.
    superseded: Pin<Box<WaitForCancellationFutureOwned>>,
    _reading: Reading,
    _gone: DropGuard,
}

/// The end that is written to.
pub(super) struct RelaySender {
    chunks: UnboundedSender<Bytes>,
    waiting: Arc<AtomicUsize>,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// The two ends of a stream that `reading` is the one reader of.
pub(super) fn relay(reading: Reading) -> (RelaySender, Relay) {
    let (sender, chunks) = unbounded_channel();
    let (waiting, gone) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let sender = RelaySender {
        chunks: sender,
        waiting: Arc::clone(&waiting),
        gone: Box::pin(gone.clone().cancelled_owned()),
    };
    let superseded = Box::pin(reading.superseded.clone().cancelled_owned());
    let gone = gone.drop_guard();
    (sender, Relay { chunks, waiting, writing: None, superseded, _reading: reading, _gone: gone })
}

impl RelaySender {
    /// Passes `chunk` on; false if the client does not read what it was sent before.
    pub(super) fn send(&self, chunk: Bytes) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let fits = waiting == 0 || waiting + chunk.len() <= WAITING;
        if fits {
            self.send_anyway(chunk);
        }
        fits
    }

    /// Passes `chunk` on, however much waits.
    pub(super) fn send_anyway(&self, chunk: Bytes) {
        self.waiting.fetch_add(chunk.len(), Ordering::Relaxed);
        let _nobody_reads = self.chunks.send(chunk);
    }

    /// Resolves when there is no connection any more.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gone.as_mut().poll(cx)
    }
}

impl Relay {
    /// Has the connection run `writing`, which writes the stream.
    pub(super) fn written_by(mut self, writing: impl Future<Output = ()> + Send + 'static) -> Self {
        self.writing = Some(ReusableBoxFuture::new(writing));
        self
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.superseded.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            if let Poll::Ready(chunk) = self.chunks.poll_recv(cx) {
                if let Some(chunk) = &chunk {
                    self.waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
                }
                return Poll::Ready(chunk);
            }
            let Some(writing) = &mut self.writing else { return Poll::Pending };
            if writing.poll(cx).is_ready() {
                self.writing = None;
            } else if self.chunks.is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// Which streams are read here: each by one connection, the last that asked for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers(Arc<Mutex<HashMap<String, CancellationToken>>>);

/// The right to read a stream, until another connection takes it.
#[derive(Debug)]
pub(super) struct Reading {
    readers: Readers,
    key: String,
    superseded: CancellationToken,
}

impl Readers {
    /// Reads the stream called `key` from now on; whoever read it so far stops.
    pub(super) fn enter(&self, key: &str) -> Reading {
        let superseded = CancellationToken::new();
        let before = self.lock().insert(key.to_owned(), superseded.clone());
        if let Some(before) = before {
            before.cancel();
        }
        Reading { readers: self.clone(), key: key.to_owned(), superseded }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Whoever superseded it has its place in the map.
        if !self.superseded.is_cancelled() {
            self.readers.lock().remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use std::future::poll_fn;

    use super::*;

    fn next(relay: &mut Relay) -> Option<Option<Bytes>> {
        poll_fn(|cx| relay.poll_next(cx)).now_or_never()
    }

    #[test]
    fn the_last_that_asks_for_a_stream_reads_it_alone() {
        let readers = Readers::default();
        let (_sent, mut first) = relay(readers.enter("a"));
        assert_eq!(next(&mut first), None);
        let (sender, mut second) = relay(readers.enter("a"));
        assert_eq!(next(&mut first), Some(None));
        drop(first);
        assert_eq!(readers.lock().len(), 1);
        assert!(sender.send("x".into()));
        assert_eq!(next(&mut second), Some(Some("x".into())));
        drop((sender, second));
        assert_eq!(readers.lock().len(), 0);
    }

    #[test]
    fn what_waits_for_a_client_is_bounded_and_one_chunk_may_have_any_size() {
        let (mut sender, mut relay) = relay(Readers::default().enter("a"));
        assert!(sender.send(vec![0; 4 * WAITING].into()));
        assert!(!sender.send("x".into()));
        assert_eq!(next(&mut relay).unwrap().unwrap().len(), 4 * WAITING);
        assert!(sender.send("x".into()) && sender.send("y".into()));
        assert!(poll_fn(|cx| sender.poll_gone(cx)).now_or_never().is_none());
        drop(relay);
        assert!(poll_fn(|cx| sender.poll_gone(cx)).now_or_never().is_some());
    }
}
