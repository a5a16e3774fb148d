//! What holds without being asked for: calls per principal, a time limit, and results as promised.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps; its clock is paused")]

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use toolpost_dispatch::{CallRequest, Dispatcher, DispatcherBuilder, Registry};
use toolpost_tool::{
    Call, CallParts, ErrorKind, Json, NoArgs, Output, Principal, Refusal, ToolError, ToolSpec, tool_fn,
};

fn builder() -> DispatcherBuilder {
    let held = || tool_fn("held", |_: NoArgs, _| pending::<Result<String, ToolError>>());
    let named = |name: &'static str, change: fn(ToolSpec) -> ToolSpec| {
        held().with_spec(move |_| change(ToolSpec::new(name).unwrap()))
    };
    let registry = Registry::builder()
        .tool(held())
        .tool(named("patient", |spec| spec.with_time_limit(Duration::from_secs(300))))
        .tool(named("composite", ToolSpec::composite))
        .tool(tool_fn("ping", |_: NoArgs, _| async { Ok("pong") }))
        .build()
        .unwrap();
    Dispatcher::builder(registry)
}

fn by(name: &'static str) -> CallRequest {
    CallRequest::new("held").by(Principal::new(name))
}

#[test]
fn one_principal_cannot_have_every_call() {
    let mut cx = Context::from_waker(Waker::noop());
    let all = builder().build();
    let mut running: Vec<_> = (0..32).map(|_| Box::pin(all.call(by("ada")))).collect();
    for call in &mut running {
        assert!(call.as_mut().poll(&mut cx).is_pending());
    }
    let Poll::Ready(Err(refused)) = pin!(all.call(by("ada"))).poll(&mut cx) else { unreachable!("refused") };
    assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::TooManyAtOnce));
    assert_eq!(refused.to_string(), "32 calls of yours run already: wait until one of them has ended");
    assert_eq!(all.running(), 32, "what is refused is never counted");

    assert!(pin!(all.call(by("bob"))).poll(&mut cx).is_pending(), "another principal has calls of its own");
    let mut strangers: Vec<_> = (0..64).map(|_| Box::pin(all.call(CallRequest::new("held")))).collect();
    for call in &mut strangers {
        assert!(call.as_mut().poll(&mut cx).is_pending(), "nobody can tell whose these are");
    }
    running.pop();
    assert!(pin!(all.call(by("ada"))).poll(&mut cx).is_pending(), "one that has ended makes room");
    drop((running, strangers));
    assert_eq!(all.running(), 0);
}

