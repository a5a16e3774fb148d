//! Calls that are repeated under their idempotency key: what they find, whatever became of the first.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::{Instant, advance};
use toolpost::Runtime;
use toolpost::dispatch::CallRequest;
use toolpost::json::{Frame, Limits};
use toolpost::layers::MemoryIdempotencyStore;
use toolpost::tool::{
    AnyTool, BoxFuture, BreakerPolicy, CachePolicy, Call, CallParts, ErrorKind, IdempotencyClaim,
    IdempotencyKey, IdempotencyPolicy, IdempotencyStore, NoArgs, Output, Principal, Refusal, ResultFlag,
    Tool, ToolError, ToolSpec, blocking_fn, tool_fn,
};
use toolpost_test::{
    Script, assert_idempotency_store, assert_kind, assert_text, call, cancel_at_each_await, mock, poll_once,
    run,
};

const SECOND: Duration = Duration::from_secs(1);

fn keyed(spec: ToolSpec) -> ToolSpec {
    spec.with_idempotency(IdempotencyPolicy::new())
}

fn runtime(tool: impl Tool) -> Runtime {
    Runtime::builder().tool(tool).build().unwrap()
}

/// Calls the tool `s` under a key.
fn under(
    runtime: &Runtime,
    key: &str,
) -> impl Future<Output = Result<Output, ToolError>> + Send + 'static + use<> {
    let (dispatcher, call) = (runtime.dispatcher().clone(), call(json!({})).of("s").keyed(key).build());
    async move { dispatcher.call_within(call).await }
}

#[test]
fn the_store_in_memory_does_what_a_store_must() {
    run(assert_idempotency_store(&MemoryIdempotencyStore::new()));
    // Through a counter, too.
    run(async { assert_idempotency_store(&Arc::new(MemoryIdempotencyStore::new())).await });
}

#[test]
fn a_repeated_call_is_answered_with_the_end_of_the_first() {
    run(async {
        let output = Output::json(&json!({"order": 7})).unwrap().with_meta("a/b", &1).unwrap();
        let script = Script::new("s").outputs(output.clone()).answers("again").with_spec(keyed);
        let runtime = runtime(script.clone());
        assert_eq!(under(&runtime, "k").await.unwrap(), output);
        assert_eq!(under(&runtime, "k").await.unwrap(), output.flagged(ResultFlag::Repeated));
        assert_text(&under(&runtime, "l").await, "again");
        assert_eq!(script.calls(), 2);
    });
}

#[test]
fn an_error_of_the_tool_is_an_end_too() {
    run(async {
        let paper = ToolError::unavailable("no paper").with_retry_after(SECOND);
        let script = Script::new("s").fails(paper).answers("printed").with_spec(keyed);
        let runtime = runtime(script.clone());
        for _ in 0..2 {
            let error = under(&runtime, "k").await.unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unavailable, "no paper"));
            assert_eq!(error.retry_after(), Some(SECOND));
        }
        assert_eq!(script.calls(), 1);
    });
}

#[test]
fn a_call_without_a_key_runs_each_time() {
    run(async {
        let script = Script::new("s").answers("ran").with_spec(keyed);
        let runtime = runtime(script.clone());
        for _ in 0..3 {
            let output = runtime.call("s", &NoArgs {}).await.unwrap();
            assert!(!output.has_flag(ResultFlag::Repeated));
        }
        assert_eq!(script.calls(), 3);
    });
}

#[test]
fn a_key_is_a_text_of_1_to_256_bytes() {
    run(async {
        let script = Script::new("s").answers("ran").with_spec(keyed);
        let runtime = runtime(script.clone());
        for wrong in ["".to_owned(), "k".repeat(257)] {
            let error = under(&runtime, &wrong).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArguments);
            assert!(error.to_string().contains("dev.toolpost/idempotencyKey"), "{error}");
        }
        assert_eq!(script.calls(), 0);
        assert_text(&under(&runtime, &"k".repeat(256)).await, "ran");
    });
}

