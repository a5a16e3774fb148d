//! What a host sets: for a client, and for one request.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use toolpost_protocol::Version;
use toolpost_protocol::model::{ClientCapabilities, Implementation, LoggingLevel, Object, RawJson};

use crate::respond::{NoAnswers, Respond};

/// The extension of 2026-07-28 by which a call becomes a task.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// How a client introduces itself, what it answers, and what a server may cost it.
///
/// ```
/// use std::time::Duration;
/// use toolpost_client::{ClientOptions, Version};
///
/// let options = ClientOptions::new("my-host", "1.0.0")
///     .time_limit(Duration::from_secs(10))
///     .versions([Version::V2025_11_25, Version::V2025_06_18]); // begins with `initialize`
/// ```
#[derive(Clone)]
pub struct ClientOptions {
    pub(crate) implementation: Implementation,
    pub(crate) versions: Vec<Version>,
    pub(crate) respond: Arc<dyn Respond>,
    pub(crate) log_level: Option<LoggingLevel>,
    pub(crate) tasks: bool,
    pub(crate) time_limit: Duration,
    pub(crate) discover_time: Duration,
    pub(crate) handshake_time: Duration,
    pub(crate) in_flight: usize,
    pub(crate) message_limit: usize,
    pub(crate) rounds: usize,
    pub(crate) noise: usize,
    pub(crate) list_items: usize,
    pub(crate) list_bytes: usize,
}

impl ClientOptions {
    /// The client's name and version, every revision, no answers, and the bounds that the methods name.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            implementation: Implementation::new(name, version),
            versions: Version::ALL.to_vec(),
            respond: Arc::new(NoAnswers),
            log_level: None,
            tasks: true,
            time_limit: Duration::from_secs(60),
            discover_time: Duration::from_secs(3),
            handshake_time: Duration::from_secs(60),
            in_flight: 1_024,
            message_limit: 4 << 20,
            rounds: 10,
            noise: 1_000,
            list_items: 10_000,
            list_bytes: 32 << 20,
        }
    }

    /// Says more of who the client is: a title, a web site, icons.
    #[must_use]
    pub fn implementation(mut self, implementation: Implementation) -> Self {
        self.implementation = implementation;
        self
    }

    /// Speaks these revisions alone (all that are published). Without one of the modern era the client begins with
    /// `initialize`, which servers want that end when the first message is anything else.
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// Answers what servers ask (nothing: servers are told so).
    #[must_use]
    pub fn respond(mut self, respond: impl Respond) -> Self {
        self.respond = Arc::new(respond);
        self
    }

    /// Asks for log messages of this level and graver ones (none).
    #[must_use]
    pub fn log_level(mut self, level: LoggingLevel) -> Self {
        self.log_level = Some(level);
        self
    }

    /// Lets a server of 2026-07-28 turn a call into a task (it may); the client waits for the task's end all the same.
    #[must_use]
    pub const fn tasks(mut self, may: bool) -> Self {
        self.tasks = may;
        self
    }

    /// How long a request may take that does not say it (60 s), questions, pages and the wait for the connection included.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How long a server may be silent to `server/discover` before it is sent `initialize` too (3 s); whichever it answers
    /// first counts.
    #[must_use]
    pub const fn discover_time(mut self, time: Duration) -> Self {
        self.discover_time = time;
        self
    }

    /// How long a server may take to say who it is, its start included (60 s); then the connection ends.
    #[must_use]
    pub const fn handshake_time(mut self, time: Duration) -> Self {
        self.handshake_time = time;
        self
    }

    /// How many requests may be in flight (1,024); further ones fail with [`ClientError::TooMany`](crate::ClientError::TooMany).
    #[must_use]
    pub const fn in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests;
        self
    }

    /// How many bytes a message of the server may have (4 MiB); a request whose answer is larger fails.
    #[must_use]
    pub const fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// How often one request of 2026-07-28, or one task, may ask something before it fails (10).
    #[must_use]
    pub const fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// How many lines in a row may be no messages (1,000); then the connection ends.
    #[must_use]
    pub const fn noise(mut self, lines: usize) -> Self {
        self.noise = lines;
        self
    }

    /// How many items a list may have over all its pages (10,000), and how many bytes (32 MiB); then listing fails.
    #[must_use]
    pub const fn list_bounds(mut self, items: usize, bytes: usize) -> Self {
        self.list_items = items;
        self.list_bytes = bytes;
        self
    }

    /// What the client can do, as it says in an era: extensions are modern.
    pub(crate) fn capabilities(&self, respond: &dyn Respond, is_modern: bool) -> ClientCapabilities {
        let mut capabilities = respond.capabilities();
        if !is_modern {
            capabilities.extensions = None;
        } else if self.tasks {
            let extensions = capabilities.extensions.get_or_insert_with(BTreeMap::new);
            extensions.entry(TASKS.to_owned()).or_default();
        }
        capabilities
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("implementation", &self.implementation)
            .field("versions", &self.versions)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

/// Hears of a request's progress.
pub(crate) type OnProgress = dyn Fn(f64, Option<f64>, Option<&str>) + Send + Sync;

/// What one request does otherwise than the client's others.
///
/// ```
/// use std::time::Duration;
/// use toolpost_client::RequestOptions;
///
/// let options = RequestOptions::new()
///     .time_limit(Duration::from_secs(600))
///     .progress(|done, total, message| println!("{done} of {total:?}: {}", message.unwrap_or_default()));
/// ```
#[derive(Clone, Default)]
pub struct RequestOptions {
    pub(crate) time_limit: Option<Duration>,
    pub(crate) meta: Object,
    pub(crate) progress: Option<Arc<OnProgress>>,
    pub(crate) respond: Option<Arc<dyn Respond>>,
    pub(crate) by_hand: bool,
    pub(crate) whom: Option<ByteString>,
}

impl RequestOptions {
    /// As the client's others.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the request may take ([`ClientOptions::time_limit`]).
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Adds a member to the request's `_meta`: `traceparent`, say. Those that the client writes itself are left out.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<RawJson>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// Asks for progress: how much is done, of how much in all, and a message. It is called by whoever polls the request's
    /// future; of reports that come faster than that the newest 32 are kept.
    #[must_use]
    pub fn progress(mut self, hear: impl Fn(f64, Option<f64>, Option<&str>) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(hear));
        self
    }

    /// Answers what the server asks on behalf of this request ([`ClientOptions::respond`]). A server of the older revisions
    /// was told at the handshake what the client's own answers, and asks nothing else.
    #[must_use]
    pub fn respond(mut self, respond: Arc<dyn Respond>) -> Self {
        self.respond = Some(respond);
        self
    }

    /// Says on whose behalf the request is made, by any name that tells users of one client apart: what a request that was
    /// cancelled still asks is then put to no other user than its own. Servers do not hear it.
    #[must_use]
    pub fn on_behalf_of(mut self, whom: impl Into<ByteString>) -> Self {
        self.whom = Some(whom.into());
        self
    }

    /// Hands out a result that asks something (`resultType` is `input_required`) as it is, in place of answering: the host
    /// goes on by a request of its own. A call that becomes a task is waited for all the same.
    #[must_use]
    pub const fn by_hand(mut self) -> Self {
        self.by_hand = true;
        self
    }
}

impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions")
            .field("time_limit", &self.time_limit)
            .field("meta", &self.meta)
            .field("progress", &self.progress.is_some())
            .field("by_hand", &self.by_hand)
            .finish_non_exhaustive()
    }
}
