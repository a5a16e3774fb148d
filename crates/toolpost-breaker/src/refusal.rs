//! What a breaker says when it does not admit a call.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The answer of a breaker that does not let a call through.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rejected {
    /// Milliseconds times four, plus the cause. One word, so that it is returned in a register.
    bits: u64,
}

const MOST_MILLIS: u64 = u64::MAX >> 2;

impl Rejected {
    #[inline]
    pub(crate) const fn open(retry_after_millis: u64) -> Self {
        Self { bits: retry_after_millis << 2 | RejectionCause::Open as u64 }
    }

    pub(crate) fn new(retry_after: Duration, cause: RejectionCause) -> Self {
        let millis = retry_after.as_millis().clamp(1, u128::from(MOST_MILLIS)) as u64;
        Self { bits: millis << 2 | cause as u64 }
    }

    /// How long to wait before asking again; at least a millisecond.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        Duration::from_millis(self.bits >> 2)
    }

    /// Why the call was refused.
    #[must_use]
    pub const fn cause(&self) -> RejectionCause {
        match self.bits & 0b11 {
            0 => RejectionCause::Open,
            1 => RejectionCause::Probing,
            _ => RejectionCause::Forced,
        }
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("retry_after", &self.retry_after())
            .field("cause", &self.cause())
            .finish()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.cause() {
            RejectionCause::Open => "the breaker is open",
            RejectionCause::Probing => "the breaker is half-open and its probes are under way",
            RejectionCause::Forced => "the breaker is held open",
        };
        write!(f, "{cause}, retry after {} ms", self.retry_after().as_millis())
    }
}

impl Error for Rejected {}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCause {
    /// Too much went wrong lately.
    Open,
    /// As many calls as may are finding out whether it works again. How long they take is not known: the time to
    /// come back is a guess of at most a second.
    Probing,
    /// Someone forced the breaker open. Nobody knows until when: the time to come back is the longest open time.
    Forced,
}
