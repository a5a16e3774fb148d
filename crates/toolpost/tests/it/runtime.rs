//! A policy that is declared is enforced.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use toolpost::breaker::BreakerState;
use toolpost::tool::{
    AnyTool, BreakerPolicy, Call, ErrorKind, NoArgs, Output, Refusal, RetryPolicy, Tool, ToolError, ToolSpec,
    tool_fn,
};
use toolpost::{Runtime, Settings};
use toolpost_test::{Script, assert_kind, assert_text, poll_once, run};

fn runtime(tool: impl Tool) -> Runtime {
    Runtime::builder().tool(tool).build().unwrap()
}

async fn call(runtime: &Runtime, name: &str) -> Result<Output, ToolError> {
    runtime.call(name, &json!({})).await
}

#[test]
fn a_declared_time_limit_is_enforced() {
    run(async {
        let tool = Script::new("s").hangs().with_spec(|spec| spec.with_time_limit(Duration::from_secs(2)));
        let start = Instant::now();
        assert_kind(&call(&runtime(tool), "s").await, ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    });
}

#[test]
fn a_declared_retry_is_enforced_for_what_may_be_repeated() {
    run(async {
        let flaky = || Script::new("s").fails(ToolError::unavailable("later")).times(2).answers("there");
        let declared = |spec: ToolSpec| spec.with_retry(RetryPolicy::new(3));
        let repeatable = runtime(flaky().with_spec(|spec| declared(spec).repeatable()));
        assert_text(&call(&repeatable, "s").await, "there");
        let writes = runtime(flaky().with_spec(declared));
        assert_kind(&call(&writes, "s").await, ErrorKind::Unavailable);
    });
}

#[test]
fn a_declared_breaker_is_enforced() {
    run(async {
        let mut policy = BreakerPolicy::default();
        (policy.window, policy.minimum_calls, policy.failure_rate) = (10, 10, 0.5);
        let tool =
            Script::new("s").fails(ToolError::new("broken")).with_spec(|spec| spec.with_breaker(policy));
        let runtime = runtime(tool);
        for _ in 0..10 {
            assert_kind(&call(&runtime, "s").await, ErrorKind::Failed);
        }
        let refused = call(&runtime, "s").await;
        assert_kind(&refused, ErrorKind::Refused(Refusal::BreakerOpen));
        assert!(refused.unwrap_err().retry_after().is_some_and(|wait| !wait.is_zero()));
        let breaker = runtime.breaker("s").unwrap();
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.force_closed(Instant::now().into_std());
        assert_kind(&call(&runtime, "s").await, ErrorKind::Failed);
        assert!(runtime.breaker("t").is_none());
    });
}

#[test]
fn what_the_caller_does_wrong_opens_no_breaker() {
    run(async {
        let mut policy = BreakerPolicy::default();
        (policy.window, policy.minimum_calls) = (10, 1);
        let tool = Script::new("s").answers("fine").with_spec(|spec| {
            spec.with_breaker(policy).with_input_schema(json!({"type": "object", "required": ["a"]}))
        });
        let runtime = runtime(tool);
        for _ in 0..50 {
            assert_kind(&call(&runtime, "s").await, ErrorKind::InvalidArguments);
        }
        assert_text(&runtime.call("s", &json!({"a": 1})).await, "fine");
    });
}

#[test]
fn settings_fill_in_and_override() {
    run(async {
        let settings = Settings::from_json(
            r#"{"defaults": {"time-limit-ms": 1000}, "tools": {"b": {"time-limit-ms": 5000}, "c": {"without": ["time-limit"]}}}"#,
        )
        .unwrap();
        let hangs = |name: &str| Script::new(name).hangs();
        let declares = |spec: ToolSpec| spec.with_time_limit(Duration::from_secs(3));
        let builder = || {
            Runtime::builder()
                .settings(settings.clone())
                .tool(hangs("a"))
                .tool(hangs("a2").with_spec(declares))
                .tool(hangs("b").with_spec(declares))
                .tool(hangs("c").with_spec(declares))
        };
        let runtime = builder().build().unwrap();
        // Without a limit of its own it has the one of those that have none.
        for (name, seconds) in [("a", 1), ("a2", 3), ("b", 5), ("c", 60)] {
            let start = Instant::now();
            assert_kind(&call(&runtime, name).await, ErrorKind::TimedOut);
            assert_eq!(start.elapsed(), Duration::from_secs(seconds), "{name}");
        }
        let runtime = builder().time_limit(Duration::MAX).build().unwrap();
        let unlimited = tokio::time::timeout(Duration::from_secs(3_600), call(&runtime, "c")).await;
        assert!(unlimited.is_err(), "the host has switched the limit off");
    });
}

#[test]
fn a_wrong_key_or_tool_in_the_settings_is_named() {
    let wrong = Settings::from_json(r#"{"defaults": {"cache": {"ttl-ms": 1, "tll": 2}}}"#).unwrap_err();
    assert!(wrong.to_string().contains("unknown field `tll`"), "{wrong}");
    let settings = Settings::from_json(r#"{"tools": {"serach": {}}}"#).unwrap();
    let tool = tool_fn("search", |_: NoArgs, _| async { Ok("") });
    let error = Runtime::builder().settings(settings).tool(tool).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the settings name a tool `serach`, and there is none; did you mean `search`?"
    );
    let schema = Settings::schema();
    assert_eq!(schema["additionalProperties"], json!(false), "the published schema refuses a wrong key too");
}

#[cfg(feature = "toml")]
#[test]
fn settings_are_read_from_toml() {
    let toml =
        Settings::from_toml("[tools.search]\ntime-limit-ms = 5\n[tools.search.cache]\nttl-ms = 7\n").unwrap();
    let json = Settings::from_json(r#"{"tools": {"search": {"time-limit-ms": 5, "cache": {"ttl-ms": 7}}}}"#)
        .unwrap();
    assert_eq!(toml, json);
    let wrong = Settings::from_toml("[defaults]\ntimeout = 5\n").unwrap_err();
    assert!(wrong.to_string().contains("timeout"), "{wrong}");
}

#[test]
fn a_reload_while_serving_loses_no_call() {
    run(async {
        let ran = Arc::new(AtomicUsize::new(0));
        let tool = |ran: &Arc<AtomicUsize>| {
            let ran = Arc::clone(ran);
            AnyTool::new(tool_fn("t", move |_: NoArgs, _: Call| {
                let ran = Arc::clone(&ran);
                async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    ran.fetch_add(1, Ordering::SeqCst);
                    Ok("done")
                }
            }))
        };
        let runtime = Runtime::builder().any(tool(&ran)).build().unwrap();
        let calls: Vec<_> = (0..200)
            .map(|n| {
                let runtime = runtime.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(n % 20)).await;
                    runtime.call("t", &json!({})).await
                })
            })
            .collect();
        for limit in 0..20_u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let text = format!(r#"{{"tools": {{"t": {{"time-limit-ms": {}}}}}}}"#, 1_000 + limit);
            runtime.reload(&Settings::from_json(&text).unwrap(), [tool(&ran)]).unwrap();
        }
        for call in calls {
            assert_text(&call.await.unwrap(), "done");
        }
        assert_eq!(ran.load(Ordering::SeqCst), 200);
        assert!(runtime.reload(&Settings::default(), [tool(&ran), tool(&ran)]).is_err());
        assert!(runtime.call("t", &json!({})).await.is_ok(), "a refused reload changes nothing");
    });
}

