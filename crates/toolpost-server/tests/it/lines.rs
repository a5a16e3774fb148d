//! A stream of lines: what a client may send, and what it gets for it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::needless_pass_by_value, reason = "a test")]

use crate::common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Lines, Watch, builder, call, modern};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn lines() -> (Arc<Watch>, Lines) {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    (watch, Lines::to(&server))
}

fn legacy(id: i64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

#[tokio::test]
async fn both_eras_on_one_stream_in_any_order() {
    let (_, mut lines) = lines();
    // A probe does not settle the era.
    let discovered = lines.ask(&modern(1, "server/discover", json!({}))).await;
    assert_eq!(discovered["result"]["resultType"], "complete");
    let early = lines.ask(&legacy(2, "tools/list", json!({}))).await;
    assert_eq!(early["error"]["code"], -32602, "neither _meta nor initialize: {early}");
    assert_eq!(lines.ask(&legacy(3, "ping", json!({}))).await["result"], json!({}));
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    assert_eq!(
        lines.ask(&legacy(4, "initialize", hello.clone())).await["result"]["protocolVersion"],
        "2025-11-25"
    );
    let again = lines.ask(&legacy(5, "initialize", hello)).await;
    assert_eq!(again["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(lines.ask(&legacy(6, "tools/list", json!({}))).await["result"]["resultType"], Value::Null);
    assert_eq!(lines.ask(&modern(7, "tools/list", json!({}))).await["result"]["resultType"], "complete");
}

#[tokio::test]
async fn a_bad_line_costs_one_error_and_nothing_else() {
    let (_, mut lines) = lines();
    let bad = [
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[}"#, -32700),
    ];
    for (line, code) in bad {
        lines.send_raw(format!("{line}\n").as_bytes()).await;
        let answer = lines.receive().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(1), &json!(code)),
            "{line} -> {answer}"
        );
        assert_eq!(lines.ask(&call("after", "echo", json!({"text": "x"}))).await["id"], "after");
    }
    // Whom an error would be for cannot be told, so there is none.
    let nobodys = [
        "{",
        "nope",
        "\u{feff}{}",
        "[]",
        "7",
        "{}",
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
    ];
    for line in nobodys {
        lines.send_raw(format!("{line}\n").as_bytes()).await;
        assert_eq!(lines.ask(&call("after", "echo", json!({"text": "x"}))).await["id"], "after", "{line}");
    }
    lines.send_raw(b"\xff\xfe\n").await;
    // What is no message at all is not answered: blank lines, notifications, answers to nothing.
    lines.send_raw(b"\n \t\r\n{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n").await;
    assert_eq!(lines.ask(&call("after", "echo", json!({"text": "x"}))).await["id"], "after");
}

#[tokio::test]
async fn a_line_of_64_mb_costs_one_error_and_no_memory() {
    let (_, mut lines) = lines();
    let chunk = vec![b'x'; 1 << 20];
    lines.send_raw(br#"{"method":"m","params":{"text":""#).await;
    for _ in 0..64 {
        lines.send_raw(&chunk).await;
    }
    lines.send_raw(b"\"},\"id\":\"long\"}\n").await;
    let answer = lines.receive().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("long"), &json!(-32600)), "{answer}");
    assert_eq!(lines.ask(&call("after", "echo", json!({"text": "x"}))).await["id"], "after");
}

