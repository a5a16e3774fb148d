//! How an upstream is.

use std::sync::Arc;
use std::time::Instant;

use toolpost_protocol::Version;

use crate::{PinChange, RefusedTool};

/// Whether a server is connected.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UpstreamState {
    /// For the first time: its program starts, or says what it is and has.
    Connecting,
    /// It is connected, and its lists are read.
    Ready,
    /// It is not connected. It is tried again for ever.
    Down {
        /// Why, in one line.
        reason: Arc<str>,
        /// Since when.
        since: Instant,
        /// When it is tried again; a call that comes has that done sooner.
        next: Instant,
    },
    /// It was stopped, and is connected no more.
    Stopped,
}

/// How a server is now, for health checks, metrics and whoever operates it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamStatus {
    /// Whether it is connected.
    pub state: UpstreamState,
    /// The protocol revision that it speaks, once known.
    pub version: Option<Version>,
    /// How often it was connected. Calls add nothing to it.
    pub handshakes: u64,
    /// The tools that it offers now, by their names there.
    pub tools: Vec<String>,
    /// The tools that it lists and that are not offered, with the reasons.
    pub refused: Vec<RefusedTool>,
    /// Tools that it lists otherwise than they are pinned; each waits to be [accepted](crate::Pins::accept).
    pub pin_changes: Vec<PinChange>,
    /// The tools that are expected and not listed.
    pub missing: Vec<String>,
    /// Why its tools, or some of its lists, could not be taken over: a name that another has already, say.
    pub faults: Vec<String>,
    /// Calls that wait for an answer of their user, and are kept here meanwhile.
    pub suspended: usize,
}

impl UpstreamStatus {
    /// Whether it is connected, and lists every tool that is expected.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.state == UpstreamState::Ready && self.missing.is_empty() && self.faults.is_empty()
    }
}
