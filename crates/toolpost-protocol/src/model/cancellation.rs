//! Calling a request off.

use super::{Meta, Object, RequestId};

/// The params of `notifications/cancelled`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelledNotificationParams {
    /// What the notification says about itself.
    pub meta: Option<Meta>,
    /// The request to stop. Required in 2026-07-28; in 2025-11-25 absent where a task is meant.
    pub request_id: Option<RequestId>,
    /// Why, for a log or for people.
    pub reason: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { CancelledNotificationParams {
    meta: optional "_meta",
    request_id: optional "requestId",
    reason: optional "reason",
} }

impl CancelledNotificationParams {
    /// Stops the request with this id.
    #[must_use]
    pub fn new(request_id: impl Into<RequestId>) -> Self {
        Self { request_id: Some(request_id.into()), ..Self::default() }
    }
}
