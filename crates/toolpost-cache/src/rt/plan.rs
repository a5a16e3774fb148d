//! What follows a look-up.

use super::answer::Answered;
use crate::flight::Boarding;
use crate::key::{Key, KeyRef};

/// A key, which is made when it is needed.
pub(super) enum Name<'a> {
    Lent(KeyRef<'a>),
    Own(Key),
}

impl From<Name<'_>> for Key {
    fn from(name: Name<'_>) -> Self {
        match name {
            Name::Lent(key) => key.into(),
            Name::Own(key) => key,
        }
    }
}

/// What a caller waits for.
pub(super) enum Awaited<W, V, E> {
    /// Nothing; the answer is given once.
    Answer(Option<Answered<V, E>>),
    Flight(W),
}

/// Nothing in it is pinned.
impl<W, V, E> Unpin for Awaited<W, V, E> {}

/// What follows a look-up.
pub(super) enum Plan<V, E, L, F> {
    Answer(Answered<V, E>),
    /// Boards a flight, and makes this load if that begins then.
    Board(Key, Boarding<L>, F),
}
