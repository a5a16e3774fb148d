//! A tool that is tried again.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use toolpost_breaker::{Breaker, FailurePolicy};
use toolpost_retry::{Backoff, Jitter, RetryBudget};
use toolpost_tool::{Call, ErrorKind, Output, Policy, RetryJitter, Tool, ToolError, ToolSpec};

use super::{Layer, Verdict};
use crate::{clock, warnings};

/// How often, after which waits and within which budget a failed call is made again.
///
/// Only errors that may pass are worth another attempt: a failure, a time limit, something unavailable. Not the
/// caller's faults, not a result that reports an error, and no refusal: an open breaker or a full queue
/// is not knocked at again. A tool that does not declare itself safe to repeat is called once, unless the
/// policy [vouches](Self::idempotent) for it.
///
/// Calls that end well pay for retries, a tenth of one each; time pays one a second; and ten are there to begin with, which
/// is also as many as can be saved up. So an outage soon ends retries, and what the tool is asked to bear grows by a tenth
/// and one a second at the most, while a tool that is called once an hour has its retries all the same.
///
/// When attempts, budget or time run out, the last error is the answer; where it was the budget, its text says so.
/// (It stays the tool's error, and is no refusal: the tool ran. So it does where a later attempt is refused before the tool
/// sees it.) There is no wait after the last attempt, and nothing is held while waiting: whatever lies inside this layer
/// (a permit, the breaker's leave) is taken anew by each attempt.
///
/// Clones share the budget.
///
/// The first attempt fails, the second is the answer:
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::layers::Retry;
/// use toolpost::tool::{NoArgs, Tool, ToolError};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let search = Script::new("search").fails(ToolError::unavailable("no answer")).answers("found");
///     // Each attempt has 2 s, all of them and the waits between them 10 s.
///     let retry = Retry::idempotent().within(Duration::from_secs(10));
///     let search = search.timed(Duration::from_secs(2)).retried(retry);
///
///     let output = search.call(call(NoArgs {}).build()).await.unwrap();
///     assert_eq!(output.as_text(), Some("found"));
/// });
/// ```
#[derive(Clone)]
pub struct Retry {
    attempts: u32,
    backoff: Backoff,
    within: Option<Duration>,
    vouched: bool,
    budget: Arc<RetryBudget>,
    is_worth_it: fn(&ToolError) -> bool,
    /// Whether the next attempt would be refused.
    is_futile: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    seed: Arc<AtomicU64>,
}