#[test]
fn keys_belong_to_a_principal_and_a_tool() {
    run(async {
        let script = |name| Script::new(name).answers("ran").with_spec(keyed);
        let (one, other) = (script("s"), script("t"));
        let runtime = Runtime::builder().tool(one.clone()).tool(other.clone()).build().unwrap();
        for principal in ["ada", "bob", "ada"] {
            let call = call(json!({})).of("s").keyed("k").by(principal).build();
            assert!(runtime.dispatcher().call_within(call).await.is_ok());
        }
        assert!(under(&runtime, "k").await.is_ok());
        assert_eq!(one.calls(), 3, "ada, bob and nobody");
        let call = call(json!({})).of("t").keyed("k").build();
        assert!(runtime.dispatcher().call_within(call).await.is_ok());
        assert_eq!(other.calls(), 1);
    });
}

#[test]
fn an_alias_is_the_same_tool() {
    run(async {
        let script = Script::new("s").answers("ran").with_spec(|spec| keyed(spec).with_alias("old").unwrap());
        let runtime = runtime(script.clone());
        assert!(under(&runtime, "k").await.is_ok());
        let call = call(json!({})).of("old").keyed("k").build();
        assert!(runtime.dispatcher().call_within(call).await.unwrap().has_flag(ResultFlag::Repeated));
    });
}

