//! The tools that the tests serve, and the ways to reach them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    reason = "for tests, of which each uses its part; their clocks are paused or their waits short"
)]

pub mod offers;
pub mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    DuplexStream,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::{ServeError, Server, ServerBuilder};
use toolpost_tool::{Call, Json, LogLevel, NoArgs, Output, ToolError, tool_fn};

/// Adds two numbers.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    a: i64,
    b: i64,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
pub struct Sum {
    sum: i64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Text {
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Size {
    bytes: usize,
}

/// What the `wait` tool is doing.
#[derive(Debug, Default)]
pub struct Watch {
    pub started: AtomicUsize,
    pub dropped: AtomicUsize,
    pub finished: AtomicUsize,
    pub release: Notify,
    pub changed: Notify,
}

impl Watch {
    /// Waits until `count` has reached `n`.
    pub async fn reach(&self, count: impl Fn(&Self) -> &AtomicUsize, n: usize) {
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
        self.changed.notify_one();
    }
}

struct Running(Arc<Watch>, bool);

impl Drop for Running {
    fn drop(&mut self) {
        let count = if self.1 { &self.0.finished } else { &self.0.dropped };
        self.0.bump(count);
    }
}

pub fn tools(watch: &Arc<Watch>) -> Registry {
    let watch = Arc::clone(watch);
    Registry::builder()
        .tool(tool_fn("add", |args: Add, _| async move { Ok(Json(Sum { sum: args.a + args.b })) }))
        .tool(tool_fn("echo", |args: Text, _| async move { Ok(args.text) }))
        .tool(tool_fn("fail", |_: NoArgs, _| async { Err::<Output, _>(ToolError::new("it did not work")) }))
        .tool(tool_fn("panic", |_: NoArgs, _| async {
            if true {
                panic!("boom")
            }
            Ok("unreachable")
        }))
        .tool(tool_fn("large", |size: Size, _| async move { Ok("x".repeat(size.bytes)) }))
        .tool(tool_fn("id", |_: Text, call: Call| async move {
            Ok(call.request_id().map(ToString::to_string).unwrap_or_default())
        }))
        .tool(tool_fn("talk", |_: NoArgs, call: Call| async move {
            for step in 0..3_u32 {
                call.progress(f64::from(step), Some(2.0), Some("working"));
                call.log(LogLevel::Info, &json!({ "step": step }));
                call.log(LogLevel::Debug, "detail");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Ok("done")
        }))
        .tool(tool_fn("wait", move |_: NoArgs, _| {
            let watch = Arc::clone(&watch);
            async move {
                let mut running = Running(Arc::clone(&watch), false);
                watch.bump(&watch.started);
                watch.release.notified().await;
                running.1 = true;
                Ok("released")
            }
        }))
        .build()
        .unwrap()
}

pub fn builder(watch: &Arc<Watch>) -> ServerBuilder {
    Server::builder(Dispatcher::builder(tools(watch)).build()).name("tests").version("1.2.3")
}

/// A request of 2026-07-28.
pub fn modern(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

pub fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    modern(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// A stream of lines to a server.
pub struct Lines {
    pub reader: BufReader<tokio::io::ReadHalf<DuplexStream>>,
    pub writer: tokio::io::WriteHalf<DuplexStream>,
    pub served: JoinHandle<Result<(), ServeError>>,
}

impl Lines {
    pub fn to(server: &Server) -> Self {
        Self::with_buffer(server, 64 << 10)
    }

    pub fn with_buffer(server: &Server, buffer: usize) -> Self {
        let (ours, theirs) = tokio::io::duplex(buffer);
        let (reader, writer) = tokio::io::split(ours);
        let server = server.clone();
        let served = tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(theirs);
            server.serve_io(reader, writer).await
        });
        Self { reader: BufReader::new(reader), writer, served }
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_raw(format!("{message}\n").as_bytes()).await;
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    pub async fn receive(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.reader.read_line(&mut line).await.unwrap(), 0, "the server has closed the stream");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.receive().await
    }
}

/// A server on a loopback port.
pub struct Served {
    pub server: Server,
    pub address: SocketAddr,
    pub served: JoinHandle<Result<(), ServeError>>,
}

pub async fn serve(server: &Server) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.clone();
    let served = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener).await }
    });
    Served { server, address, served }
}

/// One answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The messages of an event stream.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{}", self.text());
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

/// One connection over HTTP/1.1, written and read by hand.
pub struct Wire(pub BufReader<Box<dyn Stream>>);

/// What a connection runs over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Stream for I {}

impl Wire {
    pub async fn to(address: SocketAddr) -> Self {
        Self(BufReader::new(Box::new(TcpStream::connect(address).await.unwrap())))
    }

    /// A connection in memory, which a paused clock cannot overtake; and the task that serves it.
    pub fn within(server: &Server) -> (Self, JoinHandle<()>) {
        Self::with_buffer(server, 64 << 10)
    }

    pub fn with_buffer(server: &Server, buffer: usize) -> (Self, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(buffer);
        let server = server.clone();
        let served = tokio::spawn(async move { server.serve_connection(theirs).await });
        (Self(BufReader::new(Box::new(ours))), served)
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// Sends a request with the headers that every one needs, unless `headers` has its own.
    pub async fn request(&mut self, verb: &str, headers: &[(&str, &str)], body: &[u8]) {
        let defaults = [
            ("Host", "localhost"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ];
        let mut head = format!("{verb} /mcp HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        let repeated = repeated(body);
        let repeated = repeated.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in defaults.into_iter().chain(repeated) {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        self.write(&[head.as_bytes(), body].concat()).await;
    }

    /// The next message of an event stream whose head has been read; `None` at its end.
    pub async fn event(&mut self) -> Option<Value> {
        loop {
            let chunk = String::from_utf8(self.chunk().await?).unwrap();
            if let Some(data) = chunk.lines().find_map(|line| line.strip_prefix("data: ")) {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut answer.body).await.unwrap();
        }
        answer
    }

    /// An answer up to its body.
    pub async fn head(&mut self) -> Answer {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "the server has closed the connection");
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = head[1..]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Answer { status, headers, body: Vec::new() }
    }

    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.0.read_line(&mut size).await.unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(size);
        (size != 0).then_some(chunk)
    }

    pub async fn post(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", headers, body).await;
        self.answer().await
    }

    /// Sends a message of 2026-07-28.
    pub async fn ask(&mut self, message: &Value) -> Answer {
        self.post(&[("MCP-Protocol-Version", "2026-07-28")], message.to_string().as_bytes()).await
    }
}

/// The headers in which a request of 2026-07-28 repeats its method, and the name of what it is about.
fn repeated(body: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let (method, params) = (body["method"].as_str(), &body["params"]);
    let modern = params["_meta"].get("io.modelcontextprotocol/protocolVersion").is_some();
    let Some(method) = method.filter(|_| modern) else { return Vec::new() };
    let name = params["name"].as_str().or(params["uri"].as_str()).or(params["taskId"].as_str());
    let name = name.map(|name| ("Mcp-Name", name.to_owned()));
    std::iter::once(("Mcp-Method", method.to_owned())).chain(name).collect()
}
