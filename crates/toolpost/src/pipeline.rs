//! One tool with its declared policy applied, in [the one order](order).

mod order;
mod run;

use std::sync::{Arc, OnceLock};

use toolpost_breaker::{Breaker, CountWindow};
use toolpost_cache::Capacity;
use toolpost_scheduler::Limit;
use toolpost_scheduler::rt::Gate;
use toolpost_tool::{AnyTool, Call, Output, Policy, Priority, Tool, ToolError, ToolSpec};

use crate::Approvals;
use crate::layers::{
    BlockingThreads, Caching, CircuitBreaker, ConcurrencyLimit, Idempotency, Invalidation, KeyStore,
    Layer as _, Layered, MarksBegin, RateLimit, ResultCache, Retry, TimeLimit,
};

/// A tool behind the stages that its policy declares.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline(Arc<Stages>);

#[derive(Debug)]
struct Stages {
    tool: AnyTool,
    /// As the tool says, but with the policy that is enforced.
    spec: ToolSpec,
    idempotency: Option<Idempotency>,
    /// Of a tool that runs only with the approval of a person.
    approvals: Option<Approvals>,
    invalidation: Option<Invalidation>,
    caching: Option<Caching>,
    /// Those of all tools and its own.
    rates: Option<RateLimit>,
    /// Those that it declares.
    own_rates: Option<RateLimit>,
    retry: Option<Retry>,
    /// The tool's own, if it bounds its concurrency.
    own_permits: Option<ConcurrencyLimit>,
    /// Those that all tools share; none for a tool that only calls others.
    permits: Option<ConcurrencyLimit>,
    guard: Option<CircuitBreaker<CountWindow>>,
    time: Option<TimeLimit>,
    /// Of a call that does not say its own.
    priority: Option<Priority>,
}

/// What all tools of one runtime share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// Made when a tool declares that it is cached, or somebody asks for it: its tables take 60 KiB, which a server
    /// that caches nothing does without.
    pub(crate) cache: Arc<OnceLock<ResultCache>>,
    pub(crate) rates: Option<RateLimit>,
    pub(crate) permits: ConcurrencyLimit,
    pub(crate) threads: BlockingThreads,
    pub(crate) keys: KeyStore,
    pub(crate) approvals: Approvals,
}

impl Shared {
    /// The cache of all tools.
    pub(crate) fn cache(&self) -> &ResultCache {
        self.cache.get_or_init(|| ResultCache::new(Capacity::entries(10_000).bytes(64 << 20)))
    }
}

impl Pipeline {
    /// Puts `tool` behind what `policy` declares.
    ///
    /// What the `former` tool of this name remembers (its breaker's calls, its retries, its taken permits) stays, as far
    /// as what was declared about it is the same.
    pub(crate) fn new(
        tool: AnyTool,
        category: Option<&str>,
        policy: Policy,
        shared: &Shared,
        former: Option<&Self>,
    ) -> Self {
        let mut spec = tool.spec().clone();
        if let (None, Some(category)) = (spec.category(), category) {
            spec = spec.with_category(category);
        }
        *spec.policy_mut() = policy;
        let policy = spec.policy();
        let former = former.map(|former| (&*former.0, former.0.spec.policy()));
        let kept = former.filter(|(_, before)| before.breaker == policy.breaker);
        let guard =
            kept.and_then(|(stages, _)| stages.guard.clone()).or_else(|| CircuitBreaker::of_tool(&spec));
        let kept = former.filter(|(_, before)| before.rate == policy.rate);
        let own_rates = kept
            .and_then(|(stages, _)| stages.own_rates.clone())
            .or_else(|| policy.rate.as_ref().map(RateLimit::declared));
        let rates = match (&shared.rates, &own_rates) {
            (Some(shared), Some(own)) => Some(shared.and(own)),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        let own_permits = policy.concurrency.map(|concurrency| {
            let former = former.and_then(|(stages, _)| stages.own_permits.clone());
            former.unwrap_or_else(|| ConcurrencyLimit::new(&Gate::new(limit(concurrency))))
        });
        let retry = Retry::declared(policy).map(|retry| match &guard {
            Some(guard) => retry.unless_open(Arc::clone(guard.breaker())),
            None => retry,
        });
        let retry = retry.map(|retry| match former.and_then(|(stages, _)| stages.retry.as_ref()) {
            Some(former) => retry.share_budget_with(former),
            None => retry,
        });
        let idempotency = Idempotency::declared(&shared.keys, &spec);
        let tool = match policy.blocking {
            true => AnyTool::new(Layered::new(tool, shared.threads.clone())),
            false => tool,
        };
        let tool = match &idempotency {
            Some(_) => AnyTool::new(Layered::new(tool, MarksBegin)),
            None => tool,
        };
        Self(Arc::new(Stages {
            idempotency,
            approvals: policy.needs_approval.then(|| shared.approvals.clone()),
            invalidation: (!policy.invalidates.is_empty())
                .then(|| Invalidation::declared(shared.cache(), &spec)),
            caching: Caching::is_declared(&spec).then(|| Caching::declared(shared.cache(), &spec)).flatten(),
            rates: rates.map(|rates| rates.for_tool(&spec)),
            own_rates,
            retry,
            own_permits: own_permits.map(|permits| permits.for_tool(&spec)),
            permits: (!policy.composite).then(|| shared.permits.clone().for_tool(&spec)),
            guard,
            time: policy.time_limit.map(TimeLimit::new),
            priority: policy.priority,
            tool,
            spec,
        }))
    }
}

impl Pipeline {
    /// Gives the permits that it took over from its former self the limit that is declared now.
    pub(crate) fn take_effect(&self) {
        let Stages { own_permits, spec, .. } = &*self.0;
        if let (Some(permits), Some(concurrency)) = (own_permits, spec.policy().concurrency) {
            let limit = limit(concurrency);
            if permits.gate().limit() != limit.permits() {
                permits.gate().set_limit(limit);
            }
        }
    }
}

impl Pipeline {
    /// Says that the tool is no more: what calls that still run load is not kept, for its name may be another tool's.
    pub(crate) fn retire(&self) {
        if let Some(caching) = &self.0.caching {
            caching.retire();
        }
    }

    pub(crate) fn breaker(&self) -> Option<&Arc<Breaker<CountWindow>>> {
        self.0.guard.as_ref().map(CircuitBreaker::breaker)
    }
}

impl Tool for Pipeline {
    fn spec(&self) -> &ToolSpec {
        &self.0.spec
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        order::enter(&self.0, call)
    }
}

/// The limit of a tool that bounds how many of its attempts run at once; zero would be never.
fn limit(concurrency: u32) -> Limit {
    Limit::fixed((concurrency as usize).clamp(1, Limit::MAX))
}
