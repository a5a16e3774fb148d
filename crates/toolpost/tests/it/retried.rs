//! A tool that is tried again.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use toolpost::ToolExt;
use toolpost::breaker::{Breaker, BreakerState, Consecutive};
use toolpost::layers::{Layer, Retry};
use toolpost::retry::{Backoff, Jitter, RetryBudget};
use toolpost::tool::{Call, ErrorKind, Output, Policy, Refusal, RetryPolicy, Tool, ToolError, ToolSpec};
use toolpost_test::{Script, assert_kind, assert_text, run};

const SECOND: Duration = Duration::from_secs(1);

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

fn script() -> Script {
    Script::new("s").with_spec(ToolSpec::repeatable)
}

fn down() -> ToolError {
    ToolError::unavailable("down")
}

/// 1 s, 2 s, 4 s, ... up to 8 s.
fn plain(attempts: u32) -> Retry {
    Retry::new(attempts).backoff(Backoff::exponential(SECOND, 8 * SECOND).jitter(Jitter::None))
}

#[test]
fn it_is_tried_as_often_as_allowed() {
    run(async {
        let tool = Arc::new(script().fails(down()).times(2).answers("at last"));
        assert_text(&Arc::clone(&tool).retried(plain(3)).call(call()).await, "at last");
        assert_eq!(tool.calls(), 3);

        let tool = Arc::new(script().fails(down()).times(3).answers("too late"));
        assert_kind(&Arc::clone(&tool).retried(plain(3)).call(call()).await, ErrorKind::Unavailable);
        assert_eq!(tool.calls(), 3);
    });
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    let hopeless = [
        ToolError::invalid_arguments("`limit` must be a number"),
        ToolError::with_kind(ErrorKind::Cancelled, "gone"),
        ToolError::refused(Refusal::BreakerOpen, "open", Some(SECOND)),
        ToolError::refused(Refusal::QueueFull, "full", Some(SECOND)),
        ToolError::refused(Refusal::RateLimited, "too often", Some(SECOND)),
    ];
    for error in hopeless {
        run(async {
            let tool = Arc::new(script().fails(error.clone()));
            assert_kind(&Arc::clone(&tool).retried(plain(3)).call(call()).await, error.kind());
            assert_eq!(tool.calls(), 1, "{error:?}");
        });
    }
    run(async {
        let tool = Arc::new(script().outputs(Output::text("no such file").into_error()));
        assert!(Arc::clone(&tool).retried(plain(3)).call(call()).await.unwrap().is_error());
        assert_eq!(tool.calls(), 1);
    });
}

#[test]
fn when_attempts_run_out_the_last_cause_is_the_answer() {
    run(async {
        let last = ToolError::from(std::io::Error::other("the disk is on fire"));
        let tool = script().fails(ToolError::new("first")).fails(last).retried(plain(2));
        let error = tool.call(call()).await.unwrap_err();
        assert_eq!(error.to_string(), "the disk is on fire");
        assert!(error.source().unwrap().is::<std::io::Error>());
    });
}

#[test]
fn only_what_is_safe_to_repeat_is_repeated() {
    run(async {
        let tool = Arc::new(Script::new("writes").fails(down()));
        let _failed = Arc::clone(&tool).retried(plain(3)).call(call()).await;
        assert_eq!(tool.calls(), 1, "it does not say that it is");
        let _failed = Arc::clone(&tool).retried(Retry::idempotent()).call(call()).await;
        assert_eq!(tool.calls(), 4, "someone vouched for it");
    });
    let mut policy = Policy::default();
    policy.retry = Some(RetryPolicy::new(3));
    assert!(Retry::declared(&policy).is_none());
    policy.repeatable = true;
    assert!(Retry::declared(&policy).is_some());
    policy.retry = Some(RetryPolicy::new(1));
    assert!(Retry::declared(&policy).is_none());
}

#[test]
fn waits_grow_up_to_the_cap() {
    run(async {
        let start = Instant::now();
        let _failed = script().fails(down()).retried(plain(6)).call(call()).await;
        assert_eq!(start.elapsed().as_secs(), 1 + 2 + 4 + 8 + 8);
    });
}

