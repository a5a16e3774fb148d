//! What a legacy client has said about itself.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "http")]
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use toolpost_protocol::{Id, Version};
use toolpost_tool::{InputCapabilities, LogLevel, Principal, ToolError};

use super::Outbox;
use super::listen_limits::{ListenLimits, covers};
pub(crate) use super::questions::Asked;
use super::questions::Questions;
use super::streams::Streams;
use crate::Peer;

/// A legacy session: one per stream, or one per `initialize` over HTTP.
pub(crate) struct Session {
    /// Unique within the server; stands for the connection in the keys of its calls.
    pub(crate) number: u64,
    pub(crate) principal: Principal,
    /// Of the last `initialize`: bridges send one for each of their clients, and hosts one with every reload.
    agreed: Mutex<Option<Agreed>>,
    /// One more than the least severe [`LogLevel`] wanted; zero for none.
    log_level: AtomicU8,
    #[cfg(feature = "http")]
    last_used: Mutex<Option<Instant>>,
    /// What the client was asked and has not answered.
    questions: Questions,
    /// The resources whose changes the client wants to hear of.
    resources: Mutex<BTreeSet<String>>,
    /// Where the client hears of changes.
    pub(crate) streams: Streams,
    /// Cancelled when the session ends.
    pub(crate) closed: CancellationToken,
}

/// What `initialize` settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    pub(crate) version: Version,
    pub(crate) client: InputCapabilities,
}

impl Agreed {
    /// Whether there is anything that the client can be asked for.
    pub(crate) const fn can_be_asked(self) -> bool {
        let InputCapabilities { elicitation, elicitation_url, sampling, roots, .. } = self.client;
        elicitation || elicitation_url || sampling || roots
    }
}

impl Session {
    pub(crate) fn new(number: u64, principal: Principal) -> Self {
        Self {
            number,
            principal,
            agreed: Mutex::new(None),
            log_level: AtomicU8::new(0),
            #[cfg(feature = "http")]
            last_used: Mutex::new(None),
            questions: Questions::new(),
            resources: Mutex::default(),
            streams: Streams::default(),
            closed: CancellationToken::new(),
        }
    }

    /// Subscribes to a resource; says why not if that is more than `limits` allow.
    pub(crate) fn subscribe(&self, uri: &str, limits: &ListenLimits) -> Result<(), String> {
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        if !resources.contains(uri) {
            limits.allow(uri, resources.len(), resources.iter().map(String::len).sum())?;
            resources.insert(uri.to_owned());
        }
        Ok(())
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }

    /// The resources that the client subscribed to.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Whether the client subscribed to this resource, or to one that it is a part of.
    pub(crate) fn subscribed(&self, uri: &str) -> bool {
        covers(&self.resources.lock().unwrap_or_else(PoisonError::into_inner), uri)
    }

    /// Asks the client for input to its own request `for_request`.
    pub(crate) fn ask(
        &self,
        outbox: &Arc<Outbox>,
        for_request: &Id,
        method: &str,
        params: Option<&str>,
    ) -> Result<Asked<'_>, ToolError> {
        self.questions.ask(outbox, for_request, method, params)
    }

    /// Takes the client's answer to what it was asked under `id`.
    pub(crate) fn answered(&self, id: &Id, answer: Result<String, String>) {
        self.questions.answered(id, answer);
    }

    /// Takes back what was asked for the client's request `id`; says whether there was such a thing.
    pub(crate) fn take_back(&self, id: &Id) -> bool {
        self.questions.take_back(id)
    }

    /// Settles revision and capabilities from now on.
    pub(crate) fn agree(&self, agreed: Agreed) {
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
    }

    pub(crate) fn agreed(&self) -> Option<Agreed> {
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log_level(&self) -> Option<LogLevel> {
        LEVELS.get(usize::from(self.log_level.load(Ordering::Relaxed)).checked_sub(1)?).copied()
    }

    pub(crate) fn set_log_level(&self, level: LogLevel) {
        let at = LEVELS.iter().position(|known| *known == level).map_or(0, |at| at + 1);
        self.log_level.store(u8::try_from(at).unwrap_or(0), Ordering::Relaxed);
    }

    #[cfg(feature = "http")]
    pub(crate) fn touch(&self, now: Instant) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    #[cfg(feature = "http")]
    pub(crate) fn last_used(&self) -> Option<Instant> {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("number", &self.number)
            .field("agreed", &self.agreed)
            .finish_non_exhaustive()
    }
}

/// The revision spoken to a client of the legacy era: its session's, or the newest of those.
pub(crate) fn version(peer: &Peer) -> Version {
    let agreed = peer.session.as_ref().and_then(|session| session.agreed());
    agreed.map_or(Version::LATEST_WITH_SESSIONS, |agreed| agreed.version)
}

const LEVELS: [LogLevel; 8] = [
    LogLevel::Debug,
    LogLevel::Info,
    LogLevel::Notice,
    LogLevel::Warning,
    LogLevel::Error,
    LogLevel::Critical,
    LogLevel::Alert,
    LogLevel::Emergency,
];
