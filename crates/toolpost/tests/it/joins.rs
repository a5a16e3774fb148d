//! What makes the whole more than its parts: the layers of one runtime know of each other.
#![expect(clippy::disallowed_methods, reason = "a test spawns, on a paused clock")]

use std::time::Duration;

use tokio::time::{Instant, sleep};
use toolpost::Runtime;
use toolpost::dispatch::CallRequest;
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::tool::{
    BreakerPolicy, CachePolicy, Call, CallParts, ErrorKind, NoArgs, Output, Priority, Refusal, RetryPolicy,
    ToolError, tool_fn,
};
use toolpost_test::{Script, assert_kind, run};

const SECOND: Duration = Duration::from_secs(1);

fn of(tool: &str, change: impl FnOnce(&mut CallParts)) -> CallRequest {
    let mut parts = CallParts::default();
    parts.tool = tool.to_owned().into();
    change(&mut parts);
    CallRequest::from_parts(parts)
}

async fn call(runtime: &Runtime, request: CallRequest) -> Result<Output, ToolError> {
    runtime.dispatcher().call(request).await
}

#[test]
fn an_urgent_joiner_raises_a_queued_load() {
    // As soon as an urgent call of its own would be, and not after the backlog.
    fn waits(of_what: &'static str) -> Duration {
        run(async move {
            let nap = |name| {
                tool_fn(name, |_: NoArgs, _: Call| async {
                    sleep(SECOND).await;
                    Ok("")
                })
            };
            let cached =
                nap("cached").with_spec(|spec| spec.read_only().with_cache(CachePolicy::new(60 * SECOND)));
            let gate = Gate::with_discipline(Limit::fixed(2), Fair::default(), QueueLimits::new(1_000));
            let runtime = Runtime::builder().tool(cached).tool(nap("plain")).gate(&gate).build().unwrap();
            let begin = |request| {
                let runtime = runtime.clone();
                tokio::spawn(async move { call(&runtime, request).await })
            };
            for _ in 0..100 {
                begin(CallRequest::new("plain"));
            }
            tokio::task::yield_now().await;
            begin(of("cached", |parts| parts.priority = Priority::Background));
            sleep(3 * SECOND).await;
            let start = Instant::now();
            call(&runtime, of(of_what, |parts| parts.priority = Priority::Urgent)).await.unwrap();
            start.elapsed()
        })
    }
    assert_eq!(waits("cached"), waits("plain"));
    assert!(waits("cached") <= 2 * SECOND);
}

#[test]
fn an_open_breaker_refuses_before_the_queue() {
    run(async {
        let mut breaker = BreakerPolicy::default();
        (breaker.window, breaker.minimum_calls, breaker.open_for) = (1, 1, 60 * SECOND);
        let broken =
            Script::new("broken").fails(ToolError::new("no")).with_spec(|spec| spec.with_breaker(breaker));
        let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(10));
        let runtime =
            Runtime::builder().tool(broken).tool(Script::new("holds").hangs()).gate(&gate).build().unwrap();
        assert_kind(&call(&runtime, CallRequest::new("broken")).await, ErrorKind::Failed);
        let holds = tokio::spawn({
            let runtime = runtime.clone();
            async move { call(&runtime, CallRequest::new("holds")).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.in_flight(), 1, "no permit is free");
        let start = Instant::now();
        let refused = call(&runtime, CallRequest::new("broken")).await;
        assert_kind(&refused, ErrorKind::Refused(Refusal::BreakerOpen));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(gate.stats().submitted, 0, "nothing of it has ever queued");
        holds.abort();
    });
}

#[test]
fn retries_stop_at_the_budget_and_say_so() {
    run(async {
        let down = Script::new("s").fails(ToolError::unavailable("down"));
        let down = down.with_spec(|spec| spec.repeatable().with_retry(RetryPolicy::new(2)));
        let runtime = Runtime::builder().tool(down).build().unwrap();
        for _ in 0..10 {
            let error = call(&runtime, CallRequest::new("s")).await.unwrap_err();
            assert_eq!(error.to_string(), "down", "ten retries there are to begin with");
        }
        let start = Instant::now();
        let error = call(&runtime, CallRequest::new("s")).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "down; not tried again, because too many calls fail (the retry budget is spent)"
        );
        assert_eq!(error.kind(), ErrorKind::Unavailable, "it ran: that is no refusal");
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn retries_stop_at_the_deadline() {
    run(async {
        let mut retry = RetryPolicy::new(100);
        (retry.base, retry.cap, retry.jitter) = (SECOND, SECOND, toolpost::tool::RetryJitter::Decorrelated);
        let down = Script::new("s").fails(ToolError::unavailable("down"));
        let down = down.with_spec(|spec| spec.repeatable().with_retry(retry));
        let runtime = Runtime::builder().tool(down).build().unwrap();
        let start = Instant::now();
        let due = (start + 3 * SECOND + SECOND / 2).into_std();
        let result = call(&runtime, of("s", |parts| parts.deadline = Some(due))).await;
        assert_kind(&result, ErrorKind::Unavailable);
        assert_eq!(start.elapsed(), 3 * SECOND, "no wait that would end after the deadline");
    });
}
