//! What a client may rely on, whatever it speaks and over whatever it speaks it: one row per rule, with what
//! comes of it in both eras on both transports. Where cells differ, the row says why.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::needless_pass_by_value, reason = "a test")]

use crate::common;

use std::sync::Arc;

use common::{Answer, Lines, Watch, Wire, builder};
use serde_json::{Value, json};
use toolpost_server::Server;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Era {
    Modern,
    Legacy,
}
use Era::{Legacy, Modern};

/// What comes of a message.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// A result in which this text is.
    Result(&'static str),
    /// A result that says what the tool has against it.
    Failed(&'static str),
    /// An error with this code, under the id of the request; over HTTP with this status.
    Error(i64, u16),
    /// Nothing on a stream; over HTTP this status, and if there is a body, an error that has no id.
    Nothing(u16),
}
use Cell::{Error, Failed, Nothing, Result};

struct Row {
    rule: &'static str,
    base: fn(Era) -> Value,
    /// What of the base is sent.
    sent: fn(&Value) -> Vec<u8>,
    /// Modern lines and HTTP, legacy lines and HTTP.
    cells: [Cell; 4],
    why: &'static str,
}

fn row(rule: &'static str, base: fn(Era) -> Value, sent: fn(&Value) -> Vec<u8>, cell: Cell) -> Row {
    Row { rule, base, sent, cells: [cell; 4], why: "" }
}

impl Row {
    fn but(mut self, era: Era, over: &str, cell: Cell, why: &'static str) -> Self {
        self.cells[usize::from(era == Legacy) * 2 + usize::from(over == "http")] = cell;
        self.why = why;
        self
    }
}

fn request(era: Era, method: &str, params: Value) -> Value {
    match era {
        Modern => common::modern(7, method, params),
        Legacy => json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }),
    }
}

fn echo(era: Era) -> Value {
    request(era, "tools/call", json!({ "name": "echo", "arguments": { "text": "HERE" } }))
}

fn plain(message: &Value) -> Vec<u8> {
    message.to_string().into_bytes()
}

