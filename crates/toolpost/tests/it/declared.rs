//! A policy that is declared is enforced: one check for every field of what a tool says about itself, which shows that
//! declaring it changes what happens. A field without a check fails `every_field_has_a_check`.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, advance};
use toolpost::Runtime;
use toolpost::dispatch::{CallRequest, Event};
use toolpost::json::{Frame, Limits};
use toolpost::layers::{Rate, RateLimit};
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::tool::{
    BreakerPolicy, CachePolicy, Call, CallParts, ErrorKind, Icon, IdempotencyPolicy, NoArgs, Output, Policy,
    Principal, Priority, RatePolicy, Refusal, ResultFlag, RetryJitter, RetryPolicy, TaskSupport, Tool,
    ToolAnnotations, ToolError, ToolSpec, blocking_fn, tool_fn,
};
use toolpost_server::Server;
use toolpost_test::{Script, assert_kind, assert_text, poll_once, run};

const SECOND: Duration = Duration::from_secs(1);

/// What a tool can say, and the check that it is not said in vain.
const CHECKS: &[(&str, fn())] = &[
    ("ToolSpec.name", name),
    ("ToolSpec.aliases", aliases),
    ("ToolSpec.title", title),
    ("ToolSpec.description", description),
    ("ToolSpec.category", category),
    ("ToolSpec.version", version),
    ("ToolSpec.deprecated", deprecated),
    ("ToolSpec.annotations", annotations),
    ("ToolSpec.icons", icons),
    ("ToolSpec.input_schema", input_schema),
    ("ToolSpec.output_schema", output_schema),
    ("ToolSpec.meta", meta),
    ("ToolSpec.task_support", task_support),
    // Its own fields are below.
    ("ToolSpec.policy", time_limit),
    ("ToolSpec.warnings", warnings),
    ("ToolAnnotations.title", annotations),
    ("ToolAnnotations.read_only", annotations),
    ("ToolAnnotations.destructive", annotations),
    ("ToolAnnotations.idempotent", annotations),
    ("ToolAnnotations.open_world", annotations),
    ("ToolAnnotations.extra", annotations),
    ("Icon.src", icons),
    ("Icon.mime_type", icons),
    ("Icon.sizes", icons),
    ("Icon.theme", icons),
    ("Icon.extra", icons),
    ("Policy.time_limit", time_limit),
    ("Policy.cache", cache_ttl),
    ("Policy.invalidates", invalidates),
    ("Policy.idempotency", idempotency_over),
    ("Policy.needs_approval", needs_approval),
    ("Policy.repeatable", repeatable),
    ("Policy.retry", retry_attempts),
    ("Policy.rate", rate),
    ("Policy.priority", priority),
    ("Policy.concurrency", concurrency),
    ("Policy.breaker", breaker_minimum_calls),
    ("Policy.blocking", blocking),
    ("Policy.composite", composite),
    ("Policy.cost", cost),
    ("CachePolicy.ttl", cache_ttl),
    ("CachePolicy.stale", cache_stale),
    ("CachePolicy.stale_if_error", cache_stale_if_error),
    ("CachePolicy.scope", cache_scope),
    ("CachePolicy.vary", cache_vary),
    ("CachePolicy.tags", invalidates),
    ("IdempotencyPolicy.ttl", idempotency_ttl),
    ("IdempotencyPolicy.over", idempotency_over),
    ("RetryPolicy.attempts", retry_attempts),
    ("RetryPolicy.base", retry_waits),
    ("RetryPolicy.cap", retry_waits),
    ("RetryPolicy.jitter", retry_waits),
    ("RatePolicy.calls", rate),
    ("RatePolicy.per", rate),
    ("RatePolicy.per_principal", rate),
    ("BreakerPolicy.window", breaker_window),
    ("BreakerPolicy.failure_rate", breaker_failure_rate),
    ("BreakerPolicy.minimum_calls", breaker_minimum_calls),
    ("BreakerPolicy.slow_call", breaker_slow_call),
    ("BreakerPolicy.open_for", breaker_open_for),
    ("BreakerPolicy.patience", breaker_patience),
];

