//! A call from its name to its end.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test spawns, on a paused clock, and unwraps"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;
use toolpost_dispatch::{
    Access, Answer, CallKey, CallRequest, Catalog, Decision, Dispatcher, Event, Outcome, Registry,
};
use toolpost_json::Frame;
use toolpost_protocol::{Code, Id};
use toolpost_tool::{
    AnyTool, Call, CallParts, ErrorKind, Json, NoArgs, Output, Principal, Refusal, Tool, ToolError, ToolSpec,
    blocking_fn, tool_fn,
};

/// Adds two numbers.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Add {
    a: i64,
    b: i64,
}

fn add() -> impl Tool {
    tool_fn("add", |args: Add, _| async move { Ok(Json(args.a + args.b)) })
}

fn ping() -> impl Tool {
    tool_fn("ping", |_: NoArgs, _| async { Ok("pong") })
}

fn dispatcher(tools: Vec<AnyTool>) -> Dispatcher {
    Dispatcher::builder(Registry::new(Catalog::new(tools).unwrap())).build()
}

fn id(number: i64) -> Id {
    Id::read(Frame::from_serialize(&number).unwrap().root()).unwrap()
}

#[tokio::test]
async fn sync_async_and_parameterized_tools() {
    let upper = blocking_fn("upper", |args: Text, _| Ok(args.text.to_uppercase()));
    let all = dispatcher(vec![AnyTool::new(add()), AnyTool::new(ping()), AnyTool::new(upper)]);
    let sum =
        all.call(CallRequest::new("add").with_arguments(&json!({"a": 1, "b": 2})).unwrap()).await.unwrap();
    assert_eq!(sum.structured(), Some("3"));
    assert_eq!(all.call(CallRequest::new("ping")).await.unwrap().as_text(), Some("pong"));
    let shout =
        all.call(CallRequest::new("upper").with_arguments(&json!({"text": "a"})).unwrap()).await.unwrap();
    assert_eq!(shout.as_text(), Some("A"));
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[tokio::test]
async fn unknown_tool_names_the_nearest() {
    let all = dispatcher(vec![AnyTool::new(add()), AnyTool::new(ping())]);
    let error = all.call(CallRequest::new("Add")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.as_protocol().unwrap().code(), Code::INVALID_PARAMS);
    assert_eq!(error.to_string(), "unknown tool `Add`; did you mean `add`?");
    let error = all.call(CallRequest::new("weather")).await.unwrap_err();
    assert_eq!(error.to_string(), "unknown tool `weather`; tools/list names those there are");
}

#[tokio::test]
async fn a_failing_or_panicking_tool_costs_one_call() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let fails = tool_fn("fails", move |_: NoArgs, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<String, _>(ToolError::new("the disk is full")) }
    });
    let panics = tool_fn("panics", |_: NoArgs, _| async { boom("secret") });
    let panics_early = tool_fn("panics_early", |_: NoArgs, _| {
        let text = boom("secret");
        async move { text }
    });
    let all = dispatcher(vec![
        AnyTool::new(fails),
        AnyTool::new(panics),
        AnyTool::new(panics_early),
        AnyTool::new(PanicsInDrop(ToolSpec::new("panics_in_drop").unwrap())),
        AnyTool::new(ping()),
    ]);
    let answer = Answer::of(all.call(CallRequest::new("fails")).await);
    let Answer::Result(output) = answer else { panic!("{answer:?}") };
    assert!(output.is_error());
    assert_eq!(output.as_text(), Some("the disk is full"));
    assert_eq!(runs.load(Ordering::SeqCst), 1, "a failing tool is not run again by itself");
    for name in ["panics", "panics_early", "panics_in_drop"] {
        let error = all.call(CallRequest::new(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked, "{name}");
        let answer = Answer::of(Err(error));
        let Answer::Result(output) = answer else { panic!("{answer:?}") };
        assert!(output.is_error());
        assert!(!output.as_text().unwrap().contains("secret"), "what a panic says is not for the caller");
        assert_eq!(all.running(), 0);
    }
    assert_eq!(all.call(CallRequest::new("ping")).await.unwrap().as_text(), Some("pong"));
}