#[test]
fn a_declared_cache_is_enforced_and_marks_its_hits() {
    use toolpost::tool::{CachePolicy, ResultFlag};
    run(async {
        let tool = Script::new("s").answers("first").answers("second");
        let policy = CachePolicy::new(Duration::from_secs(60)).tagged("t");
        let reads = tool.with_spec(|spec| spec.read_only().with_cache(policy.clone()));
        let writes = Script::new("w").answers("written").with_spec(|spec| spec.invalidating("t"));
        let undeclared =
            Script::new("u").answers("1").answers("2").with_spec(|spec| spec.with_cache(policy.clone()));
        let runtime = Runtime::builder().tool(reads).tool(writes).tool(undeclared).build().unwrap();
        let first = call(&runtime, "s").await;
        assert_text(&first, "first");
        assert!(!first.unwrap().has_flag(ResultFlag::CacheHit));
        let hit = call(&runtime, "s").await;
        assert_text(&hit, "first");
        assert!(hit.unwrap().has_flag(ResultFlag::CacheHit));
        assert_text(&call(&runtime, "w").await, "written");
        assert_text(&call(&runtime, "s").await, "second");
        assert_text(&call(&runtime, "u").await, "1");
        assert_text(&call(&runtime, "u").await, "2");
    });
}

