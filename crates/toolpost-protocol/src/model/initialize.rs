//! `initialize`: the handshake that opens a session. 2025-11-25 only.

use super::{ClientCapabilities, Implementation, Meta, Object, RequestMeta, ServerCapabilities};

/// The params of `initialize`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitializeRequestParams {
    /// What the request says about itself.
    pub meta: Option<Box<RequestMeta>>,
    /// The newest revision that the client speaks.
    pub protocol_version: String,
    /// What the client can do.
    pub capabilities: ClientCapabilities,
    /// Who the client is.
    pub client_info: Implementation,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { InitializeRequestParams {
    meta: optional "_meta",
    protocol_version: required "protocolVersion",
    capabilities: required "capabilities",
    client_info: required "clientInfo",
} }

impl InitializeRequestParams {
    /// Proposes a revision, and says who asks and what it can do.
    #[must_use]
    pub fn new(
        protocol_version: impl Into<String>,
        capabilities: ClientCapabilities,
        client_info: Implementation,
    ) -> Self {
        Self {
            meta: None,
            protocol_version: protocol_version.into(),
            capabilities,
            client_info,
            extra: Object::new(),
        }
    }
}

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
