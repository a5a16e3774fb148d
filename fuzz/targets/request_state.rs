//! Any text as sealed state, and sealed state with any damage: it opens only as it was sealed.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_json::{Frame, Limits};
use toolpost_server::Server;
use toolpost_tool::{Call, InputRequest, InputRequired, NoArgs, Output, Principal, ToolError, tool_fn};

/// A server whose tool keeps state, and that state, sealed.
static SEALED: LazyLock<(Server, String, Runtime)> = LazyLock::new(|| {
    let tool = tool_fn("keep", |_: NoArgs, call: Call| async move {
        match call.state::<u32>()? {
            Some(7) => Ok(Output::text("kept")),
            _ => Err(ToolError::input_required(
                InputRequired::new().asking("roots", InputRequest::roots()).with_state(&7)?,
            )),
        }
    });
    let registry = Registry::builder().tool(tool).build().expect("one tool");
    let server = Server::builder(Dispatcher::builder(registry).build()).build();
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let asked = ask(&server, &runtime, None);
    let sealed = asked["result"]["requestState"].as_str().expect("sealed state").to_owned();
    assert_eq!(ask(&server, &runtime, Some(&sealed))["result"]["resultType"], "complete");
    (server, sealed, runtime)
});

fn ask(server: &Server, runtime: &Runtime, state: Option<&str>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "keep", "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "roots": {} } } } });
    if let Some(state) = state {
        message["params"]["requestState"] = json!(state);
    }
    let frame = Frame::from_text(message.to_string(), &Limits::new()).expect("a message");
    let reply = runtime.block_on(server.handle(frame, Principal::anonymous()));
    serde_json::from_slice(&reply.expect("an answer")).expect("an answer is JSON")
}

pub(crate) fn run(bytes: &[u8]) {
    let (server, sealed, runtime) = &*SEALED;
    let text = String::from_utf8_lossy(bytes);
    // The first byte says where the rest is written into the sealed state.
    let at = bytes.first().map_or(0, |at| usize::from(*at) % sealed.len());
    let damaged = format!("{}{}", &sealed[..at], text);
    let spliced = format!("{damaged}{}", sealed.get(damaged.len()..).unwrap_or_default());
    for state in [&*text, &damaged, &spliced] {
        if state != sealed {
            let answer = ask(server, runtime, Some(state));
            assert_eq!(answer["error"]["code"], -32602, "{state}: {answer}");
        }
    }
}
