//! The order of policies on the public page is the order in which a call meets them: one check for every two neighbors, in
//! a situation where each of the two would have its way if it came first.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use toolpost::dispatch::{Access, Decision};
use toolpost::layers::{Rate, RateLimit, Retry};
use toolpost::retry::Backoff;
use toolpost::tool::{
    BreakerPolicy, CachePolicy, Call, ErrorKind, IdempotencyPolicy, NoArgs, Output, RatePolicy, Refusal,
    ResultFlag, RetryPolicy, ToolError, ToolSpec, tool_fn,
};
use toolpost::{Approvals, Runtime, ToolExt};
use toolpost_test::{Script, assert_kind, assert_text, mock, poll_once, run};

use crate::declared::{call, counting, runtime};

const SECOND: Duration = Duration::from_secs(1);

/// Every two neighbors, and the check that the first comes first.
const CHECKS: &[(&str, &str, fn())] = &[
    ("authorize", "check arguments", a_denied_call_is_not_told_what_is_wrong_with_it),
    ("check arguments", "idempotency", wrong_arguments_are_told_before_the_key_is_looked_at),
    ("idempotency", "approval", a_repeated_call_needs_no_approval),
    ("approval", "invalidation", a_call_that_waits_for_a_person_invalidates_nothing),
    ("invalidation", "cache and single-flight", a_hit_invalidates),
    ("cache and single-flight", "rate limit", a_hit_costs_no_rate),
    ("rate limit", "retry", the_rate_is_asked_once_a_call),
    ("retry", "open breaker", each_attempt_meets_the_breaker),
    ("open breaker", "permit", an_open_breaker_refuses_before_the_queue),
    ("permit", "breaker", the_breaker_is_asked_with_a_permit_in_hand),
    ("breaker", "time limit", a_time_out_is_a_failure_of_the_breaker),
    ("time limit", "layers by hand", the_time_limit_holds_for_all_attempts_by_hand),
    ("layers by hand", "tool", a_layer_by_hand_refuses_without_the_tool),
];

#[test]
fn the_page_says_what_happens() {
    let page = include_str!("../../docs/order_of_policies.md");
    let order = page.split("```").nth(1).unwrap().trim_start_matches("text");
    assert!(include_str!("../../README.md").contains(order), "the README quotes the page");
    let order: Vec<&str> = order.split('>').map(str::trim).collect();
    let checked: Vec<(&str, &str)> = CHECKS.iter().map(|(outer, inner, _)| (*outer, *inner)).collect();
    let said: Vec<(&str, &str)> = order.windows(2).map(|two| (two[0], two[1])).collect();
    assert_eq!(said, checked);
    for (outer, inner, check) in CHECKS {
        println!("{outer} > {inner}");
        check();
    }
}

/// A breaker that opens at this number of failures.
fn opens_at(failures: u32) -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    (policy.window, policy.minimum_calls, policy.failure_rate) = (failures, failures, 1.0);
    policy
}

fn a_denied_call_is_not_told_what_is_wrong_with_it() {
    run(async {
        let closed = |_: &Access<'_>| Decision::Deny("not today".to_owned());
        let runtime = Runtime::builder().tool(counting(wanting)).authorize(closed).build().unwrap();
        assert_kind(&call(&runtime).await, ErrorKind::Refused(Refusal::Denied));
    });
}

/// A tool that wants an argument.
fn wanting(spec: ToolSpec) -> ToolSpec {
    spec.with_input_schema(json!({"type": "object", "required": ["a"]}))
}

fn wrong_arguments_are_told_before_the_key_is_looked_at() {
    run(async {
        let tool = Script::new("s").answers("it");
        let runtime =
            runtime(tool.with_spec(|spec| wanting(spec).with_idempotency(IdempotencyPolicy::new())));
        let keyed = |arguments| {
            let call = toolpost_test::call(arguments).of("s").keyed("k").build();
            runtime.dispatcher().call_within(call)
        };
        assert_text(&keyed(json!({"a": 1})).await, "it");
        let error = keyed(json!({})).await.unwrap_err().to_string();
        assert!(error.contains("`a` is missing"), "{error}");
    });
}

fn a_repeated_call_needs_no_approval() {
    run(async {
        let approvals = Approvals::new().out_of_band(Duration::ZERO);
        let tool = Script::new("s")
            .answers("it")
            .with_spec(|spec| spec.needs_approval().with_idempotency(IdempotencyPolicy::new().over(["/n"])));
        let runtime = Runtime::builder().tool(tool).approvals(approvals.clone()).build().unwrap();
        let pending = runtime.call("s", &json!({"n": 1})).await;
        assert_kind(&pending, ErrorKind::Refused(Refusal::ApprovalPending));
        let id = approvals.waiting().await.unwrap()[0].id.clone();
        assert!(approvals.decide(&id, true).await.unwrap());
        assert_text(&runtime.call("s", &json!({"n": 1})).await, "it");
        assert!(runtime.call("s", &json!({"n": 1})).await.unwrap().has_flag(ResultFlag::Repeated));
    });
}

fn a_call_that_waits_for_a_person_invalidates_nothing() {
    run(async {
        let policy = CachePolicy::new(60 * SECOND).tagged("t");
        let reads = counting(|spec| spec.read_only().with_cache(policy));
        let writes = Script::new("w").answers("written");
        let writes = writes.with_spec(|spec| spec.needs_approval().invalidating("t"));
        let runtime = Runtime::builder().tool(reads).tool(writes).build().unwrap();
        assert_text(&call(&runtime).await, "1");
        let refused = runtime.call("w", &json!({})).await;
        assert_kind(&refused, ErrorKind::Refused(Refusal::ApprovalUnavailable));
        assert_text(&call(&runtime).await, "1");
    });
}

