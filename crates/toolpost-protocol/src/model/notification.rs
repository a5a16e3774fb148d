//! Every notification, decoded by its method.

use super::request::{encode, encode_some, optional, required};
use super::{
    CancelledNotificationParams, ElicitationCompleteNotificationParams, LoggingMessageNotificationParams,
    NotificationParams, ProgressNotificationParams, RawJson, ResourceUpdatedNotificationParams,
    SubscriptionsAcknowledgedNotificationParams, Task,
};

/// A notification of either revision and either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notification {
    /// `notifications/cancelled`, in both directions.
    Cancelled(CancelledNotificationParams),
    /// `notifications/progress`; in 2025-11-25 in both directions, in 2026-07-28 to the client.
    Progress(ProgressNotificationParams),
    /// `notifications/message`, to the client.
    LoggingMessage(LoggingMessageNotificationParams),
    /// `notifications/tools/list_changed`, to the client.
    ToolListChanged(Option<NotificationParams>),
    /// `notifications/prompts/list_changed`, to the client.
    PromptListChanged(Option<NotificationParams>),
    /// `notifications/resources/list_changed`, to the client.
    ResourceListChanged(Option<NotificationParams>),
    /// `notifications/resources/updated`, to the client.
    ResourceUpdated(ResourceUpdatedNotificationParams),
    /// `notifications/subscriptions/acknowledged`, to the client. 2026-07-28 only.
    SubscriptionsAcknowledged(SubscriptionsAcknowledgedNotificationParams),
    /// `notifications/initialized`, to the server. 2025-11-25 only.
    Initialized(Option<NotificationParams>),
    /// `notifications/roots/list_changed`, to the server. 2025-11-25 only.
    RootsListChanged(Option<NotificationParams>),
    /// `notifications/elicitation/complete`, to the client. 2025-11-25 only.
    ElicitationComplete(ElicitationCompleteNotificationParams),
    /// `notifications/tasks/status`, in both directions. 2025-11-25 only.
    TaskStatus(Task),
    /// A method that no revision names, with its params verbatim.
    Unknown {
        /// The method.
        method: String,
        /// The params.
        params: Option<RawJson>,
    },
}

impl Notification {
    /// Decodes the params of a notification by its method.
    ///
    /// # Errors
    ///
    /// When the params are not those of the method.
    pub fn decode(method: &str, params: Option<RawJson>) -> Result<Self, serde_json::Error> {
        Ok(match method {
            "notifications/cancelled" => Self::Cancelled(required(params)?),
            "notifications/progress" => Self::Progress(required(params)?),
            "notifications/message" => Self::LoggingMessage(required(params)?),
            "notifications/tools/list_changed" => Self::ToolListChanged(optional(params)?),
            "notifications/prompts/list_changed" => Self::PromptListChanged(optional(params)?),
            "notifications/resources/list_changed" => Self::ResourceListChanged(optional(params)?),
            "notifications/resources/updated" => Self::ResourceUpdated(required(params)?),
            "notifications/subscriptions/acknowledged" => Self::SubscriptionsAcknowledged(required(params)?),
            "notifications/initialized" => Self::Initialized(optional(params)?),
            "notifications/roots/list_changed" => Self::RootsListChanged(optional(params)?),
            "notifications/elicitation/complete" => Self::ElicitationComplete(required(params)?),
            "notifications/tasks/status" => Self::TaskStatus(required(params)?),
            _ => Self::Unknown { method: method.to_owned(), params },
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        match self {
            Self::Cancelled(_) => "notifications/cancelled",
            Self::Progress(_) => "notifications/progress",
            Self::LoggingMessage(_) => "notifications/message",
            Self::ToolListChanged(_) => "notifications/tools/list_changed",
            Self::PromptListChanged(_) => "notifications/prompts/list_changed",
            Self::ResourceListChanged(_) => "notifications/resources/list_changed",
            Self::ResourceUpdated(_) => "notifications/resources/updated",
            Self::SubscriptionsAcknowledged(_) => "notifications/subscriptions/acknowledged",
            Self::Initialized(_) => "notifications/initialized",
            Self::RootsListChanged(_) => "notifications/roots/list_changed",
            Self::ElicitationComplete(_) => "notifications/elicitation/complete",
            Self::TaskStatus(_) => "notifications/tasks/status",
            Self::Unknown { method, .. } => method,
        }
    }

    /// Encodes the params, if there are any.
    ///
    /// # Errors
    ///
    /// Never for values that were decoded or built by this crate's constructors.
    pub fn params(&self) -> Result<Option<RawJson>, serde_json::Error> {
        match self {
            Self::Cancelled(params) => encode(params),
            Self::Progress(params) => encode(params),
            Self::LoggingMessage(params) => encode(params),
            Self::ToolListChanged(params)
            | Self::PromptListChanged(params)
            | Self::ResourceListChanged(params)
            | Self::Initialized(params)
            | Self::RootsListChanged(params) => encode_some(params.as_ref()),
            Self::ResourceUpdated(params) => encode(params),
            Self::SubscriptionsAcknowledged(params) => encode(params),
            Self::ElicitationComplete(params) => encode(params),
            Self::TaskStatus(params) => encode(params),
            Self::Unknown { params, .. } => Ok(params.clone()),
        }
    }
}
