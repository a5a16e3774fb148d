//! Ours: the bare dispatched tool, and the same tool behind everything a runtime applies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use toolpost::Runtime;
use toolpost::dispatch::{Access, CallRequest, Decision, Dispatcher, Event, Registry};
use toolpost::json::{Frame, Limits, NodeId};
use toolpost::layers::{Rate, RateLimit};
use toolpost::tool::{
    BreakerPolicy, CachePolicy, Call, CallParts, Output, Principal, RetryPolicy, Tool, ToolError, ToolSpec,
};

use crate::now_or_never;

const NAME: &str = "ready";

/// A tool that has its answer.
pub struct Ready {
    spec: ToolSpec,
    answer: Output,
}

impl Tool for Ready {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _call: Call) -> Result<Output, ToolError> {
        Ok(self.answer.clone())
    }
}

/// The tool, with what `declare` adds to its description.
fn ready(declare: impl FnOnce(ToolSpec) -> ToolSpec) -> Ready {
    let spec = ToolSpec::new(NAME).expect("a name").read_only();
    Ready { spec: declare(spec), answer: Output::text("here") }
}

/// Looked up, allowed by everyone, checked against its schema and run: no policy.
pub fn bare() -> Dispatcher {
    let registry = Registry::builder().tool(ready(|spec| spec)).build().expect("one tool");
    Dispatcher::builder(registry).build()
}

/// A runtime of the one tool.
pub struct Full {
    pub runtime: Runtime,
    /// What its observer has counted.
    pub ended: Arc<AtomicU64>,
}

impl Full {
    /// Authorize, limit, schedule, retry, breaker, time limit, and one counting observer.
    pub fn new() -> Self {
        Self::of(ready(policies))
    }

    /// The same, and results are remembered.
    pub fn cached() -> Self {
        let policy = CachePolicy::new(Duration::from_secs(3_600));
        Self::of(ready(|spec| policies(spec).with_cache(policy)))
    }

    fn of(tool: Ready) -> Self {
        let ended = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&ended);
        let runtime = Runtime::builder()
            .tool(tool)
            .authorize(|access: &Access<'_>| match access.principal.is_anonymous() {
                true => Decision::Deny("say who you are".into()),
                false => Decision::Allow,
            })
            // More than any loop can use up.
            .rates(RateLimit::new([Rate::new(1_000_000_000, Duration::from_secs(1))]))
            .observe(move |event: &Event<'_>| {
                if let Event::Finished { .. } = event {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build()
            .expect("one tool");
        Self { runtime, ended }
    }
}

fn policies(spec: ToolSpec) -> ToolSpec {
    spec.with_retry(RetryPolicy::new(3))
        .with_breaker(BreakerPolicy::default())
        .with_time_limit(Duration::from_secs(10))
}

/// Requests as a transport makes them.
pub struct Requests {
    principal: Principal,
    next: u64,
}

impl Requests {
    pub fn new() -> Self {
        Self { principal: Principal::new("ada@example.org"), next: 0 }
    }

    /// One with arguments that are always the same.
    pub fn same(&self) -> CallRequest {
        self.request(0)
    }

    /// One with arguments that there never were before.
    pub fn new_one(&mut self) -> CallRequest {
        self.next += 1;
        self.request(self.next)
    }

    fn request(&self, number: u64) -> CallRequest {
        let text = format!(r#"{{"query":"{number:06}","limit":25}}"#);
        let mut parts = CallParts::default();
        parts.tool = NAME.into();
        parts.frame = Some(Frame::from_text(text, &Limits::new()).expect("JSON"));
        parts.arguments = Some(NodeId::ROOT);
        parts.principal = self.principal.clone();
        CallRequest::from_parts(parts)
    }
}

/// One call to its end.
pub fn call(dispatcher: &Dispatcher, request: CallRequest) -> Output {
    now_or_never(dispatcher.call(request)).expect("an answer")
}