/// The message with other bytes in place of the argument.
fn with(message: &Value, argument: &[u8]) -> Vec<u8> {
    let text = message.to_string();
    let (before, after) = text.split_once(r#""HERE""#).unwrap();
    [before.as_bytes(), argument, after.as_bytes()].concat()
}

fn notification(_: Era) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

fn rules() -> Vec<Row> {
    let in_body = "over HTTP the status of an error says what kind it is, in the modern era";
    vec![
        row("a call is answered", echo, plain, Result("HERE")),
        row("a byte order mark is skipped", echo, |m| [b"\xef\xbb\xbf", &*plain(m)].concat(), Result("HERE")),
        row("half a surrogate pair is U+FFFD", echo, |m| with(m, br#""x\ud83dy""#), Result("x\u{fffd}y")),
        row(
            "null params are none",
            |_| json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": null}),
            plain,
            Result("echo"),
        )
        .but(Modern, "lines", Error(-32602, 200), "2026-07-28 has its revision in params")
        .but(Modern, "http", Error(-32602, 400), "2026-07-28 has its revision in params"),
        row(
            "null arguments are none",
            |era| request(era, "tools/call", json!({"name": "fail", "arguments": null})),
            plain,
            Failed("it did not work"),
        ),
        row(
            "arguments are an object",
            |era| request(era, "tools/call", json!({"name": "echo", "arguments": [1]})),
            plain,
            Error(-32602, 200),
        ),
        row(
            "an unknown tool is an error",
            |era| request(era, "tools/call", json!({"name": "nope"})),
            plain,
            Error(-32602, 200),
        ),
        row(
            "bad arguments are for the model to mend",
            |era| request(era, "tools/call", json!({"name": "echo", "arguments": {"text": 1}})),
            plain,
            Failed("text"),
        ),
        row(
            "an unknown method is an error",
            |era| request(era, "nope", json!({})),
            plain,
            Error(-32601, 200),
        )
        .but(Modern, "http", Error(-32601, 404), in_body),
        row(
            "a second initialize is answered as the first",
            |era| {
                let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
                request(era, "initialize", params)
            },
            plain,
            Result("2025-11-25"),
        )
        .but(Modern, "lines", Error(-32601, 200), "2026-07-28 has no such method")
        .but(Modern, "http", Error(-32601, 404), "2026-07-28 has no such method"),
        row(
            "too deep: refused under its id",
            echo,
            |m| with(m, format!("{}{}", "[".repeat(99), "]".repeat(99)).as_bytes()),
            Error(-32600, 400),
        ),
        row(
            "a duplicate member: refused under its id",
            echo,
            |m| with(m, br#"{"a":1,"a":2}"#),
            Error(-32600, 400),
        ),
        row("not UTF-8: refused under its id", echo, |m| with(m, b"\"\xff\""), Error(-32700, 400)),
        row("not JSON: refused under its id", echo, |m| with(m, b"tru"), Error(-32700, 400)),
        row(
            "too large: refused under its id",
            echo,
            |m| with(m, format!("\"{}\"", "x".repeat(20_000)).as_bytes()),
            Error(-32600, 413),
        )
        .but(
            Modern,
            "http",
            Nothing(413),
            "a body that is announced as too large is not read; HTTP finds the request",
        )
        .but(
            Legacy,
            "http",
            Nothing(413),
            "a body that is announced as too large is not read; HTTP finds the request",
        ),
        row(
            "an id of more than 1 KiB is refused",
            |era| {
                let mut message = echo(era);
                message["id"] = "x".repeat(1_023).into();
                message
            },
            plain,
            Error(-32600, 400),
        ),
        row(
            "a progress token of more than 1 KiB is refused",
            |era| {
                let mut message = echo(era);
                message["params"]["_meta"]["progressToken"] = "x".repeat(1_023).into();
                message
            },
            plain,
            Error(-32602, 200),
        ),
        row("a notification is not answered", notification, plain, Nothing(202)),
        row(
            "nor one with null params",
            notification,
            |m| {
                let mut message = m.clone();
                message["params"] = Value::Null;
                plain(&message)
            },
            Nothing(202),
        ),
        row(
            "nor one with a null id",
            notification,
            |m| {
                let mut message = m.clone();
                message["id"] = Value::Null;
                plain(&message)
            },
            Nothing(202),
        ),
        row(
            "nor one that is malformed",
            notification,
            |m| {
                let mut message = m.clone();
                message["params"] = json!([1]);
                plain(&message)
            },
            Nothing(400),
        ),
        row(
            "a request under a null id is none",
            echo,
            |m| {
                let mut message = m.clone();
                message["id"] = Value::Null;
                plain(&message)
            },
            Nothing(400),
        ),
        row("what is no message is not answered", notification, |_| b"nope".to_vec(), Nothing(400)),
        row("nor is a batch, but in 2025-03-26", echo, |m| [b"[", &*plain(m), b"]"].concat(), Nothing(400)),
        row(
            "a response is not answered",
            notification,
            |_| br#"{"jsonrpc":"2.0","id":7,"result":{},"error":null}"#.to_vec(),
            Nothing(202),
        )
        .but(Modern, "http", Nothing(400), "over HTTP only a session is asked anything"),
        row(
            "nor one that is malformed",
            notification,
            |_| br#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1}}"#.to_vec(),
            Nothing(400),
        ),
        row(
            "nor one that is no JSON",
            notification,
            |_| br#"{"jsonrpc":"2.0","id":7,"result":tru}"#.to_vec(),
            Nothing(400),
        ),
    ]
}

fn server() -> Server {
    builder(&Arc::new(Watch::default())).message_limit(16 << 10).build()
}

fn initialize() -> Value {
    request(Legacy, "initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}}))
}

fn check(name: &str, cell: Cell, sent: &Value, answer: &Value) {
    assert_eq!(answer["id"], sent["id"], "{name}: {answer}");
    let text = answer.to_string();
    match cell {
        Result(part) => {
            assert!(answer["result"].is_object() && text.contains(part), "{name}: {text}");
            assert!(answer["result"].get("isError").is_none(), "{name}: {text}");
        }
        Failed(part) => assert!(answer["result"]["isError"] == true && text.contains(part), "{name}: {text}"),
        Error(code, _) => assert_eq!(answer["error"]["code"], code, "{name}: {text}"),
        Nothing(_) => panic!("{name} is answered: {text}"),
    }
}

async fn on_lines(era: Era, row: &Row, cell: Cell) {
    let name = format!("{}, {era:?}, on lines", row.rule);
    let mut lines = Lines::to(&server());
    if era == Legacy {
        lines.ask(&initialize()).await;
    }
    let base = (row.base)(era);
    lines.send_raw(&[&*(row.sent)(&base), b"\n"].concat()).await;
    if !matches!(cell, Nothing(_)) {
        check(&name, cell, &base, &lines.receive().await);
    }
    // Whatever it was, nothing else comes, and the stream goes on.
    let ping = json!({ "jsonrpc": "2.0", "id": "after", "method": "ping" });
    let after = lines.ask(&ping).await;
    assert_eq!((&after["id"], after.get("error")), (&json!("after"), None), "{name}: {after}");
}

async fn over_http(era: Era, row: &Row, cell: Cell) {
    let name = format!("{}, {era:?}, over HTTP", row.rule);
    let (mut wire, _) = Wire::within(&server());
    let base = (row.base)(era);
    let named = base["params"]["name"].as_str().unwrap_or("").to_owned();
    let method = base["method"].as_str().unwrap_or("").to_owned();
    let mut session = String::new();
    if era == Legacy {
        let opened = wire.post(&[], initialize().to_string().as_bytes()).await;
        opened.header("mcp-session-id").unwrap().clone_into(&mut session);
    }
    let headers = match era {
        Modern => [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", &*method), ("Mcp-Name", &*named)],
        Legacy => [("MCP-Protocol-Version", "2025-11-25"), ("Mcp-Session-Id", &*session), ("Mcp-Name", "")],
    };
    let answer: Answer = wire.post(&headers, &(row.sent)(&base)).await;
    let status = match cell {
        Error(_, status) | Nothing(status) => status,
        Result(_) | Failed(_) => 200,
    };
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    match cell {
        Nothing(_) if answer.body.is_empty() => assert_eq!(status, 202, "{name}"),
        Nothing(_) => assert_eq!(answer.json().get("id"), None, "{name}: {}", answer.text()),
        // What comes as events does so for a reason: its last one is the answer.
        _ if answer.header("content-type") == Some("text/event-stream") => {
            check(&name, cell, &base, answer.events().last().unwrap());
        }
        _ => check(&name, cell, &base, &answer.json()),
    }
}

#[tokio::test(start_paused = true)]
async fn each_rule_holds_in_both_eras_on_both_transports() {
    for row in rules() {
        let [modern_lines, modern_http, legacy_lines, legacy_http] = row.cells;
        on_lines(Modern, &row, modern_lines).await;
        over_http(Modern, &row, modern_http).await;
        on_lines(Legacy, &row, legacy_lines).await;
        over_http(Legacy, &row, legacy_http).await;
        let kinds: Vec<_> = row.cells.iter().map(std::mem::discriminant).collect();
        assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]) || !row.why.is_empty(), "{}: why?", row.rule);
    }
}

#[tokio::test(start_paused = true)]
async fn what_names_a_session_that_there_is_not_is_told_so() {
    let (mut wire, _) = Wire::within(&server());
    let gone = [("Mcp-Session-Id", "0123456789abcdef0123456789abcdef")];
    let request = request(Legacy, "tools/list", json!({}));
    let answer = wire.post(&gone, request.to_string().as_bytes()).await;
    assert_eq!((answer.status, &answer.json()["id"]), (404, &json!(7)));
    let messages = [
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
    ];
    for message in messages {
        let answer = wire.post(&gone, message.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.json().get("id")), (404, None), "{message}");
    }
    // Which is how a client starts again, whatever header it still sends.
    let opened = wire.post(&gone, initialize().to_string().as_bytes()).await;
    assert!(opened.status == 200 && opened.header("mcp-session-id").is_some());
}

#[tokio::test(start_paused = true)]
async fn initialize_negotiates_whatever_its_header_says() {
    let (mut wire, _) = Wire::within(&server());
    for header in ["2026-07-28", "2027-01-01", "2025-06-18", "x, y"] {
        let params = json!({"protocolVersion": header, "capabilities": {}});
        let message = request(Legacy, "initialize", params);
        let answer = wire.post(&[("MCP-Protocol-Version", header)], message.to_string().as_bytes()).await;
        let agreed = if header == "2025-06-18" { header } else { "2025-11-25" };
        assert_eq!(answer.json()["result"]["protocolVersion"], agreed, "{header}: {}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_initialize_is_what_holds() {
    let mut lines = Lines::to(&server());
    for (version, structured) in [("2025-11-25", true), ("2024-11-05", false), ("2025-11-25", true)] {
        let params = json!({"protocolVersion": version, "capabilities": {}});
        let agreed = lines.ask(&request(Legacy, "initialize", params)).await;
        assert_eq!(agreed["result"]["protocolVersion"], version);
        let add = request(Legacy, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));
        assert_eq!(
            lines.ask(&add).await["result"].get("structuredContent").is_some(),
            structured,
            "{version}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn batches_of_2025_03_26_are_answered() {
    let call = |id: i64| {
        let params = json!({"name": "echo", "arguments": {"text": "x"}});
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let batch = json!([call(1), told, 5, call(2), [call(3)]]).to_string();
    let most = |n: usize| Value::from((0..n as i64).map(call).collect::<Vec<_>>()).to_string();
    let hello = request(Legacy, "initialize", json!({"protocolVersion": "2025-03-26", "capabilities": {}}));

    let mut lines = Lines::to(&server());
    lines.ask(&hello).await;
    lines.send_raw(format!("{batch}\n").as_bytes()).await;
    assert_eq!(lines.receive().await["id"], 1);
    assert_eq!(lines.receive().await["id"], 2);
    lines.send_raw(format!("{}\n", most(65)).as_bytes()).await;
    assert_eq!(lines.ask(&call(4)).await["id"], 4, "too many are none");

    let (mut wire, _) = Wire::within(&server());
    let opened = wire.post(&[], hello.to_string().as_bytes()).await;
    let session = [("Mcp-Session-Id", opened.header("mcp-session-id").unwrap())];
    let answer = wire.post(&session, batch.as_bytes()).await.json();
    let ids: Vec<_> = answer.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(wire.post(&session, format!("[{told}]").as_bytes()).await.status, 202);
    assert_eq!(wire.post(&session, most(64).as_bytes()).await.json().as_array().unwrap().len(), 64);
    assert_eq!(wire.post(&session, most(65).as_bytes()).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn lists_of_what_is_not_offered_are_empty_if_the_host_wants_it() {
    for (method, member) in [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        for era in [Modern, Legacy] {
            for (empty, server) in
                [(false, server()), (true, builder(&Arc::new(Watch::default())).empty_lists().build())]
            {
                let mut lines = Lines::to(&server);
                lines.ask(&initialize()).await;
                let answer = lines.ask(&request(era, method, json!({}))).await;
                match empty {
                    true => assert_eq!(answer["result"][member], json!([]), "{answer}"),
                    false => assert_eq!(answer["error"]["code"], -32601, "{answer}"),
                }
            }
        }
    }
}
