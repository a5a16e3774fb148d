//! Whatever bytes arrive, the answer is a JSON-RPC message with the right code, and the next client
//! is served.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a test")]

use crate::common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Lines, Watch, Wire, builder, call, modern, serve};
use serde_json::{Value, json};

const MODERN: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");

/// The files of JSONTestSuite, if they are there: by `JSONTESTSUITE`, or beside the workspace.
fn suite() -> Vec<(String, Vec<u8>)> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/jsontestsuite");
    let root = std::env::var_os("JSONTESTSUITE").map_or(beside, PathBuf::from);
    let mut files = Vec::new();
    for part in ["test_parsing", "test_transform"] {
        let Ok(entries) = std::fs::read_dir(root.join(part)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            files.push((
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(path).unwrap(),
            ));
        }
    }
    if files.is_empty() {
        println!("JSONTestSuite is not at {}; set JSONTESTSUITE to run its files", root.display());
    }
    files.sort();
    files
}

/// `message` with `"HERE"` replaced by `bytes`.
fn around(message: &Value, bytes: &[u8]) -> Vec<u8> {
    let text = message.to_string();
    let (before, after) = text.split_once(r#""HERE""#).unwrap();
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

/// The forms in which each file is sent.
fn forms(bytes: &[u8]) -> [Vec<u8>; 4] {
    let params = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": "HERE"});
    let argument = call(1, "echo", json!({"text": "HERE"}));
    let arguments = modern(1, "tools/call", json!({"name": "echo", "arguments": "HERE"}));
    [bytes.to_vec(), around(&params, bytes), around(&argument, bytes), around(&arguments, bytes)]
}

/// What the answer may be: an error with one of these codes, or (where the file is sound JSON) a result.
fn check(name: &str, form: usize, answer: &Value) {
    let code = answer["error"]["code"].as_i64();
    let is_result = answer["result"].is_object();
    match (name.as_bytes()[0], form) {
        // Not JSON, wherever it stands; what is JSON but refused is an invalid request. A file may be
        // sound once there is something around it.
        (b'n', 0) => assert!(matches!(code, Some(-32700 | -32600)), "{name} {form}: {answer}"),
        // JSON, and no message.
        (b'y', 0) => assert_eq!(code, Some(-32600), "{name} {form}: {answer}"),
        (_, 1) => assert!(matches!(code, Some(-32700 | -32600 | -32602)), "{name} {form}: {answer}"),
        _ => assert!(is_result || matches!(code, Some(-32700 | -32600 | -32602)), "{name} {form}: {answer}"),
    }
    assert_eq!(answer["jsonrpc"], "2.0");
    assert!(is_result != code.is_some());
}

#[tokio::test]
async fn every_file_of_the_suite_over_http() {
    let wire = &mut Wire::to(serve(&builder(&Arc::new(Watch::default())).build()).await.address).await;
    for (name, bytes) in suite() {
        for (form, body) in forms(&bytes).iter().enumerate() {
            let headers: &[_] = match form {
                2.. => &[MODERN, ("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")],
                _ => &[MODERN],
            };
            let answer = wire.post(headers, body).await;
            assert!(matches!(answer.status, 200 | 400), "{name} {form}: {answer:?}");
            check(&name, form, &answer.json());
        }
    }
    assert_eq!(wire.ask(&call(1, "echo", json!({"text": "after"}))).await.status, 200);
}

#[tokio::test]
async fn every_file_of_the_suite_as_lines() {
    let mut lines = Lines::to(&builder(&Arc::new(Watch::default())).build());
    for (name, bytes) in suite() {
        for (form, body) in forms(&bytes).iter().enumerate() {
            lines.send_raw(body).await;
            // A file may hold line ends, and so be several messages or none: the last answer is ours.
            lines.send_raw(b"\n").await;
            lines.send(&call("fence", "echo", json!({"text": "after"}))).await;
            loop {
                let answer = lines.receive().await;
                if answer["id"] == "fence" {
                    break;
                }
                if !body.contains(&b'\n') {
                    check(&name, form, &answer);
                }
            }
        }
    }
}

#[tokio::test]
async fn deep_nesting_large_numbers_and_names_in_two_spellings_are_refused() {
    let wire = &mut Wire::to(serve(&builder(&Arc::new(Watch::default())).build()).await.address).await;
    let depth = 600_000;
    let mut refused: Vec<Vec<u8>> = Vec::new();
    for bomb in
        ["[".repeat(depth), r#"{"a":"#.repeat(depth), format!("{}{}", "[".repeat(100), "]".repeat(100))]
    {
        refused.extend(forms(bomb.as_bytes()));
    }
    refused.extend(forms("9".repeat(100_000).as_bytes()));
    refused.extend(forms(b"1e999"));
    refused.extend(forms(br#"{"a":1,"\u0061":2}"#));
    refused.extend(forms(b"\"\xff\""));
    for body in refused {
        let answer = wire.post(&[MODERN], &body).await;
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&body[..80.min(body.len())]));
        assert!(
            matches!(answer.json()["error"]["code"].as_i64(), Some(-32700 | -32600)),
            "{}",
            answer.text()
        );
    }
    // Names differ by case, so these are strangers: CVE-2026-27896.
    let cased = r#"{"jsonrpc":"2.0","ID":1,"Method":"ping","id":2,"method":"nope"}"#;
    let answer = wire.post(&[], cased.as_bytes()).await;
    assert_eq!(answer.json()["id"], 2);
}

#[tokio::test]
async fn header_bombs_cost_their_connection() {
    let served = serve(&builder(&Arc::new(Watch::default())).build()).await;
    let bombs = [
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(5_000)),
        format!("POST /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1 << 20)),
        format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            format!("1;{}\r\nx\r\n", "e".repeat(4_000)).repeat(50)
        ),
        "NOT HTTP AT ALL\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage, and more of it".to_owned(),
    ];
    for bomb in bombs {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
        // The server may close before all is written.
        let _broken = stream.write_all(bomb.as_bytes()).await;
        let mut answer = Vec::new();
        let _broken = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(Wire::to(served.address).await.ask(&call(1, "echo", json!({"text": "x"}))).await.status, 200);
}

#[tokio::test]
async fn a_body_of_8_mib_costs_one_call() {
    use tokio::io::AsyncWriteExt as _;
    let served = serve(&builder(&Arc::new(Watch::default())).build()).await;
    let body = call(1, "echo", json!({"text": "x".repeat(8 << 20)})).to_string();
    let mut wire = Wire::to(served.address).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    wire.write(head.as_bytes()).await;
    // The answer comes at once; the body has nowhere to go.
    let _refused = wire.0.get_mut().write_all(&body.as_bytes()[..1 << 10]).await;
    assert_eq!(wire.answer().await.status, 413);
    assert_eq!(Wire::to(served.address).await.ask(&call(1, "echo", json!({"text": "x"}))).await.status, 200);
}

// CVE-2026-25536: answers to the ids of one client must not reach another.
#[tokio::test]
async fn id_collision_two_clients() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    let served = serve(&server).await;
    let mut clients = Vec::new();
    for client in 0..20 {
        let server = server.clone();
        clients.push(tokio::spawn(async move {
            let mut wire = Wire::to(served.address).await;
            let mut lines = Lines::to(&server);
            for id in 0..20 {
                let text = format!("{client}-{id}");
                let request = call(id, "echo", json!({ "text": text }));
                for answer in [wire.ask(&request).await.json(), lines.ask(&request).await] {
                    assert_eq!(
                        (&answer["id"], &answer["result"]["content"][0]["text"]),
                        (&json!(id), &json!(text))
                    );
                }
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    // One client cannot cancel the calls of another.
    let (mut one, mut two) = (Lines::to(&server), Lines::to(&server));
    one.send(&call("same", "wait", json!({}))).await;
    watch.reach(|watch| &watch.started, 1).await;
    two.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "same"}}),
    )
    .await;
    two.ask(&call(1, "echo", json!({"text": "x"}))).await;
    watch.release.notify_one();
    assert_eq!(one.receive().await["result"]["content"][0]["text"], "released");
}
