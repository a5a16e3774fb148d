//! The published revisions, and the `_meta` keys that they reserve.

use std::fmt;

/// The two kinds of MCP on the wire. Which of them a request is of follows from the request; which [`Version`] answers
/// what it may be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// 2026-07-28 and later: every request stands alone, and says in its `_meta` what it follows.
    Modern,
    /// Up to 2025-11-25: `initialize` opens a session, which settles the revision.
    Legacy,
}

/// A published revision of MCP. Later revisions are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// 2024-11-05.
    V2024_11_05,
    /// 2025-03-26.
    V2025_03_26,
    /// 2025-06-18.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: the first in which every request stands alone.
    V2026_07_28,
}

impl Version {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The newest revision.
    pub const LATEST: Self = Self::V2026_07_28;
    /// The newest revision that starts with `initialize`.
    pub const LATEST_WITH_SESSIONS: Self = Self::V2025_11_25;

    /// Reads a revision's name; `None` if there is no such revision.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|version| version.as_str() == name)
    }

    /// The revision's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The kind of MCP that the revision is of.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// Whether every request stands alone: it is of the [`Era::Modern`].
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self.era(), Era::Modern)
    }

    /// Whether results have structured content: 2025-06-18 and later.
    #[must_use]
    pub const fn has_structured_content(self) -> bool {
        !matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }

    /// Whether structured content, and the output schema that promises it, may be any JSON rather than an object alone:
    /// 2026-07-28 and later.
    #[must_use]
    pub const fn has_any_structured_content(self) -> bool {
        self.is_modern()
    }

    /// Whether there are blocks of sound: 2025-03-26 and later.
    #[must_use]
    pub const fn has_audio(self) -> bool {
        !matches!(self, Self::V2024_11_05)
    }

    /// Whether there are blocks that point to resources: 2025-06-18 and later.
    #[must_use]
    pub const fn has_resource_links(self) -> bool {
        !matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }

    /// Whether several messages may come as an array: 2025-03-26 alone.
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }

    /// Whether the client of a call can ask for a task: in 2025-11-25 alone. 2026-07-28 has an extension in its place.
    #[must_use]
    pub const fn has_tasks(self) -> bool {
        matches!(self, Self::V2025_11_25)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Keys of `_meta`.
pub mod meta {
    /// The revision that a request follows; required from 2026-07-28 on.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What the client offers; required from 2026-07-28 on.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who the client is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Which log messages the client wants (deprecated).
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who the server is; on results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The listen request that a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// What progress notifications refer to.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// The W3C trace context's parent.
    pub const TRACEPARENT: &str = "traceparent";
    /// The W3C trace context's state.
    pub const TRACESTATE: &str = "tracestate";
    /// The W3C baggage.
    pub const BAGGAGE: &str = "baggage";
    /// How urgent a call is: toolpost's own, on requests.
    pub const PRIORITY: &str = "dev.toolpost/priority";
    /// After how many milliseconds a result is of no more use: toolpost's own, on requests.
    pub const DEADLINE_MS: &str = "dev.toolpost/deadlineMs";
    /// The key under which a repeated call is answered with the first one's end: toolpost's own, on requests.
    pub const IDEMPOTENCY_KEY: &str = "dev.toolpost/idempotencyKey";
}
