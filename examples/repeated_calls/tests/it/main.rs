//! An order that is sent again, over stdio and over HTTP, in both eras, to one server or another, is placed once.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, whose servers end with it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use repeated_calls::shop;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, split,
};
use tokio::net::{TcpListener, TcpStream};
use toolpost::layers::MemoryIdempotencyStore;

/// The request that orders `pieces` under this key.
fn order(pieces: u32, key: Option<&str>, order_id: Option<&str>) -> Value {
    let mut arguments = json!({ "sku": "chuck", "pieces": pieces });
    let mut meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if let Some(key) = key {
        meta["dev.toolpost/idempotencyKey"] = key.into();
    }
    if let Some(id) = order_id {
        arguments["order_id"] = id.into();
    }
    let params = json!({ "name": "order", "arguments": arguments, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// A client on stdio.
struct Pipe(BufReader<DuplexStream>);

impl Pipe {
    /// To a server of a shop.
    fn open(store: &MemoryIdempotencyStore, placed: &Arc<AtomicU32>) -> Self {
        let server = shop(store.clone(), placed).unwrap().server().build();
        let (client, pipe) = tokio::io::duplex(64 << 10);
        tokio::spawn(async move {
            let (reader, writer) = split(pipe);
            server.serve_io(reader, writer).await
        });
        Self(BufReader::new(client))
    }

    async fn say(&mut self, message: &Value) {
        self.0.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn send(&mut self, message: &Value) -> Value {
        self.say(message).await;
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// A server of a shop over HTTP.
async fn listen(store: &MemoryIdempotencyStore, placed: &Arc<AtomicU32>) -> SocketAddr {
    let server = shop(store.clone(), placed).unwrap().server().build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { server.serve(listener).await });
    address
}

/// What a server answers to one request over HTTP.
async fn post(address: SocketAddr, message: &Value) -> Value {
    let body = message.to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: order\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let json = body.find('{').and_then(|from| Some(&body[from..=body.rfind('}')?])).unwrap();
    serde_json::from_str(json).unwrap()
}

fn number(answer: &Value) -> &Value {
    &answer["result"]["structuredContent"]["number"]
}

fn is_repeated(answer: &Value) -> bool {
    answer["result"]["_meta"]["dev.toolpost/idempotency"] == "repeated"
}

#[tokio::test]
async fn an_order_is_placed_once_whichever_transport_it_comes_over() {
    let (store, placed) = (MemoryIdempotencyStore::new(), Arc::default());
    let (mut pipe, address) = (Pipe::open(&store, &placed), listen(&store, &placed).await);
    for (n, message) in [(1, order(2, Some("k"), None)), (2, order(2, None, Some("4711")))] {
        let first = pipe.send(&message).await;
        assert_eq!((number(&first), is_repeated(&first)), (&json!(n), false), "{first}");
        for answer in [pipe.send(&message).await, post(address, &message).await] {
            assert_eq!((number(&answer), is_repeated(&answer)), (&json!(n), true), "{answer}");
            assert_eq!(answer["result"]["structuredContent"], first["result"]["structuredContent"]);
        }
    }
    let first = post(address, &order(1, Some("l"), None)).await;
    assert!(!is_repeated(&first));
    assert!(is_repeated(&pipe.send(&order(1, Some("l"), None)).await));
    assert_eq!(placed.load(Ordering::SeqCst), 3);

    for answer in
        [pipe.send(&order(9, Some("k"), None)).await, post(address, &order(9, None, Some("4711"))).await]
    {
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("give each call a key of its own"), "{text}");
    }
    assert_eq!(placed.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn so_it_is_in_a_session_and_an_order_without_a_key_is_placed_each_time() {
    let (store, placed) = (MemoryIdempotencyStore::new(), Arc::default());
    let mut pipe = Pipe::open(&store, &placed);
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
    }});
    assert_eq!(pipe.send(&hello).await["result"]["protocolVersion"], "2025-11-25");
    pipe.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let mut message = order(2, Some("k"), None);
    message["params"]["_meta"] = json!({ "dev.toolpost/idempotencyKey": "k" });
    assert!(!is_repeated(&pipe.send(&message).await));
    assert!(is_repeated(&pipe.send(&message).await));
    message["params"]["_meta"] = json!({});
    for n in 2..4 {
        assert_eq!(number(&pipe.send(&message).await), &json!(n));
    }
}