#[test]
fn jitter_stays_within_its_range_and_is_seeded() {
    let took = |seed| {
        run(async {
            let backoff = Backoff::exponential(SECOND, 4 * SECOND).jitter(Jitter::Full);
            let tool = script().fails(down()).retried(Retry::new(4).backoff(backoff).seed(seed));
            let start = Instant::now();
            let _failed = tool.call(call()).await;
            start.elapsed()
        })
    };
    for seed in 0..50 {
        assert!(took(seed) <= (1 + 2 + 4) * SECOND + Duration::from_millis(3));
        assert_eq!(took(seed), took(seed));
    }
    assert_ne!(took(1), took(2));
}

#[test]
fn the_wait_that_an_error_asks_for_is_kept() {
    run(async {
        let tool = script().fails(down().with_retry_after(30 * SECOND)).answers("ok").retried(plain(2));
        let start = Instant::now();
        assert_text(&tool.call(call()).await, "ok");
        assert_eq!(start.elapsed(), 30 * SECOND);
    });
}

#[test]
fn there_is_no_wait_after_the_last_attempt() {
    run(async {
        let start = Instant::now();
        let _failed = script().fails(down()).retried(plain(2)).call(call()).await;
        assert_eq!(start.elapsed(), SECOND);
    });
}

#[test]
fn the_time_for_everything_stops_it_early() {
    run(async {
        let tool = Arc::new(script().after(SECOND).fails(down()));
        // 1 s of work, 1 s of waiting, 1 s of work; the next wait would end at 5 s.
        let start = Instant::now();
        let within = plain(10).within(5 * SECOND);
        assert_kind(&Arc::clone(&tool).retried(within).call(call()).await, ErrorKind::Unavailable);
        assert_eq!((start.elapsed(), tool.calls()), (3 * SECOND, 2));

        let start = Instant::now();
        let due = call().due_by((start + 2 * SECOND).into_std());
        assert_kind(&Arc::clone(&tool).retried(plain(10)).call(due).await, ErrorKind::Unavailable);
        assert_eq!((start.elapsed(), tool.calls()), (SECOND, 3), "the caller's own deadline counts");
    });
}

#[test]
fn each_attempt_knows_its_number_and_the_time_left() {
    run(async {
        let (tool, mut handle) = toolpost_test::mock("s");
        let tool = tool.with_spec(ToolSpec::repeatable).retried(plain(2).within(10 * SECOND));
        let due = Some((Instant::now() + 10 * SECOND).into_std());
        let (result, ()) = tokio::join!(tool.call(call()), async {
            for attempt in [1, 2] {
                let received = handle.next().await;
                assert_eq!((received.call().attempt(), received.call().deadline()), (attempt, due));
                received.fail(down());
            }
        });
        assert_kind(&result, ErrorKind::Unavailable);
    });
}

#[test]
fn a_total_outage_adds_at_most_a_tenth() {
    const CALLS: usize = 1_000;
    let load = |retry: Retry| {
        run(async {
            let tool = Arc::new(script().fails(down()));
            let retried = Arc::new(Arc::clone(&tool).retried(retry));
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..CALLS {
                let retried = Arc::clone(&retried);
                callers.spawn(async move { retried.call(call()).await.is_err() });
                sleep(Duration::from_millis(10)).await;
            }
            assert!(callers.join_all().await.into_iter().all(|failed| failed));
            tool.calls()
        })
    };
    let plain_tries = load(Retry::new(3).budget(Arc::new(RetryBudget::new(100, 1_000_000))));
    let budgeted = load(Retry::new(3));
    println!("{CALLS} calls: {plain_tries} attempts without a budget, {budgeted} with it");
    assert_eq!(plain_tries, 3 * CALLS, "the contrast: plain tries add 200 %");
    assert!(budgeted <= CALLS + CALLS / 10);
}

#[test]
fn a_few_failures_are_retried_all_the_same() {
    run(async {
        let mut script = script();
        for _ in 0..100 {
            script = script.answers("ok").times(19).fails(down()).answers("ok");
        }
        let tool = script.retried(Retry::new(3));
        for _ in 0..1_000 {
            assert_text(&tool.call(call()).await, "ok");
        }
    });
}