/// The names of the fields of a struct, as its `Debug` shows them.
fn fields(of: &str, value: &impl Debug) -> Vec<String> {
    let shown = format!("{value:#?}");
    let outermost = shown.lines().filter_map(|line| line.strip_prefix("    "));
    let names = outermost
        .filter(|line| !line.starts_with([' ', ')', '}', ']']))
        .filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| format!("{of}.{name}")).collect()
}

#[test]
fn every_field_has_a_check() {
    let mut declared = fields("ToolSpec", &ToolSpec::new("s").unwrap());
    declared.extend(fields("ToolAnnotations", &ToolAnnotations::default()));
    declared.extend(fields("Icon", &Icon::new("")));
    declared.extend(fields("Policy", &Policy::default()));
    declared.extend(fields("CachePolicy", &CachePolicy::default()));
    declared.extend(fields("IdempotencyPolicy", &IdempotencyPolicy::new()));
    declared.extend(fields("RetryPolicy", &RetryPolicy::new(2)));
    declared.extend(fields("RatePolicy", &RatePolicy::new(1, SECOND)));
    declared.extend(fields("BreakerPolicy", &BreakerPolicy::default()));
    let checked: Vec<&str> = CHECKS.iter().map(|(field, _)| *field).collect();
    assert_eq!(declared, checked);
}

#[test]
fn what_is_declared_is_enforced() {
    for (field, check) in CHECKS {
        println!("{field}");
        check();
    }
}

/// A runtime with this tool.
pub(crate) fn runtime(tool: impl Tool) -> Runtime {
    Runtime::builder().tool(tool).build().unwrap()
}

/// Calls the tool `s`.
pub(crate) async fn call(runtime: &Runtime) -> Result<Output, ToolError> {
    runtime.call("s", &json!({})).await
}

fn script(change: impl FnOnce(ToolSpec) -> ToolSpec) -> Script {
    Script::new("s").with_spec(change)
}

/// The tool `s`, whose answers count its runs.
pub(crate) fn counting(change: impl FnOnce(ToolSpec) -> ToolSpec) -> impl Tool {
    let runs = AtomicUsize::new(0);
    tool_fn("s", move |_: NoArgs, _: Call| {
        let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(run.to_string()) }
    })
    .with_spec(change)
}

/// A call of `s` with these `_meta`.
fn with_meta(meta: &Value) -> CallRequest {
    let text = json!({"_meta": meta}).to_string();
    let frame = Frame::from_text(text, &Limits::new()).unwrap();
    let mut parts = CallParts::default();
    parts.tool = "s".into();
    parts.meta = Some(frame.root().member("_meta").unwrap().id());
    parts.frame = Some(frame);
    CallRequest::from_parts(parts)
}

/// What a client is shown of a tool that says this of itself.
fn listed(change: impl FnOnce(ToolSpec) -> ToolSpec) -> Value {
    served(change, "tools/list", json!({}))["result"]["tools"][0].clone()
}

/// The reply of a server of this tool.
fn served(change: impl FnOnce(ToolSpec) -> ToolSpec, method: &str, mut params: Value) -> Value {
    run(async {
        let runtime = runtime(script(change).answers(""));
        let server = Server::builder(runtime.dispatcher().clone()).build();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}
        });
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let frame = Frame::from_text(asked.to_string(), &Limits::new()).unwrap();
        let reply = server.handle(frame, Principal::anonymous()).await;
        serde_json::from_slice(&reply.unwrap()).unwrap()
    })
}

fn name() {
    assert_eq!(listed(|spec| spec)["name"], "s");
}

fn aliases() {
    run(async {
        let runtime = runtime(script(|spec| spec.with_alias("other").unwrap()).answers("it"));
        assert_text(&runtime.call("other", &json!({})).await, "it");
    });
}

fn title() {
    assert_eq!(listed(|spec| spec.with_title("The S"))["title"], "The S");
}

fn description() {
    assert_eq!(listed(|spec| spec.with_description("Does it."))["description"], "Does it.");
}

fn category() {
    let runtime = runtime(script(|spec| spec.with_category("files")).answers(""));
    assert_eq!(runtime.categories(&Default::default())[0].name, "files");
}

