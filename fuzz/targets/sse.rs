//! Any text as what a tool says and answers over an event stream: a reader that knows nothing of the
//! server reads back just that, message by message.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_protocol::Id;
use toolpost_server::Server;
use toolpost_tool::{Call, LogLevel, ToolError, tool_fn};
use tower_service::Service as _;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Said {
    text: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let tool = tool_fn("say", |said: Said, call: Call| async move {
        call.log(LogLevel::Info, &json!({ "said": said.text }));
        call.progress(1.0, None, Some(&said.text));
        Ok::<_, ToolError>(said.text)
    });
    let registry = Registry::builder().tool(tool).build().expect("one tool");
    Server::builder(Dispatcher::builder(registry).build()).build()
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// The text, and a token that is the text too.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let body = json!({ "jsonrpc": "2.0", "id": text, "method": "tools/call", "params": {
        "name": "say", "arguments": { "text": text }, "_meta": {
            "progressToken": text,
            "io.modelcontextprotocol/logLevel": "info",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {} } } });
    // The blanks between the parts of a message are the client's own; they are not to end up between events.
    let body = serde_json::to_string_pretty(&body).expect("JSON");
    let request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "say")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let (kind, stream) = RUNTIME.block_on(async {
        let response = SERVER.clone().into_service().call(request).await.expect("infallible");
        let kind = response.headers()["content-type"].clone();
        let body = response.into_body().collect().await.expect("infallible").to_bytes();
        (kind, body)
    });
    // An id, and a token, that is longer than an id may be is refused before there is a stream.
    if Id::MAX_LEN < serde_json::to_string(&text).expect("JSON").len() {
        assert_eq!(kind, "application/json");
        let refusal: Value = serde_json::from_slice(&stream).expect("JSON");
        assert_eq!(refusal["error"]["code"], -32600, "{refusal}");
        return;
    }
    assert_eq!(kind, "text/event-stream");
    let events = read(std::str::from_utf8(&stream).expect("an event stream is UTF-8"));
    let events: Vec<Value> = events
        .iter()
        .map(|(kind, data)| {
            assert_eq!(kind, "message");
            serde_json::from_str(data).expect("an event is one whole message")
        })
        .collect();
    let [log, progress, answer] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(log["method"], "notifications/message");
    assert_eq!(log["params"]["data"]["said"], text);
    assert_eq!(progress["method"], "notifications/progress");
    assert_eq!(
        (&progress["params"]["message"], &progress["params"]["progressToken"]),
        (&json!(text), &json!(text))
    );
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(text), &json!(text)));
}

/// The events of a stream, as the HTML standard says that they are read (section 9.2.6): kind and data.
fn read(stream: &str) -> Vec<(String, String)> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut kind, mut data) = (Vec::new(), String::new(), String::new());
    for line in stream.split('\n') {
        if line.is_empty() {
            if !data.is_empty() {
                let kind = if kind.is_empty() { "message".to_owned() } else { kind.clone() };
                events.push((kind, data.trim_end_matches('\n').to_owned()));
            }
            kind.clear();
            data.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut kind),
            "data" => data.extend([value, "\n"]),
            // A comment, or a field that nobody reads.
            _ => {}
        }
    }
    events
}
