//! The policy a tool declares about itself. Declaring is all this crate does.

use std::time::Duration;

use toolpost_json::Frame;
use toolpost_protocol::MetaIndex;

/// How urgent a call is. One order for the whole family, least urgent first.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Priority {
    /// Work nobody waits for.
    Background,
    /// An ordinary call.
    #[default]
    Normal,
    /// Somebody is watching a cursor blink.
    Urgent,
    /// The runtime's own work. Never granted to a client.
    System,
}

impl Priority {
    /// The name on the wire (`_meta["dev.toolpost/priority"]`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Normal => "normal",
            Self::Urgent => "urgent",
            Self::System => "system",
        }
    }

    /// The priority that the `_meta` of the request in `frame` asks for: at most urgent, for the runtime's own is
    /// nobody's to ask for, and normal if it names none.
    #[must_use]
    #[inline]
    pub fn asked(meta: &MetaIndex, frame: &Frame) -> Self {
        let asked = meta.priority(frame).and_then(|name| Self::parse(&name));
        asked.unwrap_or_default().min(Self::Urgent)
    }

    /// The priority with that name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Background, Self::Normal, Self::Urgent, Self::System].into_iter().find(|p| p.as_str() == name)
    }
}

/// Who may share a cached result.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CacheSharing {
    /// Only the principal whose call filled the entry.
    #[default]
    Principal,
    /// Every caller. Must be declared in writing, because a wrong one shows one user's data to another.
    Public,
}

/// That a tool's results may be remembered, for how long, and for whom.
///
/// Its three times may be zero; one beyond what the clock can tell is a century.
///
/// ```
/// use std::time::Duration;
/// use toolpost_tool::CachePolicy;
///
/// let policy = CachePolicy::new(Duration::from_secs(60))
///     .stale_for(Duration::from_secs(600))
///     .tagged("repository");
/// assert_eq!(policy.ttl, Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// How long a result is fresh; a runtime takes off up to a tenth, so that what was loaded together does not expire
    /// together. Zero: it is never fresh, and served only as the other two times allow.
    pub ttl: Duration,
    /// How long after `ttl` it is served at once while one refresh runs behind it. Zero: not at all.
    pub stale: Duration,
    /// How long after `ttl` it is served when the tool fails or the runtime refuses to run it. Counted from the same
    /// moment as `stale`, so one that is shorter than `stale` adds nothing. Zero: not at all.
    pub stale_if_error: Duration,
    /// Who may share the result.
    pub scope: CacheSharing,
    /// Names of `_meta` members that change the result and so belong in its key. A member that is not there is told
    /// apart from one that is `null`.
    pub vary: Vec<String>,
    /// Tags by which other tools invalidate the result.
    pub tags: Vec<String>,
}

impl CachePolicy {
    /// Remembers a result for `ttl`, for its principal alone.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, ..Self::default() }
    }

    /// Serves an expired result for another `stale` while one refresh runs.
    #[must_use]
    pub fn stale_for(mut self, stale: Duration) -> Self {
        self.stale = stale;
        self
    }

    /// Serves an expired result for another `stale` when the tool cannot answer.
    #[must_use]
    pub fn stale_if_error(mut self, stale: Duration) -> Self {
        self.stale_if_error = stale;
        self
    }

    /// Shares the result among all callers.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.scope = CacheSharing::Public;
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tagged(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Makes the `_meta` member `name` part of the key.
    #[must_use]
    pub fn vary_by(mut self, name: impl Into<String>) -> Self {
        self.vary.push(name.into());
        self
    }
}

/// Remembers a result for that long, for its principal alone.
impl From<Duration> for CachePolicy {
    fn from(ttl: Duration) -> Self {
        Self::new(ttl)
    }
}

/// How the waits between attempts are spread, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RetryJitter {
    /// Uniform between zero and an exponentially growing bound.
    #[default]
    Full,
    /// Uniform between the base and three times the last wait, and never above the cap.
    Decorrelated,
}

/// That a failed call may be made again. Enforced only for tools that declare themselves safe to
/// repeat ([`Policy::repeatable`]), and within a budget: ten retries, and a tenth of one more for each call
/// that ends well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all, the first included. 0 and 1 are no retry; there is no upper bound but the budget and the
    /// deadline of the call.
    pub attempts: u32,
    /// The bound of the first wait; of [`RetryJitter::Decorrelated`] the shortest wait. Zero: no waiting. Above `cap` it is
    /// `cap`.
    pub base: Duration,
    /// The bound of every wait, except one that the tool asks for with its error. Zero: no waiting.
    pub cap: Duration,
    /// How the waits are spread.
    pub jitter: RetryJitter,
}

