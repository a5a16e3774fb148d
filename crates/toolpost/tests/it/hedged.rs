//! A tool that is asked a second time when it is unusually slow.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use toolpost::ToolExt;
use toolpost::layers::{Hedge, Layered};
use toolpost::tool::{Call, Output, Priority, Tool, ToolError, ToolSpec};
use toolpost_test::{Handle, Mock, Script, assert_text, mock, run};

const MILLI: Duration = Duration::from_millis(1);

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

/// A read-only tool that took 10 ms a hundred times; its next calls are the test's.
async fn warm(hedge: Hedge) -> (Layered<Mock, Hedge>, Handle) {
    let (tool, mut handle) = mock("s");
    let tool = tool.with_spec(ToolSpec::read_only).hedged(hedge);
    for _ in 0..100 {
        let (_ok, ()) = tokio::join!(tool.call(call()), async {
            let received = handle.next().await;
            tokio::time::sleep(10 * MILLI).await;
            received.respond(Output::text("warm"));
        });
    }
    (tool, handle)
}

#[test]
fn a_slow_call_is_made_again_and_the_first_answer_wins() {
    run(async {
        let hedge = Hedge::new();
        let (tool, mut handle) = warm(hedge.clone()).await;
        let delay = hedge.delay().unwrap();
        assert!(10 * MILLI <= delay && delay <= 12 * MILLI, "the 95th percentile: {delay:?}");
        let start = Instant::now();
        let (result, ()) = tokio::join!(tool.call(call()), async {
            let mut first = handle.next().await;
            let second = handle.next().await;
            assert!(start.elapsed() <= delay + MILLI);
            assert_eq!(second.call().priority(), Priority::Background);
            second.respond(Output::text("second"));
            first.cancelled().await;
        });
        assert_text(&result, "second");
    });
}

#[test]
fn the_second_call_is_dropped_when_the_first_answers() {
    run(async {
        let (tool, mut handle) = warm(Hedge::new()).await;
        let (result, ()) = tokio::join!(tool.call(call()), async {
            let first = handle.next().await;
            let mut second = handle.next().await;
            first.respond(Output::text("first"));
            second.cancelled().await;
        });
        assert_text(&result, "first");
    });
}

#[test]
fn one_error_leaves_the_other_call_running_and_of_two_the_first_counts() {
    run(async {
        let (tool, mut handle) = warm(Hedge::new()).await;
        let (result, ()) = tokio::join!(tool.call(call()), async {
            let (first, second) = (handle.next().await, handle.next().await);
            first.fail(ToolError::new("first"));
            tokio::time::sleep(MILLI).await;
            second.respond(Output::text("second"));
        });
        assert_text(&result, "second");
        let (tool, mut handle) = warm(Hedge::new()).await;
        let (result, ()) = tokio::join!(tool.call(call()), async {
            let (first, second) = (handle.next().await, handle.next().await);
            second.fail(ToolError::new("second"));
            tokio::time::sleep(MILLI).await;
            first.fail(ToolError::new("first"));
        });
        assert_eq!(result.unwrap_err().to_string(), "first");
    });
}

#[test]
fn at_most_five_in_a_hundred_are_hedged() {
    run(async {
        let mut script =
            Script::new("s").with_spec(ToolSpec::read_only).after(MILLI).answers("ok").times(100);
        script = script.after(Duration::from_secs(1)).answers("slow");
        let script = Arc::new(script);
        let tool = Arc::clone(&script).hedged(Hedge::new());
        for _ in 0..1_000 {
            assert!(tool.call(call()).await.is_ok());
        }
        let hedges = script.calls() - 1_000;
        println!("{hedges} of 1000 hedged");
        assert!((1..=51).contains(&hedges), "{hedges}");
    });
}

#[test]
fn only_what_just_reads_is_hedged() {
    run(async {
        let script = Arc::new(
            Script::new("s")
                .with_spec(ToolSpec::repeatable)
                .answers("ok")
                .times(100)
                .after(1_000 * MILLI)
                .answers("ok"),
        );
        let tool = Arc::clone(&script).hedged(Hedge::new());
        for _ in 0..200 {
            assert!(tool.call(call()).await.is_ok());
        }
        assert_eq!(script.calls(), 200);
    });
}
