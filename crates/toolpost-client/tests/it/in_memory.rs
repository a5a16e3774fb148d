//! The client against the family's own server, in every revision.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{duplex, split};
use toolpost_client::{ClientError, McpClient, RequestOptions, Version};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{Call, NoArgs, ToolError, tool_fn};

use crate::common::{frame, options, value};

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: u32,
    b: u32,
}

fn server() -> Server {
    let add = tool_fn("add", |sum: Sum, _| async move { Ok((sum.a + sum.b).to_string()) });
    let fail = tool_fn("fail", |_: NoArgs, _| async { Err::<&str, _>(ToolError::unavailable("not now")) });
    let steps = tool_fn("steps", |_: NoArgs, call: Call| async move {
        for step in 1..=3 {
            call.progress(f64::from(step), None, None);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        Ok("done")
    });
    let registry = Registry::builder().tool(add).tool(fail).tool(steps).build().unwrap();
    Server::builder(Dispatcher::builder(registry).build()).name("served").version("1").page_size(2).build()
}

pub(crate) fn connect(server: Server, version: Version) -> McpClient {
    let (ours, theirs) = duplex(1 << 16);
    let (reader, writer) = split(theirs);
    tokio::spawn(async move { server.serve_io(reader, writer).await });
    let (reader, writer) = split(ours);
    McpClient::over_stdio(reader, writer, options().versions([version]))
}

#[tokio::test(start_paused = true)]
async fn tools_are_listed_called_and_fail_the_same_in_every_revision() {
    for version in Version::ALL {
        let client = connect(server(), version);
        let profile = client.ready().await.unwrap();
        assert_eq!(profile.version, version);
        assert_eq!(profile.implementation.as_ref().unwrap().name, "served");

        let tools = client.list_tools(RequestOptions::new()).await.unwrap();
        let tools: Vec<Value> = tools.iter().map(|tool| serde_json::from_str(tool).unwrap()).collect();
        let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["add", "fail", "steps"], "{version}, over two pages");

        let sum = client
            .call_tool("add", frame(&json!({ "a": 2, "b": 3 })).root(), RequestOptions::new())
            .await
            .unwrap();
        assert_eq!(value(&sum)["content"][0]["text"], "5", "{version}");

        let failed = client.call_tool("fail", frame(&json!({})).root(), RequestOptions::new()).await.unwrap();
        assert_eq!(value(&failed)["isError"], true, "{version}");

        let unknown = client.call_tool("no", frame(&json!({})).root(), RequestOptions::new()).await;
        let error = unknown.unwrap_err();
        assert!(
            matches!(&error, ClientError::Refused(error) if error.code().0 == -32602),
            "{version}: {error}"
        );
        assert_eq!((client.in_flight(), client.ignored()), (0, 0), "{version}");
        client.close().await;
        let error = client.list_tools(RequestOptions::new()).await.unwrap_err();
        assert!(matches!(error, ClientError::NotConnected(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn progress_comes_in_order_and_before_the_result() {
    for version in Version::ALL {
        let client = connect(server(), version);
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        let options = RequestOptions::new().progress(move |done, _, _| {
            assert_eq!(counted.fetch_add(1, Ordering::Relaxed) as f64 + 1.0, done);
        });
        client.call_tool("steps", frame(&json!({})).root(), options).await.unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 3, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_at_once_get_their_own_answers() {
    for version in [Version::V2025_11_25, Version::V2026_07_28] {
        let client = connect(server(), version);
        let calls = (0..1_000_u32).map(|a| {
            let client = client.clone();
            tokio::spawn(async move {
                let arguments = frame(&json!({ "a": a, "b": 1 }));
                let sum = client.call_tool("add", arguments.root(), RequestOptions::new()).await.unwrap();
                assert_eq!(value(&sum)["content"][0]["text"], (a + 1).to_string());
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    }
}