impl RetryPolicy {
    /// Up to `attempts` attempts in all, 100 ms base, 10 s cap, full jitter.
    #[must_use]
    pub const fn new(attempts: u32) -> Self {
        Self {
            attempts,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(10),
            jitter: RetryJitter::Full,
        }
    }

    /// Sets the bound of the first wait, and that of every wait.
    #[must_use]
    pub const fn waits(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// Sets how the waits are spread.
    #[must_use]
    pub const fn jitter(mut self, jitter: RetryJitter) -> Self {
        self.jitter = jitter;
        self
    }
}

/// How often a tool may be called: a token bucket that starts full and refills evenly. A call takes its
/// [cost](Policy::cost) out of it, and is refused with the time to come back if that is not there.
///
/// ```
/// use std::time::Duration;
/// use toolpost_tool::RatePolicy;
///
/// let rate = RatePolicy::new(10, Duration::from_secs(60)).per_principal();
/// assert!(rate.per_principal);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RatePolicy {
    /// Calls in that time, as many of which may come at once; 0 is taken as 1.
    pub calls: u32,
    /// The time; taken as a nanosecond for each call at the least.
    pub per: Duration,
    /// Whether each principal is counted on its own (the latest 10,000 of them), or all callers together.
    pub per_principal: bool,
}

impl RatePolicy {
    /// At most `calls` per `per`, of all callers together.
    #[must_use]
    pub const fn new(calls: u32, per: Duration) -> Self {
        Self { calls, per, per_principal: false }
    }

    /// Counts each principal on its own.
    #[must_use]
    pub const fn per_principal(mut self) -> Self {
        self.per_principal = true;
        self
    }
}

/// When to stop calling a tool that keeps failing.
///
/// What is out of bounds is taken as the nearest bound: a declaration never panics. (Settings of a host are refused
/// instead.)
///
/// ```
/// use std::time::Duration;
/// use toolpost_tool::BreakerPolicy;
///
/// let policy = BreakerPolicy::new().window(50).failure_rate(0.25).open_for(Duration::from_secs(5));
/// assert_eq!(policy.minimum_calls, 20, "what is not set is the default");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// Calls that the judgement looks back on: 1 to 4096.
    pub window: u32,
    /// The share of failures among them, or of slow calls, that opens the breaker: 0.01 to 1, in whole hundredths; a
    /// finer one is rounded, and what is no number is taken as 0.01.
    pub failure_rate: f64,
    /// Calls needed before judging: 1 to `window`.
    pub minimum_calls: u32,
    /// A call that takes this long or longer counts as slow, whether it fails or not. Zero: every call does; `None`: none.
    pub slow_call: Option<Duration>,
    /// How long the breaker stays open the first time, at the least; at the most three times that, drawn at random. Each
    /// time that it finds the tool still failing, it is up to three times the time before, and never more than 30 times
    /// this or a minute, whichever is longer. Counted in whole milliseconds, rounded up; 1 ms to 365 days.
    pub open_for: Duration,
    /// How long a recovery waits for calls that try whether the tool works again, and do not end, before others are let
    /// through in their place. `None`: as long as the tool's time limit, but a minute at the least and five at the most.
    /// Counted in whole milliseconds, rounded up.
    pub patience: Option<Duration>,
}

impl BreakerPolicy {
    /// Half of the last 100 calls, judged from 20 on, open for 10 s at first.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            window: 100,
            failure_rate: 0.5,
            minimum_calls: 20,
            slow_call: None,
            open_for: Duration::from_secs(10),
            patience: None,
        }
    }

    /// Sets how many calls the judgement looks back on.
    #[must_use]
    pub const fn window(mut self, calls: u32) -> Self {
        self.window = calls;
        self
    }

    /// Sets the share of failures, from 0.01 to 1, that opens the breaker.
    #[must_use]
    pub const fn failure_rate(mut self, share: f64) -> Self {
        self.failure_rate = share;
        self
    }

    /// Sets how many calls are needed before judging.
    #[must_use]
    pub const fn minimum_calls(mut self, calls: u32) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// Counts a call that takes this long or longer as slow.
    #[must_use]
    pub const fn slow_call(mut self, slow: Duration) -> Self {
        self.slow_call = Some(slow);
        self
    }

    /// Sets how long the breaker stays open the first time, at the least.
    #[must_use]
    pub const fn open_for(mut self, open: Duration) -> Self {
        self.open_for = open;
        self
    }

    /// Sets how long a recovery waits for calls that try whether the tool works again, and do not end.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }
}