#[test]
fn other_arguments_under_a_key_are_refused_and_the_same_ones_written_otherwise_are_not() {
    run(async {
        let script = Script::new("s").answers("ran").with_spec(keyed);
        let runtime = runtime(script.clone());
        let with = |arguments: &str| {
            let meta = r#"{"dev.toolpost/idempotencyKey":"k"}"#;
            let text = format!(r#"{{"arguments":{arguments},"_meta":{meta}}}"#);
            let frame = Frame::from_text(text, &Limits::new()).unwrap();
            let mut parts = CallParts::default();
            parts.tool = "s".into();
            parts.arguments = frame.root().member("arguments").map(|node| node.id());
            parts.meta = frame.root().member("_meta").map(|node| node.id());
            parts.frame = Some(frame);
            runtime.dispatcher().call(CallRequest::from_parts(parts))
        };
        assert!(with(r#"{"a":1,"b":[1.5]}"#).await.is_ok());
        assert!(with(r#"{"b": [1.50], "a": 1}"#).await.unwrap().has_flag(ResultFlag::Repeated));
        let error = with(r#"{"a":2,"b":[1.5]}"#).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments);
        assert!(error.to_string().contains("give each call a key of its own"), "{error}");
        assert_eq!(script.calls(), 1);
    });
}

#[test]
fn a_second_call_waits_for_the_first_and_leaves_alone() {
    run(async {
        let (tool, mut handle) = mock("s");
        let runtime = runtime(tool.with_spec(keyed));
        let mut first = Box::pin(under(&runtime, "k"));
        assert!(poll_once(first.as_mut()).await.is_pending());
        let received = handle.next().await;
        let (mut second, mut third) = (Box::pin(under(&runtime, "k")), Box::pin(under(&runtime, "k")));
        assert!(poll_once(second.as_mut()).await.is_pending());
        assert!(poll_once(third.as_mut()).await.is_pending());
        drop(second);
        assert!(!received.is_cancelled(), "the first call goes on");
        received.respond(Output::text("done"));
        assert_text(&first.await, "done");
        assert_text(&third.await, "done");
        assert_eq!(handle.calls(), 1);
    });
}

#[test]
fn a_second_call_waits_no_longer_than_its_own_deadline() {
    run(async {
        let (tool, _handle) = mock("s");
        let runtime = runtime(tool.with_spec(keyed));
        let mut first = Box::pin(under(&runtime, "k"));
        assert!(poll_once(first.as_mut()).await.is_pending());
        let due = (Instant::now() + SECOND).into_std();
        let call = call(json!({})).of("s").keyed("k").due_by(due).build();
        assert_kind(&runtime.dispatcher().call_within(call).await, ErrorKind::TimedOut);
    });
}

/// What a repeated call finds, and how often the tool has run then.
async fn repeated(runtime: &Runtime, script: &Script) -> (Result<Output, ToolError>, usize) {
    (under(runtime, "k").await, script.calls())
}

#[test]
fn whoever_leaves_a_tool_that_runs_leaves_an_unknown_end() {
    run(async {
        let script = Script::new("s").hangs().answers("again").with_spec(keyed);
        let runtime = runtime(script.clone());
        let mut first = Box::pin(under(&runtime, "k"));
        assert!(poll_once(first.as_mut()).await.is_pending());
        let mut waits = Box::pin(under(&runtime, "k"));
        assert!(poll_once(waits.as_mut()).await.is_pending());
        drop(first);
        assert_kind(&waits.await, ErrorKind::OutcomeUnknown);
        let (answer, calls) = repeated(&runtime, &script).await;
        assert_kind(&answer, ErrorKind::OutcomeUnknown);
        assert_eq!(calls, 1);
        advance(24 * 3_600 * SECOND).await;
        assert_text(&repeated(&runtime, &script).await.0, "again");
    });
}

#[test]
fn a_tool_that_panics_or_is_too_slow_leaves_an_unknown_end() {
    run(async {
        let panics = Script::new("s").panics().answers("again").with_spec(keyed);
        let slow = Script::new("s").hangs().answers("again");
        let slow = slow.with_spec(|spec| keyed(spec).with_time_limit(SECOND));
        for (script, kind) in [(panics, ErrorKind::Panicked), (slow, ErrorKind::TimedOut)] {
            let runtime = runtime(script.clone());
            assert_kind(&under(&runtime, "k").await, kind);
            let (answer, calls) = repeated(&runtime, &script).await;
            assert_kind(&answer, ErrorKind::OutcomeUnknown);
            assert_eq!(calls, 1);
        }
    });
}

#[test]
fn what_ends_before_the_tool_has_begun_is_not_kept() {
    run(async {
        let script = Script::new("s").answers("ran").with_spec(|spec| keyed(spec).with_concurrency(1));
        let (blocks, _handle) = mock("s");
        let blocked = Runtime::builder().tool(blocks.with_spec(|spec| keyed(spec).with_concurrency(1)));
        let store = MemoryIdempotencyStore::new();
        let blocked = blocked.idempotency(store.clone()).build().unwrap();
        let free = Runtime::builder().tool(script.clone()).idempotency(store.clone()).build().unwrap();
        let mut holds = Box::pin(under(&blocked, "holds"));
        assert!(poll_once(holds.as_mut()).await.is_pending());
        // It waits for the permit, and its caller leaves; or its time is over.
        let mut waits = Box::pin(under(&blocked, "k"));
        assert!(poll_once(waits.as_mut()).await.is_pending());
        assert!(
            matches!(poll_once(Box::pin(under(&free, "k")).as_mut()).await, Poll::Pending),
            "it is claimed"
        );
        drop(waits);
        let due = (Instant::now() + SECOND).into_std();
        let late = call(json!({})).of("s").keyed("k").due_by(due).build();
        let refused = blocked.dispatcher().call_within(late).await.unwrap_err().kind();
        assert!(matches!(refused, ErrorKind::TimedOut | ErrorKind::Refused(_)), "{refused:?}");
        assert_eq!(store.keys(), 1, "that of the call that runs");
        assert_text(&under(&free, "k").await, "ran");
    });
}

#[test]
fn a_refusal_is_not_kept() {
    run(async {
        let breaker = BreakerPolicy::new().window(1).failure_rate(1.0).open_for(SECOND);
        let script = Script::new("s").fails(ToolError::new("broken")).answers("works");
        let script = script.with_spec(|spec| keyed(spec).with_breaker(breaker));
        let runtime = runtime(script.clone());
        assert_kind(&under(&runtime, "breaks").await, ErrorKind::Failed);
        assert_kind(&under(&runtime, "k").await, ErrorKind::Refused(Refusal::BreakerOpen));
        advance(10 * SECOND).await;
        assert_text(&under(&runtime, "k").await, "works");
        assert_kind(&under(&runtime, "breaks").await, ErrorKind::Failed);
    });
}

#[test]
fn what_a_tool_made_of_others_is_refused_half_way_is_an_end() {
    run(async {
        let full = || ToolError::refused(Refusal::QueueFull, "full", None);
        for (composite, calls) in [(true, 1), (false, 2)] {
            let script = Script::new("s").fails(full()).answers("done");
            let script =
                script.with_spec(|spec| if composite { keyed(spec).composite() } else { keyed(spec) });
            let runtime = runtime(script.clone());
            assert_kind(&under(&runtime, "k").await, ErrorKind::Refused(Refusal::QueueFull));
            let (answer, ran) = repeated(&runtime, &script).await;
            assert_eq!((answer.is_ok(), ran), (!composite, calls));
        }
    });
}

#[test]
fn arguments_that_the_tool_refuses_may_be_mended_under_the_same_key() {
    run(async {
        let script = Script::new("s").fails(ToolError::invalid_arguments("which part?")).answers("sold");
        let runtime = runtime(script.with_spec(keyed));
        assert_kind(&under(&runtime, "k").await, ErrorKind::InvalidArguments);
        let mended = call(json!({"part": "chuck"})).of("s").keyed("k").build();
        assert_text(&runtime.dispatcher().call_within(mended).await, "sold");
    });
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Sure {
    sure: bool,
}

#[test]
fn a_call_that_asks_its_user_goes_on_under_its_key() {
    run(async {
        let scrapped = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&scrapped);
        let scrap = tool_fn("s", move |_: NoArgs, call: Call| {
            let counter = Arc::clone(&counter);
            async move {
                let sure = call.elicit::<Sure>("sure", "Really?")?.accepted();
                counter.fetch_add(usize::from(sure.is_some_and(|answer| answer.sure)), Ordering::SeqCst);
                Ok("scrapped")
            }
        });
        let runtime = runtime(scrap.with_spec(keyed));
        assert_kind(&under(&runtime, "k").await, ErrorKind::InputRequired);
        assert_kind(&under(&runtime, "k").await, ErrorKind::InputRequired);
        for _ in 0..2 {
            let answered =
                call(json!({})).of("s").keyed("k").accepting("sure", json!({"sure": true})).build();
            assert_text(&runtime.dispatcher().call_within(answered).await, "scrapped");
        }
        assert_text(&under(&runtime, "k").await, "scrapped");
        assert_eq!(scrapped.load(Ordering::SeqCst), 1);
    });
}

#[tokio::test]
async fn a_blocking_tool_is_told_apart_as_well() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let tool = blocking_fn("s", move |_: NoArgs, _: Call| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok("ran")
    });
    let runtime = runtime(tool.with_spec(|spec| keyed(spec).blocking()));
    assert_text(&under(&runtime, "k").await, "ran");
    assert!(under(&runtime, "k").await.unwrap().has_flag(ResultFlag::Repeated));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn a_tool_that_only_reads_has_no_keys_and_is_told_so() {
    run(async {
        let cache = CachePolicy::new(SECOND);
        let script = Script::new("s").answers("1").answers("2");
        let script = script.with_spec(|spec| keyed(spec).read_only().with_cache(cache));
        let runtime = runtime(script);
        assert!(runtime.warnings().any(|warning| warning.contains("declares an idempotency key")));
        assert_text(&under(&runtime, "k").await, "1");
        advance(SECOND).await;
        assert_text(&under(&runtime, "k").await, "2");
    });
}

#[test]
fn keys_that_can_have_no_effect_are_warned_of() {
    let warned = |policy: IdempotencyPolicy| {
        let tool = Script::new("s").with_spec(|spec| spec.with_idempotency(policy)).answers("");
        runtime(tool).warnings().next().unwrap_or_default()
    };
    assert_eq!(warned(IdempotencyPolicy::new().over(["/id"])), "");
    assert!(warned(IdempotencyPolicy::new().over(["id"])).contains("write `/id`"));
    assert!(warned(IdempotencyPolicy::new().ttl(Duration::ZERO)).contains("give them a time to live"));
}

#[test]
fn a_host_switches_keys_off() {
    run(async {
        let script = Script::new("s").answers("ran").with_spec(keyed);
        let runtime = runtime(script.clone());
        let off = r#"{"defaults": {"without": ["idempotency"]}}"#;
        runtime.reconfigure(&toolpost::Settings::from_json(off).unwrap()).unwrap();
        for _ in 0..2 {
            assert!(!under(&runtime, "k").await.unwrap().has_flag(ResultFlag::Repeated));
        }
        assert_eq!(script.calls(), 2);
    });
}

#[test]
fn keys_outlive_a_reload() {
    run(async {
        let script = |text: &str| Script::new("s").answers(text).with_spec(keyed);
        let runtime = runtime(script("first"));
        assert_text(&under(&runtime, "k").await, "first");
        runtime.reload(&Default::default(), [AnyTool::new(script("second"))]).unwrap();
        assert_text(&under(&runtime, "k").await, "first");
        assert_text(&under(&runtime, "l").await, "second");
    });
}

#[test]
fn two_runtimes_that_share_a_store_run_a_call_once() {
    run(async {
        let store = MemoryIdempotencyStore::new();
        let (tool, mut handle) = mock("s");
        let tool = tool.with_spec(keyed);
        let [one, other] = [tool.clone(), tool]
            .map(|tool| Runtime::builder().tool(tool).idempotency(store.clone()).build().unwrap());
        let mut calls: Vec<_> =
            (0..20).map(|n| Box::pin(under(if n % 2 == 0 { &one } else { &other }, "k"))).collect();
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).await.is_pending());
        }
        handle.next().await.respond(Output::text("once"));
        for call in calls {
            assert_text(&call.await, "once");
        }
        assert_eq!(handle.calls(), 1);
    });
}

#[test]
fn dropped_at_any_await_a_call_is_over_and_never_run_twice() {
    run(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let tool = tool_fn("s", move |_: NoArgs, _: Call| {
            counter.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(SECOND).await;
                Ok("ran")
            }
        });
        let store = MemoryIdempotencyStore::new();
        let tool = tool.with_spec(|spec| keyed(spec).with_concurrency(1));
        let runtime = Runtime::builder()
            .tool(tool)
            .idempotency(Leased::new(store.clone(), 3 * SECOND))
            .build()
            .unwrap();
        let key = AtomicUsize::new(0);
        let points =
            cancel_at_each_await(|| under(&runtime, &key.fetch_add(1, Ordering::SeqCst).to_string()), |_| {})
                .await;
        assert!(2 <= points, "{points}");
        let begun = runs.load(Ordering::SeqCst);
        for used in 0..key.load(Ordering::SeqCst) {
            let before = runs.load(Ordering::SeqCst);
            let answer = under(&runtime, &used.to_string()).await;
            let ran_now = runs.load(Ordering::SeqCst) - before;
            match answer {
                Ok(output) => assert_eq!(output.has_flag(ResultFlag::Repeated), ran_now == 0),
                Err(error) => assert_eq!((error.kind(), ran_now), (ErrorKind::OutcomeUnknown, 0)),
            }
        }
        // One was dropped before its first poll, one while it claimed its key; what had begun was not run again.
        assert_eq!(runs.load(Ordering::SeqCst), begun + 2);
    });
}

