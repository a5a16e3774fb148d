//! A call being answered, in memory that the next one uses again.
//!
//! hyper keeps the space of a request's future for as long as its connection lives, and most of that time
//! nothing is asked: so a call has a box of its own. The box is some kilobytes, and asking the allocator
//! for that much with every request costs more than the request's own work.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio_util::sync::ReusableBoxFuture;

use super::connection_state::HeldBytes;
use super::sessions::InUse;
use crate::Reply;

type Place = ReusableBoxFuture<'static, Reply>;

/// Boxes of calls that have ended, for those that begin.
#[derive(Debug, Default)]
pub(crate) struct FuturePool(Mutex<Vec<Place>>);

/// A call being answered. Dropping it drops the call.
#[derive(Debug)]
pub(crate) struct PooledCall {
    /// None once it is answered.
    call: Option<Place>,
    spare: Option<Arc<FuturePool>>,
    /// What is kept as long as the call is, and given back with it: the bytes of its request, its session.
    held: Option<HeldBytes>,
    session: Option<InUse>,
}

impl FuturePool {
    /// Calls that run at once without waiting share one box; this many may have waited at the same time.
    const MOST: usize = 64;

    /// Puts `call`, always of the same type, into a box that was used before, if there is one.
    pub(crate) fn place(self: &Arc<Self>, call: impl Future<Output = Reply> + Send + 'static) -> PooledCall {
        let place = self.lock().pop();
        let call = match place {
            Some(mut place) => {
                place.set(call);
                place
            }
            None => Place::new(call),
        };
        PooledCall { call: Some(call), spare: Some(Arc::clone(self)), held: None, session: None }
    }

    fn keep(&self, place: Place) {
        let mut places = self.lock();
        if places.len() < Self::MOST {
            places.push(place);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PooledCall {
    /// A call in a box that ends with it.
    pub(crate) fn alone(call: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self { call: Some(Place::new(call)), spare: None, held: None, session: None }
    }

    /// The call of a request that counts as `held`.
    pub(crate) fn keeping(mut self, held: Option<HeldBytes>) -> Self {
        self.held = held;
        self
    }

    /// A call within a session, which is in use until it is answered.
    pub(crate) fn within(mut self, session: Option<InUse>) -> Self {
        self.session = session;
        self
    }
}

impl Future for PooledCall {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let Some(call) = &mut self.call else { return Poll::Ready(Reply::accepted()) };
        let reply = ready!(call.poll(cx));
        // It holds nothing any more: what a future held is gone when it is ready.
        if let (Some(call), Some(spare)) = (self.call.take(), &self.spare) {
            spare.keep(call);
        }
        self.held = None;
        self.session = None;
        Poll::Ready(reply)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_box_is_used_again_once_its_call_is_answered() {
        let spare = Arc::new(FuturePool::default());
        let held = Arc::new(());
        let call = |held: &Arc<()>, ends: bool| {
            let held = Arc::clone(held);
            spare.place(async move {
                if !ends {
                    pending::<()>().await;
                }
                drop(held);
                Reply::accepted()
            })
        };
        assert!(call(&held, true).now_or_never().is_some());
        assert_eq!((spare.lock().len(), Arc::strong_count(&held)), (1, 1), "nothing is held by the box");

        let mut waits = call(&held, false);
        assert!((&mut waits).now_or_never().is_none());
        assert_eq!((spare.lock().len(), Arc::strong_count(&held)), (0, 2));
        drop(waits);
        assert_eq!((spare.lock().len(), Arc::strong_count(&held)), (0, 1), "a call that is dropped is gone");

        let calls: Vec<_> = (0..=FuturePool::MOST).map(|_| call(&held, true)).collect();
        for call in calls {
            assert!(call.now_or_never().is_some());
        }
        assert_eq!(spare.lock().len(), FuturePool::MOST);
        assert!(PooledCall::alone(ready(Reply::accepted())).now_or_never().is_some());
    }
}
