//! The clocks of this crate: tokio's for waits, so that a paused one works, and the system's for the times in tokens.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time now, for waits and ages.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate for waits")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What says the time that tokens are held against.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The system's: a process that slept (a laptop, a paused machine) must not take a token for younger than it is.
    #[expect(clippy::disallowed_methods, reason = "the one clock of this crate for tokens")]
    pub(crate) fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    pub(crate) fn of(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(clock))
    }

    /// Seconds of Unix time; by a clock before 1970 everything has expired.
    pub(crate) fn unix(&self) -> u64 {
        (self.0)().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
