//! The clock of this crate: tokio's, so that a paused one works.

use std::time::{Duration, Instant};

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
