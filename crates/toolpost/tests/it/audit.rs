//! Each call, as started and as ended, in an audit trail.
#![cfg(feature = "audit")]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use serde_json::Value;
use toolpost::Runtime;
use toolpost::dispatch::CallRequest;
use toolpost::journal::rt::Log;
use toolpost::journal::{Durability, LogFilter, LogOptions, LogReader};
use toolpost::observers::Audit;
use toolpost::tool::{NoArgs, Output, Principal, Refusal, ToolError, tool_fn};
use toolpost_test::run;

fn runtime(audit: Audit) -> Runtime {
    let good = tool_fn("good", |_: NoArgs, _| async { Ok("secret result") });
    let bad = tool_fn("bad", |_: NoArgs, _| async { Err::<&str, _>(ToolError::new("secret \"error\"")) });
    let busy = tool_fn("busy", |_: NoArgs, _| async {
        Err::<&str, _>(ToolError::refused(Refusal::RateLimited, "busy", None))
    });
    let slow = tool_fn("slow", |_: NoArgs, _| async { Ok(std::future::pending::<&str>().await) });
    Runtime::builder().tool(good).tool(bad).tool(busy).tool(slow).observe(audit).build().unwrap()
}

async fn call(runtime: &Runtime, tool: &str, principal: &str) -> Result<Output, ToolError> {
    runtime.dispatcher().call(CallRequest::new(tool).by(Principal::new(principal))).await
}

fn payload(record: &[String; 3]) -> Value {
    serde_json::from_str(&record[2]).unwrap()
}

#[test]
fn a_call_is_told_as_started_and_ended_with_one_correlation() {
    run(async {
        let audit = Audit::in_memory(100);
        let runtime = runtime(audit.clone());
        for tool in ["good", "bad", "busy"] {
            let _ = call(&runtime, tool, "ada \"l\"").await;
        }
        // One that its caller leaves.
        let mut left = Box::pin(call(&runtime, "slow", "bob"));
        std::future::poll_fn(|cx| {
            let _ = left.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        drop(left);
        let _ = call(&runtime, &"nobody".repeat(100), "eve").await;

        let records = audit.recent();
        let kinds: Vec<&str> = records.iter().map(|record| &*record[0]).collect();
        let pair = ["call.started", "call.ended"];
        assert_eq!(kinds, [&pair[..], &pair, &pair, &pair, &["call.unknown_tool"]].concat());
        let ends = [
            ("completed", None),
            ("failed", Some("failed")),
            ("rate_limited", Some("rate_limited")),
            ("cancelled", None),
        ];
        for (pair, (outcome, reason)) in records.chunks(2).zip(ends) {
            let [started, ended] = pair else { panic!("{pair:?}") };
            assert_eq!(started[1], ended[1], "one correlation");
            let (started, ended) = (payload(started), payload(ended));
            assert_eq!(started["arguments"], ended["arguments"]);
            assert_eq!(started["arguments"].as_str().unwrap().len(), 32);
            assert_eq!((ended["outcome"].as_str(), ended["reason"].as_str()), (Some(outcome), reason));
        }
        assert_eq!(payload(&records[0])["principal"], "ada \"l\"");
        assert_eq!(payload(&records[8])["tool"].as_str().unwrap().len(), 128, "a stranger's name is cut");
        assert!(!format!("{records:?}").contains("secret"), "no result, and no text of an error");
        assert_eq!(audit.dropped(), 0);
    });
}

#[test]
fn a_trail_in_memory_keeps_the_newest_and_counts_the_others() {
    run(async {
        let audit = Audit::in_memory(5);
        let runtime = runtime(audit.clone());
        for _ in 0..10 {
            call(&runtime, "good", "ada").await.unwrap();
        }
        assert_eq!((audit.recent().len(), audit.dropped()), (5, 15));
    });
}

#[tokio::test]
async fn a_trail_in_a_log_is_read_by_correlation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let options = LogOptions::new().durability(Durability::Process);
    let log = Log::open(&path, options).unwrap();
    let audit = Audit::in_log(log.clone());
    let tools = runtime(audit.clone());
    for _ in 0..50 {
        call(&tools, "good", "ada").await.unwrap();
    }
    log.flush().await.unwrap();
    assert_eq!((log.head().seq(), audit.dropped()), (100, 0));
    let mut reader = LogReader::open(&path).unwrap();
    reader.seek_end().unwrap();
    let last = reader.previous_record().unwrap().unwrap().correlation().to_owned();
    reader.seek(1).unwrap();
    reader.filter(LogFilter::new().correlation(&last));
    let mut kinds = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        kinds.push(record.kind().to_owned());
    }
    assert_eq!(kinds, ["call.started", "call.ended"]);
    reader.verify(None, &[log.head()]).unwrap();
}

#[test]
fn a_record_that_has_no_room_is_dropped_and_counted_and_its_call_does_not_wait() {
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions::new().durability(Durability::Process).pending_bytes(1);
    // The only thread that may write is busy, until it is told.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let threads =
        tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    threads.block_on(async {
        let log = Log::open(directory.path().join("audit"), options).unwrap();
        let audit = Audit::in_log(log.clone());
        let runtime = runtime(audit.clone());
        drop(tokio::task::spawn_blocking(move || wait.recv()));
        for _ in 0..5 {
            call(&runtime, "good", "ada").await.unwrap();
        }
        assert_eq!(audit.dropped(), 9);
        drop(go);
        log.flush().await.unwrap();
        assert_eq!(log.head().seq(), 1);
    });
}
