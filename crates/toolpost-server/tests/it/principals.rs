//! What is another principal's is answered as what does not exist is: byte for byte.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test")]

use serde_json::{Value, json};
use toolpost_dispatch::{Access, Changes, Decision, Dispatcher, Registry, ResourceSet, Target};
use toolpost_protocol::model::Resource;
use toolpost_server::{Server, StaticTokens};
use toolpost_tool::Principal;

use crate::common::Wire;
use crate::common::offers::{able, offering};

const MODERN: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");
const ANN: (&str, &str) = ("Authorization", "Bearer of-ann");
const BOB: (&str, &str) = ("Authorization", "Bearer of-bob");

fn server() -> Server {
    let tokens = [("of-ann", Principal::new("ann")), ("of-bob", Principal::new("bob"))];
    offering().0.state_key([7; 32]).page_size(2).authenticate(StaticTokens::new(tokens)).build()
}

fn legacy(id: i64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn cancels(id: i64) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

fn answers(id: &Value) -> Value {
    let result = json!({ "action": "accept", "content": { "name": "Eve" } });
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// Everything of an answer but when it was made.
async fn sent(server: &Server, verb: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String, String) {
    let (mut wire, _served) = Wire::within(server);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    wire.request(verb, headers, body.as_bytes()).await;
    let answer = wire.answer().await;
    let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").collect();
    (answer.status, format!("{headers:?}"), answer.text())
}

async fn json(server: &Server, headers: &[(&str, &str)], body: &Value) -> Value {
    serde_json::from_str(&sent(server, "POST", headers, body).await.2).unwrap()
}

async fn session(server: &Server, who: (&str, &str)) -> String {
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}});
    let (mut wire, _served) = Wire::within(server);
    let answer = wire.post(&[who], legacy(0, "initialize", hello).to_string().as_bytes()).await;
    answer.header("mcp-session-id").unwrap().to_owned()
}