/// A store that takes time, whose claims have a lease.
#[derive(Clone)]
struct Leased {
    store: MemoryIdempotencyStore,
    lease: Duration,
    renewed: Arc<AtomicUsize>,
    is_down: Arc<std::sync::atomic::AtomicBool>,
    how: How,
}

/// What a store does that is down.
#[derive(Clone, Copy, Debug, Default)]
enum How {
    #[default]
    Refuses,
    Panics,
    Hangs,
}

impl Leased {
    fn new(store: MemoryIdempotencyStore, lease: Duration) -> Self {
        Self { store, lease, renewed: Arc::default(), is_down: Arc::default(), how: How::default() }
    }

    async fn reached(&self) -> Result<(), ToolError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        match (self.is_down.load(Ordering::SeqCst), self.how) {
            (false, _) => Ok(()),
            (true, How::Refuses) => Err(ToolError::unavailable("the store of keys cannot be reached")),
            (true, How::Panics) => panic!("boom"),
            (true, How::Hangs) => std::future::pending().await,
        }
    }
}

impl IdempotencyStore for Leased {
    fn begin<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        arguments: &'a [u8; 32],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IdempotencyClaim, ToolError>> {
        Box::pin(async move {
            self.reached().await?;
            self.store.begin(key, arguments, ttl).await
        })
    }

    fn renew<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move {
            self.reached().await?;
            self.renewed.fetch_add(1, Ordering::SeqCst);
            self.store.renew(key, fence).await
        })
    }

    fn finish<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        fence: u64,
        end: Option<bytestring::ByteString>,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move {
            self.reached().await?;
            self.store.finish(key, fence, end).await
        })
    }

    fn release<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move {
            self.reached().await?;
            self.store.release(key, fence).await
        })
    }

    fn abandon(&self, key: &IdempotencyKey, fence: u64, began: bool) {
        self.store.abandon(key, fence, began);
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.lease)
    }
}

