//! Futures that are dropped, at each of their awaits.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use toolpost_client::{Frame, McpClient, RequestOptions, Version};
use toolpost_test::{cancel_at_each_await, run};

use crate::common::{Scripted, options};

/// Serves every request by one round of questions and then a result, until its client has left.
async fn serve(mut server: Scripted) -> usize {
    let mut cancelled = 0;
    while let Some(message) = server.hear().await {
        if let Some(token) = message["params"]["_meta"].get("progressToken") {
            // Whoever waits is woken while the request is in flight.
            let params = json!({ "progressToken": token, "progress": 1 });
            server
                .say(json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }))
                .await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        match message["method"].as_str().unwrap_or_default() {
            "server/discover" => {
                let result = json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} });
                server.answer(&message, result).await;
            }
            "notifications/cancelled" => cancelled += 1,
            "tools/call" if message["params"].get("requestState").is_none() => {
                let result = json!({ "resultType": "input_required", "requestState": "s" });
                server.answer(&message, result).await;
            }
            "tools/list" => {
                let more = message["params"].get("cursor").is_none();
                let mut result = json!({ "tools": [{}] });
                if more {
                    result["nextCursor"] = json!("next");
                }
                server.answer(&message, result).await;
            }
            _ => server.answer(&message, json!({ "resultType": "complete" })).await,
        }
    }
    cancelled
}

async fn works(client: &McpClient) {
    let options = RequestOptions::new().progress(|_, _, _| {});
    client.call_tool("t", Frame::empty().root(), options).await.unwrap();
    assert_eq!(client.in_flight(), 0);
}

#[test]
fn a_call_dropped_at_any_await_costs_nothing_but_itself() {
    run(async {
        let (server, client) = Scripted::new(options());
        let serving = tokio::spawn(serve(server));
        let points = cancel_at_each_await(
            || async { works(&client).await },
            |_| assert_eq!(client.in_flight(), 0, "a call that was dropped is in flight"),
        )
        .await;
        assert!(3 <= points, "{points}");
        works(&client).await;
        client.close().await;
        drop(client);
        assert_ne!(serving.await.unwrap(), 0, "some were cancelled at the server");
    });
}

#[test]
fn a_list_dropped_at_any_await_costs_nothing_but_itself() {
    run(async {
        let (server, client) = Scripted::new(options());
        tokio::spawn(serve(server));
        let points = cancel_at_each_await(
            || async {
                assert_eq!(client.list_tools(RequestOptions::new()).await.unwrap().len(), 2);
            },
            |_| assert_eq!(client.in_flight(), 0),
        )
        .await;
        assert!(3 <= points, "{points}");
    });
}

#[test]
fn everything_else_may_be_dropped_too() {
    run(async {
        let clients = RefCell::new(Vec::new());
        cancel_at_each_await(
            || {
                let (server, client) = Scripted::new(options());
                tokio::spawn(serve(server));
                clients.borrow_mut().push(client.clone());
                async move {
                    let mut events = client.events();
                    client.ready().await.unwrap();
                    client.subscribe("file:///a", RequestOptions::new()).await.unwrap();
                    client.close().await;
                    assert_eq!(events.next().await, None);
                    client.closed().await;
                }
            },
            |_| {},
        )
        .await;
        for client in clients.into_inner() {
            client.close().await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_the_connection() {
    let (mut server, client) = Scripted::new(options());
    server.initialized(Version::V2025_11_25, json!({})).await;
    let other = client.clone();
    drop(client);
    other.ready().await.unwrap();
    drop(other);
    assert!(server.hear().await.is_none());
}