#[tokio::test]
async fn requests_are_answered_as_they_finish() {
    let (watch, mut lines) = lines();
    lines.send(&call("slow", "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    for n in 0..5 {
        assert_eq!(lines.ask(&call(n, "echo", json!({"text": "x"}))).await["id"], n);
    }
    watch.release.notify_one();
    assert_eq!(lines.receive().await["id"], "slow");
}

#[tokio::test]
async fn cancelling_drops_the_call_and_silences_it() {
    let (watch, mut lines) = lines();
    lines.send(&call("gone", "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    let cancel = |id: Value| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    // Unknown, of another type, and malformed: no matter.
    for id in [json!(1), json!("other"), json!(null), json!({})] {
        lines.send(&cancel(id)).await;
    }
    lines.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled"})).await;
    assert_eq!(lines.ask(&call(1, "echo", json!({"text": "x"}))).await["id"], 1);
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 0);
    lines.send(&cancel(json!("gone"))).await;
    watch.reach(|watch| &watch.dropped, 1).await;
    // Its id is free again, and what comes next is not its answer.
    lines.send(&call("gone", "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 2).await;
    watch.release.notify_one();
    let answer = lines.receive().await;
    assert_eq!(
        (&answer["id"], &answer["result"]["content"][0]["text"]),
        (&json!("gone"), &json!("released"))
    );
}

#[tokio::test]
async fn an_id_in_use_is_refused_and_the_first_call_goes_on() {
    let (watch, mut lines) = lines();
    lines.send(&call(1, "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    let second = lines.ask(&call(1, "wait", json!({}))).await;
    assert_eq!(second["error"]["code"], -32600, "{second}");
    watch.release.notify_one();
    assert_eq!(lines.receive().await["result"]["content"][0]["text"], "released");
}

#[tokio::test]
async fn at_the_end_of_input_what_runs_is_answered() {
    let (watch, mut lines) = lines();
    for n in 0..10 {
        lines.send(&call(n, "wait", json!({}))).await;
    }
    // The last line has no end.
    lines.send_raw(call("last", "echo", json!({"text": "x"})).to_string().as_bytes()).await;
    watch.reach(|watch| &watch.started, 10).await;
    lines.writer.shutdown().await.unwrap();
    assert_eq!(lines.receive().await["id"], "last");
    watch.release.notify_waiters();
    let mut ids: Vec<i64> = Vec::new();
    for _ in 0..10 {
        ids.push(lines.receive().await["id"].as_i64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..10).collect::<Vec<_>>());
    lines.served.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_input_nothing_is_waited_for_longer_than_the_grace() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).connection_limits(|limits| limits.grace = Duration::from_secs(7)).build();
    let mut lines = Lines::to(&server);
    lines.send(&call(1, "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    let start = tokio::time::Instant::now();
    lines.writer.shutdown().await.unwrap();
    lines.served.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_the_end_of_input_is_waited_for_no_longer_than_either_grace_says() {
    // Where a stop has the shorter grace, as on stdio, what runs has had its time.
    for (grace, ended_after) in [(3, 2), (7, 2), (30, 7)] {
        let watch = Arc::new(Watch::default());
        let server = builder(&watch)
            .grace(Duration::from_secs(grace))
            .connection_limits(|limits| limits.grace = Duration::from_secs(7))
            .build();
        let mut lines = Lines::to(&server);
        lines.send(&call(1, "wait", json!({}))).await;
        watch.reach(|watch| &watch.started, 1).await;
        let start = tokio::time::Instant::now();
        lines.writer.shutdown().await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(watch.dropped.load(Ordering::SeqCst), 0, "it has time after the end of input");
        server.stop();
        lines.served.await.unwrap().unwrap();
        assert_eq!((start.elapsed().as_secs(), grace), (ended_after, grace));
        assert_eq!(watch.dropped.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_on_lines_drops_the_call_within_100_ms() {
    let (watch, mut lines) = lines();
    lines.send(&call(1, "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    let vanished = tokio::time::Instant::now();
    let Lines { reader, writer, served } = lines;
    drop((reader, writer));
    watch.reach(|watch| &watch.dropped, 1).await;
    assert!(vanished.elapsed() < Duration::from_millis(100), "{:?}", vanished.elapsed());
    assert!(served.await.unwrap().is_err(), "nobody was left to read the answer");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_after_its_last_request_drops_its_call_too() {
    let (watch, mut lines) = lines();
    lines.send(&call(1, "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    lines.writer.shutdown().await.unwrap();
    // It may still read, so the call goes on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 0);
    let vanished = tokio::time::Instant::now();
    drop((lines.reader, lines.writer));
    watch.reach(|watch| &watch.dropped, 1).await;
    assert!(vanished.elapsed() < Duration::from_millis(100), "{:?}", vanished.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_stops_being_read() {
    let watch = Arc::new(Watch::default());
    let server =
        builder(&watch).connection_limits(|limits| (limits.waiting, limits.unread) = (8, 64 << 10)).build();
    let mut lines = Lines::with_buffer(&server, 4 << 10);
    let request = format!("{}\n", call(1, "large", json!({"bytes": 10_000})));
    let mut sent = 0;
    // Nothing is read, so at some point nothing more can be sent.
    while tokio::time::timeout(Duration::from_millis(200), lines.writer.write_all(request.as_bytes()))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 10_000, "the server reads on");
    }
    assert!(sent < 1_000, "{sent}");
    // And whoever reads after all gets every answer that was begun.
    let mut bytes = vec![0; 8 << 10];
    for _ in 0..10 {
        assert_ne!(lines.reader.read(&mut bytes).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn no_more_run_at_once_than_allowed_and_those_that_wait_can_be_cancelled() {
    let watch = Arc::new(Watch::default());
    let server =
        builder(&watch).connection_limits(|limits| (limits.in_flight, limits.waiting) = (4, 100)).build();
    let mut lines = Lines::to(&server);
    for n in 0..10 {
        lines.send(&call(n, "wait", json!({}))).await;
    }
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}});
    lines.send(&cancel).await;
    watch.reach(|watch| &watch.started, 4).await;
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(watch.started.load(Ordering::SeqCst), 4);
    assert_eq!(server.dispatcher().running(), 4);
    let mut ids = Vec::new();
    for n in 0..9 {
        watch.reach(|watch| &watch.started, (n + 4).min(9)).await;
        watch.release.notify_one();
        ids.push(lines.receive().await["id"].as_i64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..9).collect::<Vec<_>>(), "each but the cancelled one, once");
}

#[tokio::test(start_paused = true)]
async fn what_a_call_says_comes_before_its_answer_and_carries_its_token() {
    let (_, mut lines) = lines();
    for token in ["a", "b"] {
        let params = json!({"name": "talk", "_meta": {"progressToken": token, "io.modelcontextprotocol/logLevel": "info"}});
        lines.send(&modern(token, "tools/call", params)).await;
    }
    let mut seen: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let message = lines.receive().await;
        if message["method"] == "notifications/progress" {
            let token = message["params"]["progressToken"].as_str().unwrap().to_owned();
            assert!(!answered.contains(&token));
            seen.entry(token).or_default().push(message["params"]["progress"].as_f64().unwrap());
        } else if let Some(id) = message["id"].as_str() {
            answered.push(id.to_owned());
        }
    }
    assert_eq!(seen, BTreeMap::from([("a".into(), vec![0.0, 1.0, 2.0]), ("b".into(), vec![0.0, 1.0, 2.0])]));
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let (_, mut lines) = lines();
    for n in 0..500 {
        let params = json!({"name": "id", "arguments": {"text": "x"}, "_meta": {"com.example/foreign": [n]}});
        lines.send_raw(format!("{}\n", modern(n, "tools/call", params)).as_bytes()).await;
        if n % 50 == 49 {
            for _ in 0..50 {
                let answer = lines.receive().await;
                assert_eq!(answer["result"]["content"][0]["text"], answer["id"].to_string());
            }
        }
    }
}

#[tokio::test]
async fn storms_of_notifications_and_of_cancelled_calls_are_answered_by_silence() {
    let (watch, mut lines) = lines();
    let mut storm = String::new();
    for n in 0..10_000 {
        storm += &format!(
            "{}\n",
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": n}})
        );
    }
    lines.send_raw(storm.as_bytes()).await;
    for id in 0..500 {
        lines.send(&call(id, "wait", json!({}))).await;
        lines
            .send(
                &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}),
            )
            .await;
    }
    assert_eq!(lines.ask(&call("after", "echo", json!({"text": "x"}))).await["id"], "after");
    assert_eq!(watch.started.load(Ordering::SeqCst), watch.dropped.load(Ordering::SeqCst));
}
