//! From a question for a connection to one that is open.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::{now, within};
use super::connect::Connect;
use super::pooled::{PooledConnection, Slot};
use super::shared::{Asked, Shared, close};
use crate::error::PoolError;
use crate::keyed_pool::Checkout;

impl<K, M> Shared<K, M>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    M: Connect<K>,
{
    pub(super) async fn get<Q>(
        self: &Arc<Self>,
        key: &Q,
        deadline: Option<Instant>,
        mut asked: Instant,
    ) -> Result<PooledConnection<K, M>, PoolError<M::Error>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + Sync + ?Sized,
    {
        loop {
            let checkout = match self.ask(key, deadline, asked).map_err(PoolError::widen)? {
                Asked::Now(checkout) => checkout,
                Asked::Waits(waiting) => waiting.await.map_err(PoolError::widen)?,
            };
            if let Some(connection) = self.open(key, checkout, deadline).await? {
                return Ok(connection);
            }
            // It shared what is broken, and others still use: there is no slot for another yet, perhaps.
            asked = now();
        }
    }

    /// Sees to it that the connection is open; none if it is not and there is no slot for another.
    async fn open<Q>(
        self: &Arc<Self>,
        key: &Q,
        mut checkout: Checkout<Arc<M::Connection>>,
        deadline: Option<Instant>,
    ) -> Result<Option<PooledConnection<K, M>>, PoolError<M::Error>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + Sync + ?Sized,
    {
        loop {
            let (lease, connection, check) = match checkout {
                Checkout::Ready { lease, connection, check } => (lease, connection, check),
                Checkout::Connect { lease, replaced } => {
                    let slot = Slot::empty(Arc::clone(self), lease);
                    close(replaced);
                    return self.make(slot, &key.to_owned(), deadline).await.map(Some);
                }
            };
            let slot = Slot::holding(Arc::clone(self), lease, connection);
            if slot.is_open() {
                if !check {
                    return Ok(Some(slot.lend()));
                }
                let limit = remaining(self.times().check, deadline);
                if within(limit, slot.check()).await == Some(true) {
                    slot.connected();
                    return Ok(Some(slot.lend()));
                }
            }
            match slot.replace() {
                Some(other) => checkout = other,
                None => return Ok(None),
            }
        }
    }

    async fn make(
        &self,
        slot: Slot<K, M>,
        key: &K,
        deadline: Option<Instant>,
    ) -> Result<PooledConnection<K, M>, PoolError<M::Error>> {
        let limit = remaining(self.times().connect, deadline);
        match within(limit, self.connect().connect(key)).await {
            Some(Ok(connection)) => Ok(slot.fill(connection).lend()),
            Some(Err(error)) => Err(PoolError::Connect(error)),
            None => Err(PoolError::ConnectTimedOut(limit)),
        }
    }
}

fn remaining(limit: Duration, deadline: Option<Instant>) -> Duration {
    deadline.map_or(limit, |deadline| limit.min(deadline.saturating_duration_since(now())))
}
