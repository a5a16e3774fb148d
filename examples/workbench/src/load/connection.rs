//! One connection, kept alive, with one call at a time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::loopback;
use crate::client::Era;
use crate::serve::Failure;

/// The longest a call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call to make over and over: where to, and the bytes of it.
#[derive(Clone, Debug)]
pub struct Ask {
    address: SocketAddr,
    path: String,
    tool: String,
    body: Bytes,
}

/// A connection to a server, kept alive. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with the connection.
    _driver: JoinSet<()>,
}

/// What came of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// A result.
    Result,
    /// A refusal by the runtime, and when to come back.
    Refused(Option<Duration>),
    /// A failure of the tool, an error, or what is no answer.
    Failed(String),
}

impl Ask {
    /// A call of `tool` at `url`, with these members of `_meta` beside those that every request has.
    ///
    /// # Errors
    ///
    /// If `url` is not that of a server on this machine.
    pub fn new(url: &str, tool: &str, arguments: &Value, meta: &Value) -> Result<Self, Failure> {
        let (address, path) = loopback(url)?;
        let mut all = Map::new();
        all.insert("io.modelcontextprotocol/protocolVersion".into(), Era::Discover.revision().into());
        all.insert("io.modelcontextprotocol/clientCapabilities".into(), json!({}));
        all.insert(
            "io.modelcontextprotocol/clientInfo".into(),
            json!({ "name": "workbench", "version": env!("CARGO_PKG_VERSION") }),
        );
        all.extend(meta.as_object().cloned().unwrap_or_default());
        let params = json!({ "name": tool, "arguments": arguments, "_meta": all });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        Ok(Self { address, path, tool: tool.to_owned(), body: message.to_string().into() })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        Request::post(self.path.as_str())
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", Era::Discover.revision())
            .header("mcp-method", "tools/call")
            .header("mcp-name", self.tool.as_str())
            .body(Full::new(self.body.clone()))
    }
}

impl Connection {
    /// Connects to where `ask` goes.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn open(ask: &Ask) -> Result<Self, Failure> {
        let stream = TcpStream::connect(ask.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        // How it fails is what the call on it says.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { sender, _driver: driver })
    }

    /// Makes the call, up to the head of the answer.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, which takes the call back.
    pub async fn send(&mut self, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(ask.request()?).await?)
    }

    /// Makes the call, and reads the answer: an error if it does not come within half a minute.
    ///
    /// # Errors
    ///
    /// If the connection fails; it is of no more use then.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn call(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        let called = timeout(PATIENCE, async {
            let response = self.send(ask).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, Failure>(match status.is_success() {
                true => Answer::read(&body),
                false => Answer::Failed(format!("{status}: {}", String::from_utf8_lossy(&body))),
            })
        });
        called.await?
    }
}

#[derive(Deserialize)]
struct Message {
    result: Option<CallResult>,
}

#[derive(Deserialize)]
struct CallResult {
    #[serde(rename = "isError", default)]
    is_error: bool,
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "dev.toolpost/rejection")]
    rejection: Option<Rejection>,
}

#[derive(Deserialize)]
struct Rejection {
    #[serde(rename = "retryAfterMs")]
    retry_after_ms: Option<u64>,
}

impl Answer {
    fn read(body: &[u8]) -> Self {
        let failed = || Self::Failed(String::from_utf8_lossy(body).into_owned());
        let Ok(Message { result: Some(result) }) = serde_json::from_slice(body) else { return failed() };
        match result.meta.and_then(|meta| meta.rejection) {
            _ if !result.is_error => Self::Result,
            Some(rejection) => Self::Refused(rejection.retry_after_ms.map(Duration::from_millis)),
            None => failed(),
        }
    }
}
