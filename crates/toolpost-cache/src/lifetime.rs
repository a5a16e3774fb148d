//! How long an answer is good for, and what it is when it no longer is.

use std::fmt;
use std::time::{Duration, Instant};

use crate::tags::Tags;

/// How long an answer is fresh, and how long it may still serve after that.
///
/// Both windows are counted from the end of freshness, as RFC 5861 counts them. Freshness is shortened
/// by up to the share of it given as jitter, so that answers stored together do not all expire together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetime {
    ttl: Nanos,
    stale: Nanos,
    on_error: Nanos,
    jitter: f64,
}

/// A time of up to 584 years, in half the room.
#[derive(Clone, Copy, PartialEq)]
struct Nanos(u64);

impl Lifetime {
    /// Fresh for `ttl`, then dead. A `ttl` of zero is never fresh; this and every other time ends after 584 years.
    #[must_use]
    pub const fn new(ttl: Duration) -> Self {
        Self { ttl: Nanos::of(ttl), stale: Nanos(0), on_error: Nanos(0), jitter: 0.0 }
    }

    /// Serves for `window` more, while one caller has the answer refreshed.
    #[must_use]
    pub const fn stale(self, window: Duration) -> Self {
        Self { stale: Nanos::of(window), ..self }
    }

    /// Serves for `window` more, if asking again fails.
    #[must_use]
    pub const fn stale_if_error(self, window: Duration) -> Self {
        Self { on_error: Nanos::of(window), ..self }
    }

    /// Shortens freshness by a varying share of up to `share`, between 0 and 1.
    #[must_use]
    pub const fn jitter(self, share: f64) -> Self {
        Self { jitter: share.clamp(0.0, 1.0), ..self }
    }

    /// The windows of an answer stored at `now`; `spread` in `0.0..1.0` picks the share of the jitter.
    #[must_use]
    pub fn starting(&self, now: Instant, spread: f64) -> Windows {
        let share = 1.0 - self.jitter * spread.clamp(0.0, 1.0);
        let ttl = if share < 1.0 { Nanos((self.ttl.0 as f64 * share) as u64) } else { self.ttl };
        let fresh_until = ttl.after(now);
        let stale_until = self.stale.after(fresh_until);
        Windows { fresh_until, stale_until, error_until: self.on_error.after(fresh_until).max(stale_until) }
    }
}

impl Nanos {
    const fn of(duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        Self(if nanos < u64::MAX as u128 { nanos as u64 } else { u64::MAX })
    }

    /// So long after `start`, or as far ahead as the clock reaches.
    fn after(self, start: Instant) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        if self.0 == 0 {
            return start;
        }
        let end = start.checked_add(Duration::from_nanos(self.0));
        end.or_else(|| start.checked_add(CENTURY)).unwrap_or(start)
    }
}

impl fmt::Debug for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Duration::from_nanos(self.0).fmt(f)
    }
}

/// The moments at which an answer stops being fresh, stale, and of use at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Windows {
    /// Fresh before this.
    pub fresh_until: Instant,
    /// To be served and refreshed before this; not earlier than `fresh_until`.
    pub stale_until: Instant,
    /// To be served if asking again fails, before this; not earlier than `stale_until`.
    pub error_until: Instant,
}

impl Windows {
    /// Windows that end at these moments; each is moved up to the one before it.
    #[must_use]
    pub fn new(fresh_until: Instant, stale_until: Instant, error_until: Instant) -> Self {
        let stale_until = stale_until.max(fresh_until);
        Self { fresh_until, stale_until, error_until: error_until.max(stale_until) }
    }

    /// What an answer with these windows is at `now`.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        if now < self.fresh_until {
            State::Fresh
        } else if now < self.stale_until {
            State::Stale
        } else if now < self.error_until {
            State::StaleIfError
        } else {
            State::Dead
        }
    }
}

/// What a stored answer is at a given moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// To be served.
    Fresh,
    /// To be served, while one caller has it refreshed.
    Stale,
    /// To be served only if asking again fails.
    StaleIfError,
    /// Not to be served.
    Dead,
}

/// On what terms an answer is kept: how long, how heavy it is, and what it depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    pub(crate) lifetime: Lifetime,
    pub(crate) weight: usize,
    tags: Tags,
}

impl Terms {
    /// Kept for `lifetime`, weightless, depending on nothing.
    #[must_use]
    pub fn new(lifetime: Lifetime) -> Self {
        Self { lifetime, weight: 0, tags: Tags::default() }
    }

    /// Fresh for `ttl`, then dead.
    #[must_use]
    pub fn ttl(ttl: Duration) -> Self {
        Self::new(Lifetime::new(ttl))
    }

    /// Counts the value as so many bytes; the key's own bytes are added to it.
    #[must_use]
    pub fn weighing(self, bytes: usize) -> Self {
        Self { weight: bytes, ..self }
    }

    /// Makes the answer die when any of `tags` is invalidated too.
    #[must_use]
    pub fn tagged<T: Into<Box<str>>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        let own = self.tags.iter().map(Into::into);
        let tags = own.chain(tags.into_iter().map(Into::into)).collect::<Tags>();
        Self { tags, ..self }
    }

    /// Makes the answer die when what `path` names, or anything above it, is invalidated too.
    ///
    /// The levels of a path are parted by `/`, and each is a tag: `within("db/users/7")` is
    /// `tagged(["db", "db/users", "db/users/7"])`. So [`invalidate`](crate::Cache::invalidate) of `db/users` reaches
    /// everything below it, at the same cost whatever the number of entries, and leaves `db/userspace` alone. An answer
    /// costs a tag for each level.
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        let levels = path.match_indices('/').map(|(end, _)| &path[..end]).chain([path]);
        self.tagged(levels.filter(|level| !level.is_empty()))
    }

    /// The tags the answer depends on.
    #[must_use]
    pub const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Makes the answer depend on `tags` and on nothing else.
    #[must_use]
    pub fn with_tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }
}
