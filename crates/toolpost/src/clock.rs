//! The clock of this crate: tokio's, so that a paused one works.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time after `wait`; in thirty years, if that cannot be told.
pub(crate) fn after(wait: Duration) -> Instant {
    let now = now();
    now.checked_add(wait).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

/// The seconds of Unix time now: read once from the system, and from then on by this crate's clock.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn unix() -> u64 {
    static START: OnceLock<(Instant, Duration)> = OnceLock::new();
    let read = || (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let ((start, unix), now) = (START.get_or_init(read), now());
    let later = *unix + now.saturating_duration_since(*start);
    later.saturating_sub(start.saturating_duration_since(now)).as_secs()
}

/// A reading of the clock that is made when it is first asked for, and then stands for everything that happens at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LazyNow(Option<Instant>);

impl LazyNow {
    /// A reading that was just made.
    pub(crate) const fn of(now: Instant) -> Self {
        Self(Some(now))
    }

    pub(crate) fn now(&mut self) -> Instant {
        *self.0.get_or_insert_with(now)
    }
}
