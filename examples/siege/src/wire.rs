//! Requests as bytes, and connections that know where they come from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// The address of hostile clients; the innocent one has another where an address has a share.
pub(crate) const HERE: u8 = 1;

/// A connection from 127.0.0.`from`.
///
/// From [`HERE`] the system picks the port when it connects: a port that was bound beforehand is taken for a minute after
/// its connection, whoever it was to, and 28,000 are used up within that.
pub(crate) async fn connect(to: SocketAddr, from: u8) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if from != HERE {
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A request of 2026-07-28.
pub(crate) fn modern(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "siege", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
    });
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A call of 2026-07-28.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    modern(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// The `initialize` of a legacy session.
pub(crate) fn initialize() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "siege", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

/// The headers of a message, which say what it is.
pub(crate) fn fields(message: &Value, session: Option<&str>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
    ];
    if let Some(session) = session {
        fields.push(("mcp-session-id", session.to_owned()));
        fields.push(("mcp-protocol-version", "2025-11-25".to_owned()));
    } else if message["params"]["_meta"].is_object() {
        fields.push(("mcp-protocol-version", "2026-07-28".to_owned()));
        fields.push(("mcp-method", message["method"].as_str().unwrap_or_default().to_owned()));
        if let Some(name) = message["params"]["name"].as_str() {
            fields.push(("mcp-name", name.to_owned()));
        }
    }
    fields
}

/// The head of a POST whose body has `length` bytes.
pub(crate) fn head(message: &Value, session: Option<&str>, length: usize) -> Vec<u8> {
    let mut head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\n".to_owned();
    for (name, value) in fields(message, session) {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {length}\r\n\r\n");
    head.into_bytes()
}

/// A POST of `message`.
pub(crate) fn post(message: &Value, session: Option<&str>) -> Vec<u8> {
    let body = message.to_string();
    let mut bytes = head(message, session, body.len());
    bytes.extend(body.into_bytes());
    bytes
}

/// What came back, as far as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    pub(crate) text: String,
}

/// Sends `request` and reads the answer: the whole of one whose length is known, a stream until it holds `expected`.
pub(crate) async fn ask(stream: &mut TcpStream, request: &[u8], expected: &str) -> io::Result<Answer> {
    stream.write_all(request).await?;
    let mut read = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        if let Some(answer) = parse(&read, expected) {
            return Ok(answer);
        }
        match stream.read(&mut buffer).await? {
            0 if read.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => return Err(io::Error::other(format!("cut off: {}", String::from_utf8_lossy(&read)))),
            n => read.extend_from_slice(&buffer[..n]),
        }
    }
}

fn parse(read: &[u8], expected: &str) -> Option<Answer> {
    let text = String::from_utf8_lossy(read);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let field = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
    };
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let whole = match field("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => length <= body.len(),
        None => matches!(status, 202 | 204) || body.contains(expected) || body.ends_with("0\r\n\r\n"),
    };
    whole.then(|| Answer { status, session: field("mcp-session-id"), text: body.to_owned() })
}

/// Sends `request` on a connection of its own, and waits for the answer; for hostile clients, who do not mind failures.
pub(crate) async fn throw(to: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(to, HERE).await.ok()?;
    ask(&mut stream, request, "\"result\"").await.ok()
}

/// Reads and forgets whatever comes, until the connection ends.
pub(crate) async fn swallow(stream: &mut TcpStream) {
    let mut buffer = vec![0; 16 << 10];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

/// Waits; hostile clients too draw breath.
pub(crate) async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