impl Retry {
    /// Up to `attempts` attempts in all, the first included; waits of up to 100 ms, doubling up to 10 s, fully jittered.
    ///
    /// # Panics
    ///
    /// If `attempts` is less than 2: that would be no retry.
    #[must_use]
    pub fn new(attempts: u32) -> Self {
        assert!(2 <= attempts, "{attempts} attempts are no retry: 2 at least");
        Self {
            attempts,
            backoff: Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10))
                .jitter(Jitter::Full),
            within: None,
            vouched: false,
            budget: Arc::new(RetryBudget::new(10, 10).regained_every(Duration::from_secs(1), clock::now())),
            is_worth_it: |error| {
                matches!(Verdict::of(&Err(error.clone())), Verdict::Fails | Verdict::TimesOut)
            },
            is_futile: None,
            seed: Arc::new(AtomicU64::new(RandomState::new().hash_one(0_u8))),
        }
    }

    /// Three attempts, for a tool that whoever writes this line knows to be safe to repeat, declared or not.
    #[must_use]
    pub fn idempotent() -> Self {
        Self { vouched: true, ..Self::new(3) }
    }

    /// What a tool declares: `None` if it declares no retry, fewer than two attempts, or is not safe to repeat.
    #[must_use]
    pub fn declared(policy: &Policy) -> Option<Self> {
        let retry = policy.retry.filter(|retry| policy.repeatable && 2 <= retry.attempts)?;
        let jitter = match retry.jitter {
            RetryJitter::Decorrelated => Jitter::Decorrelated,
            _ => Jitter::Full,
        };
        Some(Self::new(retry.attempts).backoff(Backoff::exponential(retry.base, retry.cap).jitter(jitter)))
    }

    /// Sets how long to wait before each attempt but the first. A wait that the error asks for is never shortened.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the time for all attempts and waits together; the call's own deadline counts if it comes sooner.
    #[must_use]
    pub fn within(mut self, total: Duration) -> Self {
        self.within = Some(total);
        self
    }

    /// Sets what retries are paid from, to share it among tools that need the same thing.
    #[must_use]
    pub fn budget(mut self, budget: Arc<RetryBudget>) -> Self {
        self.budget = budget;
        self
    }

    /// Sets what retries are paid from to what those of `other` are paid from.
    pub(crate) fn share_budget_with(self, other: &Self) -> Self {
        self.budget(Arc::clone(&other.budget))
    }

    /// Replaces what is worth another attempt.
    #[must_use]
    pub fn retrying_if(mut self, is_worth_it: fn(&ToolError) -> bool) -> Self {
        self.is_worth_it = is_worth_it;
        self
    }

    /// Ends at once when this breaker, which each attempt meets further in, is open: no wait for a refusal that is
    /// certain, and the tool's own error is the answer.
    #[must_use]
    pub fn unless_open<P: FailurePolicy>(mut self, breaker: impl Into<Arc<Breaker<P>>>) -> Self {
        let breaker = breaker.into();
        self.is_futile = Some(Arc::new(move || breaker.peek(clock::now()).is_err()));
        self
    }

    /// Sets what the jitter is drawn from. By default each process draws its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Arc::new(AtomicU64::new(seed));
        self
    }

    /// The first attempt of a call, due as this policy has it.
    pub(crate) fn begin(&self, call: Call) -> Call {
        let call = call.with_attempt(1);
        // A time that is too long to be told is no limit.
        match self.within.and_then(|within| clock::now().checked_add(within)) {
            Some(due) => call.due_by(due),
            None => call,
        }
    }

    /// A call that ends well pays for retries.
    pub(crate) fn pay(&self) {
        self.budget.deposit();
    }

    /// Goes on after the first attempt, which ended with `error`.
    pub(crate) async fn again<F>(
        &self,
        call: Call,
        mut error: ToolError,
        next: impl Fn(Call) -> F,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>>,
    {
        let mut attempt = 1;
        loop {
            let own = error.clone();
            self.pause(&call, attempt, error).await?;
            attempt += 1;
            match next(call.clone().with_attempt(attempt)).await {
                Ok(output) => {
                    self.pay();
                    return Ok(output);
                }
                // The tool ran: who made something dead for that, or tells what failed, is told of it.
                Err(refusal) if matches!(refusal.kind(), ErrorKind::Refused(_)) => {
                    let message = format!("{own}; not tried again: {refusal}");
                    return Err(own.with_message(message));
                }
                Err(another) => error = another,
            }
        }
    }

    /// Waits until attempt number `attempt` may be followed by another; its error if it may not.
    async fn pause(&self, call: &Call, attempt: u32, error: ToolError) -> Result<(), ToolError> {
        let is_futile = || self.is_futile.as_ref().is_some_and(|is_futile| is_futile());
        if self.attempts <= attempt || !(self.is_worth_it)(&error) || is_futile() {
            return Err(error);
        }
        let wait = self.wait(attempt).max(error.retry_after().unwrap_or_default());
        let now = clock::now();
        let in_time = call.remaining(now).is_none_or(|left| wait < left);
        let Some(due) = now.checked_add(wait).filter(|_| in_time) else { return Err(error) };
        if !self.budget.withdraw_at(now) {
            let message =
                format!("{error}; not tried again, because too many calls fail (the retry budget is spent)");
            return Err(error.with_message(message));
        }
        tokio::time::sleep_until(due.into()).await;
        Ok(())
    }

    fn wait(&self, attempt: u32) -> Duration {
        // Each wait draws anew; the numbers of neighboring seeds have nothing to do with each other.
        self.backoff.delay(attempt - 1, self.seed.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("within", &self.within)
            .field("vouched", &self.vouched)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl Layer for Retry {
    /// Runs the tool until it ends well, or one more attempt makes no sense.
    ///
    /// # Errors
    ///
    /// The error of the last attempt that was not refused; of the first, if that was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of the attempt under way, or ends the wait.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        let call = self.begin(call);
        let result = tool.call(call.clone()).await;
        match result {
            Ok(_) => {
                self.pay();
                result
            }
            Err(error) => self.again(call, error, |call| tool.call(call)).await,
        }
    }

    fn for_tool(mut self, spec: &ToolSpec) -> Self {
        if !self.vouched && !spec.policy().repeatable {
            self.attempts = 1;
        }
        self
    }

    fn warning(&self, spec: &ToolSpec) -> Option<String> {
        let cure = "call `repeatable()` or `read_only()` on its spec, vouch for it by `Retry::idempotent()`";
        (self.attempts < 2).then(|| warnings::layer(spec, "retried", "is safe to repeat", cure))
    }
}