#[test]
fn a_claim_with_a_lease_is_renewed_while_its_call_runs() {
    run(async {
        let store = Leased::new(MemoryIdempotencyStore::new(), 3 * SECOND);
        let slow = tool_fn("s", |_: NoArgs, _: Call| async {
            tokio::time::sleep(10 * SECOND).await;
            Ok("slow")
        });
        let runtime =
            Runtime::builder().tool(slow.with_spec(keyed)).idempotency(store.clone()).build().unwrap();
        assert_text(&under(&runtime, "k").await, "slow");
        assert_eq!(store.renewed.load(Ordering::SeqCst), 9);
        assert!(under(&runtime, "k").await.unwrap().has_flag(ResultFlag::Repeated));
        assert_eq!(store.renewed.load(Ordering::SeqCst), 9);
    });
}

#[test]
fn without_its_store_a_call_with_a_key_does_not_run_and_its_end_is_told_all_the_same() {
    run(async {
        let store = Leased::new(MemoryIdempotencyStore::new(), 3 * SECOND);
        let (tool, mut handle) = mock("s");
        let runtime =
            Runtime::builder().tool(tool.with_spec(keyed)).idempotency(store.clone()).build().unwrap();
        store.is_down.store(true, Ordering::SeqCst);
        assert_kind(&under(&runtime, "k").await, ErrorKind::Unavailable);
        assert_eq!(handle.calls(), 0);
        store.is_down.store(false, Ordering::SeqCst);
        let first = tokio::spawn(under(&runtime, "k"));
        let received = handle.next().await;
        store.is_down.store(true, Ordering::SeqCst);
        received.respond(Output::text("done"));
        assert_text(&first.await.unwrap(), "done");
        store.is_down.store(false, Ordering::SeqCst);
        assert_kind(&under(&runtime, "k").await, ErrorKind::OutcomeUnknown);
        assert_eq!(handle.calls(), 1);
    });
}