#[test]
fn a_stale_answer_flows_while_the_breaker_is_open() {
    use toolpost::tool::{CachePolicy, ResultFlag};
    run(async {
        let mut breaker = BreakerPolicy::default();
        (breaker.window, breaker.minimum_calls) = (1, 1);
        let cache = CachePolicy::new(Duration::from_secs(10)).stale_if_error(Duration::from_secs(3_600));
        let tool = Script::new("s").answers("good").fails(ToolError::new("down"));
        let tool = tool.with_spec(|spec| spec.read_only().with_cache(cache).with_breaker(breaker));
        let runtime = runtime(tool);
        assert_text(&call(&runtime, "s").await, "good");
        tokio::time::advance(Duration::from_secs(11)).await;
        for _ in 0..5 {
            let stale = call(&runtime, "s").await;
            assert_text(&stale, "good");
            let stale = stale.unwrap();
            assert!(stale.has_flag(ResultFlag::CacheStale) && stale.has_flag(ResultFlag::Degraded));
        }
        assert_kind(&runtime.call("s", &json!({"other": 1})).await, ErrorKind::Refused(Refusal::BreakerOpen));
    });
}

#[test]
fn a_declared_concurrency_is_enforced_and_results_keep_their_order() {
    run(async {
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (running, most) = (Arc::clone(&now), Arc::clone(&peak));
        #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        struct Nap {
            ms: u64,
        }
        let nap = tool_fn("nap", move |nap: Nap, _: Call| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(nap.ms)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                if nap.ms.is_multiple_of(7) { Err(ToolError::new("seven")) } else { Ok(nap.ms.to_string()) }
            }
        });
        let runtime = runtime(nap.with_spec(|spec| spec.with_concurrency(4)));
        let start = Instant::now();
        let naps: Vec<u64> = (0..16).map(|n| 40 + (n * 5) % 40).collect();
        let results = runtime.call_all(naps.iter().map(|ms| ("nap", Nap { ms: *ms })), 16).await;
        for (ms, result) in naps.iter().zip(&results) {
            match ms % 7 {
                0 => assert_kind(result, ErrorKind::Failed),
                _ => assert_text(result, &ms.to_string()),
            }
        }
        assert_eq!(
            peak.load(Ordering::SeqCst),
            4,
            "never more than four, and never fewer while there is work"
        );
        let bound = naps.iter().sum::<u64>() / 4 + 80;
        assert!(start.elapsed() <= Duration::from_millis(bound), "{:?} of {bound} ms", start.elapsed());
        assert!(runtime.call_all(Vec::<(&str, Nap)>::new(), 4).await.is_empty());
    });
}

#[tokio::test(flavor = "current_thread")]
async fn a_blocking_tool_never_stalls_the_loop() {
    // Five that block until all five run at once end only if they do.
    use toolpost::tool::blocking_fn;
    let all_here = Arc::new(std::sync::Barrier::new(5));
    let blocks = blocking_fn("blocks", move |_: NoArgs, _: Call| {
        all_here.wait();
        Ok("done")
    });
    let runtime = Runtime::builder().tool(blocks).build().unwrap();
    let results = runtime.call_all((0..5).map(|_| ("blocks", json!({}))), 5).await;
    for result in &results {
        assert_text(result, "done");
    }
}

#[test]
fn a_declared_priority_is_that_of_calls_that_do_not_say_their_own() {
    use toolpost::tool::Priority;
    run(async {
        let tool = tool_fn("p", |_: NoArgs, call: Call| async move { Ok(call.priority().as_str()) });
        let runtime = runtime(tool.with_spec(|spec| spec.with_priority(Priority::Background)));
        assert_text(&call(&runtime, "p").await, "background");
    });
}

#[test]
fn a_deadline_ends_a_call_of_a_tool_that_declares_no_limit() {
    use toolpost::dispatch::CallRequest as Calling;
    use toolpost::tool::CallParts;
    run(async {
        let runtime = runtime(Script::new("s").hangs());
        let start = Instant::now();
        let mut parts = CallParts::default();
        parts.tool = "s".into();
        parts.deadline = Some((start + Duration::from_millis(100)).into_std());
        let result = runtime.dispatcher().call(Calling::from_parts(parts)).await;
        assert_kind(&result, ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_millis(100));
        assert_eq!(runtime.gate().in_flight(), 0, "its permit is free again");
    });
}

