//! A connection that is lent, as a guard.

use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

use super::connect::Connect;
use super::shared::{Shared, close};
use crate::keyed_pool::{Checkout, Lease};

/// A connection of a pool, which goes back to it when this is dropped.
///
/// Dropping it needs no runtime. One that is broken is told so by [`discard`](Self::discard) or
/// [`mark_broken`](Self::mark_broken); so is one whose answer somebody else could get, as when a request was given up halfway
/// on a connection that does not tell answers apart.
#[must_use = "a connection that is dropped goes back to the pool"]
pub struct PooledConnection<K, M>(Slot<K, M>)
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>;

impl<K, M> PooledConnection<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    /// Exclusive access; none where others may share the connection.
    pub fn get_mut(&mut self) -> Option<&mut M::Connection> {
        Arc::get_mut(self.0.connection.as_mut()?)
    }

    /// Closes the connection instead of giving it back. Where others share it, they go on with it, and nobody else gets it.
    pub fn discard(mut self) {
        self.0.keep = false;
    }

    /// Marks the connection as broken: nobody gets it from now on, and it is closed when this is dropped.
    pub fn mark_broken(&mut self) {
        self.0.keep = false;
        if let Some(lease) = &self.0.lease {
            close(self.0.pool.mark_broken(lease));
        }
    }
}

impl<K, M> Deref for PooledConnection<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.0.connection.as_ref().expect("a guard holds its connection until it is dropped")
    }
}

impl<K, M> fmt::Debug for PooledConnection<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
    M::Connection: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PooledConnection").field(&**self).finish()
    }
}

/// A slot of the pool, on its way to a user or with one. Dropped, it goes back with its connection, or without.
pub(super) struct Slot<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    pool: Arc<Shared<K, M>>,
    /// None once it has gone back.
    lease: Option<Lease>,
    connection: Option<Arc<M::Connection>>,
    /// Whether the connection may be used again.
    keep: bool,
}

impl<K, M> Slot<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    /// For a connection to be made.
    pub(super) const fn empty(pool: Arc<Shared<K, M>>, lease: Lease) -> Self {
        Self { pool, lease: Some(lease), connection: None, keep: false }
    }

    /// For one that is not known to be good: whoever leaves while it is asked leaves nothing behind.
    pub(super) const fn holding(
        pool: Arc<Shared<K, M>>,
        lease: Lease,
        connection: Arc<M::Connection>,
    ) -> Self {
        Self { pool, lease: Some(lease), connection: Some(connection), keep: false }
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| self.pool.connect().is_open(connection))
    }

    pub(super) async fn check(&self) -> bool {
        match &self.connection {
            Some(connection) => self.pool.connect().check(connection).await,
            None => false,
        }
    }

    pub(super) fn fill(mut self, connection: M::Connection) -> Self {
        self.connection = Some(Arc::new(connection));
        self.connected();
        self
    }

    /// Lets others share the connection.
    pub(super) fn connected(&self) {
        if let (Some(lease), Some(connection)) = (&self.lease, &self.connection) {
            self.pool.connected(lease, connection);
        }
    }

    pub(super) fn lend(mut self) -> PooledConnection<K, M> {
        self.keep = true;
        PooledConnection(self)
    }

    /// What there is in place of a connection that is broken.
    pub(super) fn replace(mut self) -> Option<Checkout<Arc<M::Connection>>> {
        let (lease, connection) = (self.lease.take()?, self.connection.take()?);
        self.pool.replace(lease, connection)
    }
}

impl<K, M> Drop for Slot<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    fn drop(&mut self) {
        match (self.lease.take(), self.connection.take()) {
            (Some(lease), Some(connection)) if self.keep => self.pool.put_back(lease, connection),
            (Some(lease), Some(connection)) => self.pool.discard(lease, connection),
            (Some(lease), None) => self.pool.release(lease),
            (None, _) => {}
        }
    }
}
