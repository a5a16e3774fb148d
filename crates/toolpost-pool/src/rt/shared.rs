//! What all handles of a pool share.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::clock;
use super::connect::Connect;
use super::sync::{Mutex, MutexGuard, lock};
use super::times::Times;
use super::waiting::Waiting;
use crate::error::PoolError;
use crate::keyed_pool::{Checkout, KeyedPool, Lease};
use crate::line::WaitId;
use crate::options::PoolOptions;
use crate::stats::PoolStats;

pub(crate) struct Shared<K, M: Connect<K>> {
    connect: M,
    times: Times,
    /// How long an idle connection outlives its time at most.
    period: Duration,
    state: Mutex<State<K, M::Connection>>,
    changed: Changed,
}

/// Behind the lock, which nobody holds while waking, awaiting, or running anybody else's code but that of a key.
pub(super) struct State<K, C> {
    pub(super) pool: KeyedPool<K, Arc<C>, Option<Waker>>,
    /// What was decided about those that wait, until they look.
    pub(super) turns: HashMap<WaitId, Turn<C>>,
}

pub(super) type Turn<C> = Result<Checkout<Arc<C>>, PoolError>;

/// What whoever asked has.
pub(super) enum Asked<'p, K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    Now(Checkout<Arc<M::Connection>>),
    Waits(Waiting<'p, K, M>),
}

/// Tells that a closed pool has become empty, or that there is no pool any more.
struct Changed(Arc<Notify>);

impl Drop for Changed {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

impl<K, M> Shared<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    pub(super) fn new(options: PoolOptions, connect: M) -> Self {
        Self {
            connect,
            times: options.times,
            period: options.idle_time.clamp(Duration::from_millis(1), Duration::from_secs(60)),
            state: Mutex::new(State { pool: KeyedPool::new(options), turns: HashMap::new() }),
            changed: Changed(Arc::new(Notify::new())),
        }
    }

    pub(super) const fn times(&self) -> Times {
        self.times
    }

    pub(super) const fn connect(&self) -> &M {
        &self.connect
    }

    pub(super) const fn changed(&self) -> &Arc<Notify> {
        &self.changed.0
    }

    /// What `key` can have at once, or a place in the line.
    pub(super) fn ask<Q>(
        &self,
        key: &Q,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Asked<'_, K, M>, PoolError>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let mut state = lock(&self.state);
        if let Some(checkout) = state.pool.try_acquire(key, now) {
            return Ok(Asked::Now(checkout));
        }
        let joined = state.pool.wait(key, None, deadline, now);
        self.serve(state, now);
        joined.map(|id| Asked::Waits(Waiting::new(self, id, deadline))).map_err(|(_waker, refusal)| refusal)
    }

    /// Takes back a connection that was used and is good, as far as whoever used it knows.
    pub(super) fn put_back(&self, lease: Lease, connection: Arc<M::Connection>) {
        let is_open = catch_unwind(AssertUnwindSafe(|| self.connect.is_open(&connection)));
        if !is_open.unwrap_or(false) {
            return self.discard(lease, connection);
        }
        let now = clock::now();
        let mut state = lock(&self.state);
        let refused = state.pool.give_back(lease, connection, now).err();
        let expired = state.pool.expire(now);
        self.serve(state, now);
        for (lease, connection) in refused.into_iter().chain(expired) {
            close(connection);
            self.release(lease);
        }
    }

    /// Takes back what was granted to one that left before it looked.
    pub(super) fn put_back_unused(&self, checkout: Checkout<Arc<M::Connection>>) {
        match checkout {
            // Whoever asks next finds it as it was: idle for as long as it is.
            Checkout::Ready { lease, connection, .. } => {
                let now = clock::now();
                let mut state = lock(&self.state);
                let refused = state.pool.give_back_unused(lease, connection, now).err();
                self.serve(state, now);
                if let Some((lease, connection)) = refused {
                    close(connection);
                    self.release(lease);
                }
            }
            Checkout::Connect { lease, replaced } => {
                close(replaced);
                self.release(lease);
            }
        }
    }

