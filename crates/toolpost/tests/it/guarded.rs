//! A tool that is left alone while it keeps failing.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};
use toolpost::breaker::{Breaker, BreakerSettings, BreakerState, Consecutive, CountWindow, FailurePolicy};
use toolpost::layers::{CircuitBreaker, Layered, Verdict};
use toolpost::tool::{
    BreakerPolicy, Call, ErrorKind, InputRequest, InputRequired, NoArgs, Output, Refusal, Tool, ToolError,
    ToolSpec, tool_fn,
};
use toolpost::{Runtime, ToolExt};
use toolpost_test::{Script, assert_kind, assert_text, cancel_at_each_await, mock, poll_once, run};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

/// Open for 10 s; closed again after one good probe.
fn breaker<P: FailurePolicy>(policy: P) -> Arc<Breaker<P>> {
    let settings =
        BreakerSettings::new(Instant::now().into_std()).open_time(10 * SECOND, 10 * SECOND).probes(1).ramp(1);
    Arc::new(Breaker::with_settings(policy, settings))
}

#[test]
fn while_open_the_tool_is_not_called() {
    run(async {
        let script = Arc::new(Script::new("search").fails(ToolError::unavailable("down")));
        let tool = Arc::clone(&script).guarded(breaker(Consecutive::new(3)));
        for _ in 0..3 {
            assert_kind(&tool.call(call()).await, ErrorKind::Unavailable);
        }
        let refused = tool.call(call()).await;
        assert_kind(&refused, ErrorKind::Refused(Refusal::BreakerOpen));
        let error = refused.unwrap_err();
        assert_eq!(error.retry_after(), Some(10 * SECOND));
        assert_eq!(
            error.to_string(),
            "this tool keeps failing and is left alone for now: try again in 10 s, or do without it"
        );
        assert_eq!(script.calls(), 3);
    });
}

#[test]
fn it_comes_back_by_itself() {
    run(async {
        let tool = Script::new("s")
            .fails(ToolError::new("no"))
            .times(2)
            .answers("yes")
            .guarded(breaker(Consecutive::new(2)));
        for _ in 0..2 {
            assert_kind(&tool.call(call()).await, ErrorKind::Failed);
        }
        assert_kind(&tool.call(call()).await, ErrorKind::Refused(Refusal::BreakerOpen));
        advance(10 * SECOND).await;
        assert_text(&tool.call(call()).await, "yes");
        assert_text(&tool.call(call()).await, "yes");
    });
}

#[test]
fn what_is_not_the_tools_fault_never_counts() {
    let errors = [
        ToolError::invalid_arguments("`limit` must be a number"),
        ToolError::refused(Refusal::QueueFull, "full", None),
        ToolError::refused(Refusal::RateLimited, "too often", None),
        ToolError::with_kind(ErrorKind::Cancelled, "gone"),
        ToolError::input_required(InputRequired::new().asking("ok", InputRequest::roots())),
        ToolError::protocol(toolpost::protocol::Error::new(toolpost::protocol::Code::INVALID_PARAMS, "no")),
    ];
    for error in errors {
        run(async {
            let breaker = breaker(CountWindow::new(10, 1).min_calls(1));
            let tool = Script::new("s").fails(error.clone()).guarded(Arc::clone(&breaker));
            for _ in 0..100 {
                assert_kind(&tool.call(call()).await, error.kind());
            }
            let window = breaker.snapshot(Instant::now().into_std()).window;
            assert_eq!((breaker.state(), window.calls), (BreakerState::Closed, 0), "{error:?}");
        });
    }
}

#[test]
fn what_is_the_tools_fault_counts() {
    let internal = toolpost::protocol::Error::new(toolpost::protocol::Code::INTERNAL_ERROR, "oh");
    let scripts = [
        Script::new("s").fails(ToolError::new("failed")),
        Script::new("s").fails(ToolError::unavailable("down")),
        Script::new("s").fails(ToolError::timed_out(SECOND)),
        Script::new("s").fails(ToolError::protocol(internal)),
        Script::new("s").outputs(Output::text("it failed").into_error()),
    ];
    for script in scripts {
        run(async {
            let breaker = breaker(Consecutive::new(1));
            let shown = format!("{script:?}");
            let _failed = script.guarded(Arc::clone(&breaker)).call(call()).await;
            assert_eq!(breaker.state(), BreakerState::Open, "{shown}");
        });
    }
}

