//! Streamable HTTP as bytes on a socket: the status of each outcome, and the form of each answer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::needless_pass_by_value, reason = "a test")]

use crate::common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Answer, Lines, Served, Watch, Wire, builder, call, modern, serve, tools};
use http::request::Parts;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use toolpost_dispatch::{Access, Decision, Dispatcher, PromptSet, Registry};
use toolpost_protocol::model::{GetPromptResult, Prompt};
use toolpost_server::{Authenticate, ServeError, Server, Unauthenticated};
use toolpost_tool::{NoArgs, Output, Principal, tool_fn};

const MODERN: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");

async fn served() -> Served {
    serve(&builder(&Arc::new(Watch::default())).build()).await
}

fn wire() -> Wire {
    Wire::within(&builder(&Arc::new(Watch::default())).build()).0
}

fn code(answer: &Answer) -> Option<i64> {
    if answer.body.is_empty() { None } else { answer.json()["error"]["code"].as_i64() }
}

/// One row of the table: what is sent, and the status and code that answer it.
async fn row(
    wire: &mut Wire,
    headers: &[(&str, &str)],
    body: impl ToString,
    expected: (u16, Option<i64>),
) -> Answer {
    let body = body.to_string();
    let answer = wire.post(headers, body.as_bytes()).await;
    assert_eq!((answer.status, code(&answer)), expected, "{headers:?} {body} -> {}", answer.text());
    answer
}

