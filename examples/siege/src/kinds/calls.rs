//! Calls, subscriptions and sessions: what costs more than it looks.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{Target, many};
use crate::wire::{HERE, ask, call, connect, initialize, modern, pause, post, swallow, throw};

/// The most that one message may hold, nearly.
const LARGE: usize = 3_900_000;

/// Patterns that nest deeper than a stack is long.
pub(super) async fn nested_globs(target: Target) {
    many(2, move |n| async move {
        let tool = ["list_files", "count_lines", "search_text"];
        let mut turn = n;
        while target.goes_on() {
            let depth = [13_200, 1_500, 20][turn % 3];
            let glob = format!("{}a{}", "{".repeat(depth), "}".repeat(depth));
            throw(target.address, &post(&globbed(tool[turn / 3 % 3], &glob), None)).await;
            turn += 1;
            pause(20).await;
        }
    })
    .await;
}

/// Patterns as large as a message.
pub(super) async fn large_globs(target: Target) {
    many(6, move |n| async move {
        let patterns = ["*a", "[a-z]", "{a,b}", "?"].map(|part| part.repeat(LARGE / part.len()));
        let mut turn = n;
        while target.goes_on() {
            let glob = format!("{}{turn}", patterns[turn % patterns.len()]);
            throw(target.address, &post(&globbed("list_files", &glob), None)).await;
            turn += 1;
            pause(20).await;
        }
    })
    .await;
}

fn globbed(tool: &str, glob: &str) -> Value {
    match tool {
        "search_text" => call(1, tool, &json!({ "pattern": "innocent", "glob": glob })),
        tool => call(1, tool, &json!({ "glob": glob })),
    }
}

/// Walks over a directory whose rules are hostile.
pub(super) async fn walks(target: Target) {
    many(4, move |n| async move {
        let mut turn = n;
        while target.goes_on() {
            // Each a question that nobody has asked before.
            let glob = format!("*{turn}*");
            let tool = ["list_files", "count_lines", "search_text"][turn % 3];
            throw(target.address, &post(&globbed(tool, &glob), None)).await;
            turn += 4;
            pause(20).await;
        }
    })
    .await;
}

/// Counts the lines of a file of 400 GiB, and leaves before the answer.
pub(super) async fn endless_file(target: Target) {
    many(8, move |_| async move {
        while target.goes_on() {
            let request = post(&call(1, "count_lines", &json!({ "glob": "sparse.txt" })), None);
            if let Ok(mut stream) = connect(target.address, HERE).await {
                let _sent = stream.write_all(&request).await;
                pause(400).await;
            }
            pause(100).await;
        }
    })
    .await;
}

/// Expressions of all depths, wrong at the leaf.
pub(super) async fn recursive_schema(target: Target) {
    many(2, move |n| async move {
        let mut turn = n;
        while target.goes_on() {
            let depth = [6, 12, 20, 28, 40, 55][turn % 6];
            let leaf = json!({ "op": "value", "value": if turn % 2 == 0 { json!("x") } else { json!(1) } });
            let expression = (0..depth).fold(leaf, |arg, _| json!({ "op": "neg", "arg": arg }));
            throw(target.address, &post(&call(1, "evaluate", &json!({ "expression": expression })), None))
                .await;
            turn += 1;
            pause(20).await;
        }
    })
    .await;
}

/// A schema of which two branches are alike.
pub(super) async fn multiplying_schema(target: Target) {
    many(2, move |n| async move {
        let mut turn = n;
        while target.goes_on() {
            let depth = [10, 16, 18, 22, 40, 55][turn % 6];
            let node = (0..depth).fold(json!("wrong"), |next, _| json!({ "next": next }));
            throw(target.address, &post(&call(1, "intricate", &json!({ "node": node })), None)).await;
            turn += 1;
            pause(20).await;
        }
    })
    .await;
}

