//! A place in the line.

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::clock;
use super::connect::Connect;
use super::shared::Shared;
use crate::error::PoolError;
use crate::keyed_pool::Checkout;
use crate::line::WaitId;

/// Resolves when it is served or refused; dropping it gives up the place, or what it was granted.
pub(super) struct Waiting<'p, K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    pool: &'p Shared<K, M>,
    /// None once it has got what it waited for.
    id: Option<WaitId>,
    timer: Timer,
}

impl<'p, K, M> Waiting<'p, K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    pub(super) const fn new(pool: &'p Shared<K, M>, id: WaitId, deadline: Option<Instant>) -> Self {
        Self { pool, id: Some(id), timer: Timer::new(deadline) }
    }
}

impl<K, M> Future for Waiting<'_, K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    type Output = Result<Checkout<Arc<M::Connection>>, PoolError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let Some(id) = this.id else { return Poll::Pending };
            // A waker is somebody else's code: cloned and dropped with no lock held.
            let waker = cx.waker().clone();
            let mut state = this.pool.lock();
            if let Some(turn) = state.turns.remove(&id) {
                this.id = None;
                drop(state);
                return Poll::Ready(turn);
            }
            let known = state.pool.waiter_mut(id).and_then(|known| known.replace(waker));
            drop(state);
            drop(known);
            if this.timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            // The pool refuses all whose deadline has passed, this one among them.
            this.pool.serve(this.pool.lock(), clock::now());
        }
    }
}

impl<K, M> Drop for Waiting<'_, K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut state = self.pool.lock();
        let waker = state.pool.cancel(id);
        let turn = state.turns.remove(&id);
        drop(state);
        drop(waker);
        if let Some(Ok(checkout)) = turn {
            self.pool.put_back_unused(checkout);
        }
    }
}

/// Fires once, at a deadline if there is one; made when first polled.
struct Timer {
    at: Option<Instant>,
    #[cfg(not(shuttle))]
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

#[cfg(not(shuttle))]
impl Timer {
    const fn new(at: Option<Instant>) -> Self {
        Self { at, sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() {
            let at = self.at.take();
            self.sleep = at.map(|at| Box::pin(tokio::time::sleep_until(at.into())));
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        let fired = sleep.as_mut().poll(cx);
        if fired.is_ready() {
            self.sleep = None;
        }
        fired
    }
}

#[cfg(shuttle)]
impl Timer {
    const fn new(at: Option<Instant>) -> Self {
        Self { at }
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        self.at.take();
        Poll::Pending
    }
}
