//! The requests, as bytes on the wire, and what the answer to each must hold.

use calls::messages;
use serde_json::Value;
use served::name_of;

/// Which clients come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Era {
    /// 2026-07-28.
    Modern,
    /// 2025-11-25, each connection with a session of its own.
    Sessions,
}

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ask {
    /// `echo` with 100 bytes.
    Small,
    /// `price` with 8 KB of structured arguments.
    Structured,
    /// The list of tools.
    List,
    /// `echo` under one of that many names, each as likely as any other.
    Among(usize),
}

/// One connection's request: an HTTP head and a body, its id that of the connection.
#[derive(Clone, Debug)]
pub struct Request {
    pub bytes: Vec<u8>,
    /// What the body of every right answer holds.
    pub expect: Vec<String>,
    /// Where the number of the tool is written, if it changes from request to request.
    numbers: Vec<usize>,
    among: usize,
}

/// The body of a `tools/list`, or of any other method without parameters of its own.
pub fn bare(method: &str, id: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1.0"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

/// The body of a call with `id`.
pub fn call(mut body: Vec<u8>, id: usize) -> Vec<u8> {
    let text = br#""id":1,"#;
    let at = body.windows(text.len()).position(|window| window == text).expect("the id is 1");
    body.splice(at..at + text.len(), format!(r#""id":{id},"#).into_bytes());
    body
}

/// The body of the same message in a session.
pub fn within_session(body: &[u8]) -> Vec<u8> {
    let mut message: Value = serde_json::from_slice(body).expect("JSON");
    message["params"].as_object_mut().map(|params| params.remove("_meta"));
    serde_json::to_vec(&message).expect("encodes")
}

/// What opens a session, as a body.
pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1.0"}}}"#;
/// What a client says then.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A POST of `body` in a session, or of what opens one.
pub fn post(body: &[u8], session: Option<&str>) -> Vec<u8> {
    Route::DIRECT.post(body, session)
}

/// Where the tools are: the path of the server, and what comes before their names.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub path: &'static str,
    pub prefix: &'static str,
}

impl Route {
    /// Of a server's own.
    pub const DIRECT: Self = Self { path: "/mcp", prefix: "" };

    /// A POST of `body`, whose method names nothing, in 2026-07-28.
    pub fn modern(self, method: &str, body: &str) -> Vec<u8> {
        let fields = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        head(self.path, &fields, body.as_bytes())
    }

    /// A POST of `body` in a session, or of what opens one.
    pub fn post(self, body: &[u8], session: Option<&str>) -> Vec<u8> {
        let session =
            session.map(|id| format!("MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {id}\r\n"));
        head(self.path, &session.unwrap_or_default(), body)
    }
}

fn head(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{fields}Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

impl Request {
    /// What connection number `id` sends, in a session or without one.
    pub fn new(ask: Ask, id: usize, session: Option<&str>) -> Self {
        Self::by(Route::DIRECT, ask, id, session)
    }

    /// What connection number `id` sends to a server whose tools are elsewhere.
    pub fn by(route: Route, ask: Ask, id: usize, session: Option<&str>) -> Self {
        let Route { path, prefix } = route;
        let echoed = "a".repeat(100);
        let (method, name, body, mut expect) = match ask {
            Ask::Small => ("tools/call", Some("echo".to_owned()), call(messages::small(), id), vec![echoed]),
            Ask::Structured => {
                let body = call(messages::structured(), id);
                ("tools/call", Some("price".to_owned()), body, vec!["C-20931".into(), "11962.5".into()])
            }
            // The answer is the same bytes for all, id included.
            Ask::List => {
                let last = format!(r#""name":"{}""#, name_of(99));
                ("tools/list", None, bare("tools/list", 1).into_bytes(), vec![last])
            }
            Ask::Among(_) => {
                let body = String::from_utf8(call(messages::small(), id)).expect("JSON");
                let body = body.replace(r#""name":"echo""#, &format!(r#""name":"{}""#, name_of(0)));
                ("tools/call", Some(name_of(0)), body.into_bytes(), vec![echoed])
            }
        };
        let named = |name: &str| format!(r#""name":"{name}""#);
        let body = match &name {
            Some(name) if !prefix.is_empty() => {
                let body = String::from_utf8(body).expect("JSON");
                body.replacen(&named(name), &named(&format!("{prefix}{name}")), 1).into_bytes()
            }
            _ => body,
        };
        expect.push(format!(r#""id":{}"#, if ask == Ask::List { 1 } else { id }));
        let bytes = match session {
            Some(session) => route.post(&within_session(&body), Some(session)),
            None => {
                let name = name.map(|name| format!("Mcp-Name: {prefix}{name}\r\n")).unwrap_or_default();
                head(
                    path,
                    &format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}"),
                    &body,
                )
            }
        };
        let zero = name_of(0);
        let digits = zero.len() - 5;
        let among = if let Ask::Among(among) = ask { among } else { 0 };
        let numbers = bytes.windows(zero.len()).enumerate();
        let numbers = numbers.filter(|(_, window)| *window == zero.as_bytes()).map(|(at, _)| at + digits);
        Self { numbers: numbers.collect(), bytes, expect, among }
    }

    /// Chooses the tool of the next request.
    pub fn next(&mut self, random: &mut Random) {
        if self.among > 1 {
            let mut number = random.below(self.among);
            let mut digits = [b'0'; 5];
            for digit in digits.iter_mut().rev() {
                *digit += (number % 10) as u8;
                number /= 10;
            }
            for at in &self.numbers {
                self.bytes[*at..*at + 5].copy_from_slice(&digits);
            }
        }
    }
}

/// Small, seeded, even enough (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