#[tokio::test(flavor = "current_thread")]
async fn a_blocking_tool_keeps_all_its_seats_until_its_thread_ends() {
    use toolpost::tool::blocking_fn;
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (started, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let wait = std::sync::Mutex::new(wait);
    let blocks = blocking_fn("blocks", move |_: NoArgs, _: Call| {
        let _told = started.send(());
        let _released = wait.lock().unwrap().recv();
        Ok("done")
    });
    let runtime = runtime(blocks.with_spec(|spec| spec.with_concurrency(1)));
    let left = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.call("blocks", &json!({})).await }
    });
    seen.recv().await.unwrap();
    left.abort();
    assert!(left.await.is_err());
    // Its caller is gone and its thread is not: nobody else may run.
    let none = json!({});
    let mut next = std::pin::pin!(runtime.call("blocks", &none));
    assert!(poll_once(next.as_mut()).await.is_pending());
    assert!(seen.try_recv().is_err(), "its own permit is taken, whatever the shared gate has");
    release.send(()).unwrap();
    release.send(()).unwrap();
    assert_text(&next.await, "done");
}

#[test]
fn breakers_keep_their_memory_over_a_reload_that_does_not_change_them() {
    run(async {
        let mut policy = BreakerPolicy::default();
        (policy.window, policy.minimum_calls, policy.open_for) = (1, 1, Duration::from_secs(60));
        let broken = || {
            AnyTool::new(
                Script::new("s").fails(ToolError::new("no")).with_spec(|spec| spec.with_breaker(policy)),
            )
        };
        let runtime = Runtime::builder().any(broken()).build().unwrap();
        assert_kind(&call(&runtime, "s").await, ErrorKind::Failed);
        let settings = Settings::from_json(r#"{"defaults": {"time-limit-ms": 1000}}"#).unwrap();
        runtime.reload(&settings, [broken()]).unwrap();
        assert_kind(&call(&runtime, "s").await, ErrorKind::Refused(Refusal::BreakerOpen));
        let settings = Settings::from_json(r#"{"tools": {"s": {"breaker": {"window": 2}}}}"#).unwrap();
        runtime.reload(&settings, [broken()]).unwrap();
        assert_kind(&call(&runtime, "s").await, ErrorKind::Failed);
    });
}

#[test]
fn a_bounded_tool_stays_bounded_over_a_reload() {
    run(async {
        let hangs = || AnyTool::new(Script::new("s").hangs().with_spec(|spec| spec.with_concurrency(1)));
        let runtime = Runtime::builder().any(hangs()).build().unwrap();
        let none = json!({});
        let mut first = std::pin::pin!(runtime.call("s", &none));
        assert!(poll_once(first.as_mut()).await.is_pending());
        assert_eq!(runtime.gate().in_flight(), 1);
        runtime.reload(&Settings::default(), [hangs()]).unwrap();
        let mut second = std::pin::pin!(runtime.call("s", &none));
        assert!(poll_once(second.as_mut()).await.is_pending());
        assert_eq!(
            runtime.gate().in_flight(),
            1,
            "the one permit of its own is taken by the call from before"
        );
    });
}

#[tokio::test(flavor = "current_thread")]
async fn a_drain_waits_for_threads_whose_callers_have_left() {
    use toolpost::tool::blocking_fn;
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (started, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let wait = std::sync::Mutex::new(wait);
    let blocks = blocking_fn("blocks", move |_: NoArgs, _: Call| {
        let _told = started.send(());
        let _released = wait.lock().unwrap().recv();
        Ok("done")
    });
    let runtime = runtime(blocks);
    let left = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.call("blocks", &json!({})).await }
    });
    seen.recv().await.unwrap();
    left.abort();
    assert!(left.await.is_err());
    let remaining = runtime.drain(Duration::ZERO).await.unwrap_err();
    assert_eq!((remaining.calls, remaining.threads, remaining.refreshes), (0, 1, 0));
    assert_eq!(remaining.to_string(), "0 calls, 0 refreshes, 1 threads had not ended; 0 waited for a permit");
    assert_kind(&call(&runtime, "blocks").await, ErrorKind::Refused(Refusal::Draining));
    release.send(()).unwrap();
    runtime.drain(Duration::MAX).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_blocking_tool_that_asks_ends_when_its_caller_has_left() {
    use toolpost::tool::blocking_fn;
    let (started, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let counts = blocking_fn("counts", move |_: NoArgs, call: Call| {
        let _told = started.send(());
        while !call.is_over() {
            std::thread::yield_now();
        }
        Ok("nobody reads this")
    });
    let runtime = runtime(counts);
    let left = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.call("counts", &json!({})).await }
    });
    seen.recv().await.unwrap();
    left.abort();
    assert!(left.await.is_err());
    runtime.drain(Duration::MAX).await.unwrap();
}