#[expect(clippy::panic, reason = "what the test is about")]
fn boom(said: &str) -> Result<String, ToolError> {
    panic!("{said}")
}

/// Panics when polled and again when its future is dropped.
struct PanicsInDrop(ToolSpec);

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        let _panics = boom("in drop");
    }
}

impl Tool for PanicsInDrop {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _: Call) -> Result<Output, ToolError> {
        let bomb = Bomb;
        tokio::task::yield_now().await;
        std::mem::forget(bomb);
        let _late = Bomb;
        Ok(Output::text("unreachable"))
    }
}

#[tokio::test]
async fn missing_arguments_are_an_empty_object() {
    let all = dispatcher(vec![AnyTool::new(add()), AnyTool::new(ping())]);
    assert!(all.call(CallRequest::new("ping")).await.is_ok());
    let error = all.call(CallRequest::new("add")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    assert_eq!(
        error.to_string(),
        "arguments: the argument `a` is missing; arguments: the argument `b` is missing"
    );
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let all = dispatcher(vec![AnyTool::new(add())]);
    let check = async |arguments, expected: &str| {
        let request = CallRequest::new("add").with_arguments(&arguments).unwrap();
        let error = all.call(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments);
        assert_eq!(error.to_string(), expected);
    };
    check(json!({"a": 1, "b": 2, "c": 3}), "arguments: unknown argument `c` (it takes `a`, `b`)").await;
    check(json!({"a": "1", "b": 2}), r#"arguments.a: expected integer, got string "1""#).await;
    let optional = tool_fn("optional", |args: Optional, _| async move { Ok(Json(args.limit)) });
    let all_optional = dispatcher(vec![AnyTool::new(optional)]);
    let request = CallRequest::new("optional").with_arguments(&json!({"limit": "ten"})).unwrap();
    let error = all_optional.call(request).await.unwrap_err();
    assert_eq!(error.to_string(), r#"arguments.limit: expected integer, got string "ten""#);
    check(
        json!({"a": 1.5, "b": null}),
        "arguments.a: expected integer, got number 1.5; arguments.b: expected integer, got null",
    )
    .await;
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Optional {
    limit: Option<i64>,
}

#[tokio::test]
async fn every_alias_reaches_its_tool() {
    let spec = |spec: ToolSpec| spec.with_alias("plus").unwrap().with_alias("sum").unwrap();
    let tool = tool_fn("add", |args: Add, _| async move { Ok(Json(args.a + args.b)) }).with_spec(spec);
    let all = dispatcher(vec![AnyTool::new(tool)]);
    for name in ["add", "plus", "sum"] {
        let request = CallRequest::new(name).with_arguments(&json!({"a": 1, "b": 2})).unwrap();
        assert_eq!(all.call(request).await.unwrap().structured(), Some("3"), "{name}");
    }
    let error = all.call(CallRequest::new("summ")).await.unwrap_err();
    assert!(error.to_string().starts_with("unknown tool `summ`"), "{error}");
}

#[test]
fn duplicate_names_and_aliases_are_refused_together() {
    let named = |name: &str, alias: &str| {
        let alias = alias.to_owned();
        let tool = tool_fn(name, |_: NoArgs, _| async { Ok("") });
        AnyTool::new(
            tool.with_spec(move |spec| if alias.is_empty() { spec } else { spec.with_alias(alias).unwrap() }),
        )
    };
    let broken = tool_fn("broken", |_: NoArgs, _| async { Ok("") }).with_spec(|spec| {
        spec.with_input_schema(json!({"type": "object", "properties": {"a": {"type": 3}}}))
    });
    let remote = tool_fn("remote", |_: NoArgs, _| async { Ok("") }).with_spec(|spec| {
        spec.with_input_schema(json!({"type": "object", "$ref": "https://example.com/schema"}))
    });
    let error = Catalog::new([
        named("a", ""),
        named("a", ""),
        named("b", "c"),
        named("d", "c"),
        AnyTool::new(broken),
        AnyTool::new(remote),
    ])
    .unwrap_err();
    let faults: Vec<String> = error.faults().collect();
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert_eq!(faults[0], "two tools are called `a`");
    assert_eq!(faults[1], "the name `c` of tool `d` is taken by tool `b`");
    assert!(faults[2].starts_with("the input schema of tool `broken` is not valid: "), "{}", faults[2]);
    assert!(faults[3].starts_with("the input schema of tool `remote` is not valid: "), "{}", faults[3]);
}

#[test]
fn order_does_not_depend_on_registration() {
    let tool = |name: &&str| AnyTool::new(tool_fn(name, |_: NoArgs, _| async { Ok("") }));
    let names = ["list", "add", "zip", "Add", "list_2"];
    let order = |names: &[&str]| -> Vec<String> {
        let catalog = Catalog::new(names.iter().map(tool)).unwrap();
        catalog.iter().map(|entry| entry.spec().name().to_owned()).collect()
    };
    let mut reversed = names;
    reversed.reverse();
    assert_eq!(order(&names), order(&reversed));
    assert_eq!(order(&names), ["Add", "add", "list", "list_2", "zip"]);
}

#[tokio::test]
async fn registration_is_thread_safe_and_loses_no_call() {
    let replacing = Registry::new(Catalog::new([AnyTool::new(ping())]).unwrap());
    let all = Dispatcher::builder(replacing.clone()).build();
    let writer = tokio::task::spawn_blocking(move || {
        for _ in 0..200 {
            replacing.replace(Catalog::new([AnyTool::new(ping()), AnyTool::new(add())]).unwrap());
        }
    });
    for _ in 0..2_000 {
        assert!(all.call(CallRequest::new("ping")).await.is_ok());
    }
    writer.await.unwrap();
    assert_eq!(all.catalog().generation(), 200);
    assert_eq!(*all.catalog_changes().borrow(), 200);
}

/// A tool that runs until it is told to end, and says when it is dropped.
struct Held {
    spec: ToolSpec,
    started: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    release: Mutex<Option<oneshot::Receiver<()>>>,
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tool for Held {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _: Call) -> Result<Output, ToolError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        let _dropped = Dropped(Arc::clone(&self.dropped));
        let release = self.release.lock().unwrap().take();
        match release {
            Some(release) => release.await?,
            None => std::future::pending().await,
        }
        Ok(Output::text("released"))
    }
}

fn held() -> (AnyTool, oneshot::Sender<()>, Arc<AtomicUsize>) {
    let (release, wait) = oneshot::channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    let tool = Held {
        spec: ToolSpec::new("held").unwrap(),
        started: Arc::default(),
        dropped: Arc::clone(&dropped),
        release: Mutex::new(Some(wait)),
    };
    (AnyTool::new(tool), release, dropped)
}

#[tokio::test(start_paused = true)]
async fn drain_lets_running_calls_finish_and_refuses_new_ones_for_good() {
    let (tool, release, _) = held();
    let all = dispatcher(vec![tool, AnyTool::new(ping())]);
    let running = tokio::spawn(all.call(CallRequest::new("held")));
    tokio::task::yield_now().await;
    let draining = all.clone();
    let draining =
        tokio::spawn(
            async move { draining.drain((Instant::now() + Duration::from_secs(5)).into_std()).await },
        );
    tokio::task::yield_now().await;
    let refused = all.call(CallRequest::new("ping")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::Draining));
    release.send(()).unwrap();
    assert_eq!(running.await.unwrap().unwrap().as_text(), Some("released"));
    assert_eq!(draining.await.unwrap(), 0);
    let refused = all.call(CallRequest::new("ping")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::Draining), "refused for good");
}

#[tokio::test(start_paused = true)]
async fn drain_says_how_many_remain_at_the_deadline() {
    let (tool, _release, _) = held();
    let all = dispatcher(vec![tool]);
    let _running = tokio::spawn(all.call(CallRequest::new("held")));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let drained = all.drain((start + Duration::from_secs(5)).into_std()).await;
    assert_eq!(drained, 1);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_dropped_call_drops_the_tool_and_is_counted_out() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let (tool, _release, dropped) = held();
    let all = Dispatcher::builder(Registry::new(Catalog::new([tool]).unwrap()))
        .observe(move |event: &Event<'_>| {
            if let Event::Finished { outcome, .. } = event {
                seen.lock().unwrap().push(*outcome);
            }
        })
        .build();
    {
        let mut call = std::pin::pin!(all.call(CallRequest::new("held")));
        assert!(futures_poll(call.as_mut()).await.is_pending());
        assert_eq!(all.running(), 1);
    }
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(all.running(), 0);
    assert_eq!(*events.lock().unwrap(), [Outcome::Cancelled]);
}

