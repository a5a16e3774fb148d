//! Streams of changes.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    reason = "a test; its clock is paused"
)]

use crate::common;

use std::time::Duration;

use common::offers::{offering, offering_of};
use common::{Lines, Wire, modern, serve};
use serde_json::{Value, json};
use toolpost_dispatch::{Catalog, Registry};
use toolpost_server::Server;

fn listen(id: impl Into<Value>, notifications: Value) -> Value {
    modern(id, "subscriptions/listen", json!({ "notifications": notifications }))
}

fn reload(registry: &Registry) {
    let tools: Vec<_> = registry.catalog().iter().map(|entry| entry.tool().clone()).collect();
    registry.replace(Catalog::new(tools).unwrap());
}

const TAG: &str = "io.modelcontextprotocol/subscriptionId";

#[tokio::test]
async fn a_listener_is_acknowledged_first_and_told_what_it_asked_for_alone() {
    let (builder, registry, changes, _) = offering_of();
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

    reload(&registry);
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
    tokio::io::AsyncBufReadExt::fill_buf(&mut wire.0).await.unwrap();
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
    let (builder, registry, changes, _) = offering_of();
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
    reload(&registry);
    let told = lines.receive().await;
    assert_eq!((&told["method"], &told["params"]), (&json!("notifications/tools/list_changed"), &json!({})));
    lines.ask(&legacy("resources/unsubscribe", json!({ "uri": "test://a" }))).await;
    changes.resource_updated("test://a");
    assert_eq!(lines.ask(&legacy("ping", json!({}))).await["result"], json!({}));
}

/// A session over HTTP, and its name.
async fn session(server: &Server) -> (Wire, String) {
    let (mut wire, _served) = Wire::within(server);
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let answer = wire.post(&[], hello.to_string().as_bytes()).await;
    let id = answer.header("mcp-session-id").unwrap().to_owned();
    (wire, id)
}

/// Opens the stream of changes of a session.
async fn stream(server: &Server, id: &str) -> Wire {
    let (mut wire, _served) = Wire::within(server);
    wire.request("GET", &[("Mcp-Session-Id", id), ("Accept", "text/event-stream")], b"").await;
    let head = wire.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    wire
}