fn version() {
    // A new version's calls find nothing of the old one's results.
    run(async {
        let versioned = |version| {
            move |spec: ToolSpec| {
                spec.read_only().with_version(version).with_cache(CachePolicy::new(60 * SECOND))
            }
        };
        let runtime = runtime(script(versioned("1")).answers("old"));
        assert_text(&call(&runtime).await, "old");
        let reload = |version, text: &str| {
            let tool = toolpost::tool::AnyTool::new(script(versioned(version)).answers(text));
            runtime.reload(&Default::default(), [tool]).unwrap();
        };
        reload("1", "unseen");
        assert_text(&call(&runtime).await, "old");
        reload("2", "new");
        assert_text(&call(&runtime).await, "new");
    });
}

fn deprecated() {
    run(async {
        let told = Arc::new(AtomicUsize::new(0));
        let tells = Arc::clone(&told);
        let tool = script(|spec| spec.with_deprecation("use t")).answers("it");
        let runtime = Runtime::builder()
            .tool(tool)
            .observe(move |event: &Event<'_>| {
                if matches!(event, Event::Deprecated { message: "use t", .. }) {
                    tells.fetch_add(1, Ordering::SeqCst);
                }
            })
            .build()
            .unwrap();
        assert_text(&call(&runtime).await, "it");
        assert_eq!(told.load(Ordering::SeqCst), 1);
    });
}

fn annotations() {
    let listed = listed(|spec| {
        let mut hints = ToolAnnotations::default();
        hints.title = Some("S".to_owned());
        hints.read_only = Some(false);
        hints.destructive = Some(false);
        hints.idempotent = Some(true);
        hints.open_world = Some(false);
        hints.extra.insert("x-hint".to_owned(), true.into());
        spec.with_annotations(hints)
    });
    let expected = json!({"title": "S", "readOnlyHint": false, "destructiveHint": false, "idempotentHint": true,
        "openWorldHint": false, "x-hint": true});
    assert_eq!(listed["annotations"], expected);
}

fn icons() {
    let listed = listed(|spec| {
        let mut icon = Icon::new("https://x.test/i.png");
        icon.mime_type = Some("image/png".to_owned());
        icon.sizes = Some(vec!["48x48".to_owned()]);
        icon.theme = Some("dark".into());
        icon.extra.insert("x-more".to_owned(), true.into());
        spec.with_icon(icon)
    });
    let expected = json!([{"src": "https://x.test/i.png", "mimeType": "image/png", "sizes": ["48x48"],
        "theme": "dark", "x-more": true}]);
    assert_eq!(listed["icons"], expected);
}

fn input_schema() {
    run(async {
        let schema = json!({"type": "object", "required": ["a"]});
        let runtime = runtime(script(|spec| spec.with_input_schema(schema)).answers("it"));
        assert_kind(&call(&runtime).await, ErrorKind::InvalidArguments);
        assert_text(&runtime.call("s", &json!({"a": 1})).await, "it");
    });
}

fn output_schema() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    assert_eq!(listed(|spec| spec.with_output_schema(schema.clone()))["outputSchema"], schema);
}

fn meta() {
    assert_eq!(listed(|spec| spec.with_meta(json!({"x/y": 1})))["_meta"]["x/y"], 1);
}

fn task_support() {
    let asked = |support| {
        served(|spec| spec.with_task_support(support), "tools/call", json!({"name": "s"}))["error"].clone()
    };
    assert_eq!(asked(TaskSupport::Forbidden), Value::Null);
    assert_ne!(asked(TaskSupport::Required), Value::Null, "this client takes no tasks");
}

fn warnings() {
    let runtime = runtime(script(|spec| spec.with_warning("`s` turns too fast")));
    assert_eq!(runtime.warnings().collect::<Vec<_>>(), ["`s` turns too fast"]);
}

fn time_limit() {
    run(async {
        let runtime = runtime(script(|spec| spec.with_time_limit(2 * SECOND)).hangs());
        let start = Instant::now();
        assert_kind(&call(&runtime).await, ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), 2 * SECOND);
    });
}

fn invalidates() {
    run(async {
        let policy = CachePolicy::new(60 * SECOND).tagged("t");
        let writes = Script::new("w").answers("written").with_spec(|spec| spec.invalidating("t"));
        let reads = counting(|spec| spec.read_only().with_cache(policy));
        let runtime = Runtime::builder().tool(reads).tool(writes).build().unwrap();
        assert_text(&call(&runtime).await, "1");
        assert_text(&call(&runtime).await, "1");
        assert_text(&runtime.call("w", &json!({})).await, "written");
        assert_text(&call(&runtime).await, "2");
    });
}

