//! Opens after so many failures in a row.

use std::time::Duration;

use crate::policy::{CallOutcome, CallReport, FailurePolicy, Tally};
use crate::sync::{AtomicU64, Ordering, update};

/// Opens after this many failures with no success between them.
///
/// ```
/// use std::time::Instant;
/// use toolpost_breaker::{Breaker, Consecutive};
///
/// let now = Instant::now();
/// let breaker = Breaker::new(Consecutive::new(5), now);
/// for _ in 0..5 {
///     breaker.admit(now).expect("not yet").failure(now);
/// }
/// assert!(breaker.admit(now).is_err());
/// ```
#[derive(Debug)]
pub struct Consecutive {
    /// Generation above, failures in a row in it below.
    streak: AtomicU64,
    failures: u32,
}

impl Consecutive {
    /// Opens after this many failures in a row.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn new(failures: u32) -> Self {
        assert!(0 < failures, "at least one failure");
        Self { streak: AtomicU64::new(0), failures }
    }

    #[cold]
    fn change(&self, report: &CallReport<'_>, count: impl Fn(u32) -> u32) -> u32 {
        let changed = update(&self.streak, |streak| {
            let (generation, so_far) = split(streak);
            if generation == report.generation {
                Some(join(generation, count(so_far)))
            } else if report.is_current() {
                Some(join(report.generation, count(0)))
            } else {
                None
            }
        });
        changed.map_or(0, |(_, streak)| split(streak).1)
    }
}

impl FailurePolicy for Consecutive {
    #[inline(always)]
    fn record(&self, report: &CallReport<'_>) -> bool {
        match report.outcome {
            // Of an older generation or not: no failures are no failures.
            CallOutcome::Success if split(self.streak.load(Ordering::Acquire)).1 == 0 => false,
            CallOutcome::Success => {
                self.change(report, |_| 0);
                false
            }
            CallOutcome::Failure => self.failures <= self.change(report, |so_far| so_far.saturating_add(1)),
            CallOutcome::Abandoned => false,
        }
    }

    fn needs_time(&self) -> bool {
        false
    }

    fn tally(&self, generation: u32, _at: Duration) -> Tally {
        let (recorded, failures) = split(self.streak.load(Ordering::Acquire));
        let failures = if recorded == generation { failures } else { 0 };
        Tally { calls: failures, failures, slow: 0 }
    }
}

const fn join(generation: u32, failures: u32) -> u64 {
    (generation as u64) << 32 | failures as u64
}

#[inline]
const fn split(streak: u64) -> (u32, u32) {
    ((streak >> 32) as u32, streak as u32)
}
