//! The client against the family's own server, in every revision.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{duplex, split};
use toolpost_client::{
    ClientCapabilities, ClientError, ClientEvent, ClientOptions, McpClient, Question, RawJson,
    RequestOptions, Respond, RpcError, Version,
};
use toolpost_dispatch::{Catalog, Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{AnyTool, Call, NoArgs, TaskSupport, ToolError, tool_fn};

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
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok("done")
    });
    let registry = Registry::builder().tool(add).tool(fail).tool(steps).build().unwrap();
    Server::builder(Dispatcher::builder(registry).build()).name("served").version("1").page_size(2).build()
}

fn connect(server: Server, version: Version) -> McpClient {
    connect_with(server, options().versions([version]))
}

fn connect_with(server: Server, options: ClientOptions) -> McpClient {
    let (ours, theirs) = duplex(1 << 16);
    let (reader, writer) = split(theirs);
    tokio::spawn(async move { server.serve_io(reader, writer).await });
    let (reader, writer) = split(ours);
    McpClient::over_stdio(reader, writer, options)
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

/// Fills in every form.
struct Ada;

impl Respond for Ada {
    fn capabilities(&self) -> ClientCapabilities {
        serde_json::from_str(r#"{"elicitation":{}}"#).unwrap()
    }

    fn respond<'a>(
        &'a self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        assert_eq!(question.method(), "elicitation/create");
        Box::pin(async { Ok(json!({ "action": "accept", "content": { "name": "ada" } }).into()) })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    name: String,
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_asks_is_answered_in_every_revision_that_can_ask() {
    for version in [Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28] {
        let greet = tool_fn("greet", |_: NoArgs, call: Call| async move {
            let who = call.elicit::<Named>("who", "Who is there?")?.accepted();
            Ok(who.map_or_else(|| "nobody".to_owned(), |who| who.name))
        });
        let registry = Registry::builder().tool(greet).build().unwrap();
        let server = Server::builder(Dispatcher::builder(registry).build()).build();
        let client = connect_with(server, options().versions([version]).respond(Ada));
        let greeted =
            client.call_tool("greet", frame(&json!({})).root(), RequestOptions::new()).await.unwrap();
        assert_eq!(value(&greeted)["content"][0]["text"], "ada", "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_ends_its_tool_in_every_revision() {
    for version in Version::ALL {
        let running = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&running);
        let wait = tool_fn("wait", move |_: NoArgs, _| {
            let counted = Arc::clone(&counted);
            async move {
                let _running = Running::new(counted);
                std::future::pending::<()>().await;
                Ok("")
            }
        });
        let registry = Registry::builder().tool(wait).build().unwrap();
        let server = Server::builder(Dispatcher::builder(registry).build()).build();
        let client = connect(server, version);
        for left_by in [Duration::from_secs(5), Duration::from_secs(3_600)] {
            let options = RequestOptions::new().time_limit(left_by);
            let calling = {
                let client = client.clone();
                tokio::spawn(async move { client.call_tool("wait", frame(&json!({})).root(), options).await })
            };
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(running.load(Ordering::SeqCst), 1, "{version}");
            if left_by == Duration::from_secs(5) {
                let error = calling.await.unwrap().unwrap_err();
                assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
            } else {
                calling.abort();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!((running.load(Ordering::SeqCst), client.in_flight()), (0, 0), "{version}");
        }
    }
}

struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_becomes_a_task_is_a_call() {
    let spec = tool_fn("slow", |_: NoArgs, _| async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok("done")
    });
    let slow = spec.with_spec(|spec| spec.with_task_support(TaskSupport::Required));
    let registry = Registry::builder().tool(slow).build().unwrap();
    let server = Server::builder(Dispatcher::builder(registry).build()).build();
    let client = connect(server, Version::V2026_07_28);
    let done = client.call_tool("slow", frame(&json!({})).root(), RequestOptions::new()).await.unwrap();
    assert_eq!(value(&done)["content"][0]["text"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_tools_is_told_in_every_revision() {
    for version in Version::ALL {
        let of = |name| tool_fn(name, |_: NoArgs, _| async { Ok("") });
        let registry = Registry::builder().tool(of("old")).build().unwrap();
        let client = connect(Server::builder(Dispatcher::builder(registry.clone()).build()).build(), version);
        let mut events = client.events();
        assert_eq!(client.list_tools(RequestOptions::new()).await.unwrap().len(), 1);
        // Until the stream of changes is there.
        tokio::time::sleep(Duration::from_secs(1)).await;
        registry.replace(Catalog::new([AnyTool::new(of("new")), AnyTool::new(of("newer"))]).unwrap());
        assert_eq!(events.next().await, Some(ClientEvent::ToolsChanged), "{version}");
        assert_eq!(client.list_tools(RequestOptions::new()).await.unwrap().len(), 2, "{version}");
    }
}
