//! The policy that a tool declares of itself.

use std::time::Duration;

use super::ToolSpec;
use crate::{BreakerPolicy, CachePolicy, IdempotencyPolicy, Priority, RatePolicy, RetryPolicy};

impl ToolSpec {
    /// Declares the longest one attempt may take.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.policy.time_limit = Some(limit);
        self
    }

    /// Declares how results may be remembered.
    #[must_use]
    pub fn with_cache(mut self, cache: CachePolicy) -> Self {
        self.policy.cache = Some(cache);
        self
    }

    /// Declares that a call makes results with this tag dead; see [`Policy::invalidates`](crate::Policy::invalidates).
    #[must_use]
    pub fn invalidating(mut self, tag: impl Into<String>) -> Self {
        self.policy.invalidates.push(tag.into());
        self
    }

    /// Declares how calls that are repeated are told from new ones, for a tool whose second run does harm.
    #[must_use]
    pub fn with_idempotency(mut self, idempotency: IdempotencyPolicy) -> Self {
        self.policy.idempotency = Some(idempotency);
        self
    }

    /// Declares that a call runs only once a person has approved it; see [`Policy::needs_approval`](crate::Policy::needs_approval).
    #[must_use]
    pub fn needs_approval(mut self) -> Self {
        self.policy.needs_approval = true;
        self
    }

    /// Declares how often a failed call is made again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = Some(retry);
        self
    }

    /// Declares how often the tool may be called.
    #[must_use]
    pub fn with_rate(mut self, rate: RatePolicy) -> Self {
        self.policy.rate = Some(rate);
        self
    }

    /// Declares the urgency of a call that does not say its own.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.policy.priority = Some(priority);
        self
    }

    /// Declares the most attempts that may run at once.
    #[must_use]
    pub fn with_concurrency(mut self, limit: u32) -> Self {
        self.policy.concurrency = Some(limit);
        self
    }

    /// Declares when to stop calling the tool.
    #[must_use]
    pub fn with_breaker(mut self, breaker: BreakerPolicy) -> Self {
        self.policy.breaker = Some(breaker);
        self
    }

    /// Declares the cost of one call in ordinary calls; see [`Policy::cost`](crate::Policy::cost).
    #[must_use]
    pub fn with_cost(mut self, cost: u32) -> Self {
        self.policy.cost = Some(cost);
        self
    }

    /// Declares that the tool blocks its thread: a runtime gives it one that may block, and the tool asks
    /// [`Call::is_over`](crate::Call::is_over) whether to go on, since nobody can stop it.
    #[must_use]
    pub fn blocking(mut self) -> Self {
        self.policy.blocking = true;
        self
    }

    /// Declares that the tool's work is done by other tools, so that it takes no permit while it waits for them.
    #[must_use]
    pub fn composite(mut self) -> Self {
        self.policy.composite = true;
        self
    }
}
