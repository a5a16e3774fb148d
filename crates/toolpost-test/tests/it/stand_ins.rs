//! The stand-ins do what they say.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::time::Duration;

use toolpost_test::{Faulty, Script, assert_kind, assert_text, cancel_at_each_await, mock, poll_once, run};
use toolpost_tool::{Call, ErrorKind, NoArgs, Output, Tool, ToolError, tool_fn};

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

#[test]
fn a_mock_sees_its_caller_leave() {
    run(async {
        let (tool, mut handle) = mock("m");
        {
            let mut running = std::pin::pin!(tool.call(call()));
            assert!(poll_once(running.as_mut()).await.is_pending());
        }
        let mut received = handle.next().await;
        assert!(received.is_cancelled());
        received.cancelled().await;
        received.respond(Output::text("too late"));
        assert_eq!(handle.calls(), 1);
    });
}

#[test]
fn an_unanswered_call_fails() {
    run(async {
        let (tool, mut handle) = mock("m");
        let (result, ()) = tokio::join!(tool.call(call()), async { drop(handle.next().await) });
        assert_kind(&result, ErrorKind::Unavailable);
        drop(handle);
        assert_kind(&tool.call(call()).await, ErrorKind::Unavailable);
    });
}

#[test]
fn a_script_is_played_line_by_line() {
    run(async {
        let tool = Script::new("s").answers("a").times(2).fails(ToolError::new("b")).hangs();
        assert_text(&tool.call(call()).await, "a");
        assert_text(&tool.call(call()).await, "a");
        assert_kind(&tool.call(call()).await, ErrorKind::Failed);
        let late = tokio::time::timeout(Duration::from_secs(3_600), tool.call(call())).await;
        assert!(late.is_err());
        assert_kind(&Script::new("empty").call(call()).await, ErrorKind::Failed);
    });
}

#[test]
#[expect(clippy::panic, reason = "the assertion under test panics by itself")]
fn assertions_fail_on_the_other_thing() {
    let wrong = |check: fn()| std::panic::catch_unwind(check).is_err();
    assert!(wrong(|| assert_text(&Ok(Output::text("a")), "b")));
    assert!(wrong(|| assert_text(&Ok(Output::text("a").into_error()), "a")));
    assert!(wrong(|| assert_text(&Err(ToolError::new("a")), "a")));
    assert!(wrong(|| assert_kind(&Ok(Output::text("a")), ErrorKind::Failed)));
    assert!(wrong(|| assert_kind(&Err(ToolError::new("a")), ErrorKind::TimedOut)));
    if wrong(|| assert_text(&Ok(Output::text("a")), "a")) {
        panic!("the right text is right");
    }
}

#[test]
fn faults_repeat_for_the_same_seed() {
    let pattern = |seed| {
        let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
        let tool = Faulty::new(ping, seed).unavailable(0.5).slow(0.2, Duration::from_secs(1));
        run(async {
            let mut pattern = Vec::new();
            for _ in 0..100 {
                pattern.push(tool.call(call()).await.is_ok());
            }
            pattern
        })
    };
    assert_eq!(pattern(1), pattern(1));
    assert_ne!(pattern(1), pattern(2));
}

#[test]
fn await_points_are_counted_and_not_the_time_between_them() {
    let points = |sleeps: usize, each: Duration| {
        run(async move {
            let mut dropped_after = Vec::new();
            let make = || async move {
                for _ in 0..sleeps {
                    #[expect(clippy::disallowed_methods, reason = "a paused clock")]
                    tokio::time::sleep(each).await;
                }
            };
            let points = cancel_at_each_await(make, |polls| dropped_after.push(polls)).await;
            assert_eq!(dropped_after, (0..points).collect::<Vec<_>>());
            points
        })
    };
    assert_eq!(points(3, Duration::from_millis(100)), 4);
    assert_eq!(points(20, Duration::from_secs(10)), 21);
    assert_eq!(points(0, Duration::ZERO), 1);
}

#[test]
fn a_future_that_waits_for_what_never_comes_is_named() {
    let result = std::panic::catch_unwind(|| run(cancel_at_each_await(std::future::pending::<()>, |_| {})));
    let said = result.unwrap_err();
    assert!(said.downcast_ref::<&str>().unwrap().contains("waits for what never comes"));
}
