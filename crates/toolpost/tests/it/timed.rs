//! A tool that ends in time.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::time::Duration;

use tokio::time::Instant;
use toolpost::ToolExt;
use toolpost::tool::{Call, ErrorKind, Tool};
use toolpost_test::{Script, assert_kind, assert_text, run};

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

#[test]
fn the_limit_ends_a_call() {
    run(async {
        let tool = Script::new("s").hangs().timed(Duration::from_secs(3));
        let start = Instant::now();
        assert_kind(&tool.call(call()).await, ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    });
}

#[test]
fn the_deadline_ends_it_sooner() {
    run(async {
        let tool = Script::new("s").hangs().timed(Duration::from_secs(3));
        let start = Instant::now();
        let due = call().due_by((start + Duration::from_secs(1)).into_std());
        assert_kind(&tool.call(due).await, ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    });
}

#[test]
fn a_limit_counts_from_the_start_of_the_call() {
    // Five calls one after the other, 150 ms each, under a limit of 200 ms: all in time.
    run(async {
        let tool = Script::new("s")
            .after(Duration::from_millis(150))
            .answers("ok")
            .timed(Duration::from_millis(200));
        for _ in 0..5 {
            assert_text(&tool.call(call()).await, "ok");
        }
    });
}
