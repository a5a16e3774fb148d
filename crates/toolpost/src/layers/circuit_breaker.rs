//! Refuses calls of a tool while it keeps failing.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use toolpost_breaker::{Breaker, BreakerSettings, CountWindow, FailurePolicy, Permit, Rejected};
use toolpost_tool::{BreakerPolicy, Call, Output, Refusal, Tool, ToolError, ToolSpec};

use super::{Layer, Verdict};
use crate::clock;

/// Refuses calls while the tool keeps failing, by a circuit breaker.
///
/// An error, a panic, a time limit and a result that reports an error count; the caller's faults, refusals by the
/// runtime and suspended calls never do. A call that is dropped, or that ends because its caller's own deadline was
/// short, counts only if it had become slow by then. A wait that the tool asks for with its error is honored if that
/// error opens the breaker.
///
/// Clones share the breaker; so may several tools that need the same thing.
///
/// A tool that failed three times in a row is not asked a fourth time; the refusal says when to come back:
///
/// ```
/// use toolpost::ToolExt;
/// use toolpost::breaker::Consecutive;
/// use toolpost::tool::{ErrorKind, NoArgs, Refusal, Tool, ToolError};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let search = Script::new("search").fails(ToolError::unavailable("the index is down"));
///     let search = search.guarded(Consecutive::new(3));
///     for _ in 0..3 {
///         let error = search.call(call(NoArgs {}).build()).await.unwrap_err();
///         assert_eq!(error.to_string(), "the index is down");
///     }
///
///     let refused = search.call(call(NoArgs {}).build()).await.unwrap_err();
///     assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::BreakerOpen));
///     assert!(refused.retry_after().is_some());
/// });
/// ```
///
/// A rate of failures and of slow calls is judged by a window: half of the last 100 calls that failed, or that took 5
/// seconds and more, open this one.
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::breaker::CountWindow;
///
/// # let search = toolpost::tool::tool_fn("search", |_: toolpost::tool::NoArgs, _| async { Ok("found") });
/// let policy = CountWindow::new(100, 50).slow(Duration::from_secs(5), 50);
/// let search = search.timed(Duration::from_secs(30)).guarded(policy);
/// ```
pub struct CircuitBreaker<P> {
    breaker: Arc<Breaker<P>>,
    is_failure: fn(Verdict, &Result<Output, ToolError>) -> bool,
}

impl<P: FailurePolicy> CircuitBreaker<P> {
    /// Guards with `breaker`.
    pub fn new(breaker: impl Into<Arc<Breaker<P>>>) -> Self {
        Self {
            breaker: breaker.into(),
            is_failure: |verdict, _| {
                matches!(verdict, Verdict::Fails | Verdict::TimesOut | Verdict::ReportsError)
            },
        }
    }

    /// Replaces what counts as a failure, among the outcomes that are the tool's own.
    ///
    /// It is asked only about [`Works`](Verdict::Works), [`ReportsError`](Verdict::ReportsError),
    /// [`Fails`](Verdict::Fails) and [`TimesOut`](Verdict::TimesOut). The other outcomes count neither way.
    #[must_use]
    pub fn failing_if(mut self, is_failure: fn(Verdict, &Result<Output, ToolError>) -> bool) -> Self {
        self.is_failure = is_failure;
        self
    }

    /// The breaker.
    #[must_use]
    pub const fn breaker(&self) -> &Arc<Breaker<P>> {
        &self.breaker
    }

    /// Tells whether a call would be admitted now, and takes nothing: worth asking before queueing for a permit.
    ///
    /// # Errors
    ///
    /// [`Refusal::BreakerOpen`].
    #[inline]
    pub fn peek(&self, call: &Call) -> Result<(), ToolError> {
        match self.breaker.peek_with(clock::now) {
            Ok(()) => Ok(()),
            Err(rejected) => Err(refusal(call, rejected)),
        }
    }

    /// A permit for one call, to be settled with its result.
    #[inline]
    pub(crate) fn admit(
        &self,
        call: &Call,
        now: impl FnOnce() -> Instant,
    ) -> Result<BreakerGuard<'_, P>, ToolError> {
        match self.breaker.admit_with(now) {
            Ok(permit) => Ok(BreakerGuard {
                guard: self,
                permit: Some(permit),
                deadline: call.deadline(),
                is_polling: true,
            }),
            Err(rejected) => Err(refusal(call, rejected)),
        }
    }

    #[inline]
    fn settle(&self, permit: Permit<'_, P>, result: &Result<Output, ToolError>, deadline: Option<Instant>) {
        match Verdict::of(result) {
            Verdict::Cancelled => permit.abandon(clock::now()),
            Verdict::CallersFault | Verdict::Refused | Verdict::InputRequired => permit.ignore(),
            // Whoever leaves it no time says nothing about the tool.
            Verdict::TimesOut if deadline.is_some_and(|deadline| deadline <= clock::now()) => {
                permit.abandon(clock::now());
            }
            verdict if !(self.is_failure)(verdict, result) => permit.success_with(clock::now),
            _ => self.settle_failure(permit, result),
        }
    }

    #[cold]
    fn settle_failure(&self, permit: Permit<'_, P>, result: &Result<Output, ToolError>) {
        let now = clock::now();
        match result.as_ref().err().and_then(ToolError::retry_after) {
            Some(wait) => permit.failure_retry_after(now, wait),
            None => permit.failure(now),
        }
    }
}