#[test]
fn what_counts_can_be_chosen() {
    run(async {
        let breaker = breaker(Consecutive::new(1));
        let guard =
            CircuitBreaker::new(Arc::clone(&breaker)).failing_if(|verdict, _| verdict == Verdict::Fails);
        let tool = Layered::new(Script::new("s").outputs(Output::text("no such file").into_error()), guard);
        assert!(tool.call(call()).await.unwrap().is_error());
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn a_panic_counts() {
    run(async {
        let breaker = breaker(Consecutive::new(1));
        let tool = Script::new("s").panics().guarded(Arc::clone(&breaker));
        let mut calls = JoinSet::new();
        calls.spawn(async move { tool.call(call()).await });
        assert!(calls.join_next().await.unwrap().unwrap_err().is_panic());
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn a_panic_beside_it_does_not_count() {
    run(async {
        let breaker = breaker(Consecutive::new(1));
        let hangs = Script::new("s").hangs().guarded(Arc::clone(&breaker));
        let panics = Script::new("t").panics();
        let mut calls = JoinSet::new();
        calls.spawn(async move { tokio::join!(hangs.call(call()), panics.call(call())) });
        assert!(calls.join_next().await.unwrap().unwrap_err().is_panic());
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn a_caller_in_a_hurry_says_nothing_about_the_tool() {
    run(async {
        let breaker = breaker(Consecutive::new(1));
        let tool = Script::new("s").hangs().timed(60 * SECOND).guarded(Arc::clone(&breaker));
        let hurried = call().due_by((Instant::now() + Duration::from_millis(1)).into_std());
        assert_kind(&tool.call(hurried).await, ErrorKind::TimedOut);
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_kind(&tool.call(call()).await, ErrorKind::TimedOut);
        assert_eq!(breaker.state(), BreakerState::Open, "its own limit does");
    });
}

#[test]
fn a_wait_that_the_tool_asks_for_is_honored() {
    run(async {
        let busy = ToolError::unavailable("busy").with_retry_after(77 * SECOND);
        let tool = Script::new("s").fails(busy).guarded(breaker(Consecutive::new(1)));
        let _first = tool.call(call()).await;
        assert_eq!(tool.call(call()).await.unwrap_err().retry_after(), Some(77 * SECOND));
    });
}

/// Callers come every 100 ms; each gives up when the call has become slow. Nobody ever gets an answer or an error.
#[test]
fn calls_that_never_return_trip_it() {
    const SLOW: Duration = Duration::from_secs(2);
    const WINDOW: u32 = 20;
    const EVERY: Duration = Duration::from_millis(100);
    run(async {
        let breaker = breaker(CountWindow::new(WINDOW, 50).slow(SLOW, 50));
        let tool = Arc::new(Script::new("s").hangs().guarded(Arc::clone(&breaker)));
        let start = Instant::now();
        let mut callers = JoinSet::new();
        while breaker.state() == BreakerState::Closed {
            let tool = Arc::clone(&tool);
            // The caller drops the call.
            callers.spawn(async move { tokio::time::timeout(SLOW, tool.call(call())).await.is_err() });
            sleep(EVERY).await;
            assert!(start.elapsed() <= SLOW + WINDOW * EVERY, "not yet open");
        }
        assert_kind(&tool.call(call()).await, ErrorKind::Refused(Refusal::BreakerOpen));
        println!("open after {:?}", start.elapsed());
    });
}

#[test]
fn a_probe_given_up_on_leaves_its_place() {
    let outcome = |breaker: &Arc<Breaker<Consecutive>>| {
        let later = (Instant::now() + 1_000 * SECOND).into_std();
        (breaker.state(), breaker.snapshot(later).probes)
    };
    run(async {
        let breaker = breaker(Consecutive::new(1));
        let (tool, mut handle) = mock("s");
        let tool = tool.guarded(Arc::clone(&breaker));
        let (failed, ()) = tokio::join!(tool.call(call()), async {
            handle.next().await.fail(ToolError::new("no"));
        });
        assert!(failed.is_err());
        advance(10 * SECOND).await;
        for _ in 0..3 {
            let _dropped = tokio::time::timeout(SECOND, tool.call(call())).await.unwrap_err();
            assert_eq!(outcome(&breaker), (BreakerState::HalfOpen, 0));
        }
    });
}

#[test]
fn a_probe_dropped_at_any_await_leaves_its_place() {
    run(async {
        let now = Instant::now().into_std();
        let breaker = breaker(Consecutive::new(1));
        breaker.admit(now).unwrap().failure(now);
        advance(10 * SECOND).await;
        let tool = tool_fn("s", |_: NoArgs, _| async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            Ok("yes")
        });
        let tool = Arc::new(tool.guarded(Arc::clone(&breaker)));
        let make = || {
            let tool = Arc::clone(&tool);
            async move { tool.call(call()).await }
        };
        let polls = cancel_at_each_await(make, |_| assert_eq!(breaker.snapshot(now).probes, 0)).await;
        assert_eq!((polls, breaker.state()), (3, BreakerState::Closed));
    });
}

#[test]
fn what_a_tool_declares_becomes_a_guard() {
    run(async {
        let mut policy = BreakerPolicy::default();
        (policy.window, policy.minimum_calls, policy.failure_rate) = (4, 100, 0.5);
        let guard = CircuitBreaker::declared(&policy);
        let tool = Layered::new(Script::new("s").fails(ToolError::new("no")), guard.clone());
        for _ in 0..4 {
            assert!(guard.peek(&call()).is_ok());
            let _failed = tool.call(call()).await;
        }
        assert_kind(
            &guard.peek(&call()).map(|()| Output::text("")),
            ErrorKind::Refused(Refusal::BreakerOpen),
        );
    });
}

/// How many of these failures in a row, four at the most, open the breaker of this policy.
async fn failures(change: impl FnOnce(&mut BreakerPolicy)) -> Option<usize> {
    let mut policy = BreakerPolicy::default();
    (policy.window, policy.minimum_calls, policy.open_for) = (4, 1, SECOND);
    change(&mut policy);
    let guard = CircuitBreaker::declared(&policy);
    let tool = Layered::new(Script::new("s").fails(ToolError::new("no")), guard.clone());
    for failures in 1..=4 {
        assert_kind(&tool.call(call()).await, ErrorKind::Failed);
        if guard.peek(&call()).is_err() {
            return Some(failures);
        }
    }
    None
}

#[test]
fn what_is_declared_out_of_bounds_is_the_nearest_bound() {
    run(async {
        for rate in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 0.01] {
            assert_eq!(failures(|policy| policy.failure_rate = rate).await, Some(1), "{rate}");
        }
        for rate in [1.0, 7.0, f64::INFINITY] {
            let change = |policy: &mut BreakerPolicy| (policy.failure_rate, policy.minimum_calls) = (rate, 4);
            assert_eq!(failures(change).await, Some(4), "{rate}");
        }
        assert_eq!(failures(|policy| policy.minimum_calls = 0).await, Some(1));
        assert_eq!(failures(|policy| policy.minimum_calls = u32::MAX).await, Some(4), "the window");
        assert_eq!(failures(|policy| policy.window = 0).await, Some(1));
        let change = |policy: &mut BreakerPolicy| (policy.window, policy.minimum_calls) = (u32::MAX, 3);
        assert_eq!(failures(change).await, Some(3));
        // A millisecond, counted in whole ones, and a year.
        for (open_for, least, most) in [
            (Duration::ZERO, Duration::ZERO, Duration::from_millis(2)),
            (Duration::MAX, 364 * DAY, 366 * DAY),
        ] {
            let mut policy = BreakerPolicy::default();
            (policy.window, policy.open_for) = (1, open_for);
            let guard = CircuitBreaker::declared(&policy);
            let tool = Layered::new(Script::new("s").fails(ToolError::new("no")), guard.clone());
            assert_kind(&tool.call(call()).await, ErrorKind::Failed);
            advance(least).await;
            assert!(guard.peek(&call()).is_err());
            advance(most - least).await;
            assert!(guard.peek(&call()).is_ok());
        }
    });
}

// An outage, then three trial calls that hang, then the tool works again: the runtime looks before it queues.
#[test]
fn trial_calls_that_hang_do_not_keep_a_tool_shut_out() {
    run(async {
        let mut script = Script::new("s").fails(ToolError::new("down"));
        for _ in 0..3 {
            script = script.hangs();
        }
        let mut policy = BreakerPolicy::default();
        (policy.window, policy.minimum_calls) = (1, 1);
        let tool = script
            .answers("works")
            .with_spec(|spec| spec.with_breaker(policy).with_time_limit(Duration::MAX));
        let runtime = Runtime::builder().tool(tool).build().unwrap();
        let none = serde_json::json!({});
        assert_kind(&runtime.call("s", &none).await, ErrorKind::Failed);
        advance(30 * SECOND).await;
        let mut hung: Vec<_> = (0..3).map(|_| Box::pin(runtime.call("s", &none))).collect();
        for hung in &mut hung {
            assert!(poll_once(hung.as_mut()).await.is_pending());
        }
        let mut refused = 0;
        for _ in 0..400 {
            advance(SECOND).await;
            refused += usize::from(runtime.call("s", &none).await.is_err());
        }
        assert_eq!(refused, 299, "five minutes, and then no more");
    });
}

// By hand, with the default patience of a minute: a tool that takes longer than that, called once a second.
#[test]
fn a_tool_that_is_slower_than_patience_recovers() {
    run(async {
        let breaker = Arc::new(Breaker::new(Consecutive::new(1), Instant::now().into_std()));
        let script = Script::new("s").fails(ToolError::new("down")).after(90 * SECOND).answers("works");
        let tool = Arc::new(script.guarded(Arc::clone(&breaker)));
        assert_kind(&tool.call(call()).await, ErrorKind::Failed);
        let mut calls = JoinSet::new();
        for _ in 0..600 {
            sleep(SECOND).await;
            let tool = Arc::clone(&tool);
            calls.spawn(async move { tool.call(call()).await });
        }
        assert_eq!(
            (breaker.state(), breaker.snapshot(Instant::now().into_std()).opened),
            (BreakerState::Closed, 1)
        );
    });
}

/// A tool that panics before there is a future.
struct PanicsAtOnce(ToolSpec);

impl Tool for PanicsAtOnce {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        assert!(call.is_over(), "before there is a future");
        async { Ok(Output::text("")) }
    }
}

#[test]
fn a_panic_before_there_is_a_future_counts_by_hand_and_declared() {
    run(async {
        let tool = PanicsAtOnce(ToolSpec::new("boom").unwrap()).guarded(breaker(Consecutive::new(2)));
        for _ in 0..2 {
            assert!(AssertUnwindSafe(async { tool.call(call()).await }).catch_unwind().await.is_err());
        }
        assert_kind(&tool.call(call()).await, ErrorKind::Refused(Refusal::BreakerOpen));

        let mut policy = BreakerPolicy::default();
        (policy.window, policy.minimum_calls) = (2, 2);
        let tool = PanicsAtOnce(ToolSpec::new("boom").unwrap().with_breaker(policy));
        let runtime = Runtime::builder().tool(tool).build().unwrap();
        for _ in 0..2 {
            assert_kind(&runtime.call("boom", &NoArgs {}).await, ErrorKind::Panicked);
        }
        assert_kind(&runtime.call("boom", &NoArgs {}).await, ErrorKind::Refused(Refusal::BreakerOpen));
    });
}