#[test]
fn a_store_that_panics_or_hangs_ends_no_call_and_keeps_no_result_back() {
    for how in [How::Panics, How::Hangs] {
        run(async move {
            let store = Leased { how, ..Leased::new(MemoryIdempotencyStore::new(), 30 * SECOND) };
            let slow = tool_fn("s", |_: NoArgs, _: Call| async {
                tokio::time::sleep(20 * SECOND).await;
                Ok("slow")
            });
            let runtime =
                Runtime::builder().tool(slow.with_spec(keyed)).idempotency(store.clone()).build().unwrap();
            let first = tokio::spawn(under(&runtime, "k"));
            tokio::time::sleep(SECOND).await;
            store.is_down.store(true, Ordering::SeqCst);
            let first = tokio::time::timeout(40 * SECOND, first).await.expect("it is told how it ended");
            assert_text(&first.unwrap(), "slow");
            let another = tokio::time::timeout(10 * SECOND, under(&runtime, "other")).await;
            assert_kind(&another.expect("it is told that it does not run"), ErrorKind::Unavailable);
            store.is_down.store(false, Ordering::SeqCst);
            assert_kind(&under(&runtime, "k").await, ErrorKind::OutcomeUnknown);
        });
    }
}

#[test]
fn a_result_that_is_too_long_is_its_callers_alone() {
    run(async {
        let long = "x".repeat(5 << 20);
        let script = Script::new("s").answers(&long).with_spec(keyed);
        let runtime = runtime(script.clone());
        assert_text(&under(&runtime, "k").await, &long);
        let (answer, calls) = repeated(&runtime, &script).await;
        assert_kind(&answer, ErrorKind::OutcomeUnknown);
        assert_eq!(calls, 1);
    });
}