#[test]
fn an_open_breaker_is_not_knocked_at() {
    run(async {
        let script = Arc::new(script().fails(down()));
        let breaker = Arc::new(Breaker::new(Consecutive::new(1), Instant::now().into_std()));
        let tool = Arc::clone(&script).guarded(Arc::clone(&breaker)).retried(plain(5));
        let start = Instant::now();
        let error = tool.call(call()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "the tool's own: it ran");
        assert!(error.to_string().contains("; not tried again: this tool keeps failing"), "{error}");
        // The second attempt learns that it is open; there is no third.
        assert_eq!((script.calls(), start.elapsed()), (1, SECOND));
        assert_eq!(breaker.state(), BreakerState::Open);
    });
}

#[test]
fn nobody_waits_for_a_breaker_that_is_known_to_be_open() {
    run(async {
        let script = Arc::new(script().fails(down()));
        let breaker = Arc::new(Breaker::new(Consecutive::new(2), Instant::now().into_std()));
        let retry = plain(5).unless_open(Arc::clone(&breaker));
        let tool = Arc::clone(&script).guarded(breaker).retried(retry);
        let start = Instant::now();
        assert_kind(&tool.call(call()).await, ErrorKind::Unavailable);
        assert_eq!(
            (script.calls(), start.elapsed()),
            (2, SECOND),
            "the tool's own error, without a second wait"
        );
    });
}

/// A layer of a host's own: each attempt holds a permit.
struct OneAtATime(Arc<Semaphore>);

impl Layer for OneAtATime {
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        let _permit = self.0.acquire().await.unwrap();
        tool.call(call).await
    }
}

#[test]
fn nothing_is_held_while_waiting() {
    run(async {
        let (tool, mut handle) = toolpost_test::mock("s");
        let permits = Arc::new(Semaphore::new(1));
        let tool = tool.with_spec(ToolSpec::repeatable).layered(OneAtATime(Arc::clone(&permits)));
        let tool = tool.retried(plain(2));
        let (result, ()) = tokio::join!(tool.call(call()), async {
            handle.next().await.fail(down());
            sleep(SECOND / 2).await;
            assert_eq!(permits.available_permits(), 1, "it waits for its second attempt, without a permit");
            handle.next().await.respond(Output::text("ok"));
        });
        assert_text(&result, "ok");
    });
}

#[test]
fn less_than_two_attempts_are_refused() {
    for attempts in [0, 1] {
        assert!(std::panic::catch_unwind(|| Retry::new(attempts)).is_err());
    }
}

#[test]
fn a_time_too_long_to_be_told_is_no_limit_and_a_wait_too_long_is_not_begun() {
    run(async {
        let script = Arc::new(script().fails(down()).times(2).answers("ok"));
        let tool = Arc::clone(&script).retried(plain(3).within(Duration::MAX));
        assert_text(&tool.call(call()).await, "ok");
        let tool = script_that_asks_for(Duration::MAX).retried(plain(3));
        let start = Instant::now();
        assert_kind(&tool.call(call()).await, ErrorKind::Unavailable);
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

fn script_that_asks_for(wait: Duration) -> Script {
    script().fails(down().with_retry_after(wait))
}

#[test]
fn a_tool_that_is_called_once_an_hour_has_its_retries_after_an_outage() {
    run(async {
        let mut script = script();
        for _ in 0..30 {
            script = script.fails(down());
        }
        let tool = script.answers("ok").retried(Retry::new(3));
        let mut attempts_left = true;
        for _ in 0..8 {
            attempts_left &= !tool.call(call()).await.unwrap_err().to_string().contains("budget");
        }
        assert!(!attempts_left, "an outage ends retries");
        sleep(Duration::from_secs(3_600)).await;
        let mut error = tool.call(call()).await;
        while let Err(failed) = error {
            assert!(!failed.to_string().contains("budget"), "{failed}");
            sleep(Duration::from_secs(3_600)).await;
            error = tool.call(call()).await;
        }
        assert_text(&error, "ok");
    });
}