fn a_hit_invalidates() {
    run(async {
        let reads = counting(|spec| spec.read_only().with_cache(CachePolicy::new(60 * SECOND).tagged("t")));
        let touches = Script::new("w").answers("touched");
        let touches = touches
            .with_spec(|spec| spec.read_only().with_cache(CachePolicy::new(60 * SECOND)).invalidating("t"));
        let runtime = Runtime::builder().tool(reads).tool(touches).build().unwrap();
        assert_text(&runtime.call("w", &json!({})).await, "touched");
        assert_text(&call(&runtime).await, "1");
        assert!(runtime.call("w", &json!({})).await.unwrap().has_flag(ResultFlag::CacheHit));
        assert_text(&call(&runtime).await, "2");
    });
}

fn a_hit_costs_no_rate() {
    run(async {
        let policy = CachePolicy::new(60 * SECOND);
        let once = RatePolicy::new(1, 3_600 * SECOND);
        let runtime = runtime(counting(|spec| spec.read_only().with_cache(policy).with_rate(once)));
        assert_text(&call(&runtime).await, "1");
        assert_text(&call(&runtime).await, "1");
    });
}

/// The tool `s`, which is down for so many attempts, and is tried four times.
fn down(failures: usize, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Script {
    let mut retry = RetryPolicy::new(4);
    (retry.base, retry.cap) = (Duration::from_millis(1), Duration::from_millis(1));
    Script::new("s")
        .with_spec(|spec| change(spec.repeatable().with_retry(retry)))
        .fails(ToolError::unavailable("later"))
        .times(failures)
        .answers("there")
}

fn the_rate_is_asked_once_a_call() {
    run(async {
        let runtime = runtime(down(2, |spec| spec.with_rate(RatePolicy::new(1, 3_600 * SECOND))));
        assert_text(&call(&runtime).await, "there");
    });
}

fn each_attempt_meets_the_breaker() {
    run(async {
        let runtime = runtime(down(3, |spec| spec.with_breaker(opens_at(3))));
        // Three failures of one call open it, and the call ends with the tool's error instead of the fourth attempt.
        assert_kind(&call(&runtime).await, ErrorKind::Unavailable);
        assert_kind(&call(&runtime).await, ErrorKind::Refused(Refusal::BreakerOpen));
    });
}

fn an_open_breaker_refuses_before_the_queue() {
    run(async {
        let tool = Script::new("s").hangs();
        let runtime = runtime(tool.with_spec(|spec| spec.with_concurrency(1).with_breaker(opens_at(1))));
        let mut running = Box::pin(call(&runtime));
        assert!(poll_once(running.as_mut()).await.is_pending());
        runtime.breaker("s").unwrap().force_open(Instant::now().into_std());
        match poll_once(Box::pin(call(&runtime)).as_mut()).await {
            Poll::Ready(refused) => assert_kind(&refused, ErrorKind::Refused(Refusal::BreakerOpen)),
            Poll::Pending => panic!("queued for the permit of the call that runs"),
        }
    });
}

fn the_breaker_is_asked_with_a_permit_in_hand() {
    run(async {
        let (tool, mut handle) = mock("s");
        let runtime = runtime(tool.with_spec(|spec| spec.with_concurrency(1).with_breaker(opens_at(1))));
        let (mut first, mut second) = (Box::pin(call(&runtime)), Box::pin(call(&runtime)));
        assert!(poll_once(first.as_mut()).await.is_pending());
        assert!(poll_once(second.as_mut()).await.is_pending(), "queued, and the breaker is closed");
        handle.next().await.fail(ToolError::unavailable("down"));
        assert_kind(&first.await, ErrorKind::Unavailable);
        assert_kind(&second.await, ErrorKind::Refused(Refusal::BreakerOpen));
        assert_eq!(handle.calls(), 1);
    });
}

fn a_time_out_is_a_failure_of_the_breaker() {
    run(async {
        let tool = Script::new("s").hangs();
        let runtime = runtime(tool.with_spec(|spec| spec.with_time_limit(SECOND).with_breaker(opens_at(1))));
        assert_kind(&call(&runtime).await, ErrorKind::TimedOut);
        assert_kind(&call(&runtime).await, ErrorKind::Refused(Refusal::BreakerOpen));
    });
}

fn the_time_limit_holds_for_all_attempts_by_hand() {
    run(async {
        let tool = tool_fn("s", |_: NoArgs, _: Call| async {
            tokio::time::sleep(SECOND).await;
            Err::<Output, _>(ToolError::unavailable("later"))
        });
        let by_hand = Retry::idempotent().backoff(Backoff::fixed(Duration::from_millis(1)));
        let tool = tool.with_spec(|spec| spec.with_time_limit(5 * SECOND / 2)).retried(by_hand);
        // Three attempts of a second each: none is too long, all together are.
        assert_kind(&call(&runtime(tool)).await, ErrorKind::TimedOut);
    });
}

fn a_layer_by_hand_refuses_without_the_tool() {
    run(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let tool = tool_fn("s", move |_: NoArgs, _: Call| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok("") }
        });
        let runtime = runtime(tool.limited(RateLimit::new([Rate::new(1, 3_600 * SECOND)])));
        assert!(call(&runtime).await.is_ok());
        assert_kind(&call(&runtime).await, ErrorKind::Refused(Refusal::RateLimited));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    });
}
