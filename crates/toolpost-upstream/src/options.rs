//! What a host sets for an upstream.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use toolpost_client::{ClientOptions, LoggingLevel};
use toolpost_protocol::Version;
use toolpost_tool::InputCapabilities;

use crate::asker::Offers;
use crate::{PerCaller, Pins};

/// Says how an upstream's tools are named and shown, and what it may cost.
///
/// ```
/// use toolpost_upstream::{Pins, UpstreamOptions};
///
/// let options = UpstreamOptions::new().prefix("files_").pins(&Pins::new()).expects(["read_file"]);
/// ```
#[derive(Clone)]
pub struct UpstreamOptions {
    pub(crate) prefix: String,
    pub(crate) pins: Option<Pins>,
    pub(crate) expected: BTreeSet<String>,
    pub(crate) hidden: bool,
    pub(crate) shown_after: Duration,
    pub(crate) start_limit: Duration,
    pub(crate) message_limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) offers: InputCapabilities,
    pub(crate) per_caller: Option<PerCaller>,
    pub(crate) versions: Vec<Version>,
}

impl UpstreamOptions {
    /// Tools and prompts under the names that they have there, without pins, shown as unavailable while the server is down.
    #[must_use]
    pub fn new() -> Self {
        let mut offers = InputCapabilities::default();
        (offers.elicitation, offers.elicitation_url, offers.sampling) = (true, true, true);
        Self {
            prefix: String::new(),
            pins: None,
            expected: BTreeSet::new(),
            hidden: false,
            shown_after: Duration::from_secs(5),
            start_limit: Duration::from_secs(30),
            message_limit: 4 << 20,
            in_flight: 1_024,
            offers,
            per_caller: None,
            versions: Version::ALL.to_vec(),
        }
    }

    /// Puts `prefix` before the names of tools and prompts, so that they differ from those of other servers. URIs of resources
    /// stay what they are, for results refer to them.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The prefix of the names of tools and prompts.
    #[must_use]
    pub fn name_prefix(&self) -> &str {
        &self.prefix
    }

    /// Refuses tools that are not pinned, or that are listed otherwise than they are pinned, each by itself.
    #[must_use]
    pub fn pins(mut self, pins: &Pins) -> Self {
        self.pins = Some(pins.clone());
        self
    }

    /// Names tools that the server has to list to be [healthy](crate::UpstreamStatus::is_healthy), by their names there; those that
    /// are pinned are expected without that.
    #[must_use]
    pub fn expects<S: Into<String>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.expected.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Hides the tools of a server that is down, in place of listing them as unavailable with the reason.
    #[must_use]
    pub const fn hidden_when_down(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// How long a server is down before its tools are listed as unavailable, or hidden: 5 s, so that a restart changes no list.
    /// Calls fail at once either way.
    #[must_use]
    pub const fn down_after(mut self, time: Duration) -> Self {
        self.shown_after = time;
        self
    }

    /// How long a server may take from its start until its lists are read: 30 s.
    #[must_use]
    pub const fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = limit;
        self
    }

    /// The largest message that is read, in bytes: 4 MiB.
    #[must_use]
    pub const fn message_limit(mut self, bytes: usize) -> Self {
        self.message_limit = bytes;
        self
    }

    /// How many requests one connection has in flight at most: 1,024; calls beyond that are refused.
    #[must_use]
    pub const fn in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests;
        self
    }

    /// Speaks these protocol revisions alone: all, unless told otherwise.
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.versions = versions.into_iter().collect();
        self
    }

    /// What a server of the older revisions is told that it may ask, before anybody has called: forms, links and samples, unless
    /// told otherwise. What the client of a call cannot be asked is declined. Servers of 2026-07-28 are told with each call what
    /// its client can be asked.
    #[must_use]
    pub const fn offers(mut self, offers: InputCapabilities) -> Self {
        self.offers = offers;
        self
    }

    /// Gives each caller connections of its own: its calls go over them, and nobody else's.
    #[must_use]
    pub fn per_caller(mut self, per_caller: PerCaller) -> Self {
        self.per_caller = Some(per_caller);
        self
    }

    /// What each connection is told; it begins in the older era if its server ends when it is asked in the other.
    pub(crate) fn client(&self, begin_legacy: bool) -> ClientOptions {
        let legacy: Vec<Version> =
            self.versions.iter().copied().filter(|version| !version.is_modern()).collect();
        ClientOptions::new("toolpost", env!("CARGO_PKG_VERSION"))
            .respond(Offers(self.offers))
            .handshake_time(self.start_limit)
            .message_limit(self.message_limit)
            .in_flight(self.in_flight)
            .list_bounds(2_048, 32 << 20)
            .log_level(LoggingLevel::Info)
            .versions(if begin_legacy && !legacy.is_empty() { legacy } else { self.versions.clone() })
    }
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for UpstreamOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamOptions")
            .field("prefix", &self.prefix)
            .field("pins", &self.pins)
            .field("expected", &self.expected)
            .field("hidden", &self.hidden)
            .field("per_caller", &self.per_caller)
            .finish_non_exhaustive()
    }
}
