//! What a breaker says when it does not admit a call.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::transition::BreakerState;

/// The answer of a breaker that does not let a call through: when to come back, and in which state it was.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_breaker::{Breaker, BreakerState, Consecutive};
///
/// let now = Instant::now();
/// let breaker = Breaker::new(Consecutive::new(1), now);
/// breaker.admit(now).expect("closed").failure(now);
/// let rejected = breaker.admit(now).expect_err("open");
/// assert_eq!(rejected.state(), BreakerState::Open);
/// assert!(rejected.retry_after() >= Duration::from_secs(10), "not a moment to try again at once");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rejected {
    /// Milliseconds times four, plus the state. One word, so that it is returned in a register.
    bits: u64,
}

const MOST_MILLIS: u64 = u64::MAX >> 2;
const OPEN: u64 = 0;
const HALF_OPEN: u64 = 1;
const FORCED_OPEN: u64 = 2;

impl Rejected {
    #[inline]
    pub(crate) const fn open(retry_after_millis: u64) -> Self {
        Self { bits: retry_after_millis << 2 | OPEN }
    }

    pub(crate) fn half_open(retry_after: Duration) -> Self {
        Self { bits: millis(retry_after) << 2 | HALF_OPEN }
    }

    pub(crate) fn forced_open(retry_after: Duration) -> Self {
        Self { bits: millis(retry_after) << 2 | FORCED_OPEN }
    }

    /// How long to wait before asking again; at least a millisecond. Of an open breaker it is the time until it lets probes
    /// through; of a half-open one, whose probes take nobody knows how long, a guess of at most a second; of one that is
    /// forced open, of which nobody knows until when, the longest open time.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        Duration::from_millis(self.bits >> 2)
    }

    /// The state that the breaker refused in: [`Open`](BreakerState::Open), [`HalfOpen`](BreakerState::HalfOpen) with as many
    /// probes under way as may be, or [`ForcedOpen`](BreakerState::ForcedOpen).
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        match self.bits & 0b11 {
            OPEN => BreakerState::Open,
            HALF_OPEN => BreakerState::HalfOpen,
            _ => BreakerState::ForcedOpen,
        }
    }
}

fn millis(retry_after: Duration) -> u64 {
    retry_after.as_millis().clamp(1, u128::from(MOST_MILLIS)) as u64
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("retry_after", &self.retry_after())
            .field("state", &self.state())
            .finish()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.state() {
            BreakerState::HalfOpen => "the breaker is half-open and its probes are under way",
            BreakerState::ForcedOpen => "the breaker is held open",
            _ => "the breaker is open",
        };
        write!(f, "{why}, retry after {} ms", self.retry_after().as_millis())
    }
}

impl Error for Rejected {}
