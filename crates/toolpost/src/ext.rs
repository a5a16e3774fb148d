//! The fluent form of wrapping.

use std::time::Duration;

use toolpost_breaker::FailurePolicy;
use toolpost_scheduler::rt::Gate;
use toolpost_tool::{CachePolicy, Tool};

use crate::layers::{
    Backed, Cached, Caching, Fallback, Guard, Guarded, Hedge, Hedged, Invalidating, Invalidation, Limited,
    RateLimit, ResultCache, Retried, Retry, Scheduled, Seats, TimeLimit, Timed,
};

/// Wraps a tool in layers. Implemented for every tool; each method's result is one again.
///
/// Read a chain bottom-up: that is the order in which a call meets the layers. A runtime puts what a tool declares around
/// all of them; see [the order of policies](crate::layers#the-order-of-policies).
pub trait ToolExt: Tool + Sized {
    /// Leaves the tool alone while it keeps failing; see [`Guard`].
    ///
    /// Takes what judges (`Consecutive::new(5)`), and makes a breaker of it; or a breaker that others share, or a
    /// [`Guard`].
    fn guarded<P: FailurePolicy>(self, guard: impl Into<Guard<P>>) -> Guarded<Self, P> {
        Guarded::new(self, guard.into())
    }

    /// Tries again when the tool fails, if it is safe to repeat; see [`Retry`].
    fn retried(self, retry: Retry) -> Retried<Self> {
        Retried::new(self, retry)
    }

    /// Refuses calls that come too often; see [`RateLimit`].
    fn limited(self, limit: RateLimit) -> Limited<Self> {
        Limited::new(self, limit)
    }

    /// Asks a second time when the tool is unusually slow, if it only reads; see [`Hedge`].
    fn hedged(self, hedge: Hedge) -> Hedged<Self> {
        Hedged::new(self, hedge)
    }

    /// Answers with something else when the tool cannot; see [`Fallback`].
    fn backed(self, fallback: Fallback) -> Backed<Self> {
        Backed::new(self, fallback)
    }

    /// Remembers results in `cache`, for a time or on the terms of a [`CachePolicy`]; see [`Caching`].
    fn cached(self, cache: &ResultCache, policy: impl Into<CachePolicy>) -> Cached<Self> {
        let caching = Caching::new(cache, &policy.into(), self.spec());
        Cached::new(self, caching)
    }

    /// Makes dead in `cache` what depends on the tags that the tool declares; see [`Invalidation`].
    fn invalidating(self, cache: &ResultCache) -> Invalidating<Self> {
        let invalidation = Invalidation::declared(cache, self.spec());
        Invalidating::new(self, invalidation)
    }

    /// Waits its turn for a seat of `gate`; see [`Seats`].
    fn scheduled(self, gate: &Gate) -> Scheduled<Self> {
        Scheduled::new(self, Seats::new(gate))
    }

    /// Ends a call that takes longer than `limit`, or that outlives its deadline.
    fn timed(self, limit: Duration) -> Timed<Self> {
        Timed::new(self, TimeLimit::new(limit))
    }
}

impl<T: Tool> ToolExt for T {}
