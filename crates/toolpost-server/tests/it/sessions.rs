//! Sessions of the legacy era over HTTP: any server with the key serves them, and none has to remember them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::needless_pass_by_value, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use toolpost_json::{Frame, Limits};
use toolpost_server::{Server, StaticTokens};
use toolpost_tool::Principal;

use crate::common::offers::offering;
use crate::common::{Answer, Watch, Wire, builder, call, modern};

const KEY: [u8; 32] = [7; 32];

fn server(key: [u8; 32]) -> Server {
    builder(&Arc::new(Watch::default())).state_key(key).build()
}

fn legacy(id: i64, method: &str, params: Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string().into_bytes()
}

async fn post(server: &Server, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let (mut wire, _served) = Wire::within(server);
    wire.post(headers, body).await
}

async fn initialize(server: &Server, version: &str, capabilities: Value) -> String {
    let params = json!({"protocolVersion": version, "capabilities": capabilities,
        "clientInfo": {"name": "c", "version": "1"}});
    let answer = post(server, &[], &legacy(0, "initialize", params)).await;
    answer.header("mcp-session-id").unwrap().to_owned()
}

fn add() -> Vec<u8> {
    legacy(2, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}))
}

async fn adds(server: &Server, id: &str) -> Option<Value> {
    let answer = post(server, &[("Mcp-Session-Id", id)], &add()).await;
    match answer.status {
        200 => Some(answer.json()["result"].take()),
        404 => None,
        status => panic!("{status}: {}", answer.text()),
    }
}

#[tokio::test]
async fn a_session_is_served_by_every_server_with_the_key_and_after_a_restart() {
    let first = server(KEY);
    let old = initialize(&first, "2024-11-05", json!({})).await;
    let new = initialize(&first, "2025-06-18", json!({})).await;
    drop(first);
    for replica in [server(KEY), server(KEY)] {
        let result = adds(&replica, &old).await.unwrap();
        assert_eq!(result["structuredContent"], Value::Null, "in the form of the revision that was agreed");
        let result = adds(&replica, &new).await.unwrap();
        assert_eq!(result["structuredContent"], json!({"sum": 3}));
    }
    assert_eq!(adds(&server([8; 32]), &new).await, None, "of another key it is no session");
}

#[tokio::test]
async fn sessions_outlive_one_rotation_of_the_key() {
    let server = server(KEY);
    let before = initialize(&server, "2025-11-25", json!({})).await;
    server.rotate_state_key([8; 32]);
    let after = initialize(&server, "2025-11-25", json!({})).await;
    assert!(adds(&server, &before).await.is_some() && adds(&server, &after).await.is_some());
    server.rotate_state_key([9; 32]);
    assert!(adds(&server, &before).await.is_none() && adds(&server, &after).await.is_some());
}

#[tokio::test]
async fn a_client_is_asked_and_answers_on_a_server_that_it_never_greeted() {
    let (first, second) = (offering().0.state_key(KEY).build(), offering().0.state_key(KEY).build());
    let id = initialize(&first, "2025-06-18", json!({"elicitation": {}})).await;
    let session = [("Mcp-Session-Id", &*id)];
    let (mut calls, _served) = Wire::within(&second);
    calls.request("POST", &session, &legacy(5, "tools/call", json!({"name": "ask"}))).await;
    assert_eq!(calls.head().await.status, 200);
    let question = calls.event().await.unwrap();
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"name": "Ann"}}});
    assert_eq!(post(&second, &session, answer.to_string().as_bytes()).await.status, 202);
    let result = calls.event().await.unwrap();
    assert!(result["result"].to_string().contains("Ann"), "{result}");
}

#[tokio::test]
async fn requests_without_a_session_are_served_where_the_host_allows_it() {
    let strict = server(KEY);
    assert_eq!(post(&strict, &[], &add()).await.status, 400);
    let server = builder(&Arc::new(Watch::default())).http_limits(|limits| limits.sessionless = true).build();
    let answer = post(&server, &[], &add()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["result"]["structuredContent"], Value::Null, "2025-03-26 has none");
    let answer = post(&server, &[("MCP-Protocol-Version", "2025-06-18")], &add()).await;
    assert_eq!(answer.json()["result"]["structuredContent"], json!({"sum": 3}));
    let level = legacy(1, "logging/setLevel", json!({"level": "error"}));
    assert_eq!(post(&server, &[], &level).await.status, 400, "nothing could remember it");
    let lost = post(&server, &[("Mcp-Session-Id", "nope")], &add()).await;
    assert_eq!(lost.status, 404, "a session that is named has to be one");
}

