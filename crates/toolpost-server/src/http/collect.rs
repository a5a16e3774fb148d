//! Reads a request's body, within a bound, within a time, and within what the server may keep.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use tokio::time::Sleep;

use super::connection_state::{ConnectionState, HeldBytes, Receiving};
use crate::clock;

/// A body that comes in one piece is not counted if it is no longer than this.
pub(crate) const SMALL: usize = 16 << 10;

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Uncollected {
    /// It has more bytes than allowed.
    TooLarge,
    /// It came too slowly.
    TimedOut,
    /// The connection broke.
    Broken,
    /// Too much is kept already.
    Busy,
}

/// A body, and what it counts as.
pub(crate) struct Collected {
    pub(crate) bytes: Bytes,
    pub(crate) held: Option<HeldBytes>,
}

/// Reads `body` if it has at most `limit` bytes and comes in time. A body that comes in one piece is not
/// copied.
pub(crate) async fn collect<B: Body>(
    body: B,
    limit: usize,
    state: &Arc<ConnectionState>,
) -> Result<Collected, Uncollected> {
    if (limit as u64) < body.size_hint().lower() {
        return Err(Uncollected::TooLarge);
    }
    let mut body = pin!(body);
    let mut patience = Patience { state, received: 0, waits: None };
    let mut held = None;
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
            if SMALL < size || !body.is_end_stream() {
                keep(&mut held, state, size)?;
            }
            continue;
        }
        if rest.is_empty() {
            rest.reserve(first.len() + size);
            rest.extend_from_slice(&first);
        }
        // Before there are more of them: what is refused is not kept first.
        keep(&mut held, state, rest.capacity().max(rest.len() + size))?;
        rest.extend_from_slice(&data.copy_to_bytes(size));
    }
    Ok(Collected { bytes: if rest.is_empty() { first } else { rest.freeze() }, held })
}

fn keep(held: &mut Option<HeldBytes>, state: &Arc<ConnectionState>, bytes: usize) -> Result<(), Uncollected> {
    let held = held.get_or_insert_with(|| HeldBytes::new(state));
    if held.keep(bytes) { Ok(()) } else { Err(Uncollected::Busy) }
}

/// How long a client may take. Most bodies are there at once, so the timer is made when one is not.
struct Patience<'a> {
    state: &'a Arc<ConnectionState>,
    received: usize,
    waits: Option<Waits>,
}

struct Waits {
    start: Instant,
    timer: Pin<Box<Sleep>>,
    _receiving: Receiving,
}

impl Patience<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limits = &self.state.http.limits;
        let allowed = limits.body_timeout.min(limits.body_deadline);
        let waits = self.waits.get_or_insert_with(|| Waits {
            start: clock::now(),
            timer: Box::pin(clock::sleep(allowed)),
            _receiving: self.state.receive(),
        });
        while waits.timer.as_mut().poll(cx).is_ready() {
            let earned = Duration::from_secs((self.received >> 10) as u64);
            let due = waits.start + (limits.body_timeout + earned).min(limits.body_deadline);
            if due <= clock::now() {
                return Poll::Ready(());
            }
            waits.timer.as_mut().reset(due.into());
        }
        Poll::Pending
    }
}
