//! How long an entry is served, how much it weighs, and what invalidates it.

use std::fmt;
use std::time::{Duration, Instant};

use crate::tags::Tags;

/// Says how an entry is kept: how long it is fresh and stale, its weight in bytes, and its tags.
///
/// Both stale windows are counted from the end of freshness, as RFC 5861 counts them. Every time ends after 584 years.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, Lookup, Memory};
///
/// let options = EntryOptions::ttl(Duration::from_secs(60)) // served
///     .stale(Duration::from_secs(600)) // then served while one caller refreshes it
///     .stale_if_error(Duration::from_secs(86_400)) // and served if the refresh fails
///     .weighing(2_048)
///     .tagged(["prices"]);
///
/// let cache: Cache<u32> = Cache::new(Memory::new(Capacity::entries(100)));
/// let (key, now) = (CacheKey::from("lathe"), Instant::now());
/// cache.put(&key, 1_250, &options, cache.epoch(), now)?;
/// let after = |seconds| cache.get(&key, now + Duration::from_secs(seconds));
/// assert!(matches!(after(59), Lookup::Fresh(_)));
/// assert!(matches!(after(60), Lookup::Stale(_)));
/// assert!(matches!(after(60 + 600), Lookup::StaleIfError(_)));
/// assert!(matches!(after(60 + 86_400), Lookup::Miss));
/// # Ok::<(), toolpost_cache::PutError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EntryOptions {
    ttl: Nanos,
    stale: Nanos,
    on_error: Nanos,
    jitter: f64,
    pub(crate) weight: usize,
    tags: Tags,
}

/// A time of up to 584 years, in half the room.
#[derive(Clone, Copy, PartialEq)]
struct Nanos(u64);

impl EntryOptions {
    /// Serves the entry for `ttl`, then drops it: no stale windows, no weight but its key's, no tags. With a `ttl` of zero it
    /// is never fresh.
    #[must_use]
    pub fn ttl(ttl: Duration) -> Self {
        Self {
            ttl: Nanos::of(ttl),
            stale: Nanos(0),
            on_error: Nanos(0),
            jitter: 0.0,
            weight: 0,
            tags: Tags::default(),
        }
    }

    /// Serves the entry for `window` after its freshness, while one caller refreshes it.
    #[must_use]
    pub fn stale(self, window: Duration) -> Self {
        Self { stale: Nanos::of(window), ..self }
    }

    /// Serves the entry for `window` after its freshness, if loading it again fails.
    #[must_use]
    pub fn stale_if_error(self, window: Duration) -> Self {
        Self { on_error: Nanos::of(window), ..self }
    }

    /// Shortens freshness by a varying share of up to `share`, clamped to 0 to 1, so that entries stored together do not
    /// all expire together.
    #[must_use]
    pub fn jitter(self, share: f64) -> Self {
        Self { jitter: share.clamp(0.0, 1.0), ..self }
    }

    /// Counts the value as so many bytes; the key's own bytes are added.
    #[must_use]
    pub fn weighing(self, bytes: usize) -> Self {
        Self { weight: bytes, ..self }
    }

    /// Adds tags: [invalidating](crate::Cache::invalidate) any of them expires the entry.
    #[must_use]
    pub fn tagged<T: Into<Box<str>>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        let own = self.tags.iter().map(Into::into);
        let tags = own.chain(tags.into_iter().map(Into::into)).collect::<Tags>();
        Self { tags, ..self }
    }

    /// Adds a tag for each level of `path`, so that invalidating any level expires everything below it.
    ///
    /// Levels are separated by `/`: `within("db/users/7")` is `tagged(["db", "db/users", "db/users/7"])`. So
    /// [`invalidate`](crate::Cache::invalidate) of `db/users` reaches everything below it, at the same cost whatever the
    /// number of entries, and leaves `db/userspace` alone. An entry costs a tag for each level.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, Memory};
    ///
    /// let cache: Cache<&str> = Cache::new(Memory::new(Capacity::entries(100)));
    /// let (now, options) = (Instant::now(), EntryOptions::ttl(Duration::from_secs(60)));
    /// for (key, path) in [("ada", "db/users/7"), ("lathe", "db/parts/7")] {
    ///     cache.put(&CacheKey::from(key), key, &options.clone().within(path), cache.epoch(), now)?;
    /// }
    ///
    /// cache.invalidate("db/users");
    /// assert!(!cache.contains("ada", now) && cache.contains("lathe", now));
    /// # Ok::<(), toolpost_cache::PutError>(())
    /// ```
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        let levels = path.match_indices('/').map(|(end, _)| &path[..end]).chain([path]);
        self.tagged(levels.filter(|level| !level.is_empty()))
    }

    pub(crate) const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// The windows of an entry stored at `now`; `spread` in `0.0..1.0` picks the share of the jitter.
    pub(crate) fn windows(&self, now: Instant, spread: f64) -> Windows {
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

/// The moments at which an entry stops being fresh, stale, and of any use; none is before the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) fresh_until: Instant,
    pub(crate) stale_until: Instant,
    pub(crate) error_until: Instant,
}

impl Windows {
    /// Windows that end at these moments; each is moved up to the one before it.
    #[cfg(feature = "tokio")]
    pub(crate) fn new(fresh_until: Instant, stale_until: Instant, error_until: Instant) -> Self {
        let stale_until = stale_until.max(fresh_until);
        Self { fresh_until, stale_until, error_until: error_until.max(stale_until) }
    }

    /// What an entry with these windows is at `now`.
    pub(crate) fn state(&self, now: Instant) -> Freshness {
        if now < self.fresh_until {
            Freshness::Fresh
        } else if now < self.stale_until {
            Freshness::Stale
        } else if now < self.error_until {
            Freshness::StaleIfError
        } else {
            Freshness::Expired
        }
    }
}

/// What a stored entry is at a given moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Served.
    Fresh,
    /// Served, while one caller refreshes it.
    Stale,
    /// Served only if loading it again fails.
    StaleIfError,
    /// Not served.
    Expired,
}
