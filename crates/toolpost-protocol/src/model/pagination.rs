//! Lists that come in pages.

use super::{Object, RequestMeta};

/// The params of the list requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaginatedRequestParams {
    /// Required in 2026-07-28.
    pub meta: Option<Box<RequestMeta>>,
    /// Where the page starts: the `next_cursor` of the page before, opaque, possibly empty.
    pub cursor: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { PaginatedRequestParams { meta: optional "_meta", cursor: optional "cursor" } }