/// What one principal has, and something in its place that nobody has.
struct Row {
    what: &'static str,
    verb: &'static str,
    headers: [Vec<(&'static str, String)>; 2],
    body: [Value; 2],
}

#[tokio::test]
async fn what_is_another_principals_is_answered_as_what_does_not_exist() {
    let server = server();
    let (of_ann, of_bob) = (session(&server, ANN).await, session(&server, BOB).await);

    // A call of Ann's that runs: it has asked her, on a stream whose events have ids.
    let (mut call, _served) = Wire::within(&server);
    let asks = legacy(5, "tools/call", json!({ "name": "ask" })).to_string();
    call.request("POST", &[ANN, ("Mcp-Session-Id", &of_ann)], asks.as_bytes()).await;
    assert_eq!(call.head().await.status, 200);
    let (mut event, mut question) = (String::new(), Value::Null);
    while question["id"].is_null() {
        let chunk = String::from_utf8(call.chunk().await.unwrap()).unwrap();
        let field = |name: &str| chunk.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        event = field("id:").map_or(event, str::to_owned);
        question = field("data:").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    }
    let list = |cursor: Value| able(1, "tools/list", json!({ "cursor": cursor }));
    let resources = |cursor: Value| able(1, "resources/list", json!({ "cursor": cursor }));
    let cursor = json(&server, &[ANN, MODERN], &list(Value::Null)).await["result"]["nextCursor"].clone();
    let of_resources =
        json(&server, &[ANN, MODERN], &resources(Value::Null)).await["result"]["nextCursor"].clone();
    let state = json(&server, &[ANN, MODERN], &able(1, "tools/call", json!({ "name": "state" }))).await;
    let state = state["result"]["requestState"].clone();
    assert!([&cursor, &of_resources, &state, &question["id"]].iter().all(|thing| !thing.is_null()));
    assert!(!event.is_empty());

    let resumes = |state: Value| {
        let accepted = json!({ "name": { "action": "accept", "content": { "name": "Eve" } } });
        able(1, "tools/call", json!({ "name": "state", "requestState": state, "inputResponses": accepted }))
    };
    let damaged = |text: &str| {
        let (rest, last) = text.split_at(text.len() - 1);
        format!("{rest}{}", if last == "A" { "B" } else { "A" })
    };
    let in_session = |id: &str| vec![("Mcp-Session-Id", id.to_owned())];
    let modern = || vec![(MODERN.0, MODERN.1.to_owned())];
    let mut rows = Vec::new();
    let mut row = |what, verb, headers, body| rows.push(Row { what, verb, headers, body });
    for nobodys in ["nope".to_owned(), damaged(&of_ann)] {
        let sessions = [in_session(&of_ann), in_session(&nobodys)];
        for (what, verb, body) in [
            ("session: list", "POST", legacy(1, "tools/list", json!({}))),
            ("session: call", "POST", legacy(1, "tools/call", json!({ "name": "mirror", "arguments": {} }))),
            ("session: subscription", "POST", legacy(1, "resources/subscribe", json!({ "uri": "test://a" }))),
            ("session: cancellation", "POST", cancels(5)),
            ("session: answer to a question", "POST", answers(&question["id"])),
            ("session: stream", "GET", Value::Null),
            ("session: end", "DELETE", Value::Null),
        ] {
            row(what, verb, sessions.clone(), [body.clone(), body]);
        }
    }
    let own = || [in_session(&of_bob), in_session(&of_bob)];
    row("cancellation", "POST", own(), [cancels(5), cancels(99)]);
    row("cancellation", "POST", [modern(), modern()], [cancels(5), cancels(99)]);
    row("answer to a question", "POST", own(), [answers(&question["id"]), answers(&json!("nobody's"))]);
    for nobodys in [json!("nope"), json!(damaged(cursor.as_str().unwrap()))] {
        row("cursor", "POST", [modern(), modern()], [list(cursor.clone()), list(nobodys.clone())]);
        row(
            "cursor of resources",
            "POST",
            [modern(), modern()],
            [resources(of_resources.clone()), resources(nobodys)],
        );
    }
    for nobodys in [json!("nope"), json!(damaged(state.as_str().unwrap()))] {
        row("state", "POST", [modern(), modern()], [resumes(state.clone()), resumes(nobodys)]);
    }

    for Row { what, verb, headers, body: [theirs, nobodys] } in &rows {
        let [with_theirs, with_nobodys] = headers.each_ref().map(|headers| {
            let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
            [BOB].into_iter().chain(headers).collect::<Vec<_>>()
        });
        let answer = sent(&server, verb, &with_theirs, theirs).await;
        assert_eq!(answer, sent(&server, verb, &with_nobodys, nobodys).await, "{what}");
    }

    // A stream is held against a server that never had it.
    let stream = [BOB, ("Mcp-Session-Id", &*of_bob), ("Last-Event-ID", &*event)];
    let answer = sent(&server, "GET", &stream, &Value::Null).await;
    assert_eq!(answer, sent(&self::server(), "GET", &stream, &Value::Null).await, "stream");
    assert!(!answer.2.contains("Your name?"), "{answer:?}");

    // And nothing of it has changed anything of Ann's.
    let (ann, id) = (("Mcp-Session-Id", &*of_ann), question["id"].clone());
    assert_eq!(sent(&server, "POST", &[ANN, ann], &answers(&id)).await.0, 202);
    let result = call.event().await.unwrap();
    assert!(result["result"].to_string().contains("Eve"), "{result}");
    for (name, message) in [("cursor", list(cursor)), ("state", resumes(state))] {
        let answer = json(&server, &[ANN, MODERN], &message).await;
        assert!(answer["result"].is_object(), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_stream_of_a_session_tells_what_the_token_that_opened_it_allows() {
    let changes = Changes::new();
    let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap())
        .resources(ResourceSet::new().text(Resource::new("test://a", "a"), "the letter a"))
        .changes(changes.clone())
        .authorize(|access: &Access<'_>| match access.target {
            Target::Resource(_) if !access.principal.has_scope("read") => {
                Decision::InsufficientScope("read".into())
            }
            _ => Decision::Allow,
        })
        .build();
    let ann = || Principal::new("ann");
    let tokens = [("of-ann", ann()), ("of-bob", ann().with_scopes(["read"]))];
    let server = Server::builder(dispatcher).authenticate(StaticTokens::new(tokens)).build();
    let (narrow, wide) = (ANN, BOB);

    let id = session(&server, narrow).await;
    let own = ("Mcp-Session-Id", &*id);
    let subscribe = legacy(1, "resources/subscribe", json!({ "uri": "test://a" }));
    assert!(sent(&server, "POST", &[narrow, own], &subscribe).await.2.contains("-32002"));
    assert_eq!(sent(&server, "POST", &[wide, own], &subscribe).await.0, 200);
    for (token, told) in [(narrow, "list_changed"), (wide, "updated")] {
        let (mut stream, _served) = Wire::within(&server);
        stream.request("GET", &[token, own], b"").await;
        assert_eq!(stream.head().await.status, 200);
        changes.resource_updated("test://a");
        changes.resources_changed();
        let event = stream.event().await.unwrap();
        assert_eq!(event["method"], format!("notifications/resources/{told}"), "{token:?}");
    }
}
