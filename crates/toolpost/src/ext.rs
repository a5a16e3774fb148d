//! The fluent form of wrapping.

use std::time::Duration;

use toolpost_breaker::FailurePolicy;
use toolpost_scheduler::rt::Gate;
use toolpost_tool::{CachePolicy, Tool};

use crate::layers::{
    BlockingThreads, Caching, CircuitBreaker, ConcurrencyLimit, Fallback, Hedge, Invalidation, Layer,
    Layered, RateLimit, ResultCache, Retry, TimeLimit,
};

/// Wraps a tool in layers. Implemented for every tool; each method's result is one again.
///
/// Read a chain bottom-up: that is the order in which a call meets the layers. A runtime puts what a tool declares around
/// all of them; see [the order of policies](crate::layers#the-order-of-policies).
pub trait ToolExt: Tool + Sized {
    /// Puts a layer around the tool: one of [`layers`](crate::layers), or your own.
    fn layered<L: Layer>(self, layer: L) -> Layered<Self, L> {
        Layered::new(self, layer)
    }

    /// Refuses calls while the tool keeps failing; see [`CircuitBreaker`].
    ///
    /// Takes what judges (`Consecutive::new(5)`), and makes a breaker of it; or a breaker that others share, or a
    /// [`CircuitBreaker`].
    fn guarded<P: FailurePolicy>(
        self,
        breaker: impl Into<CircuitBreaker<P>>,
    ) -> Layered<Self, CircuitBreaker<P>> {
        self.layered(breaker.into())
    }

    /// Tries again when the tool fails, if it is safe to repeat; see [`Retry`].
    fn retried(self, retry: Retry) -> Layered<Self, Retry> {
        self.layered(retry)
    }

    /// Refuses calls that come too often; see [`RateLimit`].
    fn limited(self, limit: RateLimit) -> Layered<Self, RateLimit> {
        self.layered(limit)
    }

    /// Asks a second time when the tool is unusually slow, if it only reads; see [`Hedge`].
    fn hedged(self, hedge: Hedge) -> Layered<Self, Hedge> {
        self.layered(hedge)
    }

    /// Answers with something else when the tool cannot; see [`Fallback`].
    fn with_fallback(self, fallback: Fallback) -> Layered<Self, Fallback> {
        self.layered(fallback)
    }

    /// Remembers results in `cache`, for a time or on the terms of a [`CachePolicy`]; see [`Caching`].
    fn cached(self, cache: &ResultCache, policy: impl Into<CachePolicy>) -> Layered<Self, Caching> {
        let caching = Caching::new(cache, &policy.into(), self.spec());
        self.layered(caching)
    }

    /// Makes dead in `cache` what depends on the tags that the tool declares; see [`Invalidation`].
    fn invalidating(self, cache: &ResultCache) -> Layered<Self, Invalidation> {
        let invalidation = Invalidation::declared(cache, self.spec());
        self.layered(invalidation)
    }

    /// Waits for a permit of `gate`; see [`ConcurrencyLimit`].
    fn scheduled(self, gate: &Gate) -> Layered<Self, ConcurrencyLimit> {
        self.layered(ConcurrencyLimit::new(gate))
    }

    /// Ends a call that takes longer than `limit`, or that outlives its deadline; see [`TimeLimit`].
    fn timed(self, limit: Duration) -> Layered<Self, TimeLimit> {
        self.layered(TimeLimit::new(limit))
    }

    /// Runs calls on threads that may block; see [`BlockingThreads`].
    ///
    /// A tool that declares itself blocking needs none of this: its runtime does it, and counts its threads. Of those of this
    /// layer it knows nothing, unless a clone of [`layer`](Layered::layer) is registered as
    /// [background work](crate::RuntimeBuilder::background); and they keep no permit once their caller has left.
    fn threaded(self) -> Layered<Self, BlockingThreads> {
        self.layered(BlockingThreads::default())
    }
}

impl<T: Tool> ToolExt for T {}
