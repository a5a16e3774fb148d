//! Runs one load for a key at a time, however many callers wait for it (single-flight).

mod members;
mod priority;
#[cfg(all(test, shuttle))]
mod shuttle;
#[cfg(all(test, not(shuttle)))]
mod tests;
mod under_way;
mod waiting;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hashbrown::HashTable;
pub(crate) use priority::PriorityHandle;
use under_way::Flight;
pub(crate) use under_way::Load;
use waiting::Boxing;
pub(crate) use waiting::Make;
pub(crate) use waiting::Waiter;

use crate::generations::Epoch;
use crate::key::CacheKey;
use crate::sync::{Mutex, lock};

/// The loads under way, by key: a caller joins the load of its key, or begins one.
///
/// A flight owns the future of its load. Whichever waiter is alive polls it: when the one that does is dropped, another is
/// woken in its place, and when the last is dropped, so is the load. Nothing is spawned. A waiter is polled when it joins,
/// when it has to take over, and when the value is there; only the one that polls the load is woken by it.
///
/// `T` is the value and is cloned for each waiter. `L` is the urgency of a waiter, greater being more urgent; see
/// [`PriorityHandle`].
///
/// A waiter that is kept but never polled again can hold up the others if it was the one to poll the
/// load, as with any future that is shared: poll it or drop it.
pub(crate) struct SingleFlight<T, L = ()> {
    map: Arc<Map<FlightOutcome<T>, T, L>>,
}

/// By the hashes of their keys, which come with them.
pub(crate) type Map<R, T, L> = Mutex<HashTable<Arc<Flight<R, T, L>>>>;

/// Finds the loads under way, and receives how they ended.
pub(crate) trait Listed<R, T, L> {
    fn map(&self) -> &Map<R, T, L>;

    /// Turns what the load of `key` returned into what its waiters receive.
    fn deliver(&self, key: &CacheKey, ended: R) -> FlightOutcome<T>;
}

impl<R, T, L, M: Listed<R, T, L>> Listed<R, T, L> for &M {
    fn map(&self) -> &Map<R, T, L> {
        (**self).map()
    }

    fn deliver(&self, key: &CacheKey, ended: R) -> FlightOutcome<T> {
        (**self).deliver(key, ended)
    }
}

/// For whom the result of a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlightOutcome<T> {
    /// For every waiter.
    Shared(T),
    /// For the caller alone whose load it was (a refusal, say): the next waiter loads for itself.
    Personal(T),
}

/// What a waiter receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joined<T> {
    /// The value.
    pub(crate) value: T,
    /// Whether it came from another waiter's load.
    pub(crate) joined: bool,
}

/// The load panicked, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Which load a caller may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinOptions<L = ()> {
    /// When a load that this caller starts would begin.
    pub(crate) epoch: Epoch,
    /// Loads that began before this epoch may have read invalidated data, and are not joined.
    pub(crate) valid_since: Epoch,
    /// How urgent this caller is; greater is more urgent.
    pub(crate) urgency: L,
}

impl<L> JoinOptions<L> {
    /// Joins any load.
    pub(crate) const fn any(urgency: L) -> Self {
        Self { epoch: Epoch(0), valid_since: Epoch(0), urgency }
    }

    /// Joins a load that began at `valid_since` or later, or else begins one at `epoch`.
    pub(crate) const fn since(valid_since: Epoch, epoch: Epoch, urgency: L) -> Self {
        Self { epoch, valid_since, urgency }
    }
}

impl<T: Clone, L: Ord + Clone> SingleFlight<T, L> {
    /// No loads under way.
    pub(crate) fn new() -> Self {
        Self { map: Arc::new(Mutex::new(HashTable::new())) }
    }

    /// Joins the load of `key` under way, or else begins the one that `load` makes.
    ///
    /// Nothing happens before the first poll. `load` is called when this caller leads: at once, or after
    /// a result that was for another caller alone. It runs inside the poll of whichever waiter is alive.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. The load goes on while anyone waits for it.
    pub(crate) fn join<F, Fut>(&self, key: CacheKey, join: JoinOptions<L>, load: F) -> Join<T, L, F>
    where
        F: FnOnce(PriorityHandle<L>) -> Fut,
        Fut: Future<Output = FlightOutcome<T>> + Send + 'static,
    {
        Join(Waiter::new(self.clone(), key, join, Boxing(load)))
    }

    /// How many loads are under way.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.map).len()
    }

    /// Whether none is.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Waits for a load, and polls it when it is its turn; made by [`SingleFlight::join`].
#[must_use = "a future does nothing until it is polled"]
pub(crate) struct Join<T, L: Ord + Clone, F>(Waiter<SingleFlight<T, L>, FlightOutcome<T>, T, L, Boxing<F>>);

impl<T, L, F, Fut> Future for Join<T, L, F>
where
    T: Clone + Send + 'static,
    L: Ord + Clone + Send + 'static,
    F: FnOnce(PriorityHandle<L>) -> Fut,
    Fut: Future<Output = FlightOutcome<T>> + Send + 'static,
{
    type Output = Result<Joined<T>, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T, L> Listed<FlightOutcome<T>, T, L> for SingleFlight<T, L> {
    fn map(&self) -> &Map<FlightOutcome<T>, T, L> {
        &self.map
    }

    fn deliver(&self, _: &CacheKey, ended: FlightOutcome<T>) -> FlightOutcome<T> {
        ended
    }
}

impl<T: Clone, L: Ord + Clone> Default for SingleFlight<T, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, L> Clone for SingleFlight<T, L> {
    fn clone(&self) -> Self {
        Self { map: Arc::clone(&self.map) }
    }
}

impl<T, L> fmt::Debug for SingleFlight<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").field("under_way", &lock(&self.map).len()).finish()
    }
}

impl<T, L: Ord + Clone, F> fmt::Debug for Join<T, L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").finish_non_exhaustive()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the load panicked")
    }
}

impl std::error::Error for Panicked {}
