//! A connection that serves calls, and which of them a call uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use tokio::sync::Notify;
use toolpost_client::{ClientError, McpClient};
use toolpost_json::{Frame, Limits, Node};
use toolpost_protocol::Version;
use toolpost_tool::{Call, LogLevel};

use crate::balance::{Pick, PickEnd};
use crate::clock;
use crate::per_caller::OfCaller;

/// A server that is connected.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: McpClient,
    pub(crate) version: Version,
    /// Whether anybody had an answer over it.
    served: AtomicBool,
    /// A request did not reach the server, though nothing says that the connection is over: over HTTP nothing does.
    pub(crate) doubted: Notify,
    next: AtomicU64,
    /// The calls in flight whose clients want log lines.
    heard: Mutex<Vec<(u64, Call)>>,
}

impl Connection {
    pub(crate) const fn new(client: McpClient, version: Version) -> Self {
        Self {
            client,
            version,
            served: AtomicBool::new(false),
            doubted: Notify::const_new(),
            next: AtomicU64::new(0),
            heard: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// Hands a log line on to the one call in flight, if it is one: a server does not say which call a line is of.
    pub(crate) fn log(&self, params: &ByteString) {
        let call = match &**self.heard() {
            [(_, call)] if self.client.in_flight() <= 1 => call.clone(),
            _ => return,
        };
        let Ok(line) = Frame::from_text(params.clone(), &Limits::new()) else { return };
        let level = line.root().member("level").and_then(Node::as_str);
        let level = level.and_then(|level| LogLevel::parse(&level)).unwrap_or(LogLevel::Info);
        let Some(data) = line
            .root()
            .member("data")
            .and_then(|data| serde_json::from_str::<&serde_json::value::RawValue>(data.raw()).ok())
        else {
            return;
        };
        call.log(level, data);
    }

    fn heard(&self) -> MutexGuard<'_, Vec<(u64, Call)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection that one call uses, for as long as it does. Which one that is, is decided in one place:
/// [`Shared::lease`](crate::upstream::Shared::lease).
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) connection: Arc<Connection>,
    held: Held,
    heard: Option<u64>,
}

/// How a connection is held.
#[derive(Debug)]
pub(crate) enum Held {
    /// The one that all use.
    Shared,
    /// That of one of several endpoints, until it has answered.
    Balanced { endpoint: usize, pick: Mutex<Option<Pick>> },
    /// One of its caller's own.
    #[expect(dead_code, reason = "it goes back to its pool when it is dropped")]
    OfCaller(OfCaller),
}

impl Held {
    pub(crate) const fn balanced(pick: Pick) -> Self {
        Self::Balanced { endpoint: pick.endpoint(), pick: Mutex::new(Some(pick)) }
    }

    fn end(&self, how: PickEnd) {
        let Self::Balanced { pick, .. } = self else { return };
        let ended = pick.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pick) = ended {
            pick.end(how, clock::now());
        }
    }
}

impl Lease {
    pub(crate) fn new(connection: Arc<Connection>, held: Held, call: &Call) -> Self {
        let heard = call.log_level().is_some().then(|| {
            let id = connection.next.fetch_add(1, Ordering::Relaxed);
            connection.heard().push((id, call.clone()));
            id
        });
        Self { connection, held, heard }
    }

    /// The server has answered.
    pub(crate) fn answered(&self) {
        if !self.connection.has_served() {
            self.connection.served.store(true, Ordering::Relaxed);
        }
        self.held.end(PickEnd::Answered);
    }

    /// The request had no result.
    pub(crate) fn failed(&self, error: &ClientError) {
        match error {
            ClientError::Refused(_) => self.held.end(PickEnd::Answered),
            // Those of this side.
            ClientError::TooMany { .. } | ClientError::TimedOut { .. } => self.held.end(PickEnd::GivenUp),
            _ => self.held.end(PickEnd::Failed),
        }
        if matches!(error, ClientError::NotConnected(_) | ClientError::ConnectionLost(_)) {
            self.connection.doubted.notify_one();
        }
    }

    /// The endpoint, of several.
    pub(crate) const fn endpoint(&self) -> Option<usize> {
        match &self.held {
            Held::Balanced { endpoint, .. } => Some(*endpoint),
            Held::Shared | Held::OfCaller(_) => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held.end(PickEnd::GivenUp);
        if let Some(id) = self.heard {
            self.connection.heard().retain(|(other, _)| *other != id);
        }
    }
}
