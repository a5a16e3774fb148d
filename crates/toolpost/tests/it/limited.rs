//! A tool that is not called too often.
#![expect(clippy::disallowed_methods, reason = "a test reads its paused clock")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, advance};
use toolpost::ToolExt;
use toolpost::layers::{Rate, RateLimit};
use toolpost::tool::{Call, CallParts, ErrorKind, Principal, RatePolicy, Refusal, Tool};
use toolpost_test::{Script, assert_kind, assert_text, run};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn call() -> Call {
    call_by("ada")
}

fn call_by(name: &str) -> Call {
    let mut parts = CallParts::default();
    parts.principal = Principal::new(name.to_owned());
    Call::from_parts(parts)
}

/// How many of so many calls, all at once, get through.
async fn passed(tool: &impl Tool, calls: usize) -> usize {
    let mut passed = 0;
    for _ in 0..calls {
        passed += usize::from(tool.call(call()).await.is_ok());
    }
    passed
}

#[test]
fn all_windows_hold_for_nine_hundred_calls_at_once() {
    run(async {
        let limit = RateLimit::new([Rate::new(20, HOUR), Rate::new(10, MINUTE)]);
        let script = Arc::new(Script::new("s").answers("ok"));
        let tool = Arc::clone(&script).limited(limit);
        assert_eq!(passed(&tool, 900).await, 10, "ten a minute");
        advance(MINUTE).await;
        assert_eq!(passed(&tool, 900).await, 10, "and again");
        advance(MINUTE).await;
        assert_eq!(
            passed(&tool, 900).await,
            0,
            "twenty an hour; the refused ones have used up nothing of it"
        );
        advance(HOUR).await;
        assert_eq!(passed(&tool, 900).await, 10);
        assert_eq!(script.calls(), 30);
    });
}

#[test]
fn it_says_when_to_come_back() {
    run(async {
        let tool = Script::new("s").answers("ok").limited(RateLimit::new([Rate::new(6, MINUTE)]));
        assert_eq!(passed(&tool, 6).await, 6);
        advance(4 * SECOND).await;
        let refused = tool.call(call()).await;
        assert_kind(&refused, ErrorKind::Refused(Refusal::RateLimited));
        let error = refused.unwrap_err();
        assert_eq!(error.retry_after(), Some(6 * SECOND));
        assert_eq!(error.to_string(), "called too often: try again in 6 s");
        advance(6 * SECOND).await;
        assert_text(&tool.call(call()).await, "ok");
        assert_eq!(passed(&tool, 10).await, 0, "one was refilled, not all");
    });
}

#[test]
fn a_burst_can_be_less_than_the_rate() {
    run(async {
        let tool = Script::new("s").answers("ok").limited(RateLimit::new([Rate::new(60, MINUTE).burst(3)]));
        assert_eq!(passed(&tool, 900).await, 3);
        advance(2 * SECOND).await;
        assert_eq!(passed(&tool, 900).await, 2);
    });
}

#[test]
fn principals_do_not_share_but_tools_may() {
    run(async {
        let limit = RateLimit::new([Rate::new(1, MINUTE).per_principal(), Rate::new(3, MINUTE)]);
        let [search, fetch] =
            ["search", "fetch"].map(|name| Script::new(name).answers("ok").limited(limit.clone()));
        assert_text(&search.call(call_by("ada")).await, "ok");
        assert_kind(&fetch.call(call_by("ada")).await, ErrorKind::Refused(Refusal::RateLimited));
        assert_text(&fetch.call(call_by("bob")).await, "ok");
        assert_text(&search.call(call_by("eve")).await, "ok");
        assert_kind(&fetch.call(call_by("joe")).await, ErrorKind::Refused(Refusal::RateLimited));
    });
}

#[test]
fn the_table_of_principals_is_bounded() {
    run(async {
        let limit = RateLimit::new([Rate::new(1, MINUTE).for_principals(2)]);
        let tool = Script::new("s").answers("ok").limited(limit);
        for name in ["a", "b"] {
            assert_text(&tool.call(call_by(name)).await, "ok");
            assert!(tool.call(call_by(name)).await.is_err());
        }
        assert_text(&tool.call(call_by("c")).await, "ok");
        assert!(tool.call(call_by("b")).await.is_err(), "called last: remembered");
        assert_text(&tool.call(call_by("a")).await, "ok");
    });
}

#[test]
fn no_calls_at_all_is_refused() {
    for make in [|| Rate::new(0, MINUTE), || Rate::new(1, MINUTE).burst(0), || Rate::new(1, Duration::ZERO)] {
        assert!(std::panic::catch_unwind(make).is_err());
    }
}

#[test]
fn a_rate_that_cannot_be_counted_is_refused_where_it_is_made() {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    for make in [
        || Rate::new(1, Duration::MAX),
        || Rate::new(1, YEAR + MINUTE),
        || Rate::new(1, YEAR).burst(1_000),
        || Rate::new(1, YEAR).burst(u32::MAX),
    ] {
        assert!(std::panic::catch_unwind(make).is_err());
    }
    run(async {
        // The greatest that there are.
        for rate in
            [Rate::new(1, YEAR).burst(100), Rate::new(u32::MAX, YEAR), Rate::new(1, MINUTE).burst(50_000_000)]
        {
            let rate = RateLimit::new([rate, rate.per_principal()]);
            assert_text(&Script::new("s").answers("ok").limited(rate).call(call_by("a")).await, "ok");
        }
        // What a tool declares is brought within these bounds.
        for (calls, per) in [(1, Duration::MAX), (0, Duration::ZERO), (u32::MAX, Duration::ZERO)] {
            let rate = RateLimit::declared(&RatePolicy::new(calls, per));
            assert_text(&Script::new("s").answers("ok").limited(rate).call(call_by("a")).await, "ok");
        }
    });
}

#[test]
fn the_clock_is_tokios() {
    run(async {
        let before = Instant::now();
        let tool = Script::new("s").answers("ok").limited(RateLimit::new([Rate::new(1, HOUR)]));
        assert_eq!(passed(&tool, 5).await, 1);
        assert_eq!(before.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_dear_tool_takes_as_much_as_so_many_ordinary_calls() {
    run(async {
        let limit = RateLimit::new([Rate::new(10, MINUTE)]);
        let dear =
            Script::new("dear").with_spec(|spec| spec.with_cost(4)).answers("ok").limited(limit.clone());
        let cheap = Script::new("cheap").answers("ok").limited(limit);
        assert_text(&dear.call(call()).await, "ok");
        assert_eq!(passed(&cheap, 3).await, 3);
        assert_kind(&dear.call(call()).await, ErrorKind::Refused(Refusal::RateLimited));
        assert_eq!(passed(&cheap, 5).await, 3, "what a refused call asked for was not taken");
    });
}
