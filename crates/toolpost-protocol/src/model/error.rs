//! What a JSON-RPC error says, and the data that MCP adds to some.

use super::{ClientCapabilities, ElicitRequestUrlParams, Object, RawJson};

/// The `error` of a JSON-RPC answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorObject {
    /// What kind of error this is.
    pub code: i64,
    /// What went wrong, in a sentence.
    pub message: String,
    /// More about it: any JSON value.
    pub data: Option<RawJson>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ErrorObject { code: required "code", message: required "message", data: any "data" } }

impl ErrorObject {
    /// Says what went wrong.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, extra: Object::new() }
    }
}

/// The data of error -32022: the server does not speak the revision of the request. 2026-07-28 only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedProtocolVersion {
    /// The revisions that the server speaks.
    pub supported: Vec<String>,
    /// The revision of the request.
    pub requested: String,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { UnsupportedProtocolVersion { supported: required "supported", requested: required "requested" } }

impl UnsupportedProtocolVersion {
    /// Says which revisions the server speaks, and which the request did.
    #[must_use]
    pub fn new(supported: Vec<String>, requested: impl Into<String>) -> Self {
        Self { supported, requested: requested.into(), extra: Object::new() }
    }
}

/// The data of error -32021: the request needs a capability that the client did not declare. 2026-07-28 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingRequiredClientCapability {
    /// The capabilities that the request needs.
    pub required_capabilities: ClientCapabilities,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { MissingRequiredClientCapability { required_capabilities: required "requiredCapabilities" } }

impl MissingRequiredClientCapability {
    /// Says which capabilities the request needs.
    #[must_use]
    pub fn new(required_capabilities: ClientCapabilities) -> Self {
        Self { required_capabilities, extra: Object::new() }
    }
}

/// The data of error -32042: the person using the client must visit pages first. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlElicitationRequired {
    /// The pages.
    pub elicitations: Vec<ElicitRequestUrlParams>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { UrlElicitationRequired { elicitations: required "elicitations" } }

impl UrlElicitationRequired {
    /// Says which pages to visit.
    #[must_use]
    pub fn new(elicitations: Vec<ElicitRequestUrlParams>) -> Self {
        Self { elicitations, extra: Object::new() }
    }
}