/// What a store says of a key.
async fn claim(store: &MemoryIdempotencyStore, key: &IdempotencyKey) -> IdempotencyClaim {
    store.begin(key, &[0; 32], 60 * SECOND).await.unwrap()
}

/// Claims a key that is free.
async fn fence(store: &MemoryIdempotencyStore, key: &IdempotencyKey) -> u64 {
    match claim(store, key).await {
        IdempotencyClaim::New(fence) => fence,
        other => panic!("{key}: {other:?}"),
    }
}

fn key_of(principal: &str, n: usize) -> IdempotencyKey {
    IdempotencyKey::new(Principal::new(principal), "s", format!("{n:04}"))
}

#[test]
fn a_full_store_forgets_what_expires_first_of_whoever_has_most_and_nothing_that_runs() {
    run(async {
        let store = MemoryIdempotencyStore::new().capacity(100, 1 << 20).per_principal(60, 40_000);
        let end = || Some("{}".into());
        for n in 0..70 {
            let fence = fence(&store, &key_of("ada", n)).await;
            assert!(store.finish(&key_of("ada", n), fence, end()).await.unwrap());
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(store.keys(), 60, "a principal has so many");
        assert!(matches!(claim(&store, &key_of("ada", 69)).await, IdempotencyClaim::Ended(_)));
        assert!(matches!(claim(&store, &key_of("ada", 10)).await, IdempotencyClaim::Ended(_)));
        // Others come: who has most makes room, and what runs stays.
        for n in 0..55 {
            fence(&store, &key_of("bob", n)).await;
        }
        assert_eq!(store.keys(), 100);
        for n in 0..45 {
            fence(&store, &key_of("cid", n)).await;
        }
        assert_eq!(store.keys(), 100, "ada has nothing left");
        let full = store.begin(&key_of("cid", 45), &[0; 32], SECOND).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Refused(Refusal::TooManyAtOnce));
        assert!(matches!(claim(&store, &key_of("bob", 0)).await, IdempotencyClaim::Running(_)));
        for n in 55..60 {
            let refused = store.begin(&key_of("bob", n), &[0; 32], SECOND).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::TooManyAtOnce));
        }
    });
}

