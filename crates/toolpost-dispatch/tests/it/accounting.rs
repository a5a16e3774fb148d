//! Every call ends exactly once in the events, and the counters add up.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test unwraps, a tool panics, and a drain has a deadline"
)]

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use serde_json::json;
use toolpost_dispatch::{
    Access, CallKey, CallRequest, Catalog, Decision, Dispatcher, Event, Outcome, Registry, WeakDispatcher,
};
use toolpost_json::Frame;
use toolpost_protocol::Id;
use toolpost_tool::{AnyTool, BoxFuture, Call, CallParts, NoArgs, Output, Refusal, ToolError, tool_fn};

#[derive(Debug, Default)]
struct Seen {
    started: AtomicUsize,
    ended: AtomicUsize,
    outcomes: Mutex<Vec<Outcome>>,
}

fn dispatcher() -> (Dispatcher, Arc<Seen>) {
    let quick = tool_fn("quick", |_: NoArgs, _| async { Ok("done") });
    let held = tool_fn("held", |_: NoArgs, _| std::future::pending::<Result<String, ToolError>>());
    let panics = tool_fn("panics", |_: NoArgs, _| async { boom() });
    let strict = tool_fn("strict", |_: NoArgs, _| async { Ok("done") })
        .with_spec(|spec| spec.with_input_schema(json!({"type": "object", "required": ["a"]})));
    let denied = tool_fn("denied", |_: NoArgs, _| async { Ok("done") });
    let tools = [
        AnyTool::new(quick),
        AnyTool::new(held),
        AnyTool::new(panics),
        AnyTool::new(strict),
        AnyTool::new(denied),
    ];
    let seen = Arc::new(Seen::default());
    let watched = Arc::clone(&seen);
    let dispatcher = Dispatcher::builder(Registry::new(Catalog::new(tools).unwrap()))
        .authorize(|access: &Access<'_>| match access.target.name() {
            "denied" => Decision::Deny("not this".to_owned()),
            _ => Decision::Allow,
        })
        .observe(move |event: &Event<'_>| match event {
            Event::Started { .. } => drop(watched.started.fetch_add(1, Ordering::SeqCst)),
            Event::Finished { outcome, .. } => {
                watched.ended.fetch_add(1, Ordering::SeqCst);
                watched.outcomes.lock().unwrap().push(*outcome);
            }
            Event::UnknownTool { .. } => drop(watched.ended.fetch_add(1, Ordering::SeqCst)),
            _ => {}
        })
        .build();
    (dispatcher, seen)
}

fn boom() -> Result<String, ToolError> {
    panic!("what the test is about")
}

fn key(number: u8) -> CallKey {
    CallKey::new(1, Id::read(Frame::from_serialize(&number).unwrap().root()).unwrap())
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a drain reads its clock from.
fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_call_barred_by_a_drain_ends_once_as_refused() {
    let executor = executor();
    let _within = executor.enter();
    let (all, seen) = dispatcher();
    assert!(poll(pin!(all.drain(std::time::Instant::now()))).is_ready());
    assert_eq!(all.running(), 0);
    let mut refused = pin!(all.call(CallRequest::new("quick")));
    assert!(matches!(poll(refused.as_mut()), Poll::Ready(Err(_))));
    drop(all.call(CallRequest::new("quick")));
    assert_eq!(*seen.outcomes.lock().unwrap(), [Outcome::Refused(Refusal::Draining); 2]);
    assert_eq!(seen.started.load(Ordering::SeqCst), 0);
}

#[test]
fn a_call_under_a_key_in_use_ends_once_and_is_never_counted_as_running() {
    let (all, seen) = dispatcher();
    let mut first = Box::pin(all.call(CallRequest::new("held").cancelled_by(key(1))));
    assert!(poll(first.as_mut()).is_pending());
    let second = all.call(CallRequest::new("quick").cancelled_by(key(1)));
    assert_eq!(all.running(), 1, "the refused one does not run");
    assert!(matches!(poll(pin!(second)), Poll::Ready(Err(_))));
    assert_eq!(*seen.outcomes.lock().unwrap(), [Outcome::Protocol]);
    drop(first);
    assert_eq!(*seen.outcomes.lock().unwrap(), [Outcome::Protocol, Outcome::Cancelled]);
}

#[test]
fn a_dropped_call_is_in_flight_until_its_end_is_reported() {
    let own = Arc::new(OnceLock::<WeakDispatcher>::new());
    let running = Arc::new(Mutex::new(Vec::new()));
    let (known, told) = (Arc::clone(&own), Arc::clone(&running));
    let held = tool_fn("held", |_: NoArgs, _| std::future::pending::<Result<String, ToolError>>());
    let all = Dispatcher::builder(Registry::new(Catalog::new([AnyTool::new(held)]).unwrap()))
        .observe(move |event: &Event<'_>| {
            if let Event::Finished { .. } = event {
                let all = known.get().and_then(WeakDispatcher::upgrade).unwrap();
                told.lock().unwrap().push(all.running());
            }
        })
        .build();
    own.set(all.downgrade()).unwrap();
    let mut call = Box::pin(all.call(CallRequest::new("held")));
    assert!(poll(call.as_mut()).is_pending());
    drop(call);
    assert_eq!((running.lock().unwrap().as_slice(), all.running()), (&[1][..], 0));
}

