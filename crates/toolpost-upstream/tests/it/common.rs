//! What these tests share: servers in memory, whose connections can be cut.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{future::Future, io};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex, split};
use tokio::task::AbortHandle;
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{AnyTool, Call, Output, ToolError};
use toolpost_upstream::{Endpoint, Upstream, UpstreamOptions, UpstreamState};

/// A server, as whoever connects to it finds it.
#[derive(Clone, Default)]
pub(crate) struct Wire {
    is_down: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    serving: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Wire {
    /// The endpoint of a server that does what `serve` does with each connection.
    pub(crate) fn endpoint<F>(&self, serve: impl Fn(DuplexStream) -> F + Send + Sync + 'static) -> Endpoint
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let wire = self.clone();
        Endpoint::streams(move || {
            wire.opened.fetch_add(1, Ordering::Relaxed);
            let opened = if wire.is_down.load(Ordering::Relaxed) {
                Err(io::Error::from(io::ErrorKind::ConnectionRefused))
            } else {
                let (ours, theirs) = duplex(1 << 16);
                let task = tokio::spawn(serve(theirs));
                wire.serving.lock().unwrap().push(task.abort_handle());
                Ok(split(ours))
            };
            std::future::ready(opened)
        })
    }

    /// How often somebody connected, or tried to.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Ends every connection.
    pub(crate) fn cut(&self) {
        self.serving.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    /// From now on nobody can connect, or everybody again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }
}

pub(crate) fn dispatcher(tools: impl IntoIterator<Item = AnyTool>) -> Dispatcher {
    let registry = tools.into_iter().fold(Registry::builder(), |registry, tool| registry.any(tool));
    Dispatcher::builder(registry.build().unwrap()).build()
}

/// One of our own servers in memory.
pub(crate) fn serving(wire: &Wire, dispatcher: &Dispatcher) -> Endpoint {
    let server = Server::builder(dispatcher.clone()).build();
    wire.endpoint(move |stream| {
        let server = server.clone();
        async move {
            let (reader, writer) = split(stream);
            drop(server.serve_io(reader, writer).await);
        }
    })
}

/// A server of the older revisions that answers each request by what `answer` makes of its method and params.
pub(crate) fn scripted(
    wire: &Wire,
    answer: impl Fn(&str, &Value) -> Option<Value> + Clone + Send + Sync + 'static,
) -> Endpoint {
    wire.endpoint(move |stream| {
        let answer = answer.clone();
        async move {
            let (reader, mut writer) = split(stream);
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let message: Value = serde_json::from_str(&line).unwrap();
                let Some(id) = message.get("id") else { continue };
                let method = message["method"].as_str().unwrap_or_default();
                let reply = match (method, answer(method, &message["params"])) {
                    (_, Some(result)) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                    ("initialize", None) => json!({ "jsonrpc": "2.0", "id": id, "result": {
                        "protocolVersion": "2025-11-25", "capabilities": { "tools": { "listChanged": true } },
                        "serverInfo": { "name": "scripted", "version": "1" } } }),
                    ("tools/call", None) => continue,
                    _ => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no" } }),
                };
                if writer.write_all(format!("{reply}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
}

/// Starts an upstream, and waits for it.
pub(crate) async fn start(name: &'static str, endpoint: Endpoint, options: UpstreamOptions) -> Upstream {
    let upstream = Upstream::start(name, endpoint, options);
    upstream.ready().await.unwrap();
    // Its tools are handed out in another step of the same task.
    let mut changes = upstream.changes();
    while upstream.tools().is_empty()
        && upstream.status().refused.is_empty()
        && upstream.status().pin_changes.is_empty()
    {
        changes.changed().await.unwrap();
    }
    upstream
}

pub(crate) fn tool(upstream: &Upstream, name: &str) -> AnyTool {
    use toolpost_tool::Tool as _;
    upstream.tools().into_iter().find(|tool| tool.spec().name() == name).unwrap()
}

pub(crate) async fn called(upstream: &Upstream, name: &str, arguments: Value) -> Result<Output, ToolError> {
    tool(upstream, name).call_boxed(Call::new(&arguments).unwrap()).await
}

/// Waits until the status is as asked.
pub(crate) async fn until(upstream: &Upstream, is: impl Fn(&toolpost_upstream::UpstreamStatus) -> bool) {
    let mut changes = upstream.changes();
    let reached = async {
        while !is(&upstream.status()) {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(3_600), reached)
        .await
        .unwrap_or_else(|_| panic!("it stays {:?}", upstream.status()));
}

pub(crate) fn is_down(status: &toolpost_upstream::UpstreamStatus) -> bool {
    matches!(status.state, UpstreamState::Down { .. })
}
