//! A tool with something to fall back on.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::time::Duration;

use toolpost::ToolExt;
use toolpost::breaker::{Breaker, Consecutive};
use toolpost::layers::Fallback;
use toolpost::tool::{Call, CallParts, ErrorKind, Output, Principal, Refusal, ResultFlag, Tool, ToolError};
use toolpost_test::{Script, assert_kind, assert_text, run};

fn call() -> Call {
    call_by("ada", 1)
}

fn call_by(name: &str, argument: u32) -> Call {
    let mut parts = CallParts::default().with_arguments(&serde_json::json!({ "n": argument })).unwrap();
    parts.principal = Principal::new(name.to_owned());
    Call::from_parts(parts)
}

#[test]
fn the_last_good_answer_is_marked_degraded() {
    run(async {
        let tool = Script::new("s")
            .answers("good")
            .fails(ToolError::new("no"))
            .with_fallback(Fallback::last_good(10));
        let fresh = tool.call(call()).await;
        assert_text(&fresh, "good");
        assert!(!fresh.unwrap().has_flag(ResultFlag::Degraded));
        let stale = tool.call(call()).await;
        assert_text(&stale, "good");
        assert!(stale.unwrap().has_flag(ResultFlag::Degraded));
    });
}

#[test]
fn an_answer_is_never_shown_to_someone_else() {
    run(async {
        let tool = Script::new("s")
            .answers("good")
            .fails(ToolError::new("no"))
            .with_fallback(Fallback::last_good(10));
        assert_text(&tool.call(call_by("ada", 1)).await, "good");
        assert_kind(&tool.call(call_by("eve", 1)).await, ErrorKind::Failed);
        assert_kind(&tool.call(call_by("ada", 2)).await, ErrorKind::Failed);
        assert_text(&tool.call(call_by("ada", 1)).await, "good");
    });
}

#[test]
fn only_so_many_answers_are_kept() {
    run(async {
        let tool = Script::new("s")
            .answers("good")
            .times(3)
            .fails(ToolError::new("no"))
            .with_fallback(Fallback::last_good(2));
        for n in 0..3 {
            assert_text(&tool.call(call_by("ada", n)).await, "good");
        }
        assert_kind(&tool.call(call_by("ada", 0)).await, ErrorKind::Failed);
        assert_text(&tool.call(call_by("ada", 2)).await, "good");
    });
}

#[test]
fn a_function_runs_outside_any_lock_and_sees_the_error() {
    run(async {
        let fallback =
            Fallback::new(|_, error| async move { Ok(Output::text(format!("instead of: {error}"))) });
        // The fallback calls the very tool that it backs, which a lock would not survive.
        let inner = Arc::new(Script::new("s").fails(ToolError::new("down")).with_fallback(fallback));
        let again = Arc::clone(&inner);
        let nested = Fallback::new(move |call, _| {
            let again = Arc::clone(&again);
            async move { again.call(call).await }
        });
        let tool = Script::new("t").fails(ToolError::new("down too")).with_fallback(nested);
        let output = tool.call(call()).await;
        assert_text(&output, "instead of: down");
        assert!(output.unwrap().has_flag(ResultFlag::Degraded));
    });
}

#[test]
fn a_fallback_that_fails_is_reported() {
    run(async {
        let fallback = Fallback::new(|_, _| async { Err(ToolError::new("nor this")) });
        let down = ToolError::unavailable("not this").with_retry_after(Duration::from_secs(9));
        let error = Script::new("s").fails(down).with_fallback(fallback).call(call()).await.unwrap_err();
        assert_eq!(error.to_string(), "not this; the fallback failed too: nor this");
        assert_eq!(
            (error.kind(), error.retry_after()),
            (ErrorKind::Unavailable, Some(Duration::from_secs(9)))
        );
    });
}

#[test]
fn it_stands_in_for_an_open_breaker() {
    run(async {
        let script = Arc::new(Script::new("s").answers("good").fails(ToolError::new("no")));
        let breaker = Breaker::new(Consecutive::new(1), tokio::time::Instant::now().into_std());
        let tool = Arc::clone(&script).guarded(breaker).with_fallback(Fallback::last_good(10));
        for _ in 0..10 {
            assert_text(&tool.call(call()).await, "good");
        }
        assert_eq!(script.calls(), 2, "the rest was answered from memory");
    });
}

#[test]
fn it_hides_nothing_that_the_caller_should_know() {
    let errors = [
        ToolError::invalid_arguments("`n` must be even"),
        ToolError::refused(Refusal::Denied, "no", None),
        ToolError::refused(Refusal::RateLimited, "too often", None),
        ToolError::with_kind(ErrorKind::Cancelled, "gone"),
    ];
    for error in errors {
        run(async {
            let tool =
                Script::new("s").answers("good").fails(error.clone()).with_fallback(Fallback::last_good(10));
            assert_text(&tool.call(call()).await, "good");
            assert_kind(&tool.call(call()).await, error.kind());
        });
    }
    run(async {
        let reports = Output::text("no such file").into_error();
        let tool = Script::new("s").answers("good").outputs(reports).with_fallback(Fallback::last_good(10));
        assert_text(&tool.call(call()).await, "good");
        assert!(tool.call(call()).await.unwrap().is_error());
    });
}

#[test]
fn tools_of_one_name_share_room_and_no_answers() {
    run(async {
        let fallback = Fallback::last_good(10);
        let good = Script::new("stock").answers("of the first shop").with_fallback(fallback.clone());
        let bad = Script::new("stock").fails(ToolError::unavailable("down")).with_fallback(fallback);
        assert_text(&good.call(call()).await, "of the first shop");
        assert_kind(&bad.call(call()).await, ErrorKind::Unavailable);
    });
}
