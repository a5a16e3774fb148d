//! A server, and what it says; requests, and what comes back.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bench_http::servers::Peer;
use serde_json::{Value, json};

/// What was seen, in a few words.
pub(crate) type Seen = Result<String, Box<dyn Error + Send + Sync>>;
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The longest that an answer is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A server, killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// The lines of stderr; on stdio, those of stdout too.
    pub(crate) errors: Receiver<String>,
    pub(crate) lines: Receiver<String>,
    pub(crate) stdin: Option<ChildStdin>,
}

impl Server {
    pub(crate) fn start(peer: Peer, transport: &str) -> Outcome<Self> {
        let mut child = Command::new(peer.binary()?)
            .args([transport, "0"])
            // What replicas share; only toolpost asks for it.
            .env("TOOLPOST_STATE_KEY", "0123456789abcdef0123456789abcdef")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let errors = lines(child.stderr.take().ok_or("no stderr")?);
        let lines = lines(child.stdout.take().ok_or("no stdout")?);
        let mut server = Self { child, port: 0, errors, lines, stdin };
        if transport != "stdio" {
            let first = server.lines.recv_timeout(PATIENCE).map_err(|_| "not supported")?;
            server.port = first.trim().parse()?;
        }
        Ok(server)
    }

    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its stdin.
    pub(crate) fn tell(&mut self, line: &str) -> Outcome<()> {
        Ok(self.stdin.as_mut().ok_or("no stdin")?.write_all(format!("{line}\n").as_bytes())?)
    }

    /// The next line of its stdout that holds `text`, and how many others came before.
    pub(crate) fn hear(&self, text: &str, patience: Duration) -> Option<(String, usize)> {
        let (until, mut others) = (Instant::now() + patience, 0);
        loop {
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            if line.contains(text) {
                return Some((line, others));
            }
            others += 1;
        }
    }

    /// Whether it says this on stderr.
    pub(crate) fn says(&self, text: &str, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while let Ok(line) = self.errors.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return true;
            }
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if it ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (heard, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if heard.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// A call of 2026-07-28.
pub(crate) fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "method": "tools/call",
        "params": { "name": tool, "arguments": arguments, "_meta": meta() },
    })
}

pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "compare", "version": "1.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// The head of a POST of 2026-07-28 that calls `tool`.
pub(crate) fn head(host: &str, tool: &str, more: &str, length: usize) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{more}Content-Length: {length}\r\n\r\n"
    )
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The message in it, whether it came as JSON or as an event.
    pub(crate) fn message(&self) -> Value {
        let event = self
            .body
            .lines()
            .find_map(|line| line.strip_prefix("data: ").filter(|data| data.starts_with('{')));
        serde_json::from_str(event.unwrap_or(&self.body)).unwrap_or_default()
    }

    /// In a few words.
    pub(crate) fn told(&self) -> String {
        let message = self.message();
        if message["error"].is_object() {
            let (code, text) =
                (&message["error"]["code"], message["error"]["message"].as_str().unwrap_or_default());
            return format!("{}, error {code}: {}", self.status, short(text));
        }
        if message["result"].is_object() {
            let text = message["result"]["content"][0]["text"].as_str().unwrap_or_default();
            let what = if message["result"]["isError"] == true { "tool error" } else { "result" };
            return format!("{}, {what}: {}", self.status, short(text));
        }
        format!("{} {}", self.status, short(self.body.trim()))
    }
}

fn short(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        0..=110 => line,
        _ => line.chars().take(107).collect::<String>() + "...",
    }
}

/// Sends bytes on a connection of its own and reads what comes back.
pub(crate) fn send(port: u16, bytes: &[u8]) -> Outcome<Answer> {
    let mut stream = connect(port)?;
    stream.write_all(bytes)?;
    receive(&mut stream)
}

pub(crate) fn connect(port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Reads one answer.
pub(crate) fn receive(stream: &mut TcpStream) -> Outcome<Answer> {
    let (mut read, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(answer) = whole(&read) {
            return Ok(answer);
        }
        match stream.read(&mut buffer) {
            Ok(0) => {
                return Err(match read.is_empty() {
                    true => "the connection was closed without an answer".into(),
                    false => format!("cut off: {}", short(&String::from_utf8_lossy(&read))).into(),
                });
            }
            Ok(n) => read.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(format!("no answer in {} s", PATIENCE.as_secs()).into());
            }
            Err(error) => return Err(format!("the connection broke: {}", error.kind()).into()),
        }
    }
}

fn whole(read: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(read);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let done = match field(head, "content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => length <= body.len(),
        None => matches!(status, 202 | 204) || body.ends_with("0\r\n\r\n") || body.contains("\"result\""),
    };
    done.then(|| Answer { status, head: head.to_owned(), body: body.to_owned() })
}

pub(crate) fn field<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}
