//! What a caller asks for, what a load returns, and what the caller receives.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crate::key::CacheKey;
use crate::options::EntryOptions;
use crate::single_flight::PriorityHandle;
use crate::tags::Tags;

/// Says how one caller wants a missing value loaded: its time limit, the tags it will carry, the caller's urgency.
///
/// ```
/// use std::time::Duration;
/// use toolpost_cache::rt::LoadOptions;
///
/// let options = LoadOptions::new().limit(Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct LoadOptions<'a, L = ()> {
    pub(super) tags: Option<&'a Tags>,
    pub(super) limit: Duration,
    pub(super) pause: Duration,
    pub(super) urgency: L,
}

impl LoadOptions<'_> {
    /// Limits the load to 60 seconds, and pauses a second after a failed refresh.
    pub const fn new() -> Self {
        let (limit, pause) = (Duration::from_secs(60), Duration::from_secs(1));
        Self { tags: None, limit, pause, urgency: () }
    }
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, L> LoadOptions<'a, L> {
    /// Limits the time of the load; each caller may leave before.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Sets how long to wait before the next refresh, after one has failed.
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Names the tags that the value will carry, so that a load overtaken by their invalidation is not joined.
    pub fn tags_of(self, options: &'a EntryOptions) -> Self {
        Self { tags: Some(options.tags()), ..self }
    }

    /// Sets how urgent the caller is, greater being more urgent: the load learns of it, see [`LoadContext::on_raise`].
    pub fn urgency<M>(self, urgency: M) -> LoadOptions<'a, M> {
        let Self { tags, limit, pause, .. } = self;
        LoadOptions { tags, limit, pause, urgency }
    }
}

/// Tells a load which key it is for, whether anyone waits for it, and how urgently.
#[derive(Debug)]
pub struct LoadContext<L = ()> {
    pub(super) is_refresh: bool,
    pub(super) began: Instant,
    pub(super) priority: PriorityHandle<L>,
}

impl<L: Ord + Clone> LoadContext<L> {
    /// The key whose value is to be loaded.
    #[must_use]
    pub fn key(&self) -> &CacheKey {
        self.priority.key()
    }

    /// Whether the load refreshes a stale value that has been served, so that nobody waits and no deadline or progress of
    /// the caller applies.
    #[must_use]
    pub const fn is_refresh(&self) -> bool {
        self.is_refresh
    }

    /// When the load began, on tokio's clock; after [`ReadThrough::hit`](super::ReadThrough::hit) the time of that look-up,
    /// unless the key is longer than 4 KiB.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// How urgent the most urgent caller was when the load was made.
    #[must_use]
    pub const fn initial_urgency(&self) -> &L {
        self.priority.initial()
    }

    /// How urgent the most urgent caller so far is. It never sinks while the load runs.
    #[must_use]
    pub fn urgency(&self) -> L {
        self.priority.urgency()
    }

    /// Calls `hook` now with the urgency, and then whenever a more urgent caller joins; a later hook replaces it.
    ///
    /// A load that waits in a queue moves forward by it. Once the load has ended, a hook is called now and never again. It may
    /// be called by several threads at once.
    pub fn on_raise(&self, hook: impl Fn(&L) + Send + Sync + 'static) {
        self.priority.on_raise(hook);
    }
}

/// The result of a load: for whom it is, and whether it is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoadOutcome<V, E> {
    /// A value for all who wait, stored with these options.
    Keep(V, EntryOptions),
    /// A value for all who wait, not stored.
    Pass(V),
    /// An error for all who wait, not stored; a stale value may be served in its place.
    Fail(E),
    /// An error that the same key would meet again, stored with these options; no stale value hides it.
    Reject(E, EntryOptions),
    /// A result for the caller alone whose load it was: the next one loads for itself. A stale value may be served in place
    /// of an error.
    Personal(Result<V, E>),
    /// An error for the caller alone whose load it was, and that no stale value hides.
    Refuse(E),
}

/// A value and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded<V> {
    /// The value.
    pub value: V,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from.
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
    /// Whether the value was in the cache before the call.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale | Self::StaleOnError)
    }
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The load failed, now or (where that was kept) before.
    Failed(E),
    /// The load failed in a way that a stale value must not hide.
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