/// The tool `s`, which takes a number and counts its runs.
fn counting_orders(policy: IdempotencyPolicy) -> Runtime {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    runtime(counting(|spec| spec.with_input_schema(schema).with_idempotency(policy)))
}

fn idempotency_over() {
    run(async {
        let runtime = counting_orders(IdempotencyPolicy::new().over(["/n"]));
        for (n, run) in [(1, "1"), (1, "1"), (2, "2"), (1, "1")] {
            assert_text(&runtime.call("s", &json!({"n": n})).await, run);
        }
        assert_text(&call(&runtime).await, "3");
        assert_text(&call(&runtime).await, "4");
    });
}

fn idempotency_ttl() {
    run(async {
        let runtime = counting_orders(IdempotencyPolicy::new().over(["/n"]).ttl(60 * SECOND));
        assert_text(&runtime.call("s", &json!({"n": 1})).await, "1");
        advance(59 * SECOND).await;
        assert_text(&runtime.call("s", &json!({"n": 1})).await, "1");
        advance(SECOND).await;
        assert_text(&runtime.call("s", &json!({"n": 1})).await, "2");
    });
}

/// What a tool that is down at first answers, and the time that it takes.
fn retried(
    change: impl FnOnce(ToolSpec) -> ToolSpec,
    failures: usize,
) -> (Result<Output, ToolError>, Duration) {
    run(async {
        let down = ToolError::unavailable("later");
        let runtime = runtime(script(change).fails(down).times(failures).answers("there"));
        let start = Instant::now();
        (call(&runtime).await, start.elapsed())
    })
}

fn repeatable() {
    let declared = |spec: ToolSpec| spec.with_retry(RetryPolicy::new(2));
    assert_kind(&retried(declared, 1).0, ErrorKind::Unavailable);
    assert_text(&retried(|spec| declared(spec).repeatable(), 1).0, "there");
}

fn retry_attempts() {
    let declared = |attempts| move |spec: ToolSpec| spec.repeatable().with_retry(RetryPolicy::new(attempts));
    assert_kind(&retried(declared(3), 3).0, ErrorKind::Unavailable);
    assert_text(&retried(declared(4), 3).0, "there");
}

fn retry_waits() {
    // Decorrelated waits are never less than the base, and the cap bounds them: here it is the base.
    let wait = |base: Duration, cap: Duration| {
        let mut retry = RetryPolicy::new(4);
        (retry.base, retry.cap, retry.jitter) = (base, cap, RetryJitter::Decorrelated);
        retried(move |spec| spec.repeatable().with_retry(retry), 3).1
    };
    assert_eq!(wait(5 * SECOND, 5 * SECOND), 15 * SECOND);
    assert!(15 * SECOND < wait(5 * SECOND, 600 * SECOND), "bounded by the cap alone");
    // Waits with full jitter are anything up to the bound: three of exactly that much there are not.
    let mut full = RetryPolicy::new(4);
    (full.base, full.cap) = (5 * SECOND, 5 * SECOND);
    assert!(retried(move |spec| spec.repeatable().with_retry(full), 3).1 < 15 * SECOND);
}

fn rate() {
    let by = |runtime: &Runtime, name: &'static str| {
        let request = CallRequest::new("s").by(Principal::new(name));
        let runtime = runtime.clone();
        async move { runtime.dispatcher().call(request).await }
    };
    run(async {
        let runtime = runtime(script(|spec| spec.with_rate(RatePolicy::new(2, 10 * SECOND))).answers("x"));
        assert!(by(&runtime, "ada").await.is_ok() && by(&runtime, "bob").await.is_ok());
        assert_kind(&by(&runtime, "ada").await, ErrorKind::Refused(Refusal::RateLimited));
        // What is counted stays counted over a reload that declares the same.
        runtime.reconfigure(&toolpost::Settings::default()).unwrap();
        assert_kind(&by(&runtime, "ada").await, ErrorKind::Refused(Refusal::RateLimited));
        advance(5 * SECOND).await;
        assert!(by(&runtime, "ada").await.is_ok());
    });
    run(async {
        let rate = RatePolicy::new(1, 10 * SECOND).per_principal();
        let tool = script(|spec| spec.with_rate(rate)).answers("x");
        let all = RateLimit::new([Rate::new(2, 10 * SECOND)]);
        let runtime = Runtime::builder().tool(tool).rates(all).build().unwrap();
        assert!(by(&runtime, "ada").await.is_ok() && by(&runtime, "bob").await.is_ok());
        assert_kind(&by(&runtime, "eve").await, ErrorKind::Refused(Refusal::RateLimited));
    });
    // Out of bounds, it is the nearest bound.
    run(async {
        let runtime = runtime(script(|spec| spec.with_rate(RatePolicy::new(0, Duration::ZERO))).answers("x"));
        assert!(call(&runtime).await.is_ok());
    });
}

