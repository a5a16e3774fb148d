//! How far a request has come.

use super::{Meta, Object, ProgressToken, RawNumber};

/// The params of `notifications/progress`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressNotificationParams {
    /// What the notification says about itself.
    pub meta: Option<Meta>,
    /// The token that the request gave.
    pub progress_token: ProgressToken,
    /// How much is done; grows with every notification, in a unit of the sender's choice.
    pub progress: RawNumber,
    /// How much there is to do, in the same unit, if known.
    pub total: Option<RawNumber>,
    /// What is being done, for people.
    pub message: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ProgressNotificationParams {
    meta: optional "_meta",
    progress_token: required "progressToken",
    progress: required "progress",
    total: optional "total",
    message: optional "message",
} }

impl ProgressNotificationParams {
    /// Says how much is done of the request with this token.
    #[must_use]
    pub fn new(progress_token: impl Into<ProgressToken>, progress: impl Into<RawNumber>) -> Self {
        Self {
            meta: None,
            progress_token: progress_token.into(),
            progress: progress.into(),
            total: None,
            message: None,
            extra: Object::new(),
        }
    }
}
