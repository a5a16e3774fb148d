//! Any text as a cursor: it leads somewhere only if the server gave it out.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_json::{Frame, Limits};
use toolpost_server::Server;
use toolpost_tool::{NoArgs, Principal, tool_fn};

/// A server of three pages, and the two cursors between them.
static PAGES: LazyLock<(Server, Vec<String>, Runtime)> = LazyLock::new(|| {
    let registry = ["a", "b", "c"].into_iter().fold(Registry::builder(), |registry, name| {
        registry.tool(tool_fn(name, |_: NoArgs, _| async { Ok("") }))
    });
    let dispatcher = Dispatcher::builder(registry.build().expect("three tools")).build();
    let server = Server::builder(dispatcher).page_size(1).state_key([7; 32]).build();
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut given: Vec<String> = Vec::new();
    while let Some(next) = page(&server, &runtime, given.last())["result"]["nextCursor"].as_str() {
        given.push(next.to_owned());
    }
    assert_eq!(given.len(), 2);
    (server, given, runtime)
});

fn page(server: &Server, runtime: &Runtime, cursor: Option<&String>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {} } } });
    if let Some(cursor) = cursor {
        message["params"]["cursor"] = json!(cursor);
    }
    let frame = Frame::from_text(message.to_string(), &Limits::new()).expect("a message");
    let reply = runtime.block_on(server.handle(frame, Principal::anonymous()));
    serde_json::from_slice(&reply.expect("an answer")).expect("an answer is JSON")
}

pub(crate) fn run(bytes: &[u8]) {
    let (server, given, runtime) = &*PAGES;
    let cursor = String::from_utf8_lossy(bytes).into_owned();
    let answer = page(server, runtime, Some(&cursor));
    match given.contains(&cursor) {
        true => assert!(answer["result"]["tools"].is_array(), "{answer}"),
        false => assert_eq!(answer["error"]["code"], -32602, "{answer}"),
    }
}