#[test]
fn the_number_of_calls_is_the_hosts_to_say() {
    let mut cx = Context::from_waker(Waker::noop());
    let all = builder().calls_per_principal(1).build();
    let first = all.call(by("ada"));
    assert!(pin!(all.call(by("ada"))).poll(&mut cx).is_ready(), "counted from when it is made");
    drop(first);
    assert!(pin!(all.call(by("ada"))).poll(&mut cx).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_declares_no_time_limit_has_a_minute() {
    let begin = Instant::now();
    let all = builder().build();
    let error = all.call(CallRequest::new("held")).await.unwrap_err();
    assert_eq!((error.kind(), begin.elapsed()), (ErrorKind::TimedOut, Duration::from_secs(60)));
    let text = "the call took longer than 60s, the limit of what declares no time limit of its own";
    assert_eq!(error.to_string(), text);

    let brief = builder().time_limit(Duration::from_millis(5)).build();
    for (all, tool) in [(&all, "patient"), (&all, "composite"), (&brief, "patient"), (&brief, "composite")] {
        let call = all.call(CallRequest::new(tool));
        let cut = tokio::time::timeout(Duration::from_secs(299), call).await;
        assert!(cut.is_err(), "{tool} has limits of its own");
    }
    let begin = Instant::now();
    brief.call(CallRequest::new("held")).await.unwrap_err();
    assert_eq!(begin.elapsed(), Duration::from_millis(5));
    assert_eq!(brief.call(CallRequest::new("ping")).await.unwrap().as_text(), Some("pong"));
    assert_eq!((all.running(), brief.running()), (0, 0));
}

#[test]
fn an_address_has_half_of_what_others_leave_free_and_no_less_than_a_principal() {
    let permits = Arc::new(AtomicUsize::new(16));
    let now = Arc::clone(&permits);
    let all = builder().calls_per_principal(2).permits(move || now.load(Ordering::SeqCst)).build();
    let from = |origin: u64, principal: Principal| {
        let mut parts = CallParts::default();
        parts.tool = "held".into();
        parts.principal = principal;
        parts.set_origin(std::num::NonZeroU64::new(origin));
        all.call(CallRequest::from_parts(parts))
    };
    let fill = |origin: u64, principal: &Principal| {
        let mut running: Vec<_> = Vec::new();
        loop {
            let mut call = Box::pin(from(origin, principal.clone()));
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => running.push(call),
                Poll::Ready(ended) => {
                    let kind = ended.unwrap_err().kind();
                    assert_eq!(kind, ErrorKind::Refused(Refusal::TooManyAtOnce));
                    return running;
                }
            }
        }
    };
    let nobody = Principal::anonymous();
    let first = fill(1, &nobody);
    assert_eq!(first.len(), 8, "half of 16");
    let second = fill(2, &nobody);
    assert_eq!(second.len(), 4, "half of the 8 that are left");
    let (third, fourth) = (fill(3, &nobody), fill(4, &nobody));
    assert_eq!((third.len(), fourth.len()), (2, 2), "as many as a principal at least");
    assert_eq!(fill(1, &Principal::new("ada")).len(), 2, "who has a name is counted by it");
    drop((first, second, third, fourth));
    assert_eq!(fill(4, &nobody).len(), 8);
    permits.store(32, Ordering::SeqCst);
    assert_eq!(fill(4, &nobody).len(), 16, "of as many as there are now");
    let within: Vec<_> = (0..10).map(|_| all.call_within(Call::new(&NoArgs {}).unwrap())).collect();
    assert_eq!(fill(4, &nobody).len(), 16, "calls that running calls make are nobody's");
    drop(within);
    assert_eq!(all.running(), 0);
}

#[tokio::test]
async fn a_result_is_what_its_schema_promises() {
    let schema = json!({
        "type": "object",
        "properties": {"lines": {"type": "integer"}},
        "required": ["lines"],
    });
    let tool = |name: &'static str, output: Output| {
        let schema = schema.clone();
        tool_fn(name, move |_: NoArgs, _| {
            let output = output.clone();
            async move { Ok(output) }
        })
        .with_spec(move |spec| spec.with_output_schema(schema))
    };
    let of = |value: Value| Output::json(&value).unwrap();
    let registry = Registry::builder()
        .tool(tool("right", of(json!({"lines": 3, "more": true}))))
        .tool(tool("wrong", of(json!({"lines": "three"}))))
        .tool(tool("missing", Output::text("three lines")))
        .tool(tool("failed", Output::text("no such file").into_error()))
        .tool(tool_fn("typed", |_: NoArgs, _| async { Ok(Json(3_u32)) }))
        .build()
        .unwrap();
    let all = Dispatcher::builder(registry).build();
    let said = |result: Result<Output, ToolError>| match result {
        Ok(output) => output.as_text().map(str::to_owned),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Failed);
            Some(error.to_string())
        }
    };
    for (name, expected) in [
        ("right", r#"{"lines":3,"more":true}"#),
        (
            "wrong",
            "the result of `wrong` is not what its output schema promises: \
             structuredContent.lines: expected integer, got string \"three\"",
        ),
        (
            "missing",
            "the result of `missing` is not what its output schema promises: there is no structured content",
        ),
        ("failed", "no such file"),
        ("typed", "3"),
    ] {
        assert_eq!(said(all.call(CallRequest::new(name)).await).as_deref(), Some(expected), "{name}");
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Lookup {
    /// How soon.
    #[serde(rename = "mode")]
    _mode: Option<Mode>,
    #[serde(rename = "filter")]
    _filter: Option<Filter>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Now.
    Fast,
    /// Whenever.
    Slow,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Filter {
    #[serde(rename = "op")]
    _op: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Open {
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, Value>,
}

#[tokio::test]
async fn an_argument_that_does_not_fit_is_named_with_what_would() {
    let registry = Registry::builder()
        .tool(tool_fn("lookup", |_: Lookup, _| async { Ok("found") }))
        .tool(tool_fn("none", |_: NoArgs, _| async { Ok("pong") }))
        .tool(tool_fn("open", |args: Open, _| async move { Ok(args.rest.len().to_string()) }))
        .build()
        .unwrap();
    let all = Dispatcher::builder(registry).build();
    for (tool, arguments, expected) in [
        ("lookup", json!({"mode": "fast", "filter": {"op": "eq"}}), "found"),
        ("lookup", json!({"mode": null, "filter": null}), "found"),
        ("open", json!({"a": 1, "b": 2}), "2"),
        ("none", json!({"random_string": "x"}), "pong"),
        ("lookup", json!({"limit": 3}), "arguments: unknown argument `limit` (it takes `filter`, `mode`)"),
        ("lookup", json!({"mode": "asap"}), r#"arguments.mode: expected "fast" or "slow", got "asap""#),
        ("lookup", json!({"filter": {}}), "arguments.filter: the member `op` is missing"),
        ("lookup", json!({"filter": {"op": 3}}), "arguments.filter.op: expected string, got number 3"),
        ("lookup", json!({"filter": "eq"}), r#"arguments.filter: expected object, got string "eq""#),
    ] {
        let answer = all.call(CallRequest::new(tool).with_arguments(&arguments).unwrap()).await;
        let said = answer.map_or_else(|error| error.to_string(), |out| out.as_text().unwrap().to_owned());
        assert_eq!(said, expected, "{arguments}");
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Drawing {
    shape: Shape,
    style: Option<Style>,
    source: Option<Source>,
    #[serde(default)]
    times: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Shape {
    Round { d: f64 },
    Square { side: f64, inner: Option<Box<Self>> },
    Styled(Merged),
    Placed(Placed),
}

/// It is merged with what it stands in, and so is left open.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Merged {
    width: Option<u64>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Placed {
    x: f64,
    #[serde(flatten)]
    style: Merged,
    #[serde(flatten)]
    at: At,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "at", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum At {
    Top { y: f64 },
    Bottom,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Style {
    colour: Option<String>,
    width: Option<u64>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Source {
    Path(String),
    Parts { name: String },
    Spot { name: String, at: u32 },
}

#[tokio::test]
async fn a_form_that_is_wrong_is_told_by_its_tag_and_a_member_at_any_depth() {
    let registry = Registry::builder()
        .tool(tool_fn("draw", |drawing: Drawing, _| async move { Ok(drawing.times.to_string()) }))
        .build()
        .unwrap();
    assert_eq!(registry.catalog().compile(), Ok(()));
    assert_eq!(registry.catalog().warnings(), Vec::<String>::new());
    let all = Dispatcher::builder(registry).build();
    let round = json!({ "type": "round", "d": 1 });
    for (arguments, expected) in [
        (json!({ "shape": round, "style": null, "source": null }), "0"),
        (json!({ "shape": round, "style": { "colour": null } }), "0"),
        (json!({ "shape": { "type": "square", "side": 1, "inner": round } }), "0"),
        (json!({ "shape": round, "source": { "name": "a", "at": 1 } }), "0"),
        (json!({ "shape": { "type": "styled", "width": 1 } }), "0"),
        (json!({ "shape": { "type": "placed", "x": 1, "width": 1, "at": "top", "y": 2 } }), "0"),
        (
            json!({ "shape": { "type": "rond", "d": 1 } }),
            r#"arguments.shape.type: expected "round" or "square" or "styled" or "placed", got "rond""#,
        ),
        (json!({ "shape": { "d": 1 } }), "arguments.shape: the member `type` is missing"),
        (
            json!({ "shape": { "type": "round", "r": 1 } }),
            "arguments.shape: the member `d` is missing; \
             arguments.shape: unknown member `r` (it takes `d`, `type`)",
        ),
        (
            json!({ "shape": { "type": "square", "side": 1, "inner": { "type": "round", "d": "x" } } }),
            r#"arguments.shape.inner.d: expected number, got string "x""#,
        ),
        (
            json!({ "shape": round, "style": { "color": "red" } }),
            "arguments.style: unknown member `color` (did you mean `colour`? it takes `colour`, `width`)",
        ),
        (json!({ "shape": round, "source": 3 }), "arguments.source: expected string or object, got number 3"),
        (
            json!({ "shape": round, "source": {} }),
            "arguments.source: {} fits none of the allowed forms: an object with `name`, or an object with `name`, `at`",
        ),
        (json!({ "shape": round, "times": null }), "arguments.times: expected integer, got null"),
    ] {
        let answer = all.call(CallRequest::new("draw").with_arguments(&arguments).unwrap()).await;
        let said = answer.map_or_else(|error| error.to_string(), |out| out.as_text().unwrap().to_owned());
        let mut faults: Vec<_> = said.split("; ").collect();
        let mut wanted: Vec<_> = expected.split("; ").collect();
        faults.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(faults, wanted, "{arguments}");
    }
}

/// It is written otherwise than its schema says.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Miswritten {
    count: u32,
}

impl serde::Serialize for Miswritten {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("count", "many")])
    }
}

#[tokio::test]
async fn a_debug_build_notices_a_type_that_is_written_otherwise_than_it_says() {
    let tool = tool_fn("odd", |_: NoArgs, _| async { Ok(Json(Miswritten { count: 1 })) });
    let all = Dispatcher::builder(Registry::builder().tool(tool).build().unwrap()).build();
    let said = all.call(CallRequest::new("odd")).await.map_err(|error| error.to_string());
    if cfg!(debug_assertions) {
        let expected = "the result of `odd` is not what its output schema promises: \
             structuredContent.count: expected integer, got string \"many\"";
        assert_eq!(said.unwrap_err(), expected);
    } else {
        assert!(said.is_ok());
    }
}