impl Default for BreakerPolicy {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

/// That a call which is repeated under its idempotency key is answered with the end of the first, for a tool whose second
/// run does harm: it orders, pays, sends.
///
/// The key is what the caller puts into `_meta["dev.toolpost/idempotencyKey"]`, a text of 1 to 256 bytes; or, for callers
/// that put none there, arguments that tell one order from another ([`over`](Self::over)). A call without a key runs as if
/// nothing were declared. Keys of different principals and tools have nothing to do with each other; those of anonymous
/// callers are one principal's, so they should be hard to guess.
///
/// ```
/// use std::time::Duration;
/// use toolpost_tool::IdempotencyPolicy;
///
/// let policy = IdempotencyPolicy::new().over(["/order_id"]);
/// assert_eq!(policy.ttl, Duration::from_secs(24 * 60 * 60));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct IdempotencyPolicy {
    /// How long a key is remembered: a day, counted from the end of its call. What the store can hold may end it sooner.
    pub ttl: Duration,
    /// JSON pointers to the arguments that are the key of a call that brings none in its `_meta`; a call that lacks one of
    /// them has no key.
    pub over: Vec<String>,
}

impl IdempotencyPolicy {
    /// The key in `_meta`, remembered for a day.
    #[must_use]
    pub const fn new() -> Self {
        Self { ttl: Duration::from_secs(24 * 60 * 60), over: Vec::new() }
    }

    /// Sets how long a key is remembered after its call has ended.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Makes the arguments at these JSON pointers the key of a call that brings none in its `_meta`.
    #[must_use]
    pub fn over<P: Into<String>>(mut self, pointers: impl IntoIterator<Item = P>) -> Self {
        self.over.extend(pointers.into_iter().map(Into::into));
        self
    }
}

impl Default for IdempotencyPolicy {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

/// What a tool declares about how it wants to be called. A declared policy is enforced by the
/// runtime that registers the tool; nothing here does anything by itself.
///
/// A tool declares it by its [`ToolSpec`](crate::ToolSpec); a host changes what it finds there:
///
/// ```
/// use std::time::Duration;
/// use toolpost_tool::{NoArgs, RetryPolicy, Tool, ToolSpec, tool_fn};
///
/// let stock = tool_fn("stock", |_: NoArgs, _| async { Ok("12 left") })
///     .with_spec(|spec| spec.read_only().with_time_limit(Duration::from_secs(10)));
/// let hurried = stock.with_spec(|mut spec: ToolSpec| {
///     spec.policy_mut().time_limit = Some(Duration::from_secs(1));
///     spec.with_retry(RetryPolicy::new(3))
/// });
/// let policy = hurried.spec().policy();
/// assert_eq!(policy.time_limit, Some(Duration::from_secs(1)));
/// assert!(policy.repeatable, "it only reads, so that it may be retried");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// The longest one attempt may take, waiting for a permit not counted; a deadline of the call that comes sooner holds
    /// too. `None` leaves the runtime's own limit. Zero: only a tool that answers at its first poll does; a time beyond
    /// what the clock can tell is no limit.
    pub time_limit: Option<Duration>,
    /// How results may be remembered; `None` means not at all. Enforced only for a tool that says it only reads.
    pub cache: Option<CachePolicy>,
    /// Tags whose cached results a call makes dead, unless it was refused, suspended or its arguments were at fault.
    pub invalidates: Vec<String>,
    /// How calls that are repeated are told from new ones; `None` means not at all. Enforced only for a tool that does not
    /// say that it only reads.
    pub idempotency: Option<IdempotencyPolicy>,
    /// Whether a call runs only once a person has approved it: this tool, with these arguments, this once. How a person
    /// is asked is the runtime's to say.
    pub needs_approval: bool,
    /// Whether a second execution does no harm. Nothing is retried or hedged without it.
    pub repeatable: bool,
    /// How often a failed call is made again.
    pub retry: Option<RetryPolicy>,
    /// How often the tool may be called, besides what holds for all tools; `None` is no limit of its own.
    pub rate: Option<RatePolicy>,
    /// Urgency of a call that does not say its own; [`Priority::System`] is taken as [`Priority::Urgent`].
    pub priority: Option<Priority>,
    /// The most attempts that may run at once, 1 to 2^31 - 1; 0 is taken as 1, and `None` is no bound of the tool's own.
    pub concurrency: Option<u32>,
    /// When to stop calling; `None` means never.
    pub breaker: Option<BreakerPolicy>,
    /// Whether the tool blocks its thread and so must run on the blocking pool.
    pub blocking: bool,
    /// Whether the tool's work is done by other tools, which take permits of their own: it takes none of
    /// those that all tools share, for holding one while its parts wait for one could end all work.
    pub composite: bool,
    /// The cost of one call in ordinary calls; `None` means 1, and so does 0. Rate limits charge it (at most a full
    /// bucket), and a queue reckons with it as long as it has measured nothing better.
    pub cost: Option<u32>,
}
