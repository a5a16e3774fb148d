//! A tool that is not called too often.

use std::cell::Cell;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use lru::LruCache;
use toolpost_tool::{Call, Output, Principal, RatePolicy, Refusal, Tool, ToolError, ToolSpec};

use super::Layer;
use crate::clock;

/// So many calls in so much time, for everyone together or for each principal.
///
/// What is counted is ordinary calls: a tool that declares a [cost](toolpost_tool::Policy::cost) of five takes as much as
/// five calls of a tool that declares none. A call never takes more than a full bucket, so that a dear one is rare and not
/// impossible.
///
/// A token bucket (as GCRA): it starts full, so that many calls may come at once; then it refills evenly, one call's
/// worth at a time.
///
/// ```
/// use std::time::Duration;
/// use toolpost::layers::Rate;
///
/// // Ten calls a minute of each principal, of which three may come at once.
/// let rate = Rate::new(10, Duration::from_secs(60)).burst(3).per_principal();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    calls: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
    principals: Option<NonZeroUsize>,
}

/// The longest time that a rate is given for: the bucket counts nanoseconds in 64 bits.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Rate {
    /// At most `calls` per `per`, for everyone together.
    ///
    /// # Panics
    ///
    /// If `calls` or `per` is zero, `per` is longer than 366 days, or there are more calls than nanoseconds.
    #[must_use]
    pub fn new(calls: u32, per: Duration) -> Self {
        let Some(calls) = NonZeroU32::new(calls) else { panic!("a rate of at least one call") };
        assert!(u128::from(calls.get()) <= per.as_nanos(), "a rate of at most one call per nanosecond");
        assert!(per <= LONGEST, "a rate over at most 366 days, not {per:?}");
        Self { calls, per, burst: calls, principals: None }
    }

    /// Sets how many calls may come at once; as many as `calls` unless set.
    ///
    /// # Panics
    ///
    /// If it is zero, or so large that it would take more than 100 years to refill.
    #[must_use]
    pub fn burst(mut self, calls: u32) -> Self {
        let Some(burst) = NonZeroU32::new(calls) else { panic!("a burst of at least one call") };
        let refill = (self.per / self.calls.get()).checked_mul(calls);
        assert!(
            refill.is_some_and(|refill| refill <= 100 * LONGEST),
            "a burst that refills within 100 years"
        );
        self.burst = burst;
        self
    }

    /// Counts each principal on its own, and remembers the last 10000 of them.
    #[must_use]
    pub fn per_principal(self) -> Self {
        self.for_principals(10_000)
    }

    /// Counts each principal on its own, and remembers the last so many. One that is forgotten starts anew.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn for_principals(mut self, most: usize) -> Self {
        let Some(most) = NonZeroUsize::new(most) else { panic!("room for at least one principal") };
        self.principals = Some(most);
        self
    }

    fn bucket(self) -> Bucket {
        #[expect(clippy::expect_used, reason = "`new` has checked that it is not zero")]
        let quota =
            Quota::with_period(self.per / self.calls.get()).expect("not zero").allow_burst(self.burst);
        Bucket::direct_with_clock(quota, Runtime)
    }
}

/// Several rates that hold at once.
///
/// Clones share what they count: given to all tools of one upstream, it limits the upstream.
///
/// A caller's third call within a minute is refused, with the time until one is free; others are not:
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::layers::{Rate, RateLimit};
/// use toolpost::tool::{ErrorKind, NoArgs, Refusal, Tool};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let minute = Duration::from_secs(60);
///     let limit = RateLimit::new([Rate::new(2, minute).per_principal(), Rate::new(100, minute)]);
///     let search = Script::new("search").answers("found").limited(limit);
///     let ask = |who| search.call(call(NoArgs {}).by(who).build());
///
///     assert!(ask("ada").await.is_ok());
///     assert!(ask("ada").await.is_ok());
///     let refused = ask("ada").await.unwrap_err();
///     assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::RateLimited));
///     assert_eq!(refused.retry_after(), Some(minute / 2));
///     assert!(ask("bob").await.is_ok());
/// });
/// ```
#[derive(Clone)]
pub struct RateLimit {
    rules: Arc<[Arc<Rule>]>,
    /// What one call takes, in ordinary calls.
    cost: NonZeroU32,
}

