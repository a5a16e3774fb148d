//! Against the family's own server, in every revision.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use toolpost_client::{
    ClientCapabilities, ClientError, ClientEvent, HttpTarget, McpClient, Question, RawJson, RequestOptions,
    Respond, RpcError, Version,
};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{Call, LogLevel, NoArgs, ToolError, tool_fn};

use super::relay::Relay;
use crate::common::{frame, options, value};

#[derive(Deserialize, JsonSchema)]
struct Sum {
    a: u32,
    b: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Located {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[derive(Deserialize, JsonSchema)]
struct Person {
    name: String,
}

/// What the tools of a server have done.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) started: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    pub(crate) finished: AtomicUsize,
    changed: Notify,
    pub(crate) release: Notify,
}

impl Done {
    pub(crate) async fn reach(&self, count: impl Fn(&Self) -> &AtomicUsize, n: usize) {
        loop {
            let changed = self.changed.notified();
            if n <= count(self).load(Ordering::SeqCst) {
                return;
            }
            changed.await;
        }
    }

    fn bump(&self, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

struct Running(Arc<Done>, bool);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.bump(if self.1 { &self.0.finished } else { &self.0.dropped });
    }
}

pub(crate) fn server(done: &Arc<Done>) -> Server {
    let done = Arc::clone(done);
    let add = tool_fn("add", |sum: Sum, _| async move { Ok((sum.a + sum.b).to_string()) });
    let fail = tool_fn("fail", |_: NoArgs, _| async { Err::<&str, _>(ToolError::unavailable("not now")) });
    let talk = tool_fn("talk", |_: NoArgs, call: Call| async move {
        for step in 1..=3 {
            call.progress(f64::from(step), None, None);
            call.log(LogLevel::Info, &json!({ "step": step }));
            tokio::task::yield_now().await;
        }
        Ok("done")
    });
    let wait = tool_fn("wait", move |_: NoArgs, call: Call| {
        let done = Arc::clone(&done);
        async move {
            call.progress(0.0, None, None);
            let mut running = Running(Arc::clone(&done), false);
            done.bump(&done.started);
            done.release.notified().await;
            running.1 = true;
            Ok("released")
        }
    });
    let greet = tool_fn("greet", |_: NoArgs, call: Call| async move {
        let name = call.elicit::<Person>("name", "Who are you?")?.accepted();
        Ok(name.map_or("nobody".to_owned(), |person| format!("hello {}", person.name)))
    });
    let located = tool_fn("located", |located: Located, _| async move { Ok(located.region) });
    let registry = Registry::builder().tool(add).tool(fail).tool(talk).tool(wait).tool(greet).tool(located);
    let dispatcher = Dispatcher::builder(registry.build().unwrap()).build();
    Server::builder(dispatcher).name("served").version("1").page_size(4).grace(Duration::ZERO).build()
}

pub(crate) async fn listen(server: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { server.serve(listener).await });
    address
}

pub(crate) fn target(address: SocketAddr) -> HttpTarget {
    HttpTarget::new(&format!("http://{address}/mcp")).unwrap()
}

pub(crate) async fn sum(client: &McpClient, a: u32, b: u32) -> Result<Value, ClientError> {
    let arguments = frame(&json!({ "a": a, "b": b }));
    let sum = client.call_tool("add", arguments.root(), RequestOptions::new()).await?;
    Ok(value(&sum)["content"][0]["text"].clone())
}

/// A person of this name.
struct Named(&'static str);

impl Respond for Named {
    fn capabilities(&self) -> ClientCapabilities {
        serde_json::from_value(json!({ "elicitation": {} })).unwrap()
    }

    fn respond<'a>(
        &'a self,
        _: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        Box::pin(async { Ok(json!({ "action": "accept", "content": { "name": self.0 } }).into()) })
    }
}