#[tokio::test]
async fn status_of_each_outcome_in_the_modern_era() {
    let wire = &mut wire();
    let list = modern(1, "tools/list", json!({}));
    row(wire, &[MODERN], &list, (200, None)).await;
    // What is wrong with the request as such.
    row(wire, &[MODERN, ("Content-Type", "text/plain")], &list, (415, Some(-32600))).await;
    row(wire, &[MODERN, ("Content-Type", "")], &list, (415, Some(-32600))).await;
    row(wire, &[MODERN, ("Content-Type", "Application/JSON; charset=utf-8")], &list, (200, None)).await;
    row(wire, &[MODERN, ("Content-Encoding", "gzip")], &list, (415, Some(-32600))).await;
    row(wire, &[MODERN, ("Accept", "text/html")], &list, (406, Some(-32600))).await;
    row(wire, &[MODERN, ("Accept", "*/*;q=0.1")], &list, (200, None)).await;
    row(wire, &[MODERN, ("Accept", "")], &list, (200, None)).await;
    // Host and Origin, each alone.
    row(wire, &[MODERN, ("Host", "evil.example.com")], &list, (403, Some(-32600))).await;
    row(wire, &[MODERN, ("Origin", "http://evil.example.com")], &list, (403, Some(-32600))).await;
    row(wire, &[MODERN, ("Origin", "null")], &list, (403, Some(-32600))).await;
    let twice = [MODERN, ("Origin", "http://localhost"), ("Origin", "http://localhost")];
    row(wire, &twice, &list, (403, Some(-32600))).await;
    row(wire, &[MODERN, ("Origin", "http://localhost:6274")], &list, (200, None)).await;
    // What is wrong with the message.
    for (body, expected) in [("{", -32700), ("", -32700), ("nope", -32700), ("[]", -32600), ("1", -32600)] {
        let answer = row(wire, &[MODERN], body, (400, Some(expected))).await;
        assert_eq!(answer.json()["id"], Value::Null, "Protocol 4");
    }
    row(wire, &[MODERN], format!("[{list}]"), (400, Some(-32600))).await;
    row(wire, &[MODERN], r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, (400, Some(-32600))).await;
    row(wire, &[MODERN], r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#, (400, Some(-32600))).await;
    row(wire, &[MODERN], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, (400, Some(-32600))).await;
    // The revision: header, body, and both.
    row(wire, &[], &list, (400, Some(-32020))).await;
    row(wire, &[("MCP-Protocol-Version", "2025-11-25")], &list, (400, Some(-32020))).await;
    // Doubled by a proxy, a header is one; two that differ are none.
    row(wire, &[MODERN, MODERN], &list, (200, None)).await;
    row(wire, &[("MCP-Protocol-Version", "2026-07-28, 2026-07-28")], &list, (200, None)).await;
    row(wire, &[MODERN, ("MCP-Protocol-Version", "2025-11-25")], &list, (400, Some(-32020))).await;
    let mut other = list.clone();
    other["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("1900-01-01");
    row(wire, &[MODERN], &other, (400, Some(-32020))).await;
    let answer =
        row(wire, &[("MCP-Protocol-Version", "1900-01-01")], &other, (400, Some(-32022))).await.json();
    assert_eq!(answer["error"]["data"]["requested"], "1900-01-01");
    assert_eq!(answer["error"]["data"]["supported"][0], "2026-07-28");
    // Required members of `_meta`.
    let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    row(wire, &[MODERN], &bare, (400, Some(-32602))).await;
    let mut without = list.clone();
    without["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    row(wire, &[MODERN], &without, (400, Some(-32602))).await;
    // Methods that are not, or no more: Protocol 1.
    for gone in ["nope", "initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list"] {
        let answer = row(wire, &[MODERN], modern("x", gone, json!({})), (404, Some(-32601))).await;
        assert_eq!(answer.json()["id"], "x", "{gone}");
    }
    let answer = row(wire, &[MODERN], call(7, "ech", json!({})), (200, Some(-32602))).await.json();
    assert!(answer["error"]["message"].as_str().unwrap().contains("`echo`"), "{answer}");
    row(wire, &[MODERN], modern(7, "tools/call", json!({})), (200, Some(-32602))).await;
    row(
        wire,
        &[MODERN],
        modern(7, "tools/call", json!({"name": "echo", "arguments": 3})),
        (200, Some(-32602)),
    )
    .await;
    let level = json!({"name": "echo", "arguments": {"text": ""}, "_meta": {"io.modelcontextprotocol/logLevel": "loud"}});
    row(wire, &[MODERN], modern(7, "tools/call", level), (200, Some(-32602))).await;
    // Notifications are never answered: Protocol 2.
    let answer = row(wire, &[MODERN], r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, (202, None)).await;
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn other_verbs_and_paths() {
    let served = served().await;
    let wire = &mut Wire::to(served.address).await;
    for (verb, status) in [("GET", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)] {
        wire.request(verb, &[], b"").await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, status, "{verb}");
    }
    for (path, status) in [("/", 404), ("/mcp/", 404), ("/livez", 204), ("/readyz", 204)] {
        wire.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
        assert_eq!(wire.answer().await.status, status, "{path}");
    }
}

#[tokio::test]
async fn modern_results_say_that_they_are_complete_and_who_made_them() {
    let wire = &mut wire();
    let info = json!({ "name": "tests", "version": "1.2.3" });
    let requests = [
        modern(1, "server/discover", json!({})),
        modern(1, "tools/list", json!({})),
        call(1, "add", json!({"a": 1, "b": 2})),
        call(1, "add", json!({"a": 1, "b": "x"})),
        call(1, "fail", json!({})),
        call(1, "panic", json!({})),
    ];
    for (n, request) in requests.iter().enumerate() {
        let result = wire.ask(request).await.json()["result"].take();
        assert_eq!(result["resultType"], "complete", "{result}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"], info, "{result}");
        assert_eq!(result["ttlMs"].is_u64() && result["cacheScope"] == "public", n < 2, "{result}");
        // A failure of the tool is a result with `isError` and a text block.
        assert_eq!(result["isError"] == true && result["content"][0]["type"] == "text", 3 <= n, "{result}");
    }
    let discovered = wire.ask(&requests[0]).await.json();
    assert_eq!(discovered["result"]["supportedVersions"][0], "2026-07-28");
    assert!(discovered["result"]["capabilities"]["tools"].is_object());
    let listed = wire.ask(&requests[1]).await.json();
    let add = &listed["result"]["tools"][0];
    assert_eq!(add["description"], "Adds two numbers.");
    assert_eq!(add["inputSchema"]["type"], "object");
    assert_eq!(add["outputSchema"]["required"], json!(["sum"]));
}

#[tokio::test]
async fn ids_are_echoed_exactly() {
    let wire = &mut wire();
    for id in
        ["0", "-1", "9007199254740993", "123456789012345678901234567890", r#""1""#, r#""""#, r#""\u00e9\n""#]
    {
        let body = modern("ID", "tools/list", json!({})).to_string().replace(r#""ID""#, id);
        let answer = wire.post(&[MODERN], body.as_bytes()).await;
        assert!(
            answer.text().starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result""#)),
            "{}",
            answer.text()
        );
    }
    for id in ["null", "1.5", "true", "{}", "[]"] {
        let body = modern("ID", "tools/list", json!({})).to_string().replace(r#""ID""#, id);
        assert_eq!(code(&wire.post(&[MODERN], body.as_bytes()).await), Some(-32600), "{id}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let server = builder(&Arc::new(Watch::default())).message_limit(16 << 10).build();
    let served = serve(&server).await;
    let message = call(1, "echo", json!({ "text": "" })).to_string();
    let filled = |size: usize| {
        message.replace(r#""text":"""#, &format!(r#""text":"{}""#, "x".repeat(size - message.len())))
    };
    let wire = &mut Wire::to(served.address).await;
    assert_eq!(wire.post(&[MODERN], filled(16 << 10).as_bytes()).await.status, 200);
    let answer = wire.post(&[MODERN], filled((16 << 10) + 1).as_bytes()).await;
    assert_eq!((answer.status, code(&answer)), (413, Some(-32600)));
    // A length that is a lie costs nothing.
    let wire = &mut Wire::to(served.address).await;
    wire.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1099511627776\r\n\r\n{").await;
    assert_eq!(wire.answer().await.status, 413);
    // Nor do chunks without end.
    let wire = &mut Wire::to(served.address).await;
    wire.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for _ in 0..5 {
        wire.write(&[b"1000\r\n".as_slice(), &[b' '; 4096], b"\r\n"].concat()).await;
    }
    assert_eq!(wire.answer().await.status, 413);
}

#[tokio::test]
async fn a_response_over_the_limit_is_an_error_with_size_limit_and_a_hint() {
    let served = serve(&builder(&Arc::new(Watch::default())).response_limit(10_000).build()).await;
    let wire = &mut Wire::to(served.address).await;
    assert_eq!(
        wire.ask(&call(1, "large", json!({"bytes": 9_000}))).await.json()["result"]["isError"],
        Value::Null
    );
    for bytes in [9_999, 10_000, 1_000_000] {
        let result = wire.ask(&call(1, "large", json!({ "bytes": bytes }))).await.json()["result"].take();
        assert_eq!(result["isError"], true, "{bytes}");
        let rejection = &result["_meta"]["dev.toolpost/rejection"];
        assert_eq!(
            (&rejection["reason"], &rejection["limit"]),
            (&json!("response_too_large"), &json!(10_000))
        );
        assert!(bytes <= rejection["size"].as_i64().unwrap());
        assert!(result["content"][0]["text"].as_str().unwrap().contains("ask for less"), "{result}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_speaks_is_a_stream_of_events() {
    let wire = &mut wire();
    let observed = |meta: Value| modern(1, "tools/call", json!({ "name": "talk", "_meta": meta }));
    let answer = wire.ask(&observed(json!({ "progressToken": 7 }))).await;
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let events = answer.events();
    let progress: Vec<&Value> =
        events.iter().filter(|event| event["method"] == "notifications/progress").collect();
    assert_eq!(progress.len(), 3, "{events:?}");
    for (n, event) in progress.iter().enumerate() {
        assert_eq!(
            event["params"],
            json!({"progressToken": 7, "progress": n, "total": 2, "message": "working"})
        );
    }
    assert_eq!(events.len(), 4, "no log lines without a level");
    assert_eq!(events[3]["result"]["content"][0]["text"], "done", "the reply comes last");

    let events = wire.ask(&observed(json!({ "io.modelcontextprotocol/logLevel": "info" }))).await.events();
    let logs: Vec<&Value> =
        events.iter().filter(|event| event["method"] == "notifications/message").collect();
    assert_eq!(logs.len(), 3, "nothing below the level: {events:?}");
    assert_eq!(logs[1]["params"], json!({"level": "info", "logger": "talk", "data": {"step": 1}}));

    // Who wants no events, or takes none, gets none; and a call that says nothing is one object.
    let quiet = wire.ask(&observed(json!({}))).await;
    assert_eq!(quiet.header("content-type"), Some("application/json"));
    let body = observed(json!({ "progressToken": "t" })).to_string();
    let plain = wire.post(&[MODERN, ("Accept", "application/json")], body.as_bytes()).await;
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let silent = modern(
        1,
        "tools/call",
        json!({"name": "echo", "arguments": {"text": "x"}, "_meta": {"progressToken": 1}}),
    );
    assert_eq!(wire.ask(&silent).await.header("content-type"), Some("application/json"));
}

fn legacy(id: i64, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

async fn initialize(wire: &mut Wire, version: &str) -> (String, Value) {
    let params =
        json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let answer = wire.post(&[], legacy(0, "initialize", params).as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.header("mcp-session-id").unwrap().to_owned(), answer.json()["result"].take())
}

#[tokio::test(start_paused = true)]
async fn a_legacy_session_from_its_first_to_its_last_request() {
    let wire = &mut wire();
    let (id, result) = initialize(wire, "2025-11-25").await;
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert_eq!(result["serverInfo"]["name"], "tests");
    let (other, _) = initialize(wire, "2025-11-25").await;
    assert_ne!(id, other);
    assert!(id.len() < 128 && id.bytes().all(|byte| byte.is_ascii_graphic()));

    let session = [("Mcp-Session-Id", &*id), ("MCP-Protocol-Version", "2025-11-25")];
    row(wire, &session, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, (202, None)).await;
    let listed = row(wire, &session, legacy(1, "tools/list", json!({})), (200, None)).await.json();
    let called = legacy(2, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
    let called = row(wire, &session, called, (200, None)).await.json();
    assert_eq!(called["result"]["structuredContent"], json!({"sum": 3}));
    for result in [&listed["result"], &called["result"]] {
        for modern in ["resultType", "ttlMs", "cacheScope", "_meta"] {
            assert_eq!(result[modern], Value::Null, "{modern} is of the other era: {result}");
        }
    }
    row(wire, &session, legacy(3, "ping", json!({})), (200, None)).await;
    row(wire, &session, legacy(3, "nope", json!({})), (200, Some(-32601))).await;
    row(wire, &session, legacy(3, "tools/call", json!({"name": "nope"})), (200, Some(-32602))).await;
    row(wire, &session, legacy(3, "initialize", json!({})), (200, Some(-32602))).await;
    // Log lines by the session's level, and progress by token.
    row(wire, &session, legacy(4, "logging/setLevel", json!({"level": "loud"})), (200, Some(-32602))).await;
    row(wire, &session, legacy(4, "logging/setLevel", json!({"level": "info"})), (200, None)).await;
    let talk = legacy(5, "tools/call", json!({"name": "talk", "_meta": {"progressToken": "p"}}));
    let events = wire.post(&session, talk.as_bytes()).await.events();
    assert_eq!(events.len(), 7, "{events:?}");
    assert_eq!(events[6]["id"], 5);
    // Sessions that are not.
    row(
        wire,
        &[("MCP-Protocol-Version", "1999-01-01")],
        legacy(1, "tools/list", json!({})),
        (400, Some(-32022)),
    )
    .await;
    row(wire, &[], legacy(1, "tools/list", json!({})), (400, Some(-32600))).await;
    let unknown = [("Mcp-Session-Id", "0123456789abcdef0123456789abcdef")];
    row(wire, &unknown, legacy(1, "tools/list", json!({})), (404, Some(-32600))).await;
    row(wire, &unknown, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, (404, Some(-32600)))
        .await;
    wire.request("DELETE", &session, b"").await;
    assert_eq!(wire.answer().await.status, 204);
    row(wire, &session, legacy(1, "tools/list", json!({})), (404, Some(-32600))).await;
    wire.request("DELETE", &session, b"").await;
    assert_eq!(wire.answer().await.status, 404);
    // A modern request takes no notice of any of this.
    row(wire, &[MODERN, unknown[0]], modern(1, "tools/list", json!({})), (200, None)).await;
}

/// Each answer comes on its own, and clients that give all their calls one id find it.
#[tokio::test]
async fn calls_at_once_with_one_id_run_side_by_side_and_are_taken_back_together() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    let wire = || Wire::within(&server).0;
    let (id, _) = initialize(&mut wire(), "2025-11-25").await;
    let session = [("Mcp-Session-Id", &*id)];
    let waits = legacy(1, "tools/call", json!({"name": "wait"}));
    let mut wires = [wire(), wire(), wire()];
    for (n, wire) in (1..).zip(&mut wires) {
        wire.request("POST", &session, waits.as_bytes()).await;
        watch.reach(|watch| &watch.started, n).await;
    }
    // What is quick is answered beside them.
    let quick = legacy(1, "tools/call", json!({"name": "echo", "arguments": {"text": "x"}}));
    row(&mut wire(), &session, quick, (200, None)).await;
    watch.release.notify_waiters();
    for wire in &mut wires {
        assert_eq!(wire.answer().await.json()["result"]["content"][0]["text"], "released");
    }
    for (n, wire) in (4..).zip(&mut wires) {
        wire.request("POST", &session, waits.as_bytes()).await;
        watch.reach(|watch| &watch.started, n).await;
    }
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    row(&mut wire(), &session, cancel, (202, None)).await;
    for wire in &mut wires {
        assert_eq!(wire.answer().await.status, 202);
    }
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 3);
}

/// What a revision has no block for, it gets as text; what it has, untouched.
#[tokio::test]
async fn blocks_that_a_revision_does_not_have_are_text() {
    let sound = json!({"type": "audio", "data": "AAAAAAAA", "mimeType": "audio/wav"});
    let link = json!({"type": "resource_link", "uri": "test://a", "name": "a", "description": "the letter",
        "mimeType": "text/plain", "annotations": {"priority": 0.5}});
    let blocks = json!([{"type": "text", "text": "b"}, sound, link, {"type": "novel", "x": [1, "]"]}]);
    let returned = blocks.clone();
    let registry = Registry::builder()
        .tool(tool_fn("blocks", move |_: NoArgs, _| {
            let blocks = Output::blocks(&returned);
            async move { blocks }
        }))
        .build()
        .unwrap();
    let messages: Vec<Value> =
        blocks.as_array().unwrap().iter().map(|block| json!({"role": "user", "content": block})).collect();
    let prompts = PromptSet::new().prompt(Prompt::new("blocks"), move |_, _| {
        let messages = messages.iter().map(|message| serde_json::from_value(message.clone()).unwrap());
        let result = GetPromptResult::new(messages.collect());
        async move { Ok(result) }
    });
    let server = Server::builder(Dispatcher::builder(registry).prompts(prompts).build()).build();
    let wire = &mut Wire::within(&server).0;
    let sound_text = "[a sound of type audio/wav and 6 bytes, which MCP 2024-11-05 cannot carry]";
    let sound_text = json!({"type": "text", "text": sound_text});
    let link_text = json!({"type": "text", "text": "a: test://a (text/plain)\nthe letter",
        "annotations": {"priority": 0.5}});
    for (version, expected_sound, expected_link) in [
        ("2024-11-05", &sound_text, &link_text),
        ("2025-03-26", &sound, &link_text),
        ("2025-06-18", &sound, &link),
        ("2025-11-25", &sound, &link),
    ] {
        let (id, _) = initialize(wire, version).await;
        let expected = json!([blocks[0], expected_sound, expected_link, blocks[3]]);
        let call = legacy(1, "tools/call", json!({"name": "blocks"}));
        let called = wire.post(&[("Mcp-Session-Id", &id)], call.as_bytes()).await.json();
        assert_eq!(called["result"]["content"], expected, "{version}");
        let get = legacy(2, "prompts/get", json!({"name": "blocks"}));
        let got = wire.post(&[("Mcp-Session-Id", &id)], get.as_bytes()).await.json();
        let contents: Vec<&Value> =
            got["result"]["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
        assert_eq!(json!(contents), expected, "{version}");
    }
    let modern = wire.ask(&call(3, "blocks", json!({}))).await.json();
    assert_eq!(modern["result"]["content"], blocks);
}

#[tokio::test]
async fn legacy_revisions_are_agreed_on_and_written_for() {
    let wire = &mut wire();
    for (asked, agreed, structured) in [
        ("2025-11-25", "2025-11-25", true),
        ("2025-06-18", "2025-06-18", true),
        ("2025-03-26", "2025-03-26", false),
        ("2024-11-05", "2024-11-05", false),
        ("2026-07-28", "2025-11-25", true),
        ("1.0", "2025-11-25", true),
    ] {
        let (id, result) = initialize(wire, asked).await;
        assert_eq!(result["protocolVersion"], agreed, "{asked}");
        let add = legacy(2, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
        let result = wire.post(&[("Mcp-Session-Id", &id)], add.as_bytes()).await.json()["result"].take();
        assert_eq!(result["structuredContent"].is_object(), structured, "{asked}");
        assert_eq!(result["content"][0]["text"], r#"{"sum":3}"#);
    }
}

fn by_token(parts: &Parts) -> Result<Principal, Unauthenticated> {
    let known = HashMap::from([("Bearer a", "ada"), ("Bearer b", "bob")]);
    match parts.headers.get("authorization").and_then(|value| value.to_str().ok()) {
        None => Err(Unauthenticated::Challenge("Bearer".into())),
        Some(token) => known
            .get(token)
            .map(|name| Principal::new(*name))
            .ok_or_else(|| Unauthenticated::Insufficient(r#"Bearer error="insufficient_scope""#.into())),
    }
}

#[tokio::test]
async fn principals_see_and_call_what_is_theirs() {
    let rule = |access: &Access<'_>| match (access.principal.as_str(), access.target.name()) {
        ("ada", "add") | ("bob", _) => Decision::Allow,
        _ => Decision::Deny("not yours".into()),
    };
    let dispatcher = Dispatcher::builder(tools(&Arc::new(Watch::default()))).authorize(rule).build();
    let served = serve(&Server::builder(dispatcher).authenticate(by_token).build()).await;
    let wire = &mut Wire::to(served.address).await;
    let list = modern(1, "tools/list", json!({})).to_string();
    let answer = wire.post(&[MODERN], list.as_bytes()).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    let answer = wire.post(&[MODERN, ("Authorization", "Bearer x")], list.as_bytes()).await;
    assert_eq!(answer.status, 403);
    for (token, tools) in [("Bearer a", 1), ("Bearer b", 8)] {
        let result =
            wire.post(&[MODERN, ("Authorization", token)], list.as_bytes()).await.json()["result"].take();
        assert_eq!(result["tools"].as_array().unwrap().len(), tools);
        assert_eq!(result["cacheScope"], "private");
    }
    let echo = call(1, "echo", json!({"text": "x"})).to_string();
    let denied = wire.post(&[MODERN, ("Authorization", "Bearer a")], echo.as_bytes()).await.json();
    assert_eq!(denied["result"]["_meta"]["dev.toolpost/rejection"]["reason"], "denied");

    // Somebody else's session is no session.
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    let opened =
        wire.post(&[("Authorization", "Bearer a")], legacy(0, "initialize", params).as_bytes()).await;
    let session = ("Mcp-Session-Id", opened.header("mcp-session-id").unwrap());
    row(wire, &[session, ("Authorization", "Bearer a")], legacy(1, "tools/list", json!({})), (200, None))
        .await;
    row(
        wire,
        &[session, ("Authorization", "Bearer b")],
        legacy(1, "tools/list", json!({})),
        (404, Some(-32600)),
    )
    .await;
}

/// What an answer to a page says to its browser.
fn shown(answer: &Answer) -> (u16, Option<&str>, bool) {
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    let exposes = exposed.contains("mcp-session-id") && exposed.contains("www-authenticate");
    (
        answer.status,
        answer.header("access-control-allow-origin"),
        exposes && answer.header("vary") == Some("origin"),
    )
}

#[tokio::test]
async fn pages_of_an_admitted_origin_may_call_and_read_every_answer() {
    const PAGE: &str = "https://app.example.com";
    let server = builder(&Arc::new(Watch::default())).allow_origin(PAGE).authenticate(by_token).build();
    let wire = &mut Wire::within(&server).0;
    let asks = [
        ("Origin", PAGE),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization, content-type, mcp-param-Region, x-other"),
    ];
    wire.request("OPTIONS", &asks, b"").await;
    let answer = wire.answer().await;
    assert_eq!(shown(&answer), (204, Some(PAGE), true), "before anyone is asked who they are");
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST, GET, DELETE"));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for name in
        ["authorization", "mcp-session-id", "mcp-protocol-version", "last-event-id", "mcp-param-Region"]
    {
        assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}: {allowed}");
    }
    assert!(!allowed.contains("x-other"), "{allowed}");
    // A result, an error, and whoever says not who they are: each is shown.
    let origin = ("Origin", PAGE);
    let list = modern(1, "tools/list", json!({})).to_string();
    let by = ("Authorization", "Bearer a");
    assert_eq!(shown(&wire.post(&[MODERN, by, origin], list.as_bytes()).await), (200, Some(PAGE), true));
    assert_eq!(shown(&wire.post(&[MODERN, by, origin], b"{").await), (400, Some(PAGE), true));
    assert_eq!(shown(&wire.post(&[MODERN, origin], list.as_bytes()).await), (401, Some(PAGE), true));
    // Others are shown nothing; and who is no page is not told of any.
    let stranger = [asks[1], ("Origin", "https://evil.example.com")];
    wire.request("OPTIONS", &stranger, b"").await;
    assert_eq!(shown(&wire.answer().await), (403, None, false));
    assert_eq!(shown(&wire.post(&[MODERN, by], list.as_bytes()).await), (200, None, false));
}

#[tokio::test]
async fn whoever_is_refused_is_told_what_for() {
    let server = builder(&Arc::new(Watch::default())).path("/tools").build();
    let served = serve(&server).await;
    let wire = &mut Wire::to(served.address).await;
    let said = async |wire: &mut Wire, head: &str| {
        wire.write(format!("{head}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        wire.answer().await.text()
    };
    let text = said(wire, "POST /tools HTTP/1.1\r\nHost: evil.example.com:80").await;
    assert!(text.contains("Host `evil.example.com:80`") && text.contains("`allow_host`"), "{text}");
    let text = said(wire, "POST /tools HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example.com").await;
    assert!(text.contains("Origin `https://a.example.com`") && text.contains("`allow_origin`"), "{text}");
    let text = said(wire, "GET / HTTP/1.1\r\nHost: localhost").await;
    assert!(text.contains("`/tools`"), "{text}");
    let taken = builder(&Arc::new(Watch::default())).build().http(served.address).await.unwrap_err();
    assert!(taken.to_string().starts_with(&format!("cannot listen on {}: ", served.address)), "{taken}");
}

#[tokio::test]
async fn an_authenticator_that_panics_costs_its_request() {
    let panics = |parts: &Parts| -> Result<Principal, Unauthenticated> {
        assert!(!parts.headers.contains_key("x-bad"), "unreadable");
        Ok(Principal::new("ada"))
    };
    let server = builder(&Arc::new(Watch::default())).authenticate(panics).build();
    let wire = &mut Wire::within(&server).0;
    let list = modern(1, "tools/list", json!({}));
    row(wire, &[MODERN, ("X-Bad", "1")], &list, (500, Some(-32600))).await;
    row(wire, &[MODERN], &list, (200, None)).await;
}

/// Waits for ever, for who sends `X-Slow`; refuses whoever sends `X-Bad`, after a while.
struct Slow(Arc<Watch>);

impl Authenticate for Slow {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        tokio::task::yield_now().await;
        assert!(!request.headers.contains_key("x-bad"), "unreadable");
        if request.headers.contains_key("x-slow") {
            let waiting = Waiting(&self.0);
            self.0.started.fetch_add(1, Ordering::SeqCst);
            self.0.changed.notify_waiters();
            std::future::pending::<()>().await;
            drop(waiting);
        }
        Ok(Principal::new("ada"))
    }
}

struct Waiting<'a>(&'a Watch);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_may_wait_and_is_dropped_when_it_waits_too_long_or_its_client_leaves() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).authenticate(Slow(Arc::clone(&watch)));
    let server = server.http_limits(|limits| limits.authenticate_timeout = Duration::from_secs(3)).build();
    let (mut wire, _served) = Wire::within(&server);
    let list = modern(1, "tools/list", json!({}));
    row(&mut wire, &[MODERN], &list, (200, None)).await;
    row(&mut wire, &[MODERN, ("X-Bad", "1")], &list, (500, Some(-32600))).await;

    let begun = tokio::time::Instant::now();
    row(&mut wire, &[MODERN, ("X-Slow", "1")], &list, (503, Some(-32600))).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 1);
    row(&mut wire, &[MODERN], &list, (200, None)).await;

    let leaves = async {
        watch.reach(|watch| &watch.started, 2).await;
    };
    let asks = row(&mut wire, &[MODERN, ("X-Slow", "1")], &list, (503, Some(-32600)));
    tokio::select! {
        biased;
        _answer = asks => unreachable!("it waits"),
        () = leaves => {}
    }
    drop(wire);
    watch.reach(|watch| &watch.dropped, 2).await;
    assert!(begun.elapsed().as_secs() < 5, "it did not end by its time");
}

#[tokio::test]
async fn a_challenge_is_never_lost() {
    for (challenge, sent) in [
        ("Bearer realm=\"a\"", "Bearer realm=\"a\""),
        ("Bearer realm=\"a\r\nSet-Cookie: b\"\n", "Bearer realm=\"a  Set-Cookie: b\""),
        ("Bearer\0", "Bearer"),
        ("\n", "Bearer"),
        ("", "Bearer"),
        ("Bearer realm=\"ä\"", "Bearer realm=\"ä\""),
    ] {
        for status in [401, 403] {
            let refuse = move |_: &Parts| -> Result<Principal, Unauthenticated> {
                Err(match status {
                    401 => Unauthenticated::Challenge(challenge.into()),
                    _ => Unauthenticated::Insufficient(challenge.into()),
                })
            };
            let server = builder(&Arc::new(Watch::default())).authenticate(refuse).build();
            let answer = Wire::within(&server).0.ask(&modern(1, "tools/list", json!({}))).await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (status, Some(sent)));
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
}

#[tokio::test]
async fn a_rule_of_priorities_that_panics_costs_no_connection() {
    let server = builder(&Arc::new(Watch::default())).clamp_priority(|_, _| panic!("no rule")).build();
    let wire = &mut Wire::within(&server).0;
    for n in 0..2 {
        let answer = wire.ask(&call(n, "echo", json!({"text": "x"}))).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "x");
    }
    let lines = &mut Lines::to(&server);
    for n in 0..2 {
        assert_eq!(lines.ask(&call(n, "echo", json!({"text": "x"}))).await["id"], n);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_speaks_once_a_second_at_most() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).http_limits(|limits| limits.keep_alive = Duration::ZERO).build();
    let wire = &mut Wire::within(&server).0;
    wire.request("POST", &[MODERN], call(1, "wait", json!({})).to_string().as_bytes()).await;
    wire.head().await;
    assert!(String::from_utf8(wire.chunk().await.unwrap()).unwrap().starts_with(':'));
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(String::from_utf8(wire.chunk().await.unwrap()).unwrap().starts_with(':'));
    }
    assert!(Duration::from_secs(3) <= start.elapsed(), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_is_meant_for_a_session_that_is_gone_is_not_found() {
    let wire = &mut wire();
    let gone = [("Mcp-Session-Id", "0123456789abcdef0123456789abcdef")];
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for body in [cancelled, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
        assert_eq!(wire.post(&gone, body.as_bytes()).await.status, 404, "{body}");
    }
    let answer = wire.post(&gone, legacy(7, "tools/list", json!({})).as_bytes()).await;
    assert_eq!((answer.status, answer.json()["id"].clone()), (404, json!(7)));
    // What is no message at all is that first.
    assert_eq!(wire.post(&gone, b"[]").await.status, 400);
    // Doubled by a proxy, the header is one; two that differ are none.
    let (id, _) = initialize(wire, "2025-11-25").await;
    let twice = format!("{id}, {id}");
    for headers in
        [vec![("Mcp-Session-Id", &*id), ("Mcp-Session-Id", &*id)], vec![("Mcp-Session-Id", &*twice)]]
    {
        row(wire, &headers, legacy(1, "ping", json!({})), (200, None)).await;
    }
    let differ = [("Mcp-Session-Id", &*id), gone[0]];
    row(wire, &differ, legacy(1, "ping", json!({})), (400, Some(-32600))).await;
}

#[tokio::test]
async fn no_coding_of_the_transfer_but_chunks_is_read() {
    let body = modern(1, "tools/list", json!({})).to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (coding, status) in
        [("chunked", 200), ("Chunked", 200), ("gzip, chunked", 501), ("identity, chunked", 501)]
    {
        let wire = &mut wire();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nTransfer-Encoding: {coding}\r\n\r\n"
        );
        wire.write(head.as_bytes()).await;
        wire.write(chunks.as_bytes()).await;
        assert_eq!(wire.answer().await.status, status, "{coding}");
    }
}

#[tokio::test]
async fn public_bind_without_auth_refuses() {
    let watch = Arc::new(Watch::default());
    let bind = || TcpListener::bind("0.0.0.0:0");
    let error = builder(&watch).build().serve(bind().await.unwrap()).await.unwrap_err();
    assert!(matches!(error, ServeError::Public(_)), "{error}");
    for server in [builder(&watch).allow_unauthenticated_public(), builder(&watch).authenticate(by_token)] {
        let server = server.build();
        server.stop();
        server.serve(bind().await.unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn the_endpoint_mounts_as_a_tower_service() {
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use tower_service::Service as _;

    let mut service = builder(&Arc::new(Watch::default())).build().into_service();
    let body = call(5, "echo", json!({"text": "mounted"})).to_string();
    let request = http::Request::post("/anywhere")
        .header("host", "127.0.0.1:3000")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = service.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(body["result"]["content"][0]["text"], "mounted");
}

#[tokio::test]
async fn tools_are_listed_in_the_order_of_their_names_and_a_reload_shows() {
    let registry = tools(&Arc::new(Watch::default()));
    let server = Server::builder(Dispatcher::builder(registry.clone()).build()).build();
    let wire = &mut Wire::to(serve(&server).await.address).await;
    let list = modern(1, "tools/list", json!({}));
    let first = wire.ask(&list).await.body;
    assert_eq!(wire.ask(&list).await.body, first);
    let tool = |name| toolpost_tool::AnyTool::new(tool_fn(name, |_: NoArgs, _| async { Ok("") }));
    let catalog = toolpost_dispatch::Catalog::new([tool("z"), tool("a"), tool("m")]).unwrap();
    registry.replace(catalog);
    let listed = wire.ask(&list).await.json();
    let names: Vec<&Value> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["a", "m", "z"]);
}
