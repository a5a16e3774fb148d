//! rmcp's client, in both eras, over a stream of lines and over HTTP.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use crate::common;

use std::sync::Arc;

use common::{Watch, builder, serve};
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::json;
use toolpost_server::Server;

fn discover() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

fn auto() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    }
}

/// Lists and calls every tool, and ends the client.
async fn drive(client: RunningService<RoleClient, ()>) {
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["add", "echo", "fail", "id", "large", "panic", "talk", "wait"]);

    let call = |name: &'static str, arguments: serde_json::Value| {
        let params = CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone());
        client.call_tool(params)
    };
    let sum = call("add", json!({ "a": 40, "b": 2 })).await.unwrap();
    assert_eq!(sum.structured_content, Some(json!({ "sum": 42 })));
    assert_ne!(sum.is_error, Some(true));
    let echo = call("echo", json!({ "text": "a \"b\"\n\u{1f600}" })).await.unwrap();
    assert_eq!(echo.content[0].as_text().unwrap().text, "a \"b\"\n\u{1f600}");
    let wrong = call("add", json!({ "a": "x", "b": 2 })).await.unwrap();
    assert_eq!(wrong.is_error, Some(true));
    assert!(wrong.content[0].as_text().unwrap().text.contains("arguments.a"), "{wrong:?}");
    assert_eq!(call("fail", json!({})).await.unwrap().is_error, Some(true));
    assert_eq!(call("panic", json!({})).await.unwrap().is_error, Some(true));
    assert_eq!(call("talk", json!({})).await.unwrap().content[0].as_text().unwrap().text, "done");
    assert!(call("nope", json!({})).await.is_err());
    client.cancel().await.unwrap();
}

async fn over_lines(mode: ClientLifecycleMode) {
    let server = builder(&Arc::new(Watch::default())).build();
    let (ours, theirs) = tokio::io::duplex(4 << 10);
    let served = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(theirs);
        server.serve_io(reader, writer).await
    });
    drive(().serve_with_lifecycle(ours, mode).await.unwrap()).await;
    served.await.unwrap().unwrap();
}

async fn over_http(mode: ClientLifecycleMode) {
    let server: Server = builder(&Arc::new(Watch::default())).build();
    let served = serve(&server).await;
    let transport = StreamableHttpClientTransport::from_uri(format!("http://{}/mcp", served.address));
    drive(().serve_with_lifecycle(transport, mode).await.unwrap()).await;
    server.stop();
    served.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn lines_modern() {
    over_lines(discover()).await;
}

#[tokio::test]
async fn lines_legacy() {
    over_lines(ClientLifecycleMode::Initialize).await;
}

#[tokio::test]
async fn lines_probing() {
    over_lines(auto()).await;
}

#[tokio::test]
async fn http_modern() {
    over_http(discover()).await;
}

#[tokio::test]
async fn http_legacy() {
    over_http(ClientLifecycleMode::Initialize).await;
}

#[tokio::test]
async fn http_probing() {
    over_http(auto()).await;
}