#[tokio::test]
async fn cancel_reaches_a_call_before_and_after_its_first_poll() {
    let (tool, _release, dropped) = held();
    let all = dispatcher(vec![tool]);
    let key = CallKey::new(1, id(7));
    let other = CallKey::new(2, id(7));

    let early = all.call(CallRequest::new("held").cancelled_by(key.clone()));
    assert!(!all.cancel(&other), "the same id on another connection is another call");
    assert!(all.cancel(&key));
    assert_eq!(early.await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "it never ran");

    let late = tokio::spawn(all.call(CallRequest::new("held").cancelled_by(key.clone())));
    tokio::task::yield_now().await;
    let twice = all.call(CallRequest::new("held").cancelled_by(key.clone())).await.unwrap_err();
    assert_eq!(twice.as_protocol().unwrap().code(), Code::INVALID_REQUEST, "an id is in use while it runs");
    assert!(all.cancel(&key));
    assert_eq!(late.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(!all.cancel(&key), "a finished call is unknown");
}

#[tokio::test]
async fn calls_under_a_key_that_may_recur_run_side_by_side_and_are_cancelled_together() {
    let tool = tool_fn("held", |_: NoArgs, _| async {
        std::future::pending::<()>().await;
        Ok("")
    });
    let all = dispatcher(vec![AnyTool::new(tool), AnyTool::new(ping())]);
    let key = CallKey::new(1, id(7)).recurring();
    let start = || tokio::spawn(all.call(CallRequest::new("held").cancelled_by(key.clone())));

    // Whoever of them ends first takes no other's place with it.
    for first in 0..3 {
        let mut calls = vec![start(), start(), start()];
        tokio::task::yield_now().await;
        assert_eq!(all.running(), 3);
        calls.remove(first).abort();
        while all.running() != 2 {
            tokio::task::yield_now().await;
        }
        calls.push(start());
        tokio::task::yield_now().await;
        assert_eq!(all.running(), 3, "{first}");
        assert!(all.cancel(&key));
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled, "{first}");
        }
        assert!(!all.cancel(&key), "finished calls are unknown");
    }
    // What is cancelled is what runs, not what comes next, even where the id is the same and its call not yet gone.
    let gone = start();
    tokio::task::yield_now().await;
    assert!(all.cancel(&key));
    assert!(all.call(CallRequest::new("ping").cancelled_by(key)).await.is_ok());
    assert_eq!(gone.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_deprecated_tool_warns_once_per_call_and_works() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&warnings);
    let tool = tool_fn("old", |_: NoArgs, _| async { Ok("still here") })
        .with_spec(|s| s.with_deprecation("use `new`"));
    let all = Dispatcher::builder(Registry::builder().tool(tool).build().unwrap())
        .observe(move |event: &Event<'_>| {
            if let Event::Deprecated { message, .. } = event {
                assert_eq!(*message, "use `new`");
                seen.fetch_add(1, Ordering::SeqCst);
            }
        })
        .build();
    assert!(all.call(CallRequest::new("old")).await.is_ok());
    assert!(all.call(CallRequest::new("old")).await.is_ok());
    assert_eq!(warnings.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn every_event_of_a_call_carries_its_correlation() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let tool = tool_fn("old", |_: NoArgs, call: Call| async move { Ok(call.correlation().to_string()) })
        .with_spec(|s| s.with_deprecation("use `new`"));
    let all = Dispatcher::builder(Registry::builder().tool(tool).build().unwrap())
        .observe(move |event: &Event<'_>| {
            let (what, call) = match event {
                Event::UnknownTool { call } => ("unknown", call),
                Event::Deprecated { call, .. } => ("deprecated", call),
                Event::Started { call, .. } => ("started", call),
                Event::Finished { outcome, call, .. } => (outcome.as_str(), call),
                _ => return,
            };
            seen.lock().unwrap().push((what, call.correlation().to_string()));
        })
        .build();
    let request = |tool: &'static str| {
        let mut parts = CallParts::default();
        (parts.tool, parts.request_id) = (tool.into(), Some(id(7)));
        CallRequest::from_parts(parts)
    };
    let told = all.call(request("old")).await.unwrap().as_text().unwrap().to_owned();
    assert!(all.call(request("new")).await.is_err());
    drop(all.call(request("old")));
    drop(all.call(request("new")));
    let names = ["deprecated", "started", "completed", "unknown", "cancelled", "unknown"];
    assert_eq!(*events.lock().unwrap(), names.map(|name| (name, told.clone())));

    // Without an id two calls are told apart, and the events of each are not.
    events.lock().unwrap().clear();
    for _ in 0..2 {
        assert!(all.call(CallRequest::new("old")).await.is_ok());
    }
    let events = events.lock().unwrap();
    let of = |call: usize| -> Vec<&String> { events[3 * call..][..3].iter().map(|(_, id)| id).collect() };
    assert!(of(0).iter().all(|id| *id == of(0)[0]) && of(1).iter().all(|id| *id == of(1)[0]));
    assert_ne!(of(0)[0], of(1)[0]);
}