#[tokio::test(start_paused = true)]
async fn the_legacy_get_stream_tells_of_changes_until_the_session_ends() {
    let (builder, changes, _) = offering();
    let server = builder.build();
    let (mut wire, id) = session(&server).await;
    let named = [("Mcp-Session-Id", &*id)];
    for (headers, status) in [
        (vec![("Accept", "text/event-stream")], 405),
        (vec![("Mcp-Session-Id", "0123456789abcdef0123456789abcdef")], 404),
        (vec![named[0], ("Accept", "application/json")], 406),
    ] {
        wire.request("GET", &headers, b"").await;
        assert_eq!(wire.answer().await.status, status, "{headers:?}");
    }
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": "test://a" } });
    wire.post(&named, subscribe.to_string().as_bytes()).await;

    let mut first = stream(&server, &id).await;
    changes.resource_updated("test://b");
    changes.resource_updated("test://a");
    let told = first.event().await.unwrap();
    assert_eq!(
        (&told["method"], &told["params"]),
        (&json!("notifications/resources/updated"), &json!({ "uri": "test://a" }))
    );
    // Silence is broken by comments, which keep proxies from closing the stream.
    let start = tokio::time::Instant::now();
    assert_eq!(first.chunk().await.unwrap(), b": still working\n\n");
    assert_eq!(start.elapsed().as_secs(), 15);
    wire.request("DELETE", &named, b"").await;
    assert_eq!(wire.answer().await.status, 204);
    assert_eq!(first.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_of_one_session_live_side_by_side_and_each_change_goes_out_on_one() {
    let (builder, changes, _) = offering();
    let server = builder.listen_limits(|limits| limits.streams = 2).build();
    let (mut wire, id) = session(&server).await;
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": "test://a" } });
    wire.post(&[("Mcp-Session-Id", &*id)], subscribe.to_string().as_bytes()).await;
    let silent = async |wire: &mut Wire| {
        let mut chunk = wire.chunk().await.unwrap();
        if chunk.starts_with(b"retry: ") {
            // What it begins with says nothing.
            chunk = wire.chunk().await.unwrap();
        }
        assert_eq!(String::from_utf8_lossy(&chunk), ": still working\n\n");
    };
    let mut first = stream(&server, &id).await;
    let mut second = stream(&server, &id).await;
    for _ in 0..3 {
        changes.resource_updated("test://a");
        assert_eq!(second.event().await.unwrap()["params"]["uri"], "test://a", "the newest tells");
    }
    silent(&mut first).await;
    // When it is gone, the other one tells; and what nobody was told yet is not lost.
    drop(second);
    tokio::time::sleep(Duration::from_millis(10)).await;
    changes.resource_updated("test://a");
    assert_eq!(first.event().await.unwrap()["params"]["uri"], "test://a");
    drop(first);
    tokio::time::sleep(Duration::from_millis(10)).await;
    changes.resource_updated("test://a");
    let mut third = stream(&server, &id).await;
    assert_eq!(third.event().await.unwrap()["params"]["uri"], "test://a");
    // Of one more than there may be, the oldest ends.
    let _fourth = stream(&server, &id).await;
    let _fifth = stream(&server, &id).await;
    assert_eq!(third.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn whoever_missed_changes_is_told_of_all_that_it_named() {
    let (builder, changes, _) = offering();
    let server = builder.build();
    let lines = &mut Lines::to(&server);
    let wanted = json!({ "promptsListChanged": true, "resourceSubscriptions": ["test://a", "test://page"] });
    lines.ask(&listen(1, wanted)).await;
    lines.ask(&listen(2, json!({ "resourcesListChanged": true }))).await;
    // More at once than is kept for anyone who falls behind; none of it is what they named.
    for n in 0..10_000 {
        changes.resource_updated(&format!("test://other/{n}"));
    }
    let mut told = Vec::new();
    for _ in 0..4 {
        let news = lines.receive().await;
        let method = news["method"].as_str().unwrap().trim_start_matches("notifications/").to_owned();
        let uri = news["params"]["uri"].as_str().unwrap_or_default().to_owned();
        told.push((news["params"]["_meta"][TAG].as_i64().unwrap(), method, uri));
    }
    told.sort();
    let expected = [
        (1, "prompts/list_changed", ""),
        (1, "resources/updated", "test://a"),
        (1, "resources/updated", "test://page"),
        (2, "resources/list_changed", ""),
    ];
    assert_eq!(told, expected.map(|(id, method, uri)| (id, method.to_owned(), uri.to_owned())));
    assert_eq!(lines.ask(&modern(3, "server/discover", json!({}))).await["id"], 3, "and of nothing else");
}

#[tokio::test(start_paused = true)]
async fn a_listener_on_lines_that_reads_nothing_for_30_s_is_dropped() {
    for (waits, dropped) in [(29, false), (31, true)] {
        let (builder, changes, _) = offering();
        let server = builder.connection_limits(|limits| limits.unread = 256).build();
        let lines = &mut Lines::with_buffer(&server, 256);
        lines.ask(&listen(1, json!({ "promptsListChanged": true }))).await;
        // More than the stream and the listener hold; the client reads nothing of it.
        for _ in 0..200 {
            changes.prompts_changed();
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_secs(waits)).await;
        // The stream itself goes on, and so does all else on it.
        lines.send(&modern(2, "server/discover", json!({}))).await;
        let mut end = None;
        loop {
            let news = lines.receive().await;
            match news["id"].as_i64() {
                Some(1) => end = Some(news["error"]["code"].clone()),
                Some(_) => break,
                None => assert_eq!(news["method"], "notifications/prompts/list_changed"),
            }
        }
        assert_eq!(end.is_some(), dropped, "after {waits} s: {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_on_lines_that_read_nothing_for_long_is_told_again_once_it_reads() {
    let (builder, registry, changes, _) = offering_of();
    let server = builder.connection_limits(|limits| limits.unread = 256).build();
    let lines = &mut Lines::with_buffer(&server, 256);
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" } });
    lines.ask(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello })).await;
    for _ in 0..200 {
        changes.prompts_changed();
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(31)).await;
    lines.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    while lines.receive().await["id"] != 1 {}
    reload(&registry);
    let told = async { while lines.receive().await["method"] != "notifications/tools/list_changed" {} };
    tokio::time::timeout(Duration::from_secs(60), told).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listener_over_http_that_reads_nothing_for_30_s_is_dropped() {
    let (builder, changes, _) = offering();
    let server = builder.build();
    let (mut wire, served) = Wire::with_buffer(&server, 256);
    let body = listen(7, json!({ "promptsListChanged": true })).to_string();
    wire.request("POST", &[("MCP-Protocol-Version", "2026-07-28")], body.as_bytes()).await;
    let start = tokio::time::Instant::now();
    for _ in 0..200 {
        changes.prompts_changed();
        tokio::task::yield_now().await;
    }
    served.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn limits_on_listening_are_the_hosts_to_set() {
    let (builder, ..) = offering();
    let server = builder.listen_limits(|limits| (limits.streams, limits.resources) = (1, 2)).build();
    let lines = &mut Lines::to(&server);
    let naming =
        |id: i64, many: usize| listen(id, json!({ "resourceSubscriptions": vec!["test://a"; many] }));
    assert_eq!(lines.ask(&naming(1, 3)).await["error"]["code"], -32602);
    assert_eq!(lines.ask(&naming(1, 2)).await["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(lines.ask(&naming(2, 1)).await["error"]["code"], -32600);
}

#[tokio::test]
async fn who_may_not_listen_is_told_why() {
    for (streams, total, id, why) in [
        (1, 9, 2, "1 streams of changes"),
        (9, 1, 2, "too many clients"),
        (9, 9, 1, "a request with this id"),
    ] {
        let (builder, ..) = offering();
        let server =
            builder.listen_limits(|limits| (limits.streams, limits.total) = (streams, total)).build();
        let lines = &mut Lines::to(&server);
        lines.ask(&listen(1, json!({}))).await;
        let refused = lines.ask(&listen(id, json!({}))).await;
        assert!(refused["error"]["message"].as_str().unwrap().starts_with(why), "{why}: {refused}");
    }
}
