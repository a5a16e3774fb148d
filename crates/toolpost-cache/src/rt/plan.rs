//! What follows a look-up.

use super::load::Answered;
use crate::key::{CacheKey, KeyRef};
use crate::single_flight::JoinOptions;

/// A key, which is made when it is needed.
pub(super) enum Name<'a> {
    Lent(KeyRef<'a>),
    Own(CacheKey),
}

impl From<Name<'_>> for CacheKey {
    fn from(name: Name<'_>) -> Self {
        match name {
            Name::Lent(key) => key.into(),
            Name::Own(key) => key,
        }
    }
}

/// What a caller waits for.
pub(super) enum Awaited<W, V, E> {
    /// Nothing; the result is given once.
    Ready(Option<Answered<V, E>>),
    Flight(W),
}

/// Not structurally pinned: a waiter is `Unpin`.
impl<W, V, E> Unpin for Awaited<W, V, E> {}

/// What follows a look-up.
pub(super) enum Plan<V, E, L, F> {
    Ready(Answered<V, E>),
    /// Joins a flight, or begins one with this load.
    Join(CacheKey, JoinOptions<L>, F),
}
