//! Clients that vanish, that are slow, and that are many; and the end of the server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use crate::common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Served, Watch, Wire, builder, call, modern, serve};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use toolpost_server::{ServeError, Server};

const MODERN: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");

async fn send(wire: &mut Wire, message: &Value) {
    wire.request("POST", &[MODERN], message.to_string().as_bytes()).await;
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_over_http_drops_the_call_within_100_ms() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    for round in 1..=3 {
        let (mut wire, _served) = Wire::within(&server);
        send(&mut wire, &call(1, "wait", json!({}))).await;
        watch.reach(|watch| &watch.started, round).await;
        let vanished = tokio::time::Instant::now();
        drop(wire);
        watch.reach(|watch| &watch.dropped, round).await;
        assert!(vanished.elapsed() < Duration::from_millis(100), "{:?}", vanished.elapsed());
    }
    assert_eq!(server.dispatcher().running(), 0);
}

#[tokio::test]
async fn a_client_that_vanishes_from_a_socket_drops_its_call() {
    let watch = Arc::new(Watch::default());
    let served = serve(&builder(&watch).build()).await;
    let mut wire = Wire::to(served.address).await;
    send(&mut wire, &call(1, "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    drop(wire);
    watch.reach(|watch| &watch.dropped, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_from_a_stream_of_events_drops_its_call() {
    let watch = Arc::new(Watch::default());
    let (mut wire, _) = Wire::within(&builder(&watch).build());
    send(&mut wire, &modern(1, "tools/call", json!({"name": "wait", "_meta": {"progressToken": 1}}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    let mut some = [0; 512];
    assert_ne!(
        wire.0.read(&mut some).await.unwrap(),
        0,
        "a silent call becomes a stream that says it is alive"
    );
    assert!(String::from_utf8_lossy(&some).contains("text/event-stream"));
    drop(wire);
    watch.reach(|watch| &watch.dropped, 1).await;
}

async fn session(served: &Served) -> (Wire, String) {
    let mut wire = Wire::to(served.address).await;
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let answer = wire.post(&[], hello.to_string().as_bytes()).await;
    let id = answer.header("mcp-session-id").unwrap().to_owned();
    (wire, id)
}

#[tokio::test]
async fn a_legacy_client_that_vanishes_has_not_taken_its_call_back() {
    let watch = Arc::new(Watch::default());
    let served = serve(&builder(&watch).build()).await;
    let wait = |id: i64| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "wait"}}).to_string()
    };
    for round in 1..=2 {
        let (mut wire, id) = session(&served).await;
        wire.request("POST", &[("Mcp-Session-Id", &id)], wait(7).as_bytes()).await;
        watch.reach(|watch| &watch.started, round).await;
        drop(wire);
        // On another connection of the same session it can still be taken back.
        let mut other = Wire::to(served.address).await;
        if round == 2 {
            let cancel =
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
            assert_eq!(
                other.post(&[("Mcp-Session-Id", &id)], cancel.to_string().as_bytes()).await.status,
                202
            );
            watch.reach(|watch| &watch.dropped, 1).await;
        } else {
            let echo = json!({"name": "echo", "arguments": {"text": "x"}});
            let echo = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": echo}).to_string();
            let answer = other.post(&[("Mcp-Session-Id", &id)], echo.as_bytes()).await.json();
            assert_eq!(answer["result"]["content"][0]["text"], "x", "its id is no obstacle");
            assert_eq!(watch.dropped.load(Ordering::SeqCst), 0);
            watch.release.notify_one();
            watch.reach(|watch| &watch.finished, 1).await;
        }
    }
}

/// What a client sees that sends `bytes` and then nothing: how long until the server hangs up.
async fn hung_up_after(server: &Server, bytes: &[u8]) -> Duration {
    let (mut wire, served) = Wire::within(server);
    wire.write(bytes).await;
    let start = tokio::time::Instant::now();
    served.await.unwrap();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn slowloris() {
    let server = builder(&Arc::new(Watch::default()))
        .http_limits(|limits| {
            limits.header_timeout = Duration::from_secs(10);
            limits.body_timeout = Duration::from_secs(20);
        })
        .build();
    for begun in [
        b"".as_slice(),
        b"P",
        b"POST /mcp HTTP/1.1\r\nHost: loc",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let took = hung_up_after(&server, begun).await;
        assert!(Duration::from_secs(10) <= took && took < Duration::from_secs(25), "{took:?} {begun:?}");
    }
    let body = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let took = hung_up_after(&server, body).await;
    assert!(Duration::from_secs(20) <= took && took < Duration::from_secs(35), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_dropped() {
    let server = builder(&Arc::new(Watch::default())).build();
    let (mut wire, served) = Wire::within(&server);
    // More than the connection holds; nothing of it is read.
    send(&mut wire, &call(1, "large", json!({"bytes": 1 << 20}))).await;
    let start = tokio::time::Instant::now();
    served.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
    let (mut next, _served) = Wire::within(&server);
    assert_eq!(next.ask(&call(1, "echo", json!({"text": "x"}))).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_its_whole_answer() {
    let server = builder(&Arc::new(Watch::default())).build();
    let (mut wire, _served) = Wire::with_buffer(&server, 4 << 10);
    send(&mut wire, &call(1, "large", json!({"bytes": 64 << 10}))).await;
    let start = tokio::time::Instant::now();
    let mut received = Vec::new();
    while received.len() < 64 << 10 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        let mut some = vec![0; 4 << 10];
        let read = wire.0.read(&mut some).await.unwrap();
        assert_ne!(read, 0, "dropped after {:?} and {} bytes", start.elapsed(), received.len());
        received.extend_from_slice(&some[..read]);
    }
    assert!(
        Duration::from_secs(120) < start.elapsed(),
        "longer than any patience with one who does not read"
    );
}

#[tokio::test]
async fn stopping_loses_no_call_that_was_admitted() {
    let watch = Arc::new(Watch::default());
    let Served { server, address, served } = serve(&builder(&watch).build()).await;
    let mut wires = Vec::new();
    for id in 0..200 {
        let mut wire = Wire::to(address).await;
        send(&mut wire, &call(id, "wait", json!({}))).await;
        wires.push(wire);
    }
    watch.reach(|watch| &watch.started, 200).await;
    assert!(server.is_ready());
    server.stop();
    assert!(!server.is_ready());
    // Nobody new is let in.
    loop {
        let Ok(mut late) = TcpStream::connect(address).await else { break };
        if matches!(late.read(&mut [0]).await, Ok(0) | Err(_)) {
            continue;
        }
        panic!("a server that has stopped accepts");
    }
    watch.release.notify_waiters();
    for (id, wire) in wires.iter_mut().enumerate() {
        let answer = wire.answer().await.json();
        assert_eq!(
            (&answer["id"], &answer["result"]["content"][0]["text"]),
            (&json!(id), &json!("released"))
        );
    }
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_grace_that_is_over_says_what_was_lost() {
    let watch = Arc::new(Watch::default());
    let Served { server, address, served } =
        serve(&builder(&watch).grace(Duration::from_secs(50)).build()).await;
    let mut wire = Wire::to(address).await;
    send(&mut wire, &call(1, "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    // From here on nothing comes over the socket that a paused clock could overtake.
    tokio::time::pause();
    server.stop();
    let error = served.await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::Unfinished { remaining: 1 }), "{error}");
    watch.reach(|watch| &watch.dropped, 1).await;
}

#[tokio::test]
async fn many_requests_down_one_connection_are_answered_in_their_order() {
    let served = serve(&builder(&Arc::new(Watch::default())).build()).await;
    let mut wire = Wire::to(served.address).await;
    for id in 0..50 {
        send(&mut wire, &call(id, "echo", json!({"text": "x"}))).await;
    }
    for id in 0..50 {
        assert_eq!(wire.answer().await.json()["id"], id);
    }
}
