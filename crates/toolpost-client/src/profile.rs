//! What a server says of itself.

use toolpost_protocol::Version;
use toolpost_protocol::model::{Implementation, ServerCapabilities};

/// What a server is, as it says when a client connects: found by [`McpClient::ready`](crate::McpClient::ready).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerProfile {
    /// The revision that the requests follow; its [`era`](Version::era) says how.
    pub version: Version,
    /// What the server offers. A capability that is absent is not there.
    pub capabilities: ServerCapabilities,
    /// Who the server is; servers of 2026-07-28 need not say it.
    pub implementation: Option<Implementation>,
    /// How to use the server, for a language model.
    pub instructions: Option<String>,
}