#[test]
fn the_bytes_of_a_principal_and_of_all_are_bounded() {
    run(async {
        let store = MemoryIdempotencyStore::new().capacity(1_000, 50_000).per_principal(1_000, 20_000);
        for principal in ["ada", "bob", "cid", "dan"] {
            for n in 0..40 {
                let key = key_of(principal, n);
                let fence = fence(&store, &key).await;
                assert!(store.finish(&key, fence, Some("x".repeat(1_000).into())).await.unwrap());
                assert!(store.bytes() <= 50_000, "{}", store.bytes());
                advance(Duration::from_millis(1)).await;
            }
            assert!(matches!(claim(&store, &key_of(principal, 39)).await, IdempotencyClaim::Ended(_)));
        }
        assert!(40_000 < store.bytes());
        // What no principal has room for is not kept, and nothing else is forgotten for it.
        let keys = store.keys();
        let key = key_of("ada", 1_000);
        let fence = fence(&store, &key).await;
        assert!(store.finish(&key, fence, Some("x".repeat(20_001).into())).await.unwrap());
        assert!(matches!(claim(&store, &key).await, IdempotencyClaim::Unknown));
        assert!(keys <= store.keys());
        advance(60 * SECOND).await;
        assert_eq!((store.keys(), store.bytes()), (0, 0));
    });
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Begin { key: usize, arguments: u8 },
    Finish { key: usize, late: bool, known: bool },
    Release { key: usize, late: bool },
    Abandon { key: usize, began: bool },
    Wait { seconds: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..4_usize;
    prop_oneof![
        8 => (key(), 0..2_u8).prop_map(|(key, arguments)| Op::Begin { key, arguments }),
        4 => (key(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(key, late, known)| Op::Finish { key, late, known }),
        2 => (key(), prop::bool::weighted(0.2)).prop_map(|(key, late)| Op::Release { key, late }),
        2 => (key(), any::<bool>()).prop_map(|(key, began)| Op::Abandon { key, began }),
        3 => (1..40_u64).prop_map(|seconds| Op::Wait { seconds }),
    ]
}

/// A key of the model that is not free.
#[derive(Clone, Copy, Debug)]
struct Taken {
    arguments: u8,
    fence: u64,
    /// Since when and how, if it has ended.
    ended: Option<(u64, bool)>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map_of_keys_that_are_free_run_have_ended_or_are_unknown(ops in prop::collection::vec(op(), 1..60)) {
        run(async {
            let store = MemoryIdempotencyStore::new();
            let (mut model, mut now): (HashMap<usize, Taken>, u64) = (HashMap::new(), 0);
            let mut last = HashMap::new();
            for op in ops {
                model.retain(|_, taken| taken.ended.is_none_or(|(at, _)| now < at + 60));
                match op {
                    Op::Begin { key, arguments } => {
                        let name = key_of("ada", key);
                        let claim = store.begin(&name, &[arguments; 32], 60 * SECOND).await.unwrap();
                        let expected = match model.get(&key) {
                            None => "new",
                            Some(taken) if taken.arguments != arguments => "conflict",
                            Some(Taken { ended: None, .. }) => "running",
                            Some(Taken { ended: Some((_, true)), .. }) => "ended",
                            Some(_) => "unknown",
                        };
                        let said = match claim {
                            IdempotencyClaim::New(fence) => {
                                assert!(last.insert(key, fence).is_none_or(|former| former < fence));
                                model.insert(key, Taken { arguments, fence, ended: None });
                                "new"
                            }
                            IdempotencyClaim::Running(_) => "running",
                            IdempotencyClaim::Ended(end) => {
                                assert_eq!(&*end, "end");
                                "ended"
                            }
                            IdempotencyClaim::Unknown => "unknown",
                            _ => "conflict",
                        };
                        assert_eq!(said, expected, "{key} at {now}");
                    }
                    Op::Finish { key, late, known } => {
                        let fence = last.get(&key).copied().unwrap_or(0) - u64::from(late && last.contains_key(&key));
                        let done = store.finish(&key_of("ada", key), fence, known.then(|| "end".into())).await.unwrap();
                        let runs = model.get_mut(&key).filter(|taken| taken.fence == fence && taken.ended.is_none());
                        assert_eq!(done, runs.is_some());
                        if let Some(taken) = runs {
                            taken.ended = Some((now, known));
                        }
                    }
                    Op::Release { key, late } => {
                        let fence = last.get(&key).copied().unwrap_or(0) - u64::from(late && last.contains_key(&key));
                        let done = store.release(&key_of("ada", key), fence).await.unwrap();
                        let runs = model.get(&key).is_some_and(|taken| taken.fence == fence && taken.ended.is_none());
                        assert_eq!(done, runs);
                        if runs {
                            model.remove(&key);
                        }
                    }
                    Op::Abandon { key, began } => {
                        let fence = last.get(&key).copied().unwrap_or(0);
                        store.abandon(&key_of("ada", key), fence, began);
                        if let Some(taken) = model.get_mut(&key).filter(|taken| taken.fence == fence && taken.ended.is_none()) {
                            taken.ended = Some((now, false));
                            if !began {
                                model.remove(&key);
                            }
                        }
                    }
                    Op::Wait { seconds } => {
                        advance(Duration::from_secs(seconds)).await;
                        now += seconds;
                    }
                }
                model.retain(|_, taken| taken.ended.is_none_or(|(at, _)| now < at + 60));
                assert_eq!(store.keys(), model.len());
            }
        });
    }
}
