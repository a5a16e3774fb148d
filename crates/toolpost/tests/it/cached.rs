//! A tool that remembers its results.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use toolpost::ToolExt;
use toolpost::breaker::{Breaker, BreakerSettings, Consecutive};
use toolpost::cache::Capacity;
use toolpost::json::{Frame, NodeId};
use toolpost::layers::{Caching, Layered, ResultCache};
use toolpost::tool::{
    CachePolicy, Call, CallParts, ErrorKind, InputCapabilities, InputRequest, NoArgs, Output, Principal,
    Refusal, ResultFlag, Tool, ToolError, ToolSpec, tool_fn,
};
use toolpost_test::{Script, assert_kind, assert_text, mock, poll_once, run};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> ResultCache {
    ResultCache::new(Capacity::entries(1_000))
}

fn call() -> Call {
    call_with(r#"{"q":"lathe"}"#)
}

/// A call whose arguments were received as `text`.
fn call_with(text: &str) -> Call {
    Call::from_parts(parts(text))
}

fn parts(text: &str) -> CallParts {
    let mut parts = CallParts::default();
    parts.frame = Some(Frame::from_text(text.to_owned(), &Default::default()).unwrap());
    parts.arguments = Some(NodeId::ROOT);
    parts
}

fn call_of(principal: &str) -> Call {
    let mut parts = parts(r#"{"q":"lathe"}"#);
    parts.principal = Principal::new(principal.to_owned());
    Call::from_parts(parts)
}

/// A tool that takes 50 ms and answers with the number of the run.
fn counting() -> (impl Tool, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let tool = tool_fn("count", move |_: NoArgs, _: Call| {
        let counter = Arc::clone(&counter);
        async move {
            let run = counter.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_millis(50)).await;
            Ok(run.to_string())
        }
    });
    (tool, runs)
}

fn runs(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[test]
fn a_hit_is_marked_and_a_first_answer_is_not() {
    run(async {
        let (tool, counter) = counting();
        let tool = tool.cached(&cache(), MINUTE);
        let first = tool.call(call()).await.unwrap();
        assert!(!first.has_flag(ResultFlag::CacheHit));
        let mut asked = pin!(tool.call(call()));
        let Poll::Ready(second) = poll_once(asked.as_mut()).await else { panic!("a hit is ready at once") };
        let second = second.unwrap();
        assert!(second.has_flag(ResultFlag::CacheHit));
        assert_eq!(second.as_text(), Some("1"));
        let mut meta = Vec::new();
        assert!(second.write_meta(&mut meta));
        assert_eq!(meta, br#""dev.toolpost/cache":"hit""#);
        assert_eq!(runs(&counter), 1);
    });
}

#[test]
fn arguments_are_compared_by_value() {
    run(async {
        let (tool, counter) = counting();
        let tool = tool.cached(&cache(), MINUTE);
        let same = [
            r#"{"a":1,"b":{"x":[1.50,"é"],"y":null}}"#,
            r#"{ "b": {"y":null, "x":[15e-1,"\u00e9"]}, "a":1 }"#,
            r#"{"\u0061":1,"b":{"x":[1.5,"é"],"y":null}}"#,
        ];
        for text in same {
            for _ in 0..2 {
                assert_text(&tool.call(call_with(text)).await, "1");
            }
        }
        let others = [
            r#"{"a":1.0,"b":{"x":[1.50,"é"],"y":null}}"#,
            r#"{"a":"1","b":{"x":[1.50,"é"],"y":null}}"#,
            r#"{"a":1,"b":{"x":["é",1.50],"y":null}}"#,
            r#"{"a":1,"b":{"x":[1.50,"é"]}}"#,
            "{}",
        ];
        for (n, text) in others.into_iter().enumerate() {
            for _ in 0..2 {
                assert_text(&tool.call(call_with(text)).await, &(n + 2).to_string());
            }
        }
        assert_eq!(runs(&counter), 6);
    });
}

#[test]
fn a_principal_shares_with_nobody_unless_the_tool_says_so_in_writing() {
    run(async {
        let cache = cache();
        let (tool, _) = counting();
        let own = tool.cached(&cache, MINUTE);
        assert_text(&own.call(call_of("ann")).await, "1");
        assert_text(&own.call(call_of("bob")).await, "2");
        assert_text(&own.call(call()).await, "3");
        assert_text(&own.call(call_of("")).await, "4");
        assert_text(&own.call(call_of("ann")).await, "1");
        // Nor while they wait.
        let (tool, counter) = counting();
        let own = tool.cached(&ResultCache::new(Capacity::entries(10)), MINUTE);
        let (a, b) = tokio::join!(own.call(call_of("ann")), own.call(call_of("bob")));
        assert_ne!(a.unwrap(), b.unwrap());
        assert_eq!(runs(&counter), 2);

        let (tool, counter) = counting();
        let public = tool.cached(&cache, CachePolicy::new(MINUTE).public());
        for principal in ["ann", "bob"] {
            assert_text(&public.call(call_of(principal)).await, "1");
        }
        assert_eq!(runs(&counter), 1);
    });
}

#[test]
fn what_the_result_varies_by_tells_calls_apart() {
    run(async {
        let with_meta = |meta: &str| {
            let mut parts = CallParts::default();
            let text = format!(r#"{{"arguments":{{}},"_meta":{meta}}}"#);
            let frame = Frame::from_text(text, &Default::default()).unwrap();
            let (arguments, meta) =
                (frame.root().member("arguments").unwrap().id(), frame.root().member("_meta").unwrap().id());
            (parts.arguments, parts.meta) = (Some(arguments), Some(meta));
            parts.frame = Some(frame);
            Call::from_parts(parts)
        };
        let (tool, counter) = counting();
        let tool = tool.cached(&cache(), CachePolicy::new(MINUTE).vary_by("x/locale"));
        assert_text(&tool.call(with_meta(r#"{"x/locale":"de","token":1}"#)).await, "1");
        assert_text(&tool.call(with_meta(r#"{"x/locale":"fr","token":1}"#)).await, "2");
        assert_text(&tool.call(with_meta(r#"{"token":1}"#)).await, "3");
        assert_text(&tool.call(with_meta(r#"{"token":2,"x/locale":"de"}"#)).await, "1");
        assert_eq!(runs(&counter), 3);
    });
}

#[test]
fn tools_versions_and_servers_are_told_apart() {
    run(async {
        let cache = cache();
        let tool = |name: &str, version: Option<&str>| {
            let spec = |spec: ToolSpec| match version {
                Some(version) => spec.with_version(version),
                None => spec,
            };
            let (tool, handle) = mock(name);
            (tool.with_spec(spec), handle)
        };
        let all = [("a", None, ""), ("b", None, ""), ("a", Some("2"), ""), ("a", None, "other")];
        for (name, version, server) in all {
            let (tool, mut handle) = tool(name, version);
            let tool = tool.cached(&cache.clone().of_server(server), MINUTE);
            let (result, ()) =
                tokio::join!(tool.call(call()), async { handle.next().await.respond(Output::text("x")) });
            assert!(!result.unwrap().has_flag(ResultFlag::CacheHit), "{name} {version:?} {server}");
        }
        assert_eq!(cache.stats().entries, 4);
    });
}

#[test]
fn neither_errors_nor_questions_nor_answers_to_them_are_remembered() {
    run(async {
        let cache = cache();
        let script = Arc::new(
            Script::new("s")
                .fails(ToolError::new("no"))
                .fails(ToolError::invalid_arguments("q"))
                .fails(ToolError::refused(Refusal::QueueFull, "full", None))
                .outputs(Output::text("sorry").into_error())
                .answers("yes"),
        );
        let tool = Arc::clone(&script).cached(&cache, MINUTE);
        assert_kind(&tool.call(call()).await, ErrorKind::Failed);
        assert_kind(&tool.call(call()).await, ErrorKind::InvalidArguments);
        assert_kind(&tool.call(call()).await, ErrorKind::Refused(Refusal::QueueFull));
        assert!(tool.call(call()).await.unwrap().is_error());
        assert_eq!(cache.stats().entries, 0);
        assert_text(&tool.call(call()).await, "yes");

        let asking = tool_fn("ask", |_: NoArgs, call: Call| async move {
            let name = call
                .input("name", InputRequest::elicit("Your name?", &serde_json::json!({"type": "object"})))?;
            Ok(name.raw().to_owned())
        });
        let tool = asking.cached(&cache, MINUTE);
        let capabilities = Frame::from_text(r#"{"elicitation":{"form":{}}}"#, &Default::default()).unwrap();
        let client = InputCapabilities::read(capabilities.root());
        let asked = |answers: Option<&str>| {
            let mut parts = parts("{}");
            parts.client = client;
            parts.set_answers(
                answers.map(|text| Arc::new(Frame::from_text(text.to_owned(), &Default::default()).unwrap())),
            );
            Call::from_parts(parts)
        };
        for _ in 0..2 {
            assert_kind(&tool.call(asked(None)).await, ErrorKind::InputRequired);
            let answered = tool.call(asked(Some(r#"{"name":{"action":"decline"}}"#))).await.unwrap();
            assert!(!answered.has_flag(ResultFlag::CacheHit));
            let other = tool.call(asked(Some(r#"{"name":{"action":"cancel"}}"#))).await;
            assert_text(&other, r#"{"action":"cancel"}"#);
        }
        assert_eq!(cache.stats().entries, 1);
    });
}

/// Counts how often it is woken, and by that how often an executor would poll.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Asked = Pin<Box<dyn Future<Output = Result<Output, ToolError>> + Send>>;

#[test]
fn ten_thousand_identical_calls_are_one_run_and_three_polls_at_most() {
    run(async {
        let (tool, mut handle) = mock("s");
        let tool = Arc::new(tool.cached(&cache(), MINUTE));
        let mut waiters: Vec<(Asked, Arc<Bell>, usize)> = (0..10_000)
            .map(|_| {
                let tool = Arc::clone(&tool);
                let asked: Asked = Box::pin(async move { tool.call(call()).await });
                (asked, Arc::new(Bell::default()), 0)
            })
            .collect();
        let poll = |(asked, bell, polls): &mut (Asked, Arc<Bell>, usize)| {
            *polls += 1;
            asked.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
        };
        for waiter in &mut waiters {
            assert!(poll(waiter).is_pending());
        }
        handle.next().await.respond(Output::text("once"));
        let mut answered = 0;
        while answered < waiters.len() {
            let before = answered;
            for waiter in &mut waiters {
                if 0 < waiter.1.0.swap(0, Ordering::SeqCst) {
                    let Poll::Ready(answer) = poll(waiter) else { continue };
                    assert_text(&answer, "once");
                    answered += 1;
                }
            }
            assert!(before < answered, "{answered} answered, and nobody woken");
        }
        assert_eq!(handle.calls(), 1);
        let most = waiters.iter().map(|(_, _, polls)| *polls).max();
        assert!(most <= Some(3), "{most:?} polls");
    });
}

#[test]
fn the_first_caller_may_leave_at_each_await() {
    run(async {
        for polls in 1..5 {
            let counter = Arc::new(AtomicUsize::new(0));
            let runs = Arc::clone(&counter);
            let tool = tool_fn("s", move |_: NoArgs, _: Call| {
                runs.fetch_add(1, Ordering::SeqCst);
                async {
                    tokio::task::yield_now().await;
                    sleep(SECOND).await;
                    tokio::task::yield_now().await;
                    Ok("done")
                }
            });
            let tool = tool.cached(&cache(), MINUTE);
            let mut first = Box::pin(tool.call(call()));
            let mut second = Box::pin(tool.call(call()));
            assert!(poll_once(first.as_mut()).await.is_pending());
            assert!(poll_once(second.as_mut()).await.is_pending());
            for _ in 1..polls {
                tokio::task::yield_now().await;
                advance(SECOND).await;
                if poll_once(first.as_mut()).await.is_ready() {
                    break;
                }
            }
            drop(first);
            assert_text(&second.await, "done");
            assert_eq!(counter.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn at_expiry_nobody_waits_and_one_refresh_runs_quietly() {
    run(async {
        let (tool, mut handle) = mock("s");
        let cache = cache();
        let tool = tool.cached(&cache, CachePolicy::new(MINUTE).stale_for(MINUTE));
        let ask = |due: Option<Instant>| {
            let call = call();
            tool.call(match due {
                Some(due) => call.due_by(due.into_std()),
                None => call,
            })
        };
        let (first, ()) = tokio::join!(ask(None), async { handle.next().await.respond(Output::text("old")) });
        assert_text(&first, "old");
        advance(MINUTE).await;
        for _ in 0..100 {
            let mut asked = pin!(ask(Some(Instant::now() + SECOND)));
            let Poll::Ready(answer) = poll_once(asked.as_mut()).await else { panic!("ready at once") };
            assert!(answer.as_ref().unwrap().has_flag(ResultFlag::CacheStale));
            assert_text(&answer, "old");
        }
        let refresh = handle.next().await;
        assert_eq!(refresh.call().deadline(), None, "the deadline of the call that found it is its own");
        assert!(!refresh.call().is_observed());
        sleep(10 * SECOND).await;
        refresh.respond(Output::text("new"));
        cache.drain().await;
        assert_text(&ask(None).await, "new");
        assert_eq!(handle.calls(), 2);
    });
}

#[test]
fn an_outage_behind_an_open_breaker_is_covered_while_the_window_lasts() {
    run(async {
        let down = Arc::new(AtomicUsize::new(0));
        let (state, calls) = (Arc::clone(&down), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&calls);
        let upstream = tool_fn("s", move |_: NoArgs, _: Call| {
            counter.fetch_add(1, Ordering::SeqCst);
            let down = state.load(Ordering::SeqCst) == 1;
            async move { if down { Err(ToolError::unavailable("down")) } else { Ok("fine") } }
        });
        let settings = BreakerSettings::new(Instant::now().into_std())
            .open_time(10 * SECOND, 10 * SECOND)
            .probes(1)
            .ramp(1);
        let breaker = Arc::new(Breaker::with_settings(Consecutive::new(3), settings));
        let policy = CachePolicy::new(10 * SECOND).stale_if_error(10 * MINUTE);
        let tool = upstream.guarded(breaker).cached(&cache(), policy);
        assert_text(&tool.call(call()).await, "fine");
        down.store(1, Ordering::SeqCst);
        let began = Instant::now();
        let mut degraded = 0;
        while began.elapsed() < 9 * MINUTE {
            sleep(SECOND).await;
            let answer = tool.call(call()).await.unwrap();
            assert_eq!(answer.as_text(), Some("fine"));
            degraded += usize::from(answer.has_flag(ResultFlag::Degraded));
        }
        assert!(500 < degraded);
        // The breaker was open most of the time: the upstream was left alone.
        let asked = calls.load(Ordering::SeqCst);
        assert!(asked < 80, "{asked} calls of an upstream that is down");
        sleep(2 * MINUTE).await;
        assert!(tool.call(call()).await.is_err());
        // A caller's own fault is never hidden.
        down.store(0, Ordering::SeqCst);
        sleep(20 * SECOND).await;
        assert_text(&tool.call(call()).await, "fine");
    });
}

#[test]
fn no_expired_result_hides_a_denial_a_question_or_a_fault() {
    run(async {
        let faults = [
            ToolError::refused(Refusal::Denied, "not yours", None),
            ToolError::input_required(toolpost::tool::InputRequired::new()),
            ToolError::invalid_arguments("no such thing"),
        ];
        for fault in faults {
            let kind = fault.kind();
            let script = Script::new("s").answers("fine").fails(fault);
            let tool = script.cached(&cache(), CachePolicy::new(SECOND).stale_if_error(MINUTE));
            assert_text(&tool.call(call()).await, "fine");
            sleep(2 * SECOND).await;
            assert_kind(&tool.call(call()).await, kind);
        }
    });
}

#[test]
fn a_refusal_reaches_the_one_it_was_meant_for() {
    run(async {
        let (tool, mut handle) = mock("s");
        let tool = tool.cached(&cache(), MINUTE);
        let (first, second, ()) = tokio::join!(tool.call(call()), tool.call(call()), async {
            handle.next().await.fail(ToolError::refused(Refusal::RateLimited, "too often", None));
            handle.next().await.respond(Output::text("fine"));
        });
        assert_kind(&first, ErrorKind::Refused(Refusal::RateLimited));
        assert_text(&second, "fine");
        assert_eq!(handle.calls(), 2);
    });
}

#[test]
fn each_caller_leaves_at_its_own_deadline_and_the_run_at_its_limit() {
    run(async {
        let (tool, mut handle) = mock("s");
        let tool = tool.with_spec(|spec| spec.with_time_limit(10 * SECOND)).cached(&cache(), MINUTE);
        let hurried = call().due_by((Instant::now() + SECOND).into_std());
        let (hurried, patient, received) = tokio::join!(tool.call(hurried), tool.call(call()), handle.next());
        assert_eq!(received.call().deadline(), None);
        assert_kind(&hurried, ErrorKind::TimedOut);
        // The ten seconds of one attempt, and a minute in which it waits for a permit, by default.
        assert_eq!(patient.unwrap_err().to_string(), "the call took longer than its limit of 70s");
        assert!(received.is_cancelled());
    });
}

#[test]
fn a_panic_costs_the_calls_that_waited_for_it_and_no_other() {
    run(async {
        let script = Script::new("s").panics().answers("fine");
        let tool = script.cached(&cache(), MINUTE);
        let (a, b) = tokio::join!(tool.call(call()), tool.call(call()));
        assert_kind(&a, ErrorKind::Panicked);
        assert!(b.is_err() || b.unwrap().as_text() == Some("fine"));
        assert_text(&tool.call(call()).await, "fine");
    });
}

#[test]
fn a_write_makes_dead_what_was_read_before_it() {
    run(async {
        let cache = cache();
        let (read, _) = counting();
        let read = read.cached(&cache, CachePolicy::new(MINUTE).tagged("table"));
        let (write, mut handle) = mock("write");
        let write = write.with_spec(|spec| spec.invalidating("table")).invalidating(&cache);
        assert_text(&read.call(call()).await, "1");

        // A read that began before the write ended is neither kept nor waited for.
        let (early, late) = tokio::join!(read.call(call_with("{}")), async {
            tokio::task::yield_now().await;
            let (written, ()) =
                tokio::join!(write.call(call()), async { handle.next().await.respond(Output::text("ok")) });
            assert_text(&written, "ok");
            read.call(call_with("{}")).await
        });
        assert_text(&early, "2");
        assert_text(&late, "3");
        assert_text(&read.call(call()).await, "4");
        assert_text(&read.call(call_with("{}")).await, "3");

        // A write that was dropped half-way may have happened.
        let mut writing = Box::pin(write.call(call()));
        assert!(poll_once(writing.as_mut()).await.is_pending());
        drop(writing);
        assert_text(&read.call(call()).await, "5");
        // One that was refused has not.
        let _dropped = handle.next().await;
        let (refused, ()) = tokio::join!(write.call(call()), async {
            handle.next().await.fail(ToolError::invalid_arguments("row"));
        });
        assert!(refused.is_err());
        assert_text(&read.call(call()).await, "5");
    });
}

#[test]
fn nothing_is_remembered_of_a_tool_that_does_not_declare_it() {
    let cache = cache();
    let spec = || ToolSpec::new("s").unwrap();
    assert!(Caching::declared(&cache, &spec()).is_none());
    assert!(Caching::declared(&cache, &spec().read_only()).is_none());
    assert!(Caching::declared(&cache, &spec().with_cache(MINUTE.into())).is_none());
    assert!(Caching::declared(&cache, &spec().read_only().with_cache(MINUTE.into())).is_some());
}

#[test]
fn a_cached_tool_is_a_tool() {
    fn takes(_: &impl Tool) {}
    let (tool, _) = counting();
    let cache = cache();
    let cached: Layered<_, Caching> = tool.timed(SECOND).cached(&cache, MINUTE);
    takes(&cached.clone().timed(SECOND));
    assert_eq!(cached.spec().name(), "count");
}

// By hand, over a spec that has a time limit: the attempts have it, and all of them together have more.
#[test]
fn an_attempt_that_times_out_is_tried_again_behind_a_cache_by_hand() {
    run(async {
        let second = Duration::from_secs(1);
        let script = Script::new("s").hangs().answers("ok");
        let tool = script.with_spec(|spec| spec.with_time_limit(10 * second).repeatable());
        let cache = ResultCache::new(Capacity::entries(10));
        let policy = CachePolicy::new(60 * second);
        let retry = toolpost::layers::Retry::new(2);
        let tool = tool.timed(10 * second).retried(retry).cached(&cache, policy);
        assert_text(&tool.call(Call::new(&serde_json::json!({})).unwrap()).await, "ok");
    });
}
