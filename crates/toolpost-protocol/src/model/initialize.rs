//! `initialize`: the handshake that opens a session. 2025-11-25 only.

use super::{Implementation, Meta, Object, ServerCapabilities};

/// The result of `initialize`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitializeResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// The revision that the session speaks.
    pub protocol_version: String,
    /// What the server can do.
    pub capabilities: ServerCapabilities,
    /// Who the server is.
    pub server_info: Implementation,
    /// How to use the server, for a language model.
    pub instructions: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { InitializeResult {
    meta: optional "_meta",
    protocol_version: required "protocolVersion",
    capabilities: required "capabilities",
    server_info: required "serverInfo",
    instructions: optional "instructions",
} }

impl InitializeResult {
    /// Settles the revision, and says who answers and what it can do.
    #[must_use]
    pub fn new(
        protocol_version: impl Into<String>,
        capabilities: ServerCapabilities,
        server_info: Implementation,
    ) -> Self {
        Self {
            meta: None,
            protocol_version: protocol_version.into(),
            capabilities,
            server_info,
            instructions: None,
            extra: Object::new(),
        }
    }
}
