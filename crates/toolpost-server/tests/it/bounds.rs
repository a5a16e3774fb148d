//! Every bound of a stream of lines and of what both transports keep: each is filled, and holds.
//! `docs/bounds.md` names these tests; the HTTP transport's own bounds are filled beside it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::needless_pass_by_value, reason = "a test")]

use crate::common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::offers::offering;
use common::{Lines, Watch, builder, call, modern};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{NoArgs, tool_fn};

fn legacy(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// Writes `line` until nothing more is taken; says how many bytes were.
async fn flood(lines: &mut Lines, line: &str, most: usize) -> usize {
    let mut sent = 0;
    while sent < most
        && let Ok(wrote) =
            tokio::time::timeout(Duration::from_millis(200), lines.writer.write_all(line.as_bytes())).await
    {
        wrote.unwrap();
        sent += line.len();
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_errors_are_unread() {
    let unknown = modern(1, "nope", json!({})).to_string();
    let version = unknown.replace("2026-07-28", "1999-01-01");
    let lines_of = [
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{nope"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        &unknown,
        &version,
    ];
    for line in lines_of {
        let server =
            builder(&Arc::new(Watch::default())).connection_limits(|limits| limits.unread = 32 << 10).build();
        let mut lines = Lines::with_buffer(&server, 4 << 10);
        let sent = flood(&mut lines, &format!("{line}\n").repeat(50), 4 << 20).await;
        assert!(sent < 1 << 20, "{sent} bytes of {line} were taken");
        // Whoever reads after all gets on.
        let mut read = vec![0; 64 << 10];
        for _ in 0..6 {
            assert_ne!(lines.reader.read(&mut read).await.unwrap(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_names_nobody_costs_nothing_however_much_of_it_there_is() {
    let mut lines = Lines::with_buffer(&builder(&Arc::new(Watch::default())).build(), 4 << 10);
    let sent = flood(&mut lines, &"x\n".repeat(2_000), 1 << 20).await;
    assert!(1 << 20 <= sent, "it is read, and answered by silence");
    assert_eq!(lines.ask(&call("after", "echo", json!({"text": "x"}))).await["id"], "after");
}

#[tokio::test(start_paused = true)]
async fn requests_have_a_bound_in_bytes() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).connection_limits(|limits| limits.bytes = 100_000).build();
    let mut lines = Lines::with_buffer(&server, 1 << 10);
    let request = |id: usize| {
        let padding = "x".repeat(30_000);
        let params = json!({"name": "wait", "_meta": {"com.example/padding": padding}});
        format!("{}\n", modern(id, "tools/call", params))
    };
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(200), lines.writer.write_all(request(taken).as_bytes()))
        .await
        .is_ok()
    {
        taken += 1;
        assert!(taken < 10, "read beyond its bound");
    }
    assert!(watch.started.load(Ordering::SeqCst) <= 5);
    // What ends makes room.
    watch.release.notify_one();
    assert!(lines.receive().await["result"].is_object());
}

#[tokio::test(start_paused = true)]
async fn answers_have_a_bound_in_bytes_and_whoever_reads_none_is_left() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let tool = tool_fn("late", move |_: NoArgs, _| {
        let held = Arc::clone(&held);
        async move {
            held.notified().await;
            Ok("x".repeat(50_000))
        }
    });
    let dispatcher = Dispatcher::builder(Registry::builder().tool(tool).build().unwrap()).build();
    for reads in [true, false] {
        let server =
            Server::builder(dispatcher.clone()).connection_limits(|limits| limits.bytes = 120_000).build();
        let mut lines = Lines::with_buffer(&server, 8 << 10);
        for id in 0..10 {
            lines.send(&call(id, "late", json!({}))).await;
        }
        while dispatcher.running() < 10 {
            tokio::task::yield_now().await;
        }
        release.notify_waiters();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(dispatcher.running() >= 6, "calls went on while nobody read: {}", dispatcher.running());
        if reads {
            for _ in 0..10 {
                assert!(lines.receive().await["result"].is_object());
            }
        } else {
            assert!(lines.served.await.unwrap().is_err());
            assert_eq!(dispatcher.running(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_calls_and_not_for_who_reads_nothing() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (calls, allowed) in [(0, 1), (1, 30)] {
        let watch = Arc::new(Watch::default());
        let server = builder(&watch).build();
        let mut lines = Lines::with_buffer(&server, 4 << 10);
        for _ in 0..calls {
            lines.send(&call(7, "wait", json!({}))).await;
            watch.reach(|watch| &watch.started, 1).await;
        }
        assert_ne!(flood(&mut lines, &format!("{ping}\n"), 8 << 20).await, 0);
        let start = tokio::time::Instant::now();
        server.stop();
        lines.served.await.unwrap().unwrap();
        assert_eq!(start.elapsed().as_secs(), allowed, "{calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn unread_answers_do_not_outlive_the_input_for_long() {
    let mut lines = Lines::with_buffer(&builder(&Arc::new(Watch::default())).build(), 4 << 10);
    for id in 0..5 {
        lines.send(&call(id, "large", json!({"bytes": 20_000}))).await;
    }
    let start = tokio::time::Instant::now();
    lines.writer.shutdown().await.unwrap();
    lines.served.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_after_its_last_request_gets_everything() {
    let mut lines = Lines::with_buffer(&builder(&Arc::new(Watch::default())).build(), 4 << 10);
    for id in 0..5 {
        lines.send(&call(id, "large", json!({"bytes": 20_000}))).await;
    }
    lines.writer.shutdown().await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(lines.receive().await["result"].is_object());
    }
}

#[tokio::test(start_paused = true)]
async fn uris_have_a_bound_in_bytes_each_and_together() {
    let mut lines = Lines::to(&offering().0.build());
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    lines.ask(&legacy("initialize", hello)).await;
    let uri = |n: usize, len: usize| format!("test://{n:0len$}/data");
    let fits = (8 << 10) - uri(0, 0).len() - 1;
    let too_long = uri(0, (8 << 10) + 1);
    let listen = |uris: Vec<String>| {
        let mut message =
            modern("l", "subscriptions/listen", json!({"notifications": {"resourceSubscriptions": uris}}));
        message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        message
    };
    // Each.
    let answer = lines.ask(&legacy("resources/subscribe", json!({"uri": too_long}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = lines.ask(&listen(vec![too_long])).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    // Together.
    let mut taken = 0;
    loop {
        let answer = lines.ask(&legacy("resources/subscribe", json!({"uri": uri(taken, fits)}))).await;
        if answer.get("error").is_some() {
            break;
        }
        taken += 1;
        assert!(taken < 20);
    }
    assert_eq!(taken, 8);
    let uris = (0..9).map(|n| uri(n, fits)).collect();
    let answer = lines.ask(&listen(uris)).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    // One fewer makes room for another.
    lines.ask(&legacy("resources/unsubscribe", json!({"uri": uri(0, fits)}))).await;
    let answer = lines.ask(&legacy("resources/subscribe", json!({"uri": uri(99, fits)}))).await;
    assert!(answer.get("error").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_more_than_64_kib_is_none() {
    let mut lines = Lines::to(&builder(&Arc::new(Watch::default())).build());
    let answer = lines.ask(&modern(1, "tools/list", json!({"cursor": "x".repeat(70_000)}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_noticed_while_a_call_runs_for_it() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    // Its output has closed, its input is open.
    let (ours, theirs) = tokio::io::duplex(4 << 10);
    let (reader, mut writer) = tokio::io::duplex(4 << 10);
    let served = tokio::spawn(async move { server.serve_io(reader, theirs).await });
    writer.write_all(format!("{}\n", call(1, "wait", json!({}))).as_bytes()).await.unwrap();
    watch.reach(|watch| &watch.started, 1).await;
    drop(ours);
    watch.reach(|watch| &watch.dropped, 1).await;
    assert!(served.await.unwrap().is_err());
}
