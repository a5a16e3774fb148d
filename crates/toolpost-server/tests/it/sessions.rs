//! Sessions of the legacy era over HTTP: any server with the key serves them, and none has to remember them.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test")]

use std::sync::Arc;

use serde_json::{Value, json};
use toolpost_server::Server;

use crate::common::offers::offering;
use crate::common::{Answer, Watch, Wire, builder};

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
