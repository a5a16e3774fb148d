//! What decides that a breaker should open.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::settings::BreakerSettings;
use crate::sync::{AtomicU64, Ordering};
use crate::word::generation;

/// Decides, from the reports of calls made while closed, that a breaker should open.
///
/// A policy is shared by every caller, so it takes `&self`; the shipped ones are lock-free, and one of your own may
/// well be a `Mutex` around a few counters.
///
/// A policy has no `reset`. Each report carries the [`generation`](CallReport::generation) in which its call was admitted,
/// and a generation ends with every transition. A report of another generation than the policy holds either starts an
/// empty window, if it [is current](CallReport::is_current), or comes too late and counts for nothing. So a late report
/// cannot spoil a new window, however the threads interleave.
///
/// ```
/// use std::sync::Mutex;
/// use toolpost_breaker::{FailurePolicy, CallOutcome, CallReport};
///
/// /// Opens on the tenth failure, whatever lies between.
/// #[derive(Debug, Default)]
/// struct Tenth(Mutex<(u32, u32)>);
///
/// impl FailurePolicy for Tenth {
///     fn record(&self, report: &CallReport<'_>) -> bool {
///         let mut seen = self.0.lock().unwrap();
///         if report.generation() != seen.0 {
///             if !report.is_current() {
///                 return false;
///             }
///             *seen = (report.generation(), 0);
///         }
///         if report.outcome() == CallOutcome::Failure {
///             seen.1 += 1;
///         }
///         seen.1 >= 10
///     }
/// }
/// ```
pub trait FailurePolicy: Debug + Send + Sync + 'static {
    /// Takes note of one call and returns whether the breaker should open now.
    ///
    /// The breaker opens only if the report's generation is still the current one.
    fn record(&self, report: &CallReport<'_>) -> bool;

    /// Whether a success can matter to it by when it came or how long it took; if not, whoever reports one need not read
    /// a clock. By default it can.
    fn needs_time(&self) -> bool {
        true
    }

    /// Whether a call that took this long counts as slow; by default, speed does not matter.
    ///
    /// A probe that was slow counts as failed, also when its caller gave up on it.
    fn is_slow(&self, took: Duration) -> bool {
        let _ = took;
        false
    }

    /// Counts what the window of `generation` holds, `at` this long after the breaker's start; for snapshots.
    fn tally(&self, generation: u32, at: Duration) -> Tally {
        let _ = (generation, at);
        Tally::default()
    }
}

impl<P: FailurePolicy + ?Sized> FailurePolicy for Box<P> {
    fn record(&self, report: &CallReport<'_>) -> bool {
        (**self).record(report)
    }

    fn needs_time(&self) -> bool {
        (**self).needs_time()
    }

    fn is_slow(&self, took: Duration) -> bool {
        (**self).is_slow(took)
    }

    fn tally(&self, generation: u32, at: Duration) -> Tally {
        (**self).tally(generation, at)
    }
}

/// Opens when either would. The tally is that of the one which holds more calls.
impl<A: FailurePolicy, B: FailurePolicy> FailurePolicy for (A, B) {
    #[inline(always)]
    fn record(&self, report: &CallReport<'_>) -> bool {
        // Both must see every report.
        self.0.record(report) | self.1.record(report)
    }

    fn needs_time(&self) -> bool {
        self.0.needs_time() || self.1.needs_time()
    }

    fn is_slow(&self, took: Duration) -> bool {
        self.0.is_slow(took) || self.1.is_slow(took)
    }

    fn tally(&self, generation: u32, at: Duration) -> Tally {
        let (first, second) = (self.0.tally(generation, at), self.1.tally(generation, at));
        if first.calls < second.calls { second } else { first }
    }
}

/// How a call ended, as far as the thing called is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// It answered.
    Success,
    /// It failed, and the fault is its own.
    Failure,
    /// The caller gave up. Counts only if it was slow by then.
    Abandoned,
}

/// One call, as reported to a [`FailurePolicy`].
#[derive(Clone, Copy, Debug)]
pub struct CallReport<'a> {
    pub(crate) outcome: CallOutcome,
    pub(crate) generation: u32,
    pub(crate) admitted: Instant,
    pub(crate) now: Instant,
    pub(crate) settings: &'a BreakerSettings,
    pub(crate) word: &'a AtomicU64,
}

impl CallReport<'_> {
    /// How the call ended.
    #[must_use]
    pub const fn outcome(&self) -> CallOutcome {
        self.outcome
    }

    /// The generation in which the call was admitted: a number that differs from one generation to the next, and comes
    /// again after a million of them.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether that generation is the one the breaker is in, now. Once it is not, it never is again.
    #[must_use]
    pub fn is_current(&self) -> bool {
        generation(self.word.load(Ordering::Acquire)) == self.generation
    }

    /// How long the call took, from admission to report.
    #[must_use]
    #[inline]
    pub fn took(&self) -> Duration {
        self.now.saturating_duration_since(self.admitted)
    }

    /// When the call was reported, since the breaker's start.
    #[must_use]
    #[inline]
    pub fn at(&self) -> Duration {
        self.settings.elapsed(self.now)
    }
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tally {
    /// Calls in the window.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that were slow, failed or not.
    pub slow: u32,
}

/// The limits of a window: how much of it may fail, or be slow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) min_calls: u32,
    pub(crate) failure_percent: u32,
    /// How long a call may take, and what share of calls may take longer.
    pub(crate) slow: Option<(Duration, u32)>,
}

impl Limits {
    /// What a report adds to a window: `(failed, slow)`, or `None` for nothing at all.
    #[inline]
    pub(crate) fn weigh(
        &self,
        outcome: CallOutcome,
        took: impl FnOnce() -> Duration,
    ) -> Option<(bool, bool)> {
        let slow = self.slow.is_some_and(|(after, _)| after <= took());
        match outcome {
            CallOutcome::Success => Some((false, slow)),
            CallOutcome::Failure => Some((true, slow)),
            CallOutcome::Abandoned => slow.then_some((false, true)),
        }
    }

    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        self.slow.is_some_and(|(after, _)| after <= took)
    }

    /// Whether a window that holds this much should open the breaker.
    pub(crate) fn are_exceeded_by(&self, tally: Tally) -> bool {
        let reaches =
            |count: u32, percent: u32| u64::from(percent) * u64::from(tally.calls) <= 100 * u64::from(count);
        self.min_calls <= tally.calls
            && ((0 < tally.failures && reaches(tally.failures, self.failure_percent))
                || self.slow.is_some_and(|(_, percent)| 0 < tally.slow && reaches(tally.slow, percent)))
    }
}

/// # Panics
///
/// Unless it is 1 to 100.
pub(crate) fn assert_percent(percent: u32) {
    assert!((1..=100).contains(&percent), "a rate is 1 to 100 percent, not {percent}");
}
