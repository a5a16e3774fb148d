//! What a caller asks, what a load comes to, and what the caller is answered.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crate::flight::Lift;
use crate::lifetime::Terms;
use crate::tags::Tags;

/// A question, for one caller.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Request<'a, L = ()> {
    pub(super) key: &'a [u8],
    pub(super) tags: Option<&'a Tags>,
    pub(super) limit: Duration,
    pub(super) pause: Duration,
    pub(super) urgency: L,
}

impl<'a> Request<'a> {
    /// A question with this key, and a minute for its load.
    pub fn new<K: AsRef<[u8]> + ?Sized>(key: &'a K) -> Self {
        let key = key.as_ref();
        let (limit, pause) = (Duration::from_secs(60), Duration::from_secs(1));
        Self { key, tags: None, limit, pause, urgency: () }
    }
}

impl<'a, L> Request<'a, L> {
    /// Gives the load so much time; each caller leaves when it likes.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Waits so long before the next refresh, after one has failed.
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Names the tags the answer will depend on: a load overtaken by their invalidation is not joined.
    pub fn tags(self, tags: &'a Tags) -> Self {
        Self { tags: Some(tags), ..self }
    }

    /// Says how urgent the caller is.
    pub fn urgency<M>(self, urgency: M) -> Request<'a, M> {
        let Self { key, tags, limit, pause, .. } = self;
        Request { key, tags, limit, pause, urgency }
    }
}

/// Why a load runs, and for whom.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loading<L = ()> {
    /// Whether anyone waits for it.
    pub purpose: Purpose,
    /// When it began, on tokio's clock: if it follows a look-up [at once](super::ReadThrough::start), the time of that
    /// look-up, unless its key was long (4 KiB), which takes a while to write.
    pub began: Instant,
    /// How urgent its waiters are.
    pub lift: Lift<L>,
}

/// Why a load runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A caller waits for the answer.
    Answer,
    /// A stale answer was served, and nobody waits: no deadline or progress of the caller applies.
    Refresh,
}

/// What a load came to, and what becomes of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome<V, E> {
    /// An answer for everyone who waits, kept on these terms.
    Keep(V, Terms),
    /// An answer for everyone who waits, not kept.
    Pass(V),
    /// A failure for everyone who waits, not kept; a stale answer may be served in its place.
    Fail(E),
    /// A failure that the same question would meet again, kept on these terms; no stale answer hides it.
    Reject(E, Terms),
    /// What belongs to the caller whose load it was: the next one asks for itself. A stale answer may be
    /// served in place of a failure.
    Personal(Result<V, E>),
    /// A failure that belongs to the caller whose load it was, and that no stale answer hides.
    Refuse(E),
}

/// An answer and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<V> {
    /// The answer.
    pub value: V,
    /// Where it came from.
    pub source: Source,
}

/// What a caller is told.
pub type Answered<V, E> = Result<Answer<V>, LoadError<E>>;

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A fresh entry.
    Fresh,
    /// A stale entry; a refresh runs or has run lately.
    Stale,
    /// An entry kept in case the load failed, which it did.
    StaleOnError,
    /// This caller's load.
    Loaded,
    /// Another caller's load.
    Joined,
}

impl Source {
    /// Whether the answer was there before the question.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale | Self::StaleOnError)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The load failed, now or (where that was kept) before.
    Failed(E),
    /// The load failed in a way that a stale answer must not hide.
    Rejected(E),
    /// The load panicked.
    Panicked,
    /// The load took longer than its limit, which was this.
    TimedOut(Duration),
}

impl<E> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the load failed"),
            Self::Rejected(_) => f.write_str("the load was rejected"),
            Self::Panicked => f.write_str("the load panicked"),
            Self::TimedOut(limit) => write!(f, "the load took longer than {limit:?}"),
        }
    }
}

impl<E: Error + 'static> Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) | Self::Rejected(error) => Some(error),
            Self::Panicked | Self::TimedOut(_) => None,
        }
    }
}
