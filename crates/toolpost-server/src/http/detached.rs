//! A call that goes on when its connection does not: in the legacy era a client that disconnects
//! has not taken its call back.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;

use super::pooled::PooledCall;
use crate::Reply;

/// Runs in its connection's task while there is one, and in a task of its own from then on.
///
/// Nothing is spawned for a call that ends first. The tracker owns and counts what is spawned.
pub(crate) struct Detached {
    call: Option<PooledCall>,
    tracker: TaskTracker,
    most: usize,
}

impl Detached {
    /// A call that outlives its connection, unless `most` others do so already.
    pub(crate) const fn new(call: PooledCall, tracker: TaskTracker, most: usize) -> Self {
        Self { call: Some(call), tracker, most }
    }
}

impl Future for Detached {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let Some(call) = &mut self.call else { return Poll::Ready(Reply::accepted()) };
        let reply = std::task::ready!(Pin::new(call).poll(cx));
        self.call = None;
        Poll::Ready(reply)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        // Outside a runtime there is nobody to go on running it.
        if self.tracker.len() < self.most && tokio::runtime::Handle::try_current().is_ok() {
            self.tracker.spawn(call);
        }
    }
}