impl CircuitBreaker<CountWindow> {
    /// The guard that a tool declares.
    ///
    /// What makes no sense is brought within bounds: a window of 1 to 4096 calls, a rate of 1 to 100 percent.
    #[must_use]
    pub fn declared(policy: &BreakerPolicy) -> Self {
        Self::new(Self::breaker_of(policy, None))
    }

    /// The guard that a tool declares, which is named after it and is as patient as its time limit says.
    pub(crate) fn of_tool(spec: &ToolSpec) -> Option<Self> {
        let policy = spec.policy();
        let breaker = Self::breaker_of(policy.breaker.as_ref()?, policy.time_limit);
        Some(Self::new(breaker.named(spec.name())))
    }

    fn breaker_of(policy: &BreakerPolicy, time_limit: Option<Duration>) -> Breaker<CountWindow> {
        let window = policy.window.clamp(1, 4_096);
        let percent = ((policy.failure_rate * 100.0).round().clamp(1.0, 100.0) as u32).max(1);
        let mut judge = CountWindow::new(window, percent).min_calls(policy.minimum_calls.clamp(1, window));
        if let Some(slow) = policy.slow_call {
            judge = judge.slow(slow, percent);
        }
        let longest = policy.open_for.saturating_mul(30).max(Duration::from_secs(60));
        let (least, most) = (Duration::from_secs(60), Duration::from_secs(300));
        let patience = policy.patience.unwrap_or_else(|| time_limit.unwrap_or(least).clamp(least, most));
        let settings =
            BreakerSettings::new(clock::now()).open_time(policy.open_for, longest).patience(patience);
        Breaker::with_settings(judge, settings)
    }
}

/// A breaker of its own, with this judge: open for 10 s at first and for 5 min at the most, as a tool's declared one is
/// unless it declares otherwise. [`Breaker::with_settings`] takes other times.
impl<P: FailurePolicy> From<P> for CircuitBreaker<P> {
    fn from(judge: P) -> Self {
        Self::new(Breaker::new(judge, clock::now()))
    }
}

impl<P: FailurePolicy> From<Breaker<P>> for CircuitBreaker<P> {
    fn from(breaker: Breaker<P>) -> Self {
        Self::new(breaker)
    }
}

impl<P: FailurePolicy> From<Arc<Breaker<P>>> for CircuitBreaker<P> {
    fn from(breaker: Arc<Breaker<P>>) -> Self {
        Self::new(breaker)
    }
}

impl<P> Clone for CircuitBreaker<P> {
    fn clone(&self) -> Self {
        Self { breaker: Arc::clone(&self.breaker), is_failure: self.is_failure }
    }
}

impl<P: fmt::Debug> fmt::Debug for CircuitBreaker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

/// A permit that knows how to be dropped: with the time, and as a failure if what it is for panics.
pub(crate) struct BreakerGuard<'a, P: FailurePolicy> {
    guard: &'a CircuitBreaker<P>,
    permit: Option<Permit<'a, P>>,
    deadline: Option<Instant>,
    /// Whether a panic would be that of the call itself, not of something beside it in the same task. So it is from the
    /// start: what comes first is that its future is made, which is the tool's code too.
    is_polling: bool,
}

impl<P: FailurePolicy> BreakerGuard<'_, P> {
    /// Polls what it is for.
    #[inline]
    pub(crate) fn polling<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        self.is_polling = true;
        let polled = poll();
        self.is_polling = false;
        polled
    }

    /// Tells the breaker how it went.
    #[inline]
    pub(crate) fn settle(mut self, result: &Result<Output, ToolError>) {
        if let Some(permit) = self.permit.take() {
            self.guard.settle(permit, result, self.deadline);
        }
        // There is nothing left to give back.
        std::mem::forget(self);
    }
}

impl<P: FailurePolicy> Drop for BreakerGuard<'_, P> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        if self.is_polling {
            permit.failure(clock::now());
        } else {
            permit.abandon(clock::now());
        }
    }
}

#[cold]
fn refusal(call: &Call, rejected: Rejected) -> ToolError {
    let name = if call.tool().is_empty() { "this tool" } else { call.tool() };
    let wait = rejected.retry_after();
    let seconds = wait.as_millis().div_ceil(1_000);
    let message =
        format!("{name} keeps failing and is left alone for now: try again in {seconds} s, or do without it");
    ToolError::refused(Refusal::BreakerOpen, message, Some(wait))
}

impl<P: FailurePolicy> Layer for CircuitBreaker<P> {
    /// Runs the tool if the breaker admits it, and tells the breaker how it went.
    ///
    /// # Errors
    ///
    /// [`Refusal::BreakerOpen`] with the time to come back, and whatever the tool answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of the tool, and abandons the permit: it frees the place of a probe, and counts as
    /// slow if the call was by then.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        let mut held = self.admit(&call, clock::now)?;
        let mut future = pin!(tool.call(call));
        let result = poll_fn(|cx| held.polling(|| future.as_mut().poll(cx))).await;
        held.settle(&result);
        result
    }
}