/// A tool that blocks its thread for ten minutes, under a limit of a second.
pub(super) async fn grind(target: Target) {
    many(32, move |_| async move {
        while target.goes_on() {
            throw(target.address, &post(&call(1, "grind", &json!({})), None)).await;
            pause(200).await;
        }
    })
    .await;
}

/// A tool that asks, in sessions and out of them, and is never answered.
pub(super) async fn unanswered(target: Target) {
    many(200, move |n| async move {
        while target.goes_on() {
            if n % 2 == 0 {
                throw(target.address, &post(&call(1, "ask", &json!({})), None)).await;
            } else if let Some(session) = open(target).await {
                let params = json!({ "name": "ask", "arguments": {} });
                let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
                if let Ok(mut stream) = connect(target.address, HERE).await {
                    let _sent = stream.write_all(&post(&message, Some(&session))).await;
                    let _longer = tokio::time::timeout(LONG, swallow(&mut stream)).await;
                }
            }
            pause(500).await;
        }
    })
    .await;
}

const LONG: std::time::Duration = std::time::Duration::from_secs(20);

async fn open(target: Target) -> Option<String> {
    let mut stream = connect(target.address, HERE).await.ok()?;
    ask(&mut stream, &post(&initialize(), None), "protocolVersion").await.ok()?.session
}

/// As many calls as there are permits and places, all asleep.
pub(super) async fn sleepers(target: Target) {
    many(780, move |_| async move {
        while target.goes_on() {
            throw(target.address, &post(&call(1, "sleep", &json!({ "ms": 10_000 })), None)).await;
            pause(200).await;
        }
    })
    .await;
}

/// Calls whose ids and tokens are as long as a message may be.
pub(super) async fn long_ids(target: Target) {
    let id: Arc<str> = "i".repeat(LARGE / 2).into();
    many(100, move |n| {
        let id = Arc::clone(&id);
        async move {
            while target.goes_on() {
                let mut message = call(&*id, "sleep", &json!({ "ms": 10_000 }));
                if n % 2 == 0 {
                    message["params"]["_meta"]["progressToken"] = format!("{n}{id}").into();
                }
                let request = post(&message, None);
                drop(message);
                throw(target.address, &request).await;
                pause(300).await;
            }
        }
    })
    .await;
}

/// Subscriptions of one session, and of one listener, to what has a very long name.
pub(super) async fn long_uris(target: Target) {
    let name = "u".repeat(LARGE);
    let Some(session) = open(target).await else { return };
    let mut n = 0;
    while target.goes_on() {
        n += 1;
        let uri = format!("file:///{n}/{name}");
        let params = json!({ "uri": uri });
        let message = json!({ "jsonrpc": "2.0", "id": n, "method": "resources/subscribe", "params": params });
        throw(target.address, &post(&message, Some(&session))).await;
        let wanted = json!({ "notifications": { "resourceSubscriptions": [uri] } });
        let message = modern(n, "subscriptions/listen", wanted);
        let request = post(&message, None);
        drop(message);
        tokio::spawn(async move {
            throw(target.address, &request).await;
        });
        pause(20).await;
    }
}

/// Sessions, as many as are to be had, and kept in use.
pub(super) async fn sessions(target: Target) {
    many(8, move |_| async move {
        let mut mine = Vec::new();
        while target.goes_on() {
            mine.extend(open(target).await);
            if mine.len() % 50 == 49 {
                let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
                for session in mine.iter().rev().take(20) {
                    throw(target.address, &post(&ping, Some(session))).await;
                }
            }
            pause(5).await;
        }
    })
    .await;
}

/// Streams of changes, as many as are to be had.
pub(super) async fn listeners(target: Target) {
    many(500, move |n| async move {
        while target.goes_on() {
            let wanted = json!({ "notifications": { "toolsListChanged": true } });
            let request = post(&modern(n, "subscriptions/listen", wanted), None);
            if let Ok(mut stream) = connect(target.address, HERE).await {
                let _sent = stream.write_all(&request).await;
                swallow(&mut stream).await;
            }
            pause(300).await;
        }
    })
    .await;
}