fn priority() {
    run(async {
        let tool = tool_fn("s", |_: NoArgs, call: Call| async move { Ok(call.priority().as_str()) });
        let runtime = runtime(tool.with_spec(|spec| spec.with_priority(Priority::Background)));
        assert_text(&call(&runtime).await, "background");
    });
}

fn concurrency() {
    run(async {
        let tool = tool_fn("s", |_: NoArgs, _: Call| async {
            tokio::time::sleep(SECOND).await;
            Ok("")
        });
        let runtime = runtime(tool.with_spec(|spec| spec.with_concurrency(2)));
        let start = Instant::now();
        let all = runtime.call_all((0..6).map(|_| ("s", json!({}))), 6).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(start.elapsed(), 3 * SECOND);
    });
}

fn breaker(change: impl FnOnce(&mut BreakerPolicy)) -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    (policy.window, policy.minimum_calls, policy.failure_rate) = (4, 4, 0.5);
    change(&mut policy);
    policy
}

/// Whether the call after these is refused; each fails or not.
fn opens(policy: BreakerPolicy, fails: &[bool]) -> bool {
    run(async {
        let mut tool = script(|spec| spec.with_breaker(policy));
        for fails in fails {
            tool = if *fails { tool.fails(ToolError::new("no")) } else { tool.answers("yes") };
        }
        let runtime = runtime(tool.answers("last"));
        for _ in fails {
            let _any = call(&runtime).await;
        }
        call(&runtime).await.is_err()
    })
}

fn breaker_window() {
    // Two failures, then four successes: a window of four has forgotten them, one of twelve has not.
    let calls = [true, true, false, false, false, false, true, true, false];
    assert!(opens(breaker(|policy| policy.window = 4), &calls[..8]));
    assert!(!opens(breaker(|policy| (policy.window, policy.minimum_calls) = (12, 8)), &calls[..7]));
    assert!(!opens(breaker(|policy| (policy.window, policy.failure_rate) = (4, 0.75)), &calls[..8]));
    assert!(opens(breaker(|policy| (policy.window, policy.minimum_calls) = (12, 8)), &calls[..8]));
}

fn breaker_failure_rate() {
    let calls = [false, false, true, true];
    assert!(opens(breaker(|policy| policy.failure_rate = 0.5), &calls));
    assert!(!opens(breaker(|policy| policy.failure_rate = 0.75), &calls));
}

fn breaker_minimum_calls() {
    assert!(opens(breaker(|policy| policy.minimum_calls = 2), &[true, true]));
    assert!(!opens(breaker(|policy| policy.minimum_calls = 3), &[true, true]));
}

fn breaker_slow_call() {
    let refused = |slow| {
        run(async {
            let tool = tool_fn("s", |_: NoArgs, _: Call| async {
                tokio::time::sleep(2 * SECOND).await;
                Ok("")
            });
            let policy = breaker(|policy| (policy.slow_call, policy.minimum_calls) = (Some(slow), 2));
            let runtime = runtime(tool.with_spec(|spec| spec.with_breaker(policy)));
            assert!(call(&runtime).await.is_ok() && call(&runtime).await.is_ok());
            call(&runtime).await.is_err()
        })
    };
    assert!(refused(SECOND));
    assert!(!refused(3 * SECOND));
}

