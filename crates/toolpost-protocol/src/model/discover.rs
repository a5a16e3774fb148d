//! `server/discover`: what a server speaks and offers. 2026-07-28 only.

use super::{CacheScope, Meta, Object, RawNumber, ResultType, ServerCapabilities};

/// The result of `server/discover`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoverResult {
    /// What the result says about itself; the server's name belongs here.
    pub meta: Option<Meta>,
    /// Always `complete`.
    pub result_type: Option<ResultType>,
    /// The revisions that the server speaks.
    pub supported_versions: Vec<String>,
    /// What the server can do.
    pub capabilities: ServerCapabilities,
    /// How to use the server, for a language model.
    pub instructions: Option<String>,
    /// For how many milliseconds the result may be reused.
    pub ttl_ms: Option<RawNumber>,
    /// Who may reuse it.
    pub cache_scope: Option<CacheScope>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { DiscoverResult {
    meta: optional "_meta",
    result_type: optional "resultType",
    supported_versions: required "supportedVersions",
    capabilities: required "capabilities",
    instructions: optional "instructions",
    ttl_ms: optional "ttlMs",
    cache_scope: optional "cacheScope",
} }

impl DiscoverResult {
    /// Names the revisions and capabilities; complete, private, and not to be reused.
    #[must_use]
    pub fn new(supported_versions: Vec<String>, capabilities: ServerCapabilities) -> Self {
        Self {
            result_type: Some(ResultType::Complete),
            supported_versions,
            capabilities,
            ttl_ms: Some(RawNumber::from(0_u32)),
            cache_scope: Some(CacheScope::Private),
            ..Self::default()
        }
    }
}