    /// Closes a connection that is broken.
    pub(super) fn discard(&self, lease: Lease, connection: Arc<M::Connection>) {
        self.close_broken(&lease, connection);
        self.release(lease);
    }

    /// Closes a connection that turned out broken before it was used, and says what there is in its place.
    pub(super) fn replace(
        &self,
        lease: Lease,
        connection: Arc<M::Connection>,
    ) -> Option<Checkout<Arc<M::Connection>>> {
        self.close_broken(&lease, connection);
        let now = clock::now();
        let mut state = lock(&self.state);
        let checkout = state.pool.replace(lease, now);
        self.serve(state, now);
        checkout
    }

    fn close_broken(&self, lease: &Lease, connection: Arc<M::Connection>) {
        let kept = self.mark_broken(lease);
        close((connection, kept));
    }

    /// From now on nobody gets the connection of this lease, whoever shares it.
    pub(super) fn mark_broken(&self, lease: &Lease) -> Option<Arc<M::Connection>> {
        lock(&self.state).pool.mark_broken(lease)
    }

    /// Frees the slot of a connection that is closed, or was not made.
    pub(super) fn release(&self, lease: Lease) {
        let mut state = lock(&self.state);
        state.pool.release(lease);
        self.serve(state, clock::now());
    }

    /// Lets others share a connection that was made, or found alive.
    pub(super) fn connected(&self, lease: &Lease, connection: &Arc<M::Connection>) {
        let now = clock::now();
        let mut state = lock(&self.state);
        state.pool.connected(lease, connection, now);
        self.serve(state, now);
    }

    /// Clears the pool, in part or for ever, and closes what was idle.
    pub(super) fn clear(
        &self,
        clear: impl FnOnce(&mut KeyedPool<K, Arc<M::Connection>, Option<Waker>>, Instant) -> usize,
    ) -> usize {
        let now = clock::now();
        let mut state = lock(&self.state);
        let cleared = clear(&mut state.pool, now);
        let is_closed = state.pool.is_closed();
        self.serve(state, now);
        self.sweep(now);
        if is_closed {
            self.changed().notify_waiters();
        }
        cleared
    }

    /// Closes what is over, and says when to look again; none if the pool is closed.
    pub(super) fn maintain(&self) -> Option<Instant> {
        let now = clock::now();
        self.sweep(now);
        let state = lock(&self.state);
        // What comes back meanwhile is over no earlier than one idle time from now.
        let latest = now + self.period;
        (!state.pool.is_closed()).then(|| state.pool.next_timeout().map_or(latest, |next| next.min(latest)))
    }

    fn sweep(&self, now: Instant) {
        loop {
            let expired = lock(&self.state).pool.expire(now);
            let Some((lease, connection)) = expired else { return };
            close(connection);
            self.release(lease);
        }
    }

    /// Serves those that wait, and wakes them once the lock is released.
    pub(super) fn serve(&self, mut state: MutexGuard<'_, State<K, M::Connection>>, now: Instant) {
        let mut wakers = Vec::new();
        while let Some((id, waker, turn)) = state.pool.next(now) {
            state.turns.insert(id, turn);
            wakers.extend(waker);
        }
        let is_drained = state.pool.is_closed() && state.pool.in_use() == 0;
        drop(state);
        if is_drained {
            self.changed().notify_waiters();
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<K, M: Connect<K>> Shared<K, M> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<K, M::Connection>> {
        lock(&self.state)
    }

    pub(super) fn stats(&self) -> PoolStats {
        self.lock().pool.stats()
    }
}

impl<K, M: Connect<K>> fmt::Debug for Shared<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Drops a connection, which closes it, outside of the lock. One that panics costs nobody else anything.
pub(super) fn close<C>(connection: C) {
    let _closed = catch_unwind(AssertUnwindSafe(|| drop(connection)));
}