impl RateLimit {
    /// All of these rates at once.
    #[must_use]
    pub fn new(rates: impl IntoIterator<Item = Rate>) -> Self {
        let mut rates: Vec<Rate> = rates.into_iter().collect();
        // The shortest window first: a call it refuses must not use up a longer one.
        rates.sort_by_key(|rate| rate.per);
        Self { rules: rates.into_iter().map(Rule::new).map(Arc::new).collect(), cost: NonZeroU32::MIN }
    }

    /// What a tool declares.
    ///
    /// What makes no sense is brought within bounds: one call at the least, a nanosecond for each, and 366 days.
    #[must_use]
    pub fn declared(policy: &RatePolicy) -> Self {
        let calls = policy.calls.max(1);
        let rate = Rate::new(calls, policy.per.clamp(Duration::from_nanos(calls.into()), LONGEST));
        Self::new([if policy.per_principal { rate.per_principal() } else { rate }])
    }

    /// These rates and those of `other` at once; what both have counted stays counted.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut rules: Vec<Arc<Rule>> = self.rules.iter().chain(&*other.rules).cloned().collect();
        rules.sort_by_key(|rule| rule.rate.per);
        Self { rules: rules.into(), cost: self.cost }
    }

    /// Takes what one call costs out of every bucket.
    ///
    /// # Errors
    ///
    /// [`Refusal::RateLimited`] with the time to come back. The shorter windows may have counted the call then.
    #[inline]
    pub fn check(&self, call: &Call) -> Result<(), ToolError> {
        self.check_at(call, clock::now())
    }

    /// As [`check`](Self::check), for a caller that has read the clock.
    #[inline]
    pub(crate) fn check_at(&self, call: &Call, now: Instant) -> Result<(), ToolError> {
        for rule in &*self.rules {
            if let Err(wait) = rule.check(call.principal(), self.cost, now) {
                return Err(refusal(wait));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules.iter().map(|rule| rule.rate)).finish()
    }
}

#[cold]
fn refusal(wait: Duration) -> ToolError {
    let seconds = wait.as_millis().div_ceil(1_000);
    let message = format!("called too often: try again in {seconds} s");
    ToolError::refused(Refusal::RateLimited, message, Some(wait))
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Runtime, NoOpMiddleware<Instant>>;

struct Rule {
    rate: Rate,
    buckets: Buckets,
}

enum Buckets {
    One(Bucket),
    /// Nothing awaits while this is held.
    Each(Mutex<LruCache<Principal, Bucket>>),
}

impl Rule {
    fn new(rate: Rate) -> Self {
        let buckets = match rate.principals {
            None => Buckets::One(rate.bucket()),
            Some(most) => Buckets::Each(Mutex::new(LruCache::new(most))),
        };
        Self { rate, buckets }
    }

    /// Takes what a call costs, or tells how long to wait.
    #[inline]
    fn check(&self, principal: &Principal, cost: NonZeroU32, now: Instant) -> Result<(), Duration> {
        let cost = cost.min(self.rate.burst);
        match &self.buckets {
            Buckets::One(bucket) => take(bucket, cost, now),
            Buckets::Each(buckets) => {
                // No panic can leave the table half changed.
                let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
                take(buckets.get_or_insert_ref(principal, || self.rate.bucket()), cost, now)
            }
        }
    }
}

#[inline]
fn take(bucket: &Bucket, cost: NonZeroU32, now: Instant) -> Result<(), Duration> {
    NOW.set(Some(now));
    let taken = match cost.get() {
        1 => bucket.check(),
        // No cost is more than the burst that the bucket was made for.
        _ => bucket.check_n(cost).unwrap_or(Ok(())),
    };
    NOW.set(None);
    match taken {
        Ok(()) => Ok(()),
        Err(refused) => Err(refused.wait_time_from(now).max(Duration::from_millis(1))),
    }
}

thread_local! {
    /// What the buckets are told the time is, while they are asked by somebody who has read the clock.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// This crate's clock, as governor wants it.
#[derive(Clone, Copy, Debug)]
struct Runtime;

impl Clock for Runtime {
    type Instant = Instant;

    fn now(&self) -> Instant {
        NOW.get().unwrap_or_else(clock::now)
    }
}

impl Layer for RateLimit {
    /// Runs the tool if the rates allow it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), and whatever the tool answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of the tool; the call stays counted.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        self.check(&call)?;
        tool.call(call).await
    }

    /// Charges what the tool declares that a call costs; a cost of zero counts as one.
    fn for_tool(mut self, spec: &ToolSpec) -> Self {
        self.cost = spec.policy().cost.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        self
    }
}
