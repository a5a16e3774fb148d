//! A call over HTTP with any headers beside the ones it needs: what is accepted agrees with its body.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{Call, ToolError, tool_fn};
use tower_service::Service as _;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let tool = tool_fn("echo", |args: Text, _: Call| async move { Ok::<_, ToolError>(args.text) });
    let tool = tool.with_spec(|spec| {
        spec.with_input_schema(json!({ "type": "object", "required": ["text"],
            "properties": { "text": { "type": "string", "x-mcp-header": "Text" } } }))
    });
    let registry = Registry::builder().tool(tool).build().expect("one tool");
    Server::builder(Dispatcher::builder(registry).build()).build()
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// Lines of headers; the argument is always `Hello`.
pub(crate) fn run(bytes: &[u8]) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "echo", "arguments": { "text": "Hello" }, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {} } } });
    let mut request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request");
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = http::HeaderName::from_bytes(&line[..colon]);
        let value = http::HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let headers = request.headers().clone();
    let (status, answer) = RUNTIME.block_on(async {
        let response = SERVER.clone().into_service().call(request).await.expect("infallible");
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.expect("infallible").to_bytes())
    });
    let one = |name: &str, of: &[&str]| {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        // A proxy may have doubled it; what is joined by commas says the same in each part.
        let says = |value: &http::HeaderValue| {
            let parts = value.to_str().is_ok_and(|value| {
                let mut parts = value.split(',').map(str::trim);
                parts.next().is_some_and(|first| of.contains(&first) && parts.all(|part| part == first))
            });
            parts || of.iter().any(|text| value == text)
        };
        let doubled = values.iter().all(|value| *value == values[0]);
        assert!(!values.is_empty() && doubled && says(values[0]), "{name}: {values:?}");
    };
    if status == 200 {
        one("mcp-protocol-version", &["2026-07-28"]);
        one("mcp-method", &["tools/call"]);
        one("mcp-name", &["echo", "=?base64?ZWNobw==?="]);
        one("mcp-param-text", &["Hello", "=?base64?SGVsbG8=?="]);
    } else {
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        assert!(answer["error"]["code"].is_i64(), "{status}: {answer}");
    }
}