fn breaker_open_for() {
    run(async {
        let policy = breaker(|policy| {
            (policy.window, policy.minimum_calls) = (1, 1);
            policy.open_for = 40 * SECOND;
        });
        let runtime =
            runtime(script(|spec| spec.with_breaker(policy)).fails(ToolError::new("no")).answers("yes"));
        assert_kind(&call(&runtime).await, ErrorKind::Failed);
        let refused = call(&runtime).await;
        assert_kind(&refused, ErrorKind::Refused(Refusal::BreakerOpen));
        advance(39 * SECOND).await;
        assert_kind(&call(&runtime).await, ErrorKind::Refused(Refusal::BreakerOpen));
        // Up to three times as long, so that not all who were refused come back at once.
        advance(82 * SECOND).await;
        assert_text(&call(&runtime).await, "yes");
    });
}

fn breaker_patience() {
    // An outage, then a trial call that hangs; the call after that comes so many seconds later.
    let recovers = |patience, limit, later: u32| {
        run(async move {
            let policy = breaker(|policy| {
                (policy.window, policy.minimum_calls, policy.patience, policy.open_for) =
                    (1, 1, patience, SECOND)
            });
            let script = script(|spec| spec.with_breaker(policy).with_time_limit(limit));
            let mut script = script.fails(ToolError::new("no"));
            for _ in 0..3 {
                script = script.hangs();
            }
            let runtime = runtime(script.answers("yes"));
            assert_kind(&call(&runtime).await, ErrorKind::Failed);
            advance(3 * SECOND).await;
            let none = json!({});
            let mut hung: Vec<_> = (0..3).map(|_| Box::pin(runtime.call("s", &none))).collect();
            for hung in &mut hung {
                assert!(poll_once(hung.as_mut()).await.is_pending());
            }
            advance(later * SECOND).await;
            call(&runtime).await.is_ok()
        })
    };
    assert!(
        !recovers(Some(20 * SECOND), Duration::MAX, 19) && recovers(Some(20 * SECOND), Duration::MAX, 20)
    );
    assert!(
        !recovers(None, SECOND * 3_600, 299) && recovers(None, SECOND * 3_600, 300),
        "five minutes at most"
    );
    assert!(!recovers(None, SECOND * 100, 99) && recovers(None, Duration::MAX, 300));
}

fn needs_approval() {
    run(async {
        let runtime = runtime(Script::new("s").answers("").with_spec(ToolSpec::needs_approval));
        assert_kind(&call(&runtime).await, ErrorKind::Refused(Refusal::ApprovalUnavailable));
    });
}

fn blocking() {
    // On one thread, three that wait for each other end only where each has a thread of its own.
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    executor.block_on(async {
        let all_here = Arc::new(std::sync::Barrier::new(3));
        let tool = blocking_fn("s", move |_: NoArgs, _: Call| {
            all_here.wait();
            Ok("done")
        });
        assert!(tool.spec().policy().blocking);
        let runtime = runtime(tool);
        for result in runtime.call_all((0..3).map(|_| ("s", json!({}))), 3).await {
            assert_text(&result, "done");
        }
    });
}

fn composite() {
    let permits = |change: fn(ToolSpec) -> ToolSpec| {
        run(async move {
            let runtime = runtime(script(change).hangs());
            let none = json!({});
            let mut running = std::pin::pin!(runtime.call("s", &none));
            assert!(poll_once(running.as_mut()).await.is_pending());
            runtime.gate().in_flight()
        })
    };
    assert_eq!(permits(|spec| spec), 1);
    assert_eq!(permits(ToolSpec::composite), 0);
}

fn cost() {
    let passed = |cost, burst| {
        run(async move {
            let runtime = Runtime::builder()
                .tool(script(|spec| spec.with_cost(cost)).answers(""))
                .rates(RateLimit::new([Rate::new(10, 60 * SECOND).burst(burst)]))
                .build()
                .unwrap();
            let mut passed = 0;
            while call(&runtime).await.is_ok() {
                passed += 1;
            }
            let refused = call(&runtime).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::RateLimited));
            (passed, refused.retry_after().unwrap().as_secs())
        })
    };
    assert_eq!(passed(1, 10), (10, 6));
    assert_eq!(passed(0, 10), (10, 6), "nothing is free");
    assert_eq!(passed(5, 10), (2, 30), "five ordinary calls' worth each");
    assert_eq!(passed(u32::MAX, 10), (1, 60), "at most a full bucket: dear, and not impossible");
    cost_in_a_queue();
}

