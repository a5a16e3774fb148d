//! Several calls at once.
#![expect(clippy::disallowed_methods, reason = "a test reads its paused clock")]

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use toolpost::dispatch::{Access, Decision};
use toolpost::tool::{Call, ErrorKind, NoArgs, Output, Refusal, Tool, ToolError, tool_fn};
use toolpost::{Runtime, parallel};
use toolpost_test::{Script, run};

const MS: Duration = Duration::from_millis(1);

/// Ends after `after`, and tells `seen` that it has ended or was dropped.
async fn one(
    n: usize,
    after: Duration,
    fails: bool,
    seen: &RefCell<Vec<(usize, &'static str)>>,
) -> Result<usize, usize> {
    struct Dropped<'s>(usize, &'s RefCell<Vec<(usize, &'static str)>>, &'static str);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push((self.0, self.2));
        }
    }
    let mut end = Dropped(n, seen, "dropped");
    sleep(after).await;
    end.2 = "ended";
    if fails { Err(n) } else { Ok(n) }
}

#[test]
fn results_come_in_the_order_of_the_calls() {
    for calls in [5, 10] {
        run(async move {
            let seen = RefCell::default();
            let calls = (0..calls).map(|n| one(n, MS * ((n * 7) % 10) as u32, false, &seen));
            let count = calls.len();
            let all: Vec<_> = parallel(calls, 10).all().await.into_iter().map(Result::unwrap).collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        });
    }
}

#[test]
fn failures_are_values_among_the_others() {
    run(async {
        let seen = RefCell::default();
        let all = parallel((0..4).map(|n| one(n, MS, n % 2 == 1, &seen)), 4).all().await;
        assert_eq!(all, [Ok(0), Err(1), Ok(2), Err(3)]);
    });
}

#[test]
fn a_failed_call_of_a_runtime_says_which_tool_and_of_which_category() {
    run(async {
        let wait = 3 * MS;
        let busy = ToolError::refused(Refusal::QueueFull, "the queue is full", Some(wait));
        let tools = Runtime::builder()
            .tool(tool_fn("ok", |_: NoArgs, _| async { Ok("fine") }))
            .tool(
                Script::new("read")
                    .with_spec(|s| s.with_category("files"))
                    .fails(ToolError::new("no such file")),
            )
            .tool(Script::new("write").with_spec(|s| s.with_category("files")).panics())
            .tool(Script::new("search").fails(busy))
            .tool(Script::new("hidden").with_spec(|s| s.with_category("secret")))
            .authorize(|access: &Access<'_>| match access.target.name() {
                "hidden" => Decision::Deny("no".into()),
                _ => Decision::Allow,
            });
        let runtime = tools.build().unwrap();
        let calls = ["ok", "read", "write", "search", "hidden", "missing", "ok"];
        let all = runtime.call_all(calls.map(|name| (name, NoArgs {})), 2).await;
        assert!(all[0].is_ok() && all[6].is_ok());
        let error = |at: usize| all[at].as_ref().unwrap_err();
        assert_eq!(error(1).to_string(), "`read` (category `files`): no such file");
        assert_eq!(error(1).kind(), ErrorKind::Failed);
        assert!(error(2).to_string().starts_with("`write` (category `files`): "));
        assert_eq!(error(2).kind(), ErrorKind::Panicked);
        assert_eq!(error(3).to_string(), "`search`: the queue is full");
        assert_eq!(
            (error(3).kind(), error(3).retry_after()),
            (ErrorKind::Refused(Refusal::QueueFull), Some(wait))
        );
        assert!(!error(4).to_string().contains("secret"), "{}", error(4));
        assert!(error(5).to_string().starts_with("unknown tool `missing`"));
        assert!(error(5).as_protocol().is_some());
    });
}

#[test]
fn the_first_failure_drops_the_siblings_and_makes_no_more_calls() {
    run(async {
        let (seen, start) = (RefCell::default(), Instant::now());
        let after = [50, 10, 90, 20, 30, 30];
        let calls = (0..6).map(|n| one(n, MS * after[n], n == 3, &seen));
        let first = parallel(calls, 3).until_error().await.unwrap_err();
        assert_eq!(first, (3, 3));
        assert_eq!(start.elapsed(), 30 * MS, "10 for the place, 20 for the failure");
        let mut seen = seen.into_inner();
        seen.sort_unstable();
        assert_eq!(seen, [(0, "dropped"), (1, "ended"), (2, "dropped"), (3, "ended")]);
    });
}

#[test]
fn nothing_in_nothing_out() {
    run(async {
        let none = Vec::<std::future::Ready<Result<(), ToolError>>>::new();
        assert!(parallel(none.clone(), 1).all().await.is_empty());
        assert!(parallel(none, 1).until_error().await.unwrap().is_empty());
    });
}

#[test]
fn the_limit_holds_and_is_used() {
    run(async {
        let (now, peak, start) = (Cell::new(0), Cell::new(0), Instant::now());
        let calls = (0..16).map(|_| async {
            now.set(now.get() + 1);
            peak.set(now.get().max(peak.get()));
            sleep(60 * MS).await;
            now.set(now.get() - 1);
            Ok::<_, ToolError>(())
        });
        assert_eq!(parallel(calls, 4).until_error().await.unwrap().len(), 16);
        assert_eq!((peak.get(), start.elapsed()), (4, 240 * MS));
    });
}

#[test]
fn dropping_the_scope_drops_the_calls() {
    run(async {
        let seen = RefCell::default();
        let calls = (0..3).map(|n| one(n, 10 * MS, false, &seen));
        assert!(tokio::time::timeout(5 * MS, parallel(calls, 2).all()).await.is_err());
        assert_eq!(seen.borrow().len(), 2, "two ran, the third was never made");
    });
}

// One call each, whatever happens.
#[test]
fn every_call_is_made_once() {
    run(async {
        let tool = Script::new("s").answers("a").fails(ToolError::new("b")).answers("c");
        let call = || Call::new(&serde_json::json!({})).unwrap();
        let all = parallel((0..3).map(|_| tool.call(call())), 1).all().await;
        let texts: Vec<_> = all.iter().map(|r| r.as_ref().ok().and_then(Output::as_text)).collect();
        assert_eq!(texts, [Some("a"), None, Some("c")]);
        assert_eq!(tool.calls(), 3);
    });
}
