//! A connection that serves calls, and which of them a call uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use tokio::sync::Notify;
use toolpost_client::{ClientError, McpClient};
use toolpost_json::{Frame, Limits, Node};
use toolpost_protocol::Version;
use toolpost_tool::{Call, LogLevel, Principal};

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
    heard: Mutex<Heard>,
}

/// Who may hear log lines: a server does not say which call a line is of.
#[derive(Debug)]
struct Heard {
    /// The calls in flight whose clients want log lines.
    calls: Vec<(u64, Call)>,
    /// On whose behalf the connection was used last, and since when nobody else has used it.
    whom: Option<Principal>,
    alone_since: Option<Instant>,
}

/// For so long a server may still write lines about a call that has ended, which nobody but its own user is to read.
const LATE: Duration = Duration::from_secs(600);

impl Heard {
    /// A call of this principal begins, or ends.
    fn used_by(&mut self, principal: &Principal) {
        if self.whom.as_ref() != Some(principal) {
            self.alone_since = self.whom.is_some().then(clock::now);
            self.whom = Some(principal.clone());
        }
    }

    /// The one call that a line can be of.
    fn only(&self) -> Option<&Call> {
        let [(_, call)] = &*self.calls else { return None };
        let is_late = |since: Instant| clock::now().saturating_duration_since(since) < LATE;
        (self.whom.as_ref() == Some(call.principal()) && !self.alone_since.is_some_and(is_late))
            .then_some(call)
    }
}

impl Connection {
    pub(crate) const fn new(client: McpClient, version: Version) -> Self {
        Self {
            client,
            version,
            served: AtomicBool::new(false),
            doubted: Notify::const_new(),
            next: AtomicU64::new(0),
            heard: Mutex::new(Heard { calls: Vec::new(), whom: None, alone_since: None }),
        }
    }

    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// Hands a log line on to the one call in flight, if it is one, and nobody but its user has used the connection for a while.
    pub(crate) fn log(&self, params: &ByteString) {
        let call = self.heard().only().cloned();
        let Some(call) = call.filter(|_| self.client.in_flight() <= 1) else { return };
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

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection that one call uses, for as long as it does. Which one that is, is decided in one place:
/// [`Shared::lease`](crate::upstream::Shared::lease).
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) connection: Arc<Connection>,
    held: Held,
    whom: Principal,
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
        let whom = call.principal().clone();
        let heard = {
            let mut heard = connection.heard();
            heard.used_by(&whom);
            call.log_level().is_some().then(|| {
                let id = connection.next.fetch_add(1, Ordering::Relaxed);
                heard.calls.push((id, call.clone()));
                id
            })
        };
        Self { connection, held, whom, heard }
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
        let mut heard = self.connection.heard();
        heard.used_by(&self.whom);
        let ended = self.heard.and_then(|id| heard.calls.iter().position(|(other, _)| *other == id));
        let call = ended.map(|at| heard.calls.swap_remove(at));
        // Without the lock: a call may be the last that holds what the host brought.
        drop(heard);
        drop(call);
    }
}

#[cfg(test)]
mod tests {
    use toolpost_client::ClientOptions;
    use toolpost_test::Recording;
    use toolpost_tool::NoArgs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_late_line_about_one_user_is_not_told_to_another() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let (reader, writer) = tokio::io::split(ours);
        let client = McpClient::over_stdio(reader, writer, ClientOptions::new("test", "1"));
        let connection = Arc::new(Connection::new(client, Version::V2025_11_25));
        let lease = |principal: &str| {
            let recording = Recording::new();
            let call = toolpost_test::call(NoArgs {}).by(principal).recording(&recording).build();
            (Lease::new(Arc::clone(&connection), Held::Shared, &call), recording)
        };
        let told = |recording: &Recording| {
            let before = recording.log().len();
            connection.log(&r#"{"level":"info","data":"of somebody"}"#.into());
            recording.log().len() - before
        };
        let (ada, recording) = lease("ada");
        assert_eq!(told(&recording), 1, "nobody else was ever here");
        let (eve, heard) = lease("eve");
        assert_eq!((told(&recording), told(&heard)), (0, 0), "there are two");
        drop(ada);
        assert_eq!(told(&heard), 0, "it may be about the call that has just ended");
        drop(eve);
        let (_eve, heard) = lease("eve");
        assert_eq!(told(&heard), 0, "so may it now");
        tokio::time::advance(LATE).await;
        assert_eq!(told(&heard), 1);
    }
}