#[test]
fn a_call_dropped_before_its_first_poll_ends_once_as_cancelled() {
    let (all, seen) = dispatcher();
    drop(all.call(CallRequest::new("quick")));
    let mut parts = CallParts::default();
    parts.tool = "quick".into();
    drop(all.call_within(Call::from_parts(parts)));
    assert_eq!(*seen.outcomes.lock().unwrap(), [Outcome::Cancelled; 2]);
    assert_eq!(all.running(), 0);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Makes a call of one of the tools, or of none; perhaps under a key; perhaps within another.
    Make {
        tool: usize,
        key: Option<u8>,
        within: bool,
    },
    Poll(usize),
    Drop(usize),
    Cancel(u8),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let make = (0..6_usize, prop::option::of(0..3_u8), any::<bool>())
        .prop_map(|(tool, key, within)| Step::Make { tool, key, within });
    prop_oneof![
        8 => make,
        6 => (0..20_usize).prop_map(Step::Poll),
        3 => (0..20_usize).prop_map(Step::Drop),
        1 => (0..3_u8).prop_map(Step::Cancel),
        1 => Just(Step::Drain),
    ]
}

proptest! {
    #[test]
    fn every_call_ends_exactly_once_and_the_counters_add_up(steps in prop::collection::vec(step(), 1..60)) {
        const NAMES: [&str; 6] = ["quick", "held", "panics", "strict", "denied", "unknown"];
        let executor = executor();
        let _within = executor.enter();
        let (all, seen) = dispatcher();
        let mut calls: Vec<BoxFuture<'static, Result<Output, ToolError>>> = Vec::new();
        let mut made = 0;
        for step in steps {
            match step {
                Step::Make { tool, within: true, .. } => {
                    let mut parts = CallParts::default();
                    parts.tool = NAMES[tool].into();
                    calls.push(Box::pin(all.call_within(Call::from_parts(parts))));
                    made += 1;
                }
                Step::Make { tool, key: under, .. } => {
                    let mut request = CallRequest::new(NAMES[tool]);
                    if let Some(under) = under {
                        request = request.cancelled_by(key(under));
                    }
                    calls.push(Box::pin(all.call(request)));
                    made += 1;
                }
                Step::Poll(at) if at < calls.len() => {
                    if poll(calls[at].as_mut()).is_ready() {
                        drop(calls.swap_remove(at));
                    }
                }
                Step::Drop(at) if at < calls.len() => drop(calls.swap_remove(at)),
                Step::Cancel(under) => drop(all.cancel(&key(under))),
                Step::Drain => drop(poll(pin!(all.drain(std::time::Instant::now())))),
                Step::Poll(_) | Step::Drop(_) => {}
            }
            let ended = seen.ended.load(Ordering::SeqCst);
            prop_assert!(seen.started.load(Ordering::SeqCst) <= ended + all.running());
            prop_assert!(made - calls.len() <= ended, "what is gone has ended");
            prop_assert!(all.running() <= calls.len());
        }
        calls.clear();
        prop_assert_eq!(seen.ended.load(Ordering::SeqCst), made);
        prop_assert_eq!(all.running(), 0);
    }
}
