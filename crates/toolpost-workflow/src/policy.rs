//! Says how a step may run: again, for how long, and what its failure means to others.

use std::time::Duration;

/// How one step may run. The default: one attempt, no time limit, not safe to repeat, and a failure
/// that blocks only what depends on it.
///
/// ```
/// use std::time::Duration;
/// use toolpost_workflow::{OnFailure, StepPolicy};
///
/// // Three attempts, after waits of 100 ms and 200 ms; whatever comes of them, the run does not fail.
/// let courtesy = StepPolicy::new().retry(3, Duration::from_millis(100)).on_failure(OnFailure::Allow);
/// assert_eq!(courtesy.retry_delay(1, 0), Some(Duration::from_millis(100)));
/// assert_eq!(courtesy.retry_delay(2, 0), Some(Duration::from_millis(200)));
/// assert_eq!(courtesy.retry_delay(3, 0), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StepPolicy {
    attempts: u32,
    /// The wait before the second attempt; it doubles from there, up to `longest_wait`.
    first_wait: Duration,
    longest_wait: Duration,
    jitter: bool,
    time_limit: Option<Duration>,
    on_failure: Option<OnFailure>,
    on_unknown: OnUnknown,
    expected: Option<Duration>,
    repeatable: bool,
    spawned: bool,
}

impl StepPolicy {
    /// The default policy.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            attempts: 1,
            first_wait: Duration::ZERO,
            longest_wait: Duration::from_secs(60),
            jitter: false,
            time_limit: None,
            on_failure: None,
            on_unknown: OnUnknown::Ask,
            expected: None,
            repeatable: false,
            spawned: false,
        }
    }

    /// Makes up to `attempts` attempts, the first included: `wait` before the second, and twice as long before
    /// each further one, up to [`longest_retry_wait`](Self::longest_retry_wait).
    ///
    /// An attempt follows an error that the step returned itself. After an overrun or a panic, whose effect
    /// nobody knows, one follows only if the step is [`repeatable`](Self::repeatable).
    ///
    /// # Panics
    ///
    /// When `attempts` is zero.
    #[must_use]
    pub const fn retry(mut self, attempts: u32, wait: Duration) -> Self {
        assert!(0 < attempts, "the first attempt counts");
        self.attempts = attempts;
        self.first_wait = wait;
        self
    }

    /// Waits no longer than this between attempts, unless an error asks for [more](crate::StepError::with_retry_after);
    /// a minute if never said.
    #[must_use]
    pub const fn longest_retry_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// Spreads each wait between attempts evenly over `0..=wait` ("full jitter", Brooker, AWS Architecture Blog
    /// 2015), so that runs that failed together do not come back together.
    #[must_use]
    pub const fn retry_jitter(mut self) -> Self {
        self.jitter = true;
        self
    }

    /// Drops an attempt that runs longer than this; the time in a queue does not count.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// What the step's failure means to the rest of the run; without it, what the run says.
    #[must_use]
    pub const fn on_failure(mut self, rule: OnFailure) -> Self {
        self.on_failure = Some(rule);
        self
    }

    /// Declares that running the step twice does no harm: no start is recorded ahead of it, and a
    /// resumed run runs it again when its result is missing.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// What a resumed run does about this step when it was started and never heard of again.
    /// Says nothing about a repeatable step, which runs again.
    #[must_use]
    pub const fn on_unknown(mut self, rule: OnUnknown) -> Self {
        self.on_unknown = rule;
        self
    }

    /// How long the step usually takes: the weight of the critical path. One nanosecond if never
    /// said, so that without any weights the longest chain goes first.
    #[must_use]
    pub const fn expected(mut self, duration: Duration) -> Self {
        self.expected = Some(duration);
        self
    }

    /// Runs the step as a task of its own: for steps that compute for long between awaits.
    #[must_use]
    pub const fn spawned(mut self) -> Self {
        self.spawned = true;
        self
    }

    /// How many attempts there may be, the first included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The wait after the `made`-th attempt failed, or `None` when that was the last one. `entropy` is what the
    /// jitter is drawn from.
    #[must_use]
    pub fn retry_delay(&self, made: u32, entropy: u64) -> Option<Duration> {
        if self.attempts <= made {
            return None;
        }
        let doublings = made.saturating_sub(1).min(31);
        let wait = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        match self.jitter {
            true => Some(wait.mul_f64((mix(entropy) >> 11) as f64 / (1_u64 << 53) as f64)),
            false => Some(wait),
        }
    }

    /// How long one attempt may run, if that is limited.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        self.time_limit
    }

    /// What the step's failure means to the run; `None` if the run decides.
    #[must_use]
    pub const fn failure_rule(&self) -> Option<OnFailure> {
        self.on_failure
    }

    /// What a resumed run does about the step when its outcome is unknown.
    #[must_use]
    pub const fn unknown_rule(&self) -> OnUnknown {
        self.on_unknown
    }

    /// How long the step usually takes, if that was said.
    #[must_use]
    pub const fn expected_time(&self) -> Option<Duration> {
        self.expected
    }

    /// Tells whether running the step twice does no harm.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Tells whether the step runs as a task of its own.
    #[must_use]
    pub const fn is_spawned(&self) -> bool {
        self.spawned
    }

    /// The weight of the step on the critical path, in nanoseconds.
    pub(crate) fn weight(&self) -> u64 {
        self.expected.map_or(1, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX).max(1))
    }
}

impl Default for StepPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// What a failed step means to the rest of its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Blocks what depends on it, and nothing else.
    #[default]
    Isolate,
    /// Ends the run: what runs is dropped, what waits is cancelled.
    FailFast,
    /// Like `Isolate`, and the run does not count as failed.
    Allow,
}

/// What to do about a step that was started before a crash and has no recorded end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnknown {
    /// Asks whoever resumes the run; unanswered, the step ends as unknown and blocks its dependents.
    #[default]
    Ask,
    /// Runs it again.
    Retry,
    /// Counts it as failed.
    GiveUp,
}

/// The finalizer of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