fn message(id: i64, method: &str, params: Value) -> Value {
    serde_json::from_slice(&legacy(id, method, params)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_subscribes_to_is_remembered_and_it_greets_nobody() {
    let (builder, changes, _) = offering();
    let server = builder.state_key(KEY).build();
    let id = initialize(&server, "2025-03-26", json!({})).await;
    let session = [("Mcp-Session-Id", &*id)];
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}});
    let subscribe = message(1, "resources/subscribe", json!({"uri": "test://a"}));
    let batch = json!([subscribe, message(2, "initialize", hello)]).to_string();
    let answer = post(&server, &session, batch.as_bytes()).await.json();
    assert_eq!((&answer[0]["result"], &answer[1]["error"]["code"]), (&json!({}), &json!(-32600)));
    let batch = json!([message(3, "ping", json!({}))]).to_string();
    assert_eq!(post(&server, &session, batch.as_bytes()).await.status, 200, "its revision is what it was");
    let (mut stream, _served) = Wire::within(&server);
    stream.request("GET", &session, b"").await;
    assert_eq!(stream.head().await.status, 200);
    changes.resource_updated("test://a");
    assert_eq!(stream.event().await.unwrap()["method"], "notifications/resources/updated");
    let lost = post(&server, &[("Mcp-Session-Id", "nope")], batch.as_bytes()).await;
    assert_eq!(lost.status, 404, "so that the client greets again");
}

#[tokio::test]
async fn a_session_in_the_header_of_a_modern_request_moves_no_bound() {
    let server = builder(&Arc::new(Watch::default()))
        .authenticate(StaticTokens::new([("t0ken", Principal::new("ada"))]))
        .build();
    let listens = json!({"notifications": {"toolsListChanged": true}});
    let listens = modern(1, "subscriptions/listen", listens).to_string();
    let (authorized, mut open) = (("Authorization", "Bearer t0ken"), Vec::new());
    let hello = legacy(0, "initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}}));
    let last = loop {
        let answer = post(&server, &[authorized], &hello).await;
        let session = ("Mcp-Session-Id", answer.header("mcp-session-id").unwrap());
        let (mut wire, _served) = Wire::within(&server);
        let headers = [authorized, session, ("MCP-Protocol-Version", "2026-07-28")];
        wire.request("POST", &headers, listens.as_bytes()).await;
        match wire.head().await.status {
            200 if open.len() < 100 => open.push(wire),
            status => break status,
        }
    };
    assert_eq!((open.len(), last), (16, 429));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_ends_with_its_session() {
    let server = offering().0.build();
    let id = initialize(&server, "2025-06-18", json!({"elicitation": {}})).await;
    let session = [("Mcp-Session-Id", &*id)];
    let (mut calls, _served) = Wire::within(&server);
    calls.request("POST", &session, &legacy(5, "tools/call", json!({"name": "ask"}))).await;
    assert_eq!(calls.head().await.status, 200);
    assert_eq!(calls.event().await.unwrap()["method"], "elicitation/create");
    let start = tokio::time::Instant::now();
    let (mut wire, _served) = Wire::within(&server);
    wire.request("DELETE", &session, b"").await;
    assert_eq!(wire.head().await.status, 204);
    while calls.event().await.is_some_and(|event| event["id"] != 5) {}
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_has_no_connection_is_cancelled_by_nobody() {
    let frame = |message: &Value| Frame::from_text(message.to_string(), &Limits::new()).unwrap();
    let watch = Arc::new(Watch::default());
    let server = builder(&watch)
        .http_limits(|limits| limits.sessionless = true)
        .authenticate(StaticTokens::new([("a", Principal::new("ann"))]))
        .build();
    let (own, waits) = (server.clone(), frame(&call(1, "wait", json!({}))));
    let handled = tokio::spawn(async move { own.handle(waits, Principal::new("ann")).await });
    let own = server.clone();
    let posted = tokio::spawn(async move {
        let waits = legacy(1, "tools/call", json!({"name": "wait"}));
        post(&own, &[("Authorization", "Bearer a")], &waits).await
    });
    watch.reach(|watch| &watch.started, 2).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert!(server.handle(frame(&cancel), Principal::new("bob")).await.is_none());
    let added = server.handle(frame(&call(1, "add", json!({"a": 1, "b": 2}))), Principal::new("bob")).await;
    assert!(String::from_utf8(added.unwrap()).unwrap().contains(r#""sum":3"#), "ids are a caller's own");
    watch.release.notify_waiters();
    let handled = handled.await.unwrap().unwrap();
    assert!(String::from_utf8(handled).unwrap().contains("released"));
    assert!(posted.await.unwrap().text().contains("released"));
}