#[test]
fn a_drain_waits_for_calls_queued_calls_and_refreshes_within_its_grace() {
    use toolpost::scheduler::rt::Gate;
    use toolpost::scheduler::{Fair, Limit, QueueLimits};
    use toolpost::tool::CachePolicy;
    run(async {
        let nap = || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok("done")
        };
        let plain = tool_fn("plain", move |_: NoArgs, _: Call| nap());
        let policy = CachePolicy::new(Duration::from_secs(10)).stale_for(Duration::from_secs(60));
        let cached = tool_fn("cached", move |_: NoArgs, _: Call| nap())
            .with_spec(|spec| spec.read_only().with_cache(policy));
        let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(10));
        let runtime = Runtime::builder().tool(plain).tool(cached).gate(&gate).build().unwrap();
        assert_text(&call(&runtime, "cached").await, "done");
        tokio::time::advance(Duration::from_secs(11)).await;
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let runtime = runtime.clone();
                tokio::spawn(async move { runtime.call("plain", &json!({})).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_text(&call(&runtime, "cached").await, "done");
        tokio::task::yield_now().await;
        let start = Instant::now();
        let remaining = runtime.drain(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert_eq!((remaining.calls, remaining.queued, remaining.refreshes, remaining.threads), (2, 2, 1, 0));
        runtime.drain(Duration::from_secs(60)).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(6), "three naps, one after the other");
        for call in calls {
            assert_text(&call.await.unwrap(), "done");
        }
        assert_kind(&call(&runtime, "plain").await, ErrorKind::Refused(Refusal::Draining));
    });
}

#[test]
fn a_tool_is_polled_as_often_as_its_call() {
    run(async {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let yields = tool_fn("yields", move |_: NoArgs, _| {
            let (counted, mut left) = (Arc::clone(&counted), 3);
            std::future::poll_fn(move |cx| {
                counted.fetch_add(1, Ordering::SeqCst);
                left -= 1;
                if left == 0 {
                    return std::task::Poll::Ready(Ok("done"));
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            })
        })
        .with_spec(|spec| {
            spec.read_only().with_retry(RetryPolicy::new(2)).with_time_limit(Duration::from_secs(1))
        });
        let runtime = Runtime::builder().tool(yields).build().unwrap();
        let mut call = std::pin::pin!(runtime.call("yields", &NoArgs {}));
        for poll in 1..=3 {
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
            assert_eq!(polls.load(Ordering::SeqCst), poll, "a tool that yields has yielded");
            assert_eq!(polled.is_ready(), poll == 3);
        }
    });
}

#[test]
fn another_concurrency_holds_for_calls_that_run_already() {
    run(async {
        let tool = AnyTool::new(Script::new("s").hangs().with_spec(|spec| spec.with_concurrency(2)));
        let runtime = Runtime::builder().tool(tool).build().unwrap();
        let none = json!({});
        let mut calls: Vec<_> = (0..6).map(|_| Box::pin(runtime.call("s", &none))).collect();
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).await.is_pending());
        }
        assert_eq!(runtime.gate().in_flight(), 2);
        let with = |concurrency: u32, name: &str| {
            let mut settings = json!({"tools": {"s": {"concurrency": concurrency}}});
            settings["tools"][name] = json!({"concurrency": concurrency});
            runtime.reconfigure(&Settings::from_json(&settings.to_string()).unwrap())
        };
        assert!(with(5, "nobody").is_err(), "there is no such tool");
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).await.is_pending());
        }
        assert_eq!(runtime.gate().in_flight(), 2, "what fails changes nothing");
        with(4, "s").unwrap();
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).await.is_pending());
        }
        assert_eq!(runtime.gate().in_flight(), 4, "those that waited have their permits");
        with(1, "s").unwrap();
        calls.truncate(1);
        let mut one_more = Box::pin(runtime.call("s", &none));
        assert!(poll_once(one_more.as_mut()).await.is_pending());
        assert_eq!(runtime.gate().in_flight(), 1, "it is full with the one that runs since before");
    });
}

/// Arguments of any form have a schema that lets any object pass.
#[test]
fn a_tool_that_takes_any_json_is_given_any_object() {
    run(async {
        let any = tool_fn("any", |args: serde_json::Value, _: Call| async move { Ok(args.to_string()) });
        let map = tool_fn("map", |args: serde_json::Map<String, serde_json::Value>, _: Call| async move {
            Ok(serde_json::Value::from(args).to_string())
        });
        let runtime = Runtime::builder().tool(any).tool(map).build().unwrap();
        for name in ["any", "map"] {
            assert_text(&runtime.call(name, &json!({"a": 1})).await, r#"{"a":1}"#);
            assert_text(&runtime.call(name, &json!({})).await, "{}");
        }
    });
}