#[tokio::test]
async fn tools_are_listed_called_and_fail_the_same_in_every_revision() {
    for version in Version::ALL {
        let address = listen(server(&Arc::default())).await;
        let client = McpClient::over_http(target(address), options().versions([version])).unwrap();
        let profile = client.ready().await.unwrap();
        assert_eq!(profile.version, version);
        assert_eq!(profile.implementation.as_ref().unwrap().name, "served");

        let tools = client.list_tools(RequestOptions::new()).await.unwrap();
        let tools: Vec<Value> = tools.iter().map(|tool| serde_json::from_str(tool).unwrap()).collect();
        let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["add", "fail", "greet", "located", "talk", "wait"], "{version}, over two pages");

        assert_eq!(sum(&client, 2, 3).await.unwrap(), "5", "{version}");
        let failed = client.call_tool("fail", frame(&json!({})).root(), RequestOptions::new()).await.unwrap();
        assert_eq!(value(&failed)["isError"], true, "{version}");
        let located = frame(&json!({ "region": "süd" }));
        let located = client.call_tool("located", located.root(), RequestOptions::new()).await.unwrap();
        assert_eq!(value(&located)["content"][0]["text"], "süd", "{version}");
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

#[tokio::test]
async fn progress_and_logs_come_before_the_result() {
    for version in Version::ALL {
        let address = listen(server(&Arc::default())).await;
        let options = options().versions([version]).log_level(toolpost_client::LoggingLevel::Info);
        let client = McpClient::over_http(target(address), options).unwrap();
        let mut events = client.events();
        client.ready().await.unwrap();
        // The level of a session is set by a request of its own, behind which this one comes.
        client.list_tools(RequestOptions::new()).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&seen);
        let options = RequestOptions::new().progress(move |done, _, _| hear.lock().unwrap().push(done));
        client.call_tool("talk", frame(&json!({})).root(), options).await.unwrap();
        // Reports that come too fast are left out.
        let seen = seen.lock().unwrap().clone();
        assert!(seen.is_sorted() && seen.last() == Some(&3.0), "{version}: {seen:?}");
        if version.is_modern() {
            for step in 1..=3 {
                let Some(ClientEvent::Log { params }) = events.next().await else { panic!("no log message") };
                assert!(params.contains(&format!(r#""step":{step}"#)), "{params}");
            }
        }
    }
}

#[tokio::test]
async fn questions_are_answered_in_every_revision_that_has_them() {
    for version in [Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28] {
        let address = listen(server(&Arc::default())).await;
        let options = options().versions([version]).respond(Named("Ada"));
        let client = McpClient::over_http(target(address), options).unwrap();
        let result =
            client.call_tool("greet", frame(&json!({})).root(), RequestOptions::new()).await.unwrap();
        assert_eq!(value(&result)["content"][0]["text"], "hello Ada", "{version}");
    }
}

#[tokio::test]
async fn a_dropped_call_ends_at_the_server_and_nothing_else_does() {
    for version in Version::ALL {
        let done = Arc::new(Done::default());
        let address = listen(server(&done)).await;
        let client = McpClient::over_http(target(address), options().versions([version])).unwrap();
        client.ready().await.unwrap();
        let call = {
            let client = client.clone();
            tokio::spawn(async move {
                client.call_tool("wait", frame(&json!({})).root(), RequestOptions::new()).await
            })
        };
        done.reach(|done| &done.started, 1).await;
        call.abort();
        done.reach(|done| &done.dropped, 1).await;
        assert_eq!(sum(&client, 1, 2).await.unwrap(), "3", "{version}");
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_steady_state_makes_no_connection_and_no_handshake() {
    for version in Version::ALL {
        let relay = Relay::to(listen(server(&Arc::default())).await).await;
        let client = McpClient::over_http(target(relay.address), options().versions([version])).unwrap();
        client.ready().await.unwrap();
        for a in 0..10 {
            sum(&client, a, 1).await.unwrap();
        }
        let before = relay.connections();
        for a in 0..300 {
            assert_eq!(sum(&client, a, 1).await.unwrap(), (a + 1).to_string());
        }
        assert_eq!(relay.connections(), before, "{version}");
        assert!(before <= 4, "{before} connections");
    }
}

#[tokio::test]
async fn a_thousand_calls_at_once_get_their_own_answers() {
    for version in [Version::V2025_11_25, Version::V2026_07_28] {
        let relay = Relay::to(listen(server(&Arc::default())).await).await;
        let target = target(relay.address).max_connections(8);
        let client = McpClient::over_http(target, options().versions([version])).unwrap();
        let calls = (0..1_000_u32).map(|a| {
            let client = client.clone();
            tokio::spawn(async move {
                assert_eq!(sum(&client, a, 1).await.unwrap(), (a + 1).to_string());
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        assert!(relay.connections() <= 9, "{} connections, of which one is a stream", relay.connections());
    }
}

#[tokio::test]
async fn a_call_whose_stream_is_cut_is_answered_and_runs_once() {
    let done = Arc::new(Done::default());
    let relay = Relay::to(listen(server(&done)).await).await;
    let options = options().versions([Version::V2025_11_25]);
    let client = McpClient::over_http(target(relay.address), options).unwrap();
    let heard = Arc::new(Notify::new());
    let call = {
        let (client, heard) = (client.clone(), Arc::clone(&heard));
        tokio::spawn(async move {
            let options = RequestOptions::new().progress(move |_, _, _| heard.notify_one());
            client.call_tool("wait", frame(&json!({})).root(), options).await
        })
    };
    // What it says has an id.
    heard.notified().await;
    for _ in 0..3 {
        let before = relay.connections();
        relay.cut();
        // The call's stream, and the session's own.
        relay.reach(before + 1).await;
    }
    done.release.notify_one();
    let result = call.await.unwrap().unwrap();
    assert_eq!(value(&result)["content"][0]["text"], "released");
    assert_eq!(done.started.load(Ordering::SeqCst), 1);
}
