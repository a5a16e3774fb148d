//! Reads a request's body, within a bound and within a time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use tokio::time::Sleep;

use crate::clock;

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Uncollected {
    /// It has more bytes than allowed.
    TooLarge,
    /// It came too slowly.
    TimedOut,
    /// The connection broke.
    Broken,
}

/// Reads `body` if it has at most `limit` bytes and takes at most `patience`, plus a second for each
/// KiB that has arrived. A body that comes in one piece is not copied.
pub(crate) async fn collect<B: Body>(
    body: B,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Uncollected> {
    if (limit as u64) < body.size_hint().lower() {
        return Err(Uncollected::TooLarge);
    }
    let mut body = pin!(body);
    let mut patience = Patience { allowed: patience, received: 0, waited: false, timer: None };
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => patience.poll(cx).map(|()| Err(Uncollected::TimedOut)),
        });
        let Some(frame) = frame.await? else { break };
        let Ok(mut data) = frame.map_err(|_| Uncollected::Broken)?.into_data() else { continue };
        let size = data.remaining();
        patience.received += size;
        if limit < patience.received {
            return Err(Uncollected::TooLarge);
        }
        if first.is_empty() {
            first = data.copy_to_bytes(size);
            continue;
        }
        if rest.is_empty() {
            rest.reserve(first.len() + size);
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data.copy_to_bytes(size));
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// How long a client may take. Most bodies are there at once, so the timer is made late.
struct Patience {
    allowed: Duration,
    received: usize,
    /// Whether it has been waited for before: the first poll of a body never has it.
    waited: bool,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Patience {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waited {
            self.waited = true;
            return Poll::Pending;
        }
        let (start, timer) =
            self.timer.get_or_insert_with(|| (clock::now(), Box::pin(clock::sleep(self.allowed))));
        while timer.as_mut().poll(cx).is_ready() {
            let due = *start + self.allowed + Duration::from_secs((self.received >> 10) as u64);
            if due <= clock::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due.into());
        }
        Poll::Pending
    }
}
