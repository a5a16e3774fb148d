//! The pool that connects.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use super::clock;
use super::connect::Connect;
use super::pooled::PooledConnection;
use super::shared::Shared;
use crate::error::PoolError;
use crate::options::PoolOptions;
use crate::stats::PoolStats;

/// A keyed pool of connections, which makes them when there is none.
///
/// A handle; clones share everything. Nothing is spawned: a connection is made by whoever waits for it, and comes back when
/// its guard is dropped, on whatever thread, inside a runtime or not. No lock is held while connecting, checking or closing.
///
/// Each connection that comes back closes one that has been idle for too long. So that this also happens while nobody asks,
/// have [`maintain`](Self::maintain) run by a task of your own.
pub struct ConnectionPool<K, M: Connect<K>>(Arc<Shared<K, M>>);

impl<K, M> ConnectionPool<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    /// Begins empty; `connect` makes the connections.
    #[must_use]
    pub fn new(options: PoolOptions, connect: M) -> Self {
        Self(Arc::new(Shared::new(options, connect)))
    }

    /// Gets a connection of `key`: an idle one, one to share, or a new one, within the pool's
    /// [time](PoolOptions::get_timeout).
    ///
    /// # Errors
    ///
    /// When there is none in time, too many wait, none can be made, or the pool is closed.
    ///
    /// # Panics
    ///
    /// When what makes connections panics; and outside a tokio runtime with time if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the line, and a connection that is being made or checked; nothing is left
    /// behind.
    pub async fn get<Q>(&self, key: &Q) -> Result<PooledConnection<K, M>, PoolError<M::Error>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + Sync + ?Sized,
    {
        let now = clock::now();
        self.0.get(key, now.checked_add(self.0.times().get), now).await
    }

    /// Gets a connection of `key` by a deadline, on tokio's clock.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Self::get).
    pub async fn get_by<Q>(
        &self,
        key: &Q,
        deadline: Instant,
    ) -> Result<PooledConnection<K, M>, PoolError<M::Error>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + Sync + ?Sized,
    {
        self.0.get(key, Some(deadline), clock::now()).await
    }

    /// What the pool holds, and what it did.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }

    /// Closes every connection, those in use when they come back; returns how many were idle.
    #[expect(
        clippy::must_use_candidate,
        reason = "clearing is done for its effect; the number is news at best"
    )]
    pub fn clear(&self) -> usize {
        self.0.clear(|pool, now| pool.clear(now))
    }

    /// Closes every connection of `key`, those in use when they come back; returns how many were idle.
    pub fn clear_key<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.clear(|pool, now| pool.clear_key(key, now))
    }

    /// Closes the pool: hands out nothing more, refuses those that wait, closes what is idle, and what is in use when it comes
    /// back.
    pub fn close(&self) {
        self.0.clear(|pool, now| pool.close(now));
    }

    /// Closes the pool, and waits until every connection is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting; the pool stays closed.
    pub async fn drain(&self) {
        self.close();
        loop {
            let mut changed = pin!(self.0.changed().notified());
            // Listening before looking, so that the last one is not missed.
            changed.as_mut().enable();
            if self.0.stats().in_use == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Closes what is idle for too long or over its life, for as long as it is polled.
    ///
    /// Resolves once the pool is closed or no handle of it is left: it keeps none alive. A connection is closed at most a minute
    /// after its time, or one idle time if that is shorter.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops what it does, and leaves nothing behind.
    pub fn maintain(&self) -> impl Future<Output = ()> + Send + use<K, M> {
        let (pool, changed) = (Arc::downgrade(&self.0), self.0.changed().clone());
        async move {
            loop {
                let mut changed = pin!(changed.notified());
                // Listening before looking, so that closing is not missed.
                changed.as_mut().enable();
                let Some(until) = pool.upgrade().and_then(|pool| pool.maintain()) else { return };
                let _elapsed = tokio::time::timeout_at(until.into(), changed).await;
            }
        }
    }
}

impl<K, M: Connect<K>> Clone for ConnectionPool<K, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, M: Connect<K>> fmt::Debug for ConnectionPool<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionPool").field(&self.0).finish()
    }
}
