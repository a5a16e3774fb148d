//! `_meta`: what a message says about itself.

use super::{ClientCapabilities, Implementation, LoggingLevel, Object, TaskMetadata};
use crate::Id;

/// The `_meta` of a request.
///
/// 2026-07-28 requires `protocol_version` and `client_capabilities` on every request; 2025-11-25 knows neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestMeta {
    /// The revision that the request speaks. 2026-07-28 only.
    pub protocol_version: Option<String>,
    /// Who asks. 2026-07-28 only.
    pub client_info: Option<Implementation>,
    /// What the one who asks can do. 2026-07-28 only.
    pub client_capabilities: Option<ClientCapabilities>,
    /// Asks for the log messages of this request from this level up. 2026-07-28 only, and deprecated there.
    pub log_level: Option<LoggingLevel>,
    /// Asks for progress notifications that carry this token.
    pub progress_token: Option<Id>,
    /// The W3C trace context's `traceparent`.
    pub traceparent: Option<String>,
    /// The W3C trace context's `tracestate`.
    pub tracestate: Option<String>,
    /// The W3C `baggage`.
    pub baggage: Option<String>,
    /// The task that the request belongs to. 2025-11-25 only.
    pub related_task: Option<TaskMetadata>,
    /// Keys that no revision names.
    pub extra: Object,
}

object! { RequestMeta {
    protocol_version: optional "io.modelcontextprotocol/protocolVersion",
    client_info: optional "io.modelcontextprotocol/clientInfo",
    client_capabilities: optional "io.modelcontextprotocol/clientCapabilities",
    log_level: optional "io.modelcontextprotocol/logLevel",
    progress_token: optional "progressToken",
    traceparent: optional "traceparent",
    tracestate: optional "tracestate",
    baggage: optional "baggage",
    related_task: optional "io.modelcontextprotocol/related-task",
} }

impl RequestMeta {
    /// What a request of 2026-07-28 must say.
    #[must_use]
    pub fn stateless(protocol_version: impl Into<String>, client_capabilities: ClientCapabilities) -> Self {
        Self {
            protocol_version: Some(protocol_version.into()),
            client_capabilities: Some(client_capabilities),
            ..Self::default()
        }
    }
}

/// The `_meta` of a result or a notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Who answers; belongs on every result, and on no notification. 2026-07-28 only.
    pub server_info: Option<Implementation>,
    /// The id of the listen request that ends with this result, or that the notification answers. 2026-07-28 only.
    pub subscription_id: Option<Id>,
    /// The task that the message belongs to. 2025-11-25 only.
    pub related_task: Option<TaskMetadata>,
    /// Keys that no revision names.
    pub extra: Object,
}

object! { Meta {
    server_info: optional "io.modelcontextprotocol/serverInfo",
    subscription_id: optional "io.modelcontextprotocol/subscriptionId",
    related_task: optional "io.modelcontextprotocol/related-task",
} }