/// A queue reckons with it too: what costs five ordinary calls does not begin with time left for two.
fn cost_in_a_queue() {
    let late = |cost| {
        run(async move {
            let nap = || async {
                tokio::time::sleep(SECOND).await;
                Ok("")
            };
            let naps = tool_fn("naps", move |_: NoArgs, _: Call| nap());
            let dear = tool_fn("s", move |_: NoArgs, _: Call| nap()).with_spec(|spec| spec.with_cost(cost));
            let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(10));
            let runtime = Runtime::builder().tool(naps).tool(dear).gate(&gate).build().unwrap();
            // Two have queued, so that the time of one is known; one runs, and one waits.
            let naps: Vec<_> = (0..4)
                .map(|_| {
                    let runtime = runtime.clone();
                    tokio::spawn(async move { runtime.call("naps", &json!({})).await })
                })
                .collect();
            tokio::time::sleep(2 * SECOND + SECOND / 2).await;
            let mut parts = CallParts::default();
            parts.tool = "s".into();
            parts.deadline = Some((Instant::now() + 4 * SECOND).into_std());
            let result = runtime.dispatcher().call(CallRequest::from_parts(parts)).await;
            for nap in naps {
                assert!(nap.await.unwrap().is_ok());
            }
            result.map_err(|error| error.kind()).err()
        })
    };
    assert_eq!(late(1), None);
    assert_eq!(late(5), Some(ErrorKind::Refused(Refusal::DeadlineUnmet)));
}

fn cached(policy: CachePolicy) -> Runtime {
    runtime(counting(|spec| spec.read_only().with_cache(policy)))
}

fn cache_ttl() {
    run(async {
        let runtime = cached(CachePolicy::new(60 * SECOND));
        assert_text(&call(&runtime).await, "1");
        // Freshness is shortened by a tenth at most.
        advance(53 * SECOND).await;
        assert_text(&call(&runtime).await, "1");
        advance(8 * SECOND).await;
        assert_text(&call(&runtime).await, "2");
    });
}

fn cache_stale() {
    run(async {
        let runtime = cached(CachePolicy::new(60 * SECOND).stale_for(60 * SECOND));
        assert_text(&call(&runtime).await, "1");
        advance(70 * SECOND).await;
        let stale = call(&runtime).await;
        assert_text(&stale, "1");
        assert!(stale.unwrap().has_flag(ResultFlag::CacheStale));
    });
}

fn cache_stale_if_error() {
    run(async {
        let policy = CachePolicy::new(60 * SECOND).stale_if_error(60 * SECOND);
        let declared = |spec: ToolSpec| spec.read_only().with_cache(policy.clone());
        let runtime = runtime(script(declared).answers("good").fails(ToolError::new("down")));
        assert_text(&call(&runtime).await, "good");
        advance(70 * SECOND).await;
        assert_text(&call(&runtime).await, "good");
        advance(70 * SECOND).await;
        assert_kind(&call(&runtime).await, ErrorKind::Failed);
    });
}

fn cache_scope() {
    run(async {
        let by = async |runtime: &Runtime, who: &'static str| {
            let request = CallRequest::new("s").by(Principal::new(who));
            runtime.dispatcher().call(request).await
        };
        let own = cached(CachePolicy::new(60 * SECOND));
        assert_text(&by(&own, "ada").await, "1");
        assert_text(&by(&own, "bob").await, "2");
        let shared = cached(CachePolicy::new(60 * SECOND).public());
        assert_text(&by(&shared, "ada").await, "1");
        assert_text(&by(&shared, "bob").await, "1");
    });
}

fn cache_vary() {
    run(async {
        let runtime = cached(CachePolicy::new(60 * SECOND).vary_by("x/locale"));
        let ask = async |meta: Value| runtime.dispatcher().call(with_meta(&meta)).await;
        assert_text(&ask(json!({"x/locale": "de"})).await, "1");
        assert_text(&ask(json!({"x/locale": "fr"})).await, "2");
        assert_text(&ask(json!({"x/locale": "de", "other": 1})).await, "1");
    });
}
