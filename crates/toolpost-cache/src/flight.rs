//! Asks each question once, however many are waiting for the answer.

mod lift;
mod seats;
mod under_way;
mod waiting;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hashbrown::HashTable;
pub use lift::Lift;
use under_way::Flight;
#[cfg(feature = "tokio")]
pub(crate) use under_way::Load;
use waiting::Boxing;
#[cfg(feature = "tokio")]
pub(crate) use waiting::Make;
pub(crate) use waiting::Waiter;

use crate::generations::Epoch;
use crate::key::Key;
use crate::sync::{Mutex, lock};

/// The loads under way, by key: who asks what is already being asked waits for that answer.
///
/// A flight owns the future of its load. Whichever waiter is alive polls it: when the one that does is
/// dropped, another is woken in its place, and when the last is dropped, so is the load. Nothing is
/// spawned. A waiter is polled when it joins, when it has to take over, and when the answer is there;
/// only the one that polls the load is woken by it.
///
/// `T` is the answer and is cloned for each waiter. `L` says how urgent a waiter is, greater being more
/// urgent; see [`Lift`].
///
/// A waiter that is kept but never polled again can hold up the others if it was the one to poll the
/// load, as with any future that is shared: poll it or drop it.
pub struct Flights<T, L = ()> {
    map: Arc<Map<Landing<T>, T, L>>,
}

/// By the hashes of their keys, which come with them.
pub(crate) type Map<R, T, L> = Mutex<HashTable<Arc<Flight<R, T, L>>>>;

/// What leads to the loads under way, and lands them.
pub(crate) trait Listed<R, T, L> {
    fn map(&self) -> &Map<R, T, L>;

    /// What the waiters get of what the load of `key` has come to.
    fn land(&self, key: &Key, ended: R) -> Landing<T>;
}

#[cfg(feature = "tokio")]
impl<R, T, L, M: Listed<R, T, L>> Listed<R, T, L> for &M {
    fn map(&self) -> &Map<R, T, L> {
        (**self).map()
    }

    fn land(&self, key: &Key, ended: R) -> Landing<T> {
        (**self).land(key, ended)
    }
}

/// How a load landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing<T> {
    /// The answer is for every waiter.
    Shared(T),
    /// The answer belongs to the caller whose load it was (a refusal, say): the next waiter asks for itself.
    Personal(T),
}

/// What a waiter got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival<T> {
    /// The answer.
    pub value: T,
    /// Whether it came from somebody else's load.
    pub joined: bool,
}

/// What has become of something at its first poll.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started<A, F> {
    /// It has ended, in this.
    Ended(A),
    /// It has to wait, and goes on as this future.
    Waits(F),
}

#[cfg(feature = "tokio")]
impl<A, F> Started<A, F> {
    /// What a poll says of it; what has to wait is put into `rest`.
    pub fn or_wait(self, rest: &mut Option<F>) -> Poll<A> {
        match self {
            Self::Ended(answer) => Poll::Ready(answer),
            Self::Waits(waiting) => {
                *rest = Some(waiting);
                Poll::Pending
            }
        }
    }
}

/// The load panicked, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panicked;

/// Which flight a caller may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Boarding<L = ()> {
    /// When a load that this caller starts would begin.
    pub epoch: Epoch,
    /// Loads that began before this are no good to this caller: what they read has been invalidated.
    pub valid_since: Epoch,
    /// How urgent this caller is; greater is more urgent.
    pub urgency: L,
}

impl<L> Boarding<L> {
    /// Boards any flight.
    #[must_use]
    pub const fn any(urgency: L) -> Self {
        Self { epoch: Epoch(0), valid_since: Epoch(0), urgency }
    }

    /// Boards a flight that began at `valid_since` or later, or else starts one at `epoch`.
    #[must_use]
    pub const fn since(valid_since: Epoch, epoch: Epoch, urgency: L) -> Self {
        Self { epoch, valid_since, urgency }
    }
}

impl<T: Clone, L: Ord + Clone> Flights<T, L> {
    /// No loads under way.
    #[must_use]
    pub fn new() -> Self {
        Self { map: Arc::new(Mutex::new(HashTable::new())) }
    }

    /// Waits for the load of `key` under way, or else for the one that `load` makes.
    ///
    /// Nothing happens before the first poll. `load` is called when this caller leads: at once, or after
    /// an answer that belonged to somebody else. It runs inside the poll of whichever waiter is alive.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. The load goes on while anyone waits for it.
    pub fn join<F, Fut>(&self, key: Key, boarding: Boarding<L>, load: F) -> Join<T, L, F>
    where
        F: FnOnce(Lift<L>) -> Fut,
        Fut: Future<Output = Landing<T>> + Send + 'static,
    {
        Join(Waiter::new(self.clone(), key, boarding).laden(Boxing(load)))
    }

    /// How many loads are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.map).len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Waits for a load, and polls it when it is its turn; made by [`Flights::join`].
#[must_use = "a future does nothing until it is polled"]
pub struct Join<T, L: Ord + Clone, F>(Waiter<Flights<T, L>, Landing<T>, T, L, Boxing<F>>);

impl<T, L, F, Fut> Future for Join<T, L, F>
where
    T: Clone + Send + 'static,
    L: Ord + Clone + Send + 'static,
    F: FnOnce(Lift<L>) -> Fut,
    Fut: Future<Output = Landing<T>> + Send + 'static,
{
    type Output = Result<Arrival<T>, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T, L> Listed<Landing<T>, T, L> for Flights<T, L> {
    fn map(&self) -> &Map<Landing<T>, T, L> {
        &self.map
    }

    fn land(&self, _: &Key, ended: Landing<T>) -> Landing<T> {
        ended
    }
}

impl<T: Clone, L: Ord + Clone> Default for Flights<T, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, L> Clone for Flights<T, L> {
    fn clone(&self) -> Self {
        Self { map: Arc::clone(&self.map) }
    }
}

impl<T, L> fmt::Debug for Flights<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &lock(&self.map).len()).finish()
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
