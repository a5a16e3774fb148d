//! A web server that says what a test tells it to, request by request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use toolpost_client::{ClientOptions, HttpTarget, McpClient, Version};

use crate::common::options;

pub(crate) struct Web {
    pub(crate) origin: String,
    requests: mpsc::UnboundedReceiver<Request>,
    connections: Arc<AtomicUsize>,
    closed: mpsc::UnboundedReceiver<()>,
}

/// A request, and the connection it came on, which is closed if it is not answered to the end.
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Value,
    writer: OwnedWriteHalf,
    back: oneshot::Sender<OwnedWriteHalf>,
}

impl Web {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let (closing, closed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (connection, closing) = (connection(stream, sender.clone()), closing.clone());
                tokio::spawn(async move {
                    connection.await;
                    // The test may have ended.
                    let _ = closing.send(());
                });
            }
        });
        Self { origin, requests, connections, closed }
    }

    /// A client of it, which is answered as a server of this revision would.
    pub(crate) async fn client(&mut self, version: Version, options: ClientOptions) -> McpClient {
        let target = HttpTarget::new(&format!("{}/mcp", self.origin)).unwrap();
        self.client_of(target, version, options).await
    }

    pub(crate) async fn client_of(
        &mut self,
        target: HttpTarget,
        version: Version,
        options: ClientOptions,
    ) -> McpClient {
        let client = McpClient::over_http(target, options.versions([version])).unwrap();
        match version.is_modern() {
            true => self.expect("server/discover").await.result(discovered()).await,
            false => {
                self.initialize(version, "s-1").await;
                self.stream().await.status(405, "").await;
            }
        }
        client.ready().await.unwrap();
        client
    }

    /// Opens a session.
    pub(crate) async fn initialize(&mut self, version: Version, session: &str) {
        let request = self.expect("initialize").await;
        assert_eq!(request.header("mcp-session-id"), None);
        let result = json!({ "protocolVersion": version.as_str(), "capabilities": { "tools": { "listChanged": true } },
            "serverInfo": { "name": "web", "version": "1" } });
        let body = json!({ "jsonrpc": "2.0", "id": request.body["id"], "result": result }).to_string();
        let headers = format!("Content-Type: application/json\r\nMcp-Session-Id: {session}\r\n");
        request.whole(200, &headers, &body).await;
        let request = self.expect("notifications/initialized").await;
        assert_eq!(request.header("mcp-session-id"), Some(session));
        request.status(202, "").await;
    }

    pub(crate) async fn next(&mut self) -> Request {
        self.requests.recv().await.unwrap()
    }

    /// The next request that posts a message of this method.
    pub(crate) async fn expect(&mut self, method: &str) -> Request {
        let request = self.next().await;
        assert_eq!(
            (request.verb.as_str(), request.body["method"].as_str()),
            ("POST", Some(method)),
            "{}",
            request.body
        );
        request
    }

    /// The next request, which asks for a stream.
    pub(crate) async fn stream(&mut self) -> Request {
        let request = self.next().await;
        assert_eq!(request.verb, "GET", "{}", request.body);
        assert_eq!(request.header("accept"), Some("text/event-stream"));
        request
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until a connection has been closed.
    pub(crate) async fn closed(&mut self) {
        self.closed.recv().await.unwrap();
    }

    /// Whether nothing was asked that is not taken yet.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }
}

pub(crate) fn discovered() -> Value {
    json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } })
}

/// A client that was not told what the server speaks, and is not answered yet.
pub(crate) fn dual(web: &Web) -> McpClient {
    McpClient::over_http(HttpTarget::new(&web.origin).unwrap(), options()).unwrap()
}

async fn connection(stream: TcpStream, sender: mpsc::UnboundedSender<Request>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let mut words = head[0].split(' ');
        let (verb, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let fields = head[1..].iter().filter_map(|line| line.split_once(": "));
        let headers: Vec<_> =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        if reader.read_exact(&mut body).await.is_err() {
            return;
        }
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (back, returned) = oneshot::channel();
        if sender.send(Request { verb, path, headers, body, writer, back }).is_err() {
            return;
        }
        let Ok(again) = returned.await else { return };
        writer = again;
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Answers with a result.
    pub(crate) async fn result(self, result: Value) {
        let message = self.answer(result);
        self.json(200, &message).await;
    }

    /// The answer that holds `result`.
    pub(crate) fn answer(&self, result: Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.body["id"], "result": result })
    }

    pub(crate) async fn json(self, status: u16, message: &Value) {
        self.whole(status, "Content-Type: application/json\r\n", &message.to_string()).await;
    }

    pub(crate) async fn status(self, status: u16, headers: &str) {
        self.whole(status, headers, "").await;
    }

    /// Answers to the end; the connection goes on.
    pub(crate) async fn whole(mut self, status: u16, headers: &str, body: &str) {
        let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        // The client may have left.
        let _ = self.writer.write_all(head.as_bytes()).await;
        let _ = self.back.send(self.writer);
    }

    /// Begins a stream of events.
    pub(crate) async fn events(mut self) -> Events {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.write(head).await;
        Events(self)
    }

    /// Writes what belongs to no answer that this server knows.
    pub(crate) async fn write(&mut self, bytes: &str) -> bool {
        self.writer.write_all(bytes.as_bytes()).await.is_ok()
    }
}

/// A stream of events; dropped, it is cut.
pub(crate) struct Events(Request);

impl Events {
    pub(crate) async fn say(&mut self, event: &str) -> bool {
        self.0.write(&format!("{:x}\r\n{event}\r\n", event.len())).await
    }

    pub(crate) async fn message(&mut self, message: &Value) -> bool {
        self.say(&format!("event: message\ndata: {message}\n\n")).await
    }

    /// The answer to the request that the stream is of.
    pub(crate) fn answer(&self, result: Value) -> Value {
        self.0.answer(result)
    }

    /// Ends it; the connection goes on.
    pub(crate) async fn end(mut self) {
        self.0.write("0\r\n\r\n").await;
        let _ = self.0.back.send(self.0.writer);
    }

    /// Waits until the client has closed the connection.
    pub(crate) async fn closed(mut self) {
        while self.say(": still working\n\n").await {
            tokio::task::yield_now().await;
        }
    }
}
