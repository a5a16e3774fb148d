//! Streams of changes.

#![expect(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "helpers of tests")]

mod common;

use std::time::Duration;

use common::offers::offering;
use common::{Lines, Wire, modern, serve};
use serde_json::{Value, json};
use toolpost_dispatch::Catalog;
use toolpost_server::Server;

fn listen(id: impl Into<Value>, notifications: Value) -> Value {
    modern(id, "subscriptions/listen", json!({ "notifications": notifications }))
}

fn reload(server: &Server) {
    let registry = server.dispatcher().registry();
    let tools: Vec<_> = registry.catalog().iter().map(|entry| entry.tool().clone()).collect();
    registry.replace(Catalog::new(tools).unwrap());
}

const TAG: &str = "io.modelcontextprotocol/subscriptionId";

#[tokio::test]
async fn a_listener_is_acknowledged_first_and_told_what_it_asked_for_alone() {
    let (builder, changes, _) = offering();
    let server = builder.build();
    let lines = &mut Lines::to(&server);
    let all = json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["test://page"] });
    // The id comes back as it went, in its own type.
    let first = lines.ask(&listen("1", all.clone())).await;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!((&first["params"]["notifications"], &first["params"]["_meta"][TAG]), (&all, &json!("1")));
    let second = lines.ask(&listen(1, json!({ "promptsListChanged": true, "unheard": 1 }))).await;
    assert_eq!(second["params"]["notifications"], json!({ "promptsListChanged": true }));
    assert_eq!(second["params"]["_meta"][TAG], json!(1));

    reload(&server);
    let told = lines.receive().await;
    assert_eq!(
        (&told["method"], &told["params"]["_meta"][TAG]),
        (&json!("notifications/tools/list_changed"), &json!("1"))
    );
    changes.resource_updated("test://other");
    changes.resource_updated("test://page/3");
    let told = lines.receive().await;
    assert_eq!(told["method"], "notifications/resources/updated");
    assert_eq!(told["params"], json!({ "_meta": { TAG: "1" }, "uri": "test://page/3" }));
    changes.resources_changed();
    assert_eq!(lines.receive().await["method"], "notifications/resources/list_changed");
    changes.prompts_changed();
    let mut tags = [lines.receive().await, lines.receive().await].map(|told| {
        assert_eq!(told["method"], "notifications/prompts/list_changed");
        told["params"]["_meta"][TAG].to_string()
    });
    tags.sort();
    assert_eq!(tags, ["\"1\"", "1"]);

    // Taken back: nothing more is said of it. Stopped: the other ends with a result of its own.
    lines
        .send(
            &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "1" } }),
        )
        .await;
    lines.ask(&modern(2, "server/discover", json!({}))).await;
    server.stop();
    let end = lines.receive().await;
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!(1), &json!("complete")));
    assert_eq!(end["result"]["_meta"][TAG], json!(1));
    let mut rest = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut lines.reader, &mut rest).await.unwrap();
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_stream_over_http_ends_gracefully_with_the_server() {
    let (builder, changes, _) = offering();
    let served = serve(&builder.build()).await;
    let wire = &mut Wire::to(served.address).await;
    let body = listen(7, json!({ "resourceSubscriptions": ["test://a"] })).to_string();
    wire.request("POST", &[("MCP-Protocol-Version", "2026-07-28")], body.as_bytes()).await;
    // Another request shows that the stream is open by the time the change comes.
    let other = &mut Wire::to(served.address).await;
    while other.ask(&modern(1, "server/discover", json!({}))).await.status != 200 {}
    tokio::time::timeout(Duration::from_secs(5), async {
        tokio::io::AsyncBufReadExt::fill_buf(&mut wire.0).await.unwrap();
    })
    .await
    .unwrap();
    changes.resource_updated("test://a");
    tokio::task::yield_now().await;
    other.ask(&modern(2, "server/discover", json!({}))).await;
    served.server.stop();
    let answer = wire.answer().await;
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let events = answer.events();
    assert_eq!(events[0]["method"], "notifications/subscriptions/acknowledged");
    let last = events.last().unwrap();
    assert_eq!((&last["id"], &last["result"]["_meta"][TAG]), (&json!(7), &json!(7)));
    served.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn listeners_are_bounded_and_a_place_left_is_free_again() {
    let lines = &mut Lines::to(&offering().0.build());
    for id in 0..16 {
        let told = lines.ask(&listen(id, json!({ "toolsListChanged": true }))).await;
        assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
    }
    let refused = lines.ask(&listen(16, json!({}))).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(16), &json!(-32600)));
    lines
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3 } }))
        .await;
    // Answered after what came before it has taken effect.
    lines.ask(&modern(17, "server/discover", json!({}))).await;
    let told = lines.ask(&listen(18, json!({}))).await;
    assert_eq!(told["params"]["notifications"], json!({}));
}

#[tokio::test]
async fn malformed_filters_are_refused() {
    let lines = &mut Lines::to(&offering().0.build());
    for wrong in [
        json!(1),
        json!({ "toolsListChanged": "yes" }),
        json!({ "resourceSubscriptions": "test://a" }),
        json!({ "resourceSubscriptions": [1] }),
        json!({ "resourceSubscriptions": vec!["x"; 2000] }),
    ] {
        let answer = lines.ask(&listen(1, wrong.clone())).await;
        assert_eq!(answer["error"]["code"], -32602, "{wrong}");
    }
}

#[tokio::test]
async fn a_session_hears_of_changes_and_of_what_it_subscribed_to() {
    let (builder, changes, _) = offering();
    let server = builder.build();
    let lines = &mut Lines::to(&server);
    let legacy = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    lines
        .ask(&legacy(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" } }),
        ))
        .await;
    lines.ask(&legacy("resources/subscribe", json!({ "uri": "test://a" }))).await;
    changes.resource_updated("test://b");
    changes.resource_updated("test://a");
    let told = lines.receive().await;
    assert_eq!(
        (&told["method"], &told["params"]),
        (&json!("notifications/resources/updated"), &json!({ "uri": "test://a" }))
    );
    reload(&server);
    let told = lines.receive().await;
    assert_eq!((&told["method"], &told["params"]), (&json!("notifications/tools/list_changed"), &json!({})));
    lines.ask(&legacy("resources/unsubscribe", json!({ "uri": "test://a" }))).await;
    changes.resource_updated("test://a");
    assert_eq!(lines.ask(&legacy("ping", json!({}))).await["result"], json!({}));
}
