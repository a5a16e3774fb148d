//! A transport of sixty lines has progress, cancellation, sessions and subscriptions.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use own_transport::{Line, connect};
use serde_json::{Value, json};
use toolpost::Runtime;
use toolpost::dispatch::{Changes, ResourceSet};
use toolpost::protocol::model::Resource;
use toolpost::server::Server;
use toolpost::tool::{Call, LogLevel, NoArgs, Principal, tool_fn};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Answer {
    sure: bool,
}

/// Counts a drop.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server of three tools and a resource, the signals of its changes, and how many calls of `hang` were dropped.
fn server() -> (Server, Changes, Arc<AtomicUsize>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dropped);
    let changes = Changes::new();
    let runtime = Runtime::builder()
        .tool(tool_fn("talk", |_: NoArgs, call: Call| async move {
            call.progress(1.0, Some(2.0), Some("half"));
            call.log(LogLevel::Info, "a line");
            Ok("done")
        }))
        .tool(tool_fn("hang", move |_: NoArgs, call: Call| {
            let dropped = Dropped(Arc::clone(&counted));
            async move {
                call.progress(1.0, None, None);
                std::future::pending::<()>().await;
                drop(dropped);
                Ok("never")
            }
        }))
        .tool(tool_fn("scrap", |_: NoArgs, call: Call| async move {
            let sure = call.elicit::<Answer>("sure", "Really?")?.accepted();
            Ok(if sure.is_some_and(|answer| answer.sure) { "scrapped" } else { "kept" })
        }))
        .resources(ResourceSet::new().text(Resource::new("test://a", "a"), "the letter a"))
        .changes(changes.clone())
        .build()
        .unwrap();
    (runtime.server().build(), changes, dropped)
}

async fn say(line: &Line, message: Value) {
    line.up.send(message.to_string().into()).await.unwrap();
}

async fn hear(line: &mut Line) -> Value {
    serde_json::from_slice(&line.down.recv().await.unwrap()).unwrap()
}

async fn ask(line: &mut Line, id: u32, method: &str, params: Value) -> Value {
    say(line, json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
    hear(line).await
}

/// The params of a request that stands alone, and wants progress.
fn alone(mut params: Value) -> Value {
    params["_meta"] = json!({
        "progressToken": "p",
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

fn cancelled(id: u32) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

/// A client, of which `talk` is what it says and expects.
async fn with_client(server: &Server, talk: impl AsyncFnOnce(&mut Line)) {
    let (mut line, serving) = connect(server, Principal::new("ada"));
    tokio::join!(
        async {
            talk(&mut line).await;
            drop(line);
        },
        serving
    );
}

#[tokio::test]
async fn requests_that_stand_alone_have_progress_cancellation_and_subscriptions() {
    let (server, changes, dropped) = server();
    with_client(&server, async |line| {
        let told = ask(line, 1, "tools/call", alone(json!({ "name": "talk" }))).await;
        assert_eq!(told["method"], "notifications/progress");
        assert_eq!((&told["params"]["progressToken"], &told["params"]["progress"]), (&json!("p"), &json!(1)));
        assert_eq!(hear(line).await["result"]["content"][0]["text"], "done");

        assert_eq!(
            ask(line, 2, "tools/call", alone(json!({ "name": "hang" }))).await["params"]["progress"],
            1
        );
        say(line, cancelled(2)).await;
        let found = ask(line, 3, "server/discover", alone(json!({}))).await;
        assert_eq!(
            (&found["id"], dropped.load(Ordering::SeqCst)),
            (&json!(3), 1),
            "nothing answers the call"
        );

        let wanted = json!({ "notifications": { "resourceSubscriptions": ["test://a"] } });
        let listening = ask(line, 4, "subscriptions/listen", alone(wanted)).await;
        assert_eq!(listening["method"], "notifications/subscriptions/acknowledged");
        changes.resource_updated("test://a");
        let told = hear(line).await;
        assert_eq!(
            (&told["method"], &told["params"]["uri"]),
            (&json!("notifications/resources/updated"), &json!("test://a"))
        );
        server.stop();
        assert_eq!(hear(line).await["id"], 4, "the stream ends with the server");
        assert_eq!(line.down.recv().await, None);
    })
    .await;
}

#[tokio::test]
async fn a_session_has_all_of_that_and_questions() {
    let (server, changes, dropped) = server();
    with_client(&server, async |line| {
        let opened = json!({ "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "test", "version": "1" } });
        let opened = ask(line, 1, "initialize", opened).await;
        assert_eq!(opened["result"]["protocolVersion"], "2025-11-25");
        say(line, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        assert_eq!(ask(line, 2, "logging/setLevel", json!({ "level": "info" })).await["id"], 2);

        let named = |name: &str| json!({ "name": name, "_meta": { "progressToken": 7 } });
        assert_eq!(ask(line, 3, "tools/call", named("talk")).await["params"]["progressToken"], 7);
        assert_eq!(hear(line).await["params"]["data"], "a line");
        assert_eq!(hear(line).await["result"]["content"][0]["text"], "done");

        let question = ask(line, 4, "tools/call", named("scrap")).await;
        assert_eq!(question["method"], "elicitation/create");
        let sure = json!({ "action": "accept", "content": { "sure": true } });
        say(line, json!({ "jsonrpc": "2.0", "id": question["id"], "result": sure })).await;
        assert_eq!(hear(line).await["result"]["content"][0]["text"], "scrapped");

        assert_eq!(ask(line, 5, "tools/call", named("hang")).await["params"]["progress"], 1);
        say(line, cancelled(5)).await;
        assert_eq!(ask(line, 6, "resources/subscribe", json!({ "uri": "test://a" })).await["id"], 6);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        changes.resource_updated("test://a");
        assert_eq!(hear(line).await["params"]["uri"], "test://a");

        assert_eq!(ask(line, 8, "tools/call", named("hang")).await["params"]["progress"], 1);
    })
    .await;
    assert_eq!(dropped.load(Ordering::SeqCst), 2, "who hangs up cancels");
}