#[tokio::test]
async fn list_and_call_ask_the_same_authorizer_and_an_error_denies() {
    struct Confused;
    impl toolpost_dispatch::Authorize for Confused {
        fn authorize(
            &self,
            access: &Access<'_>,
        ) -> Result<Decision, Box<dyn std::error::Error + Send + Sync>> {
            match (access.principal.as_str(), access.target.name()) {
                ("ada", _) => Ok(Decision::Allow),
                ("bob", "ping") => Ok(Decision::Allow),
                ("bob", _) => Ok(Decision::Deny("not on the list".into())),
                _ => Err("the policy server said: secret".into()),
            }
        }
    }
    let registry = Registry::builder().tool(add()).tool(ping()).build().unwrap();
    let all = Dispatcher::builder(registry).authorize(Confused).build();
    let seen = |name: &str| -> Vec<String> {
        let entries = all.visible(&all.catalog(), &Principal::new(name.to_owned()));
        entries.iter().map(|entry| entry.spec().name().to_owned()).collect()
    };
    assert_eq!(seen("ada"), ["add", "ping"]);
    assert_eq!(seen("bob"), ["ping"]);
    assert_eq!(seen("eve"), Vec::<String>::new());

    let call =
        |tool: &'static str, who: &'static str| all.call(CallRequest::new(tool).by(Principal::new(who)));
    assert!(call("ping", "bob").await.is_ok());
    let denied = call("add", "bob").await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Refused(Refusal::Denied));
    assert_eq!(denied.to_string(), "not allowed to use `add`: not on the list");
    let denied = call("ping", "eve").await.unwrap_err();
    assert_eq!(denied.to_string(), "not allowed to use `ping`: no decision could be reached");
    let unknown = call("ad", "bob").await.unwrap_err();
    assert!(!unknown.to_string().contains("`add`"), "a hidden tool is not suggested: {unknown}");
}

