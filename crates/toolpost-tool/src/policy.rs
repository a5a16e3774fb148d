//! The policy a tool declares about itself. Declaring is all this crate does.

use std::time::Duration;

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

    /// The priority with that name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Background, Self::Normal, Self::Urgent, Self::System].into_iter().find(|p| p.as_str() == name)
    }
}

/// Who may share a cached result.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CacheScope {
    /// Only the principal whose call filled the entry.
    #[default]
    Principal,
    /// Every caller. Must be declared in writing, because a wrong one shows one user's data to another.
    Public,
}

/// That a tool's results may be remembered, for how long, and for whom.
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
    /// How long a result is fresh.
    pub ttl: Duration,
    /// How long after that it is served at once while one refresh runs behind it.
    pub stale: Duration,
    /// How long after `ttl` it is served when the tool fails or its breaker is open.
    pub stale_if_error: Duration,
    /// Who may share the result.
    pub scope: CacheScope,
    /// Names of `_meta` members that change the result and so belong in its key.
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
        self.scope = CacheScope::Public;
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

/// How the wait between attempts grows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Backoff {
    /// Uniform between zero and an exponentially growing bound.
    #[default]
    FullJitter,
    /// Uniform between the base and three times the last wait.
    Decorrelated,
}

/// That a failed call may be made again. Enforced only for tools that declare themselves safe to
/// repeat ([`Policy::repeatable`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 2 to have an effect.
    pub attempts: u32,
    /// The bound of the first wait.
    pub base: Duration,
    /// The bound of every wait.
    pub cap: Duration,
    /// How the wait grows.
    pub backoff: Backoff,
}

impl RetryPolicy {
    /// Up to `attempts` attempts in all, 100 ms base, 10 s cap, full jitter.
    #[must_use]
    pub const fn new(attempts: u32) -> Self {
        Self {
            attempts,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(10),
            backoff: Backoff::FullJitter,
        }
    }
}

/// When to stop calling a tool that keeps failing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// Calls the judgement looks back on.
    pub window: u32,
    /// Share of failures, from 0 to 1, that opens the breaker.
    pub failure_rate: f64,
    /// Calls needed before judging.
    pub minimum_calls: u32,
    /// A call that takes longer counts as slow; `None` counts no call as slow.
    pub slow_call: Option<Duration>,
    /// How long the breaker stays open the first time, at the least; at the most three times that, drawn at random.
    pub open_for: Duration,
}

impl Default for BreakerPolicy {
    /// Half of the last 100 calls, judged from 20 on, open for 1 s at first.
    fn default() -> Self {
        Self {
            window: 100,
            failure_rate: 0.5,
            minimum_calls: 20,
            slow_call: None,
            open_for: Duration::from_secs(1),
        }
    }
}

/// What a tool declares about how it wants to be called. A declared policy is enforced by the
/// runtime that registers the tool; nothing here does anything by itself.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// The longest one attempt may take.
    pub time_limit: Option<Duration>,
    /// How results may be remembered; `None` means not at all.
    pub cache: Option<CachePolicy>,
    /// Tags whose cached results a successful call makes dead.
    pub invalidates: Vec<String>,
    /// Whether a second execution does no harm. Nothing is retried or hedged without it.
    pub repeatable: bool,
    /// How often a failed call is made again.
    pub retry: Option<RetryPolicy>,
    /// Urgency of a call that does not say its own.
    pub priority: Option<Priority>,
    /// The most attempts that may run at once.
    pub concurrency: Option<u32>,
    /// When to stop calling; `None` means never.
    pub breaker: Option<BreakerPolicy>,
    /// Whether the tool blocks its thread and so must run on the blocking pool.
    pub blocking: bool,
    /// Whether the tool's work is done by other tools, which take seats of their own: it takes none of
    /// those that all tools share, for holding one while its parts wait for one could end all work.
    pub composite: bool,
    /// The cost of one call in ordinary calls; `None` means 1, and so does 0. Rate limits charge it (at most a full
    /// bucket), and a queue reckons with it as long as it has measured nothing better.
    pub cost: Option<u32>,
}