#[tokio::test]
async fn a_denial_says_the_name_that_the_caller_gave() {
    let tool = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") })
        .with_spec(|spec| spec.with_alias("alias").unwrap());
    let all = Dispatcher::builder(Registry::builder().tool(tool).build().unwrap())
        .authorize(|_: &Access<'_>| Decision::Deny("not yours".into()))
        .build();
    let denied = all.call(CallRequest::new("alias")).await.unwrap_err();
    assert_eq!(denied.to_string(), "not allowed to use `alias`: not yours");
}

#[tokio::test]
async fn a_hidden_tool_answers_as_if_there_were_none_and_observers_know_better() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let all = |tools: Vec<AnyTool>| {
        let seen = Arc::clone(&events);
        Dispatcher::builder(Registry::new(Catalog::new(tools).unwrap()))
            .authorize(|access: &Access<'_>| match access.target.name() {
                "add" => Decision::Hide,
                _ => Decision::Allow,
            })
            .observe(move |event: &Event<'_>| match event {
                Event::Finished { tool, outcome, .. } => {
                    seen.lock().unwrap().push((tool.name().to_owned(), *outcome))
                }
                Event::UnknownTool { .. } => panic!("it is known"),
                _ => {}
            })
            .build()
    };
    let hidden = tool_fn("add", |args: Add, _| async move { Ok(Json(args.a + args.b)) })
        .with_spec(|spec| spec.with_alias("sum").unwrap());
    let (with, without) =
        (all(vec![AnyTool::new(hidden), AnyTool::new(ping())]), dispatcher(vec![AnyTool::new(ping())]));
    // Well called, badly called, and by its alias.
    for (name, arguments) in [("add", json!({"a": 1, "b": 2})), ("add", json!({})), ("sum", json!({}))] {
        let request = || CallRequest::new(name).with_arguments(&arguments).unwrap();
        let hidden = with.call(request()).await.unwrap_err();
        let unknown = without.call(request()).await.unwrap_err();
        assert_eq!((hidden.kind(), hidden.to_string()), (unknown.kind(), unknown.to_string()));
        let (hidden, unknown) = (hidden.as_protocol().unwrap(), unknown.as_protocol().unwrap());
        assert_eq!((hidden.code(), hidden.message()), (unknown.code(), unknown.message()));
    }
    let denied = ("add".to_owned(), Outcome::Refused(Refusal::Denied));
    assert_eq!(*events.lock().unwrap(), [denied.clone(), denied.clone(), denied]);
}

#[tokio::test]
async fn a_refusal_says_why_and_when_to_come_back() {
    let error = ToolError::refused(
        Refusal::BreakerOpen,
        "the tool keeps failing",
        Some(Duration::from_micros(1_500)),
    );
    let Answer::Result(output) = Answer::of(Err(error)) else { panic!("a refusal is a result") };
    assert!(output.is_error());
    assert_eq!(output.as_text(), Some("the tool keeps failing; try again in 2 ms"));
    let mut meta = Vec::new();
    assert!(output.write_meta(&mut meta));
    assert_eq!(meta, br#""dev.toolpost/rejection":{"reason":"breaker_open","retryAfterMs":2}"#);

    let text = "left alone for now: try again in 2 s, or do without it";
    let error = ToolError::refused(Refusal::BreakerOpen, text, Some(Duration::from_secs(2)));
    let Answer::Result(output) = Answer::of(Err(error)) else { panic!("a refusal is a result") };
    assert_eq!(output.as_text(), Some(text), "what is said already is not said again");
}

/// Polls a future once.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(move |cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await
}
