//! Every notification, decoded by its method.

use super::{DetailedTask, LoggingLevel, Meta, Object, RawJson, RawNumber, SubscriptionFilter, Task};
use crate::Id;

/// A notification of either revision and either direction: its method and its params.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notification {
    /// `notifications/cancelled`, in both directions: the other side need not go on.
    Cancelled {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// The request to stop. Required in 2026-07-28; in 2025-11-25 absent where a task is meant.
        request_id: Option<Id>,
        /// Why, for a log or for people.
        reason: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `notifications/progress`; in 2025-11-25 in both directions, in 2026-07-28 to the client.
    Progress {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// The token that the request gave.
        progress_token: Id,
        /// How much is done; grows with every notification, in a unit of the sender's choice.
        progress: RawNumber,
        /// How much there is to do, in the same unit, if known.
        total: Option<RawNumber>,
        /// What is being done, for people.
        message: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `notifications/message`: a log message, to the client.
    LoggingMessage {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// How grave it is.
        level: LoggingLevel,
        /// Who logs.
        logger: Option<String>,
        /// The message: any JSON value.
        data: RawJson,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `notifications/tools/list_changed`, to the client.
    ToolListChanged {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `notifications/prompts/list_changed`, to the client.
    PromptListChanged {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `notifications/resources/list_changed`, to the client.
    ResourceListChanged {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `notifications/resources/updated`, to the client.
    ResourceUpdated {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// The resource that changed, or one below a resource that was asked about.
        uri: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `notifications/subscriptions/acknowledged`, the first message of a stream, to the client. 2026-07-28 only.
    SubscriptionsAcknowledged {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// What will be sent, out of what was asked for.
        notifications: SubscriptionFilter,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `notifications/initialized`, to the server. 2025-11-25 only.
    Initialized {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `notifications/roots/list_changed`, to the server. 2025-11-25 only.
    RootsListChanged {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `notifications/elicitation/complete`, to the client. 2025-11-25 only.
    ElicitationComplete {
        /// What the notification says about itself.
        meta: Option<Meta>,
        /// The question that was answered elsewhere.
        elicitation_id: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `notifications/tasks/status`, in both directions. 2025-11-25 only.
    TaskStatus(Box<Task>),
    /// `notifications/tasks`, to the client that listens. 2026-07-28 only, as an extension.
    TaskChanged(Box<DetailedTask>),
    /// A method that no revision names, with its params verbatim.
    Unknown {
        /// The method.
        method: String,
        /// The params.
        params: Option<RawJson>,
    },
}

messages! { Notification(Meta) {
    "notifications/cancelled" => Cancelled required {
        request_id: optional "requestId",
        reason: optional "reason",
    }
    "notifications/progress" => Progress required {
        progress_token: required "progressToken",
        progress: required "progress",
        total: optional "total",
        message: optional "message",
    }
    "notifications/message" => LoggingMessage required {
        level: required "level",
        logger: optional "logger",
        data: required "data",
    }
    "notifications/tools/list_changed" => ToolListChanged optional {}
    "notifications/prompts/list_changed" => PromptListChanged optional {}
    "notifications/resources/list_changed" => ResourceListChanged optional {}
    "notifications/resources/updated" => ResourceUpdated required { uri: required "uri" }
    "notifications/subscriptions/acknowledged" => SubscriptionsAcknowledged required {
        notifications: required "notifications",
    }
    "notifications/initialized" => Initialized optional {}
    "notifications/roots/list_changed" => RootsListChanged optional {}
    "notifications/elicitation/complete" => ElicitationComplete required {
        elicitation_id: required "elicitationId",
    }
} boxed {
    "notifications/tasks/status" => TaskStatus,
    "notifications/tasks" => TaskChanged,
} }

impl Notification {
    #[expect(clippy::unnecessary_wraps, reason = "as that of a request, which may fail")]
    fn label<'a>(method: &'a str, _params: Option<&RawJson>) -> Result<&'a str, serde_json::Error> {
        Ok(method)
    }

    /// Says what the notification says about itself. A method that no revision names stays as it is.
    #[must_use]
    pub fn with_meta(mut self, said: Meta) -> Self {
        if let Some(meta) = self.meta_mut() {
            *meta = Some(said);
        }
        self
    }

    /// Stops the request with this id.
    #[must_use]
    pub fn cancelled(request_id: impl Into<Id>) -> Self {
        Self::Cancelled {
            meta: None,
            request_id: Some(request_id.into()),
            reason: None,
            extra: Object::new(),
        }
    }

    /// Says how much is done of the request with this token.
    #[must_use]
    pub fn progress(progress_token: impl Into<Id>, progress: impl Into<RawNumber>) -> Self {
        Self::Progress {
            meta: None,
            progress_token: progress_token.into(),
            progress: progress.into(),
            total: None,
            message: None,
            extra: Object::new(),
        }
    }

    /// Logs `data` at `level`.
    #[must_use]
    pub fn log(level: LoggingLevel, data: impl Into<RawJson>) -> Self {
        Self::LoggingMessage { meta: None, level, logger: None, data: data.into(), extra: Object::new() }
    }

    /// Says that the list of tools changed.
    #[must_use]
    pub const fn tool_list_changed() -> Self {
        Self::ToolListChanged { meta: None, extra: None }
    }

    /// Says that the list of prompts changed.
    #[must_use]
    pub const fn prompt_list_changed() -> Self {
        Self::PromptListChanged { meta: None, extra: None }
    }

    /// Says that the list of resources changed.
    #[must_use]
    pub const fn resource_list_changed() -> Self {
        Self::ResourceListChanged { meta: None, extra: None }
    }

    /// Says that the resource at `uri` changed.
    #[must_use]
    pub fn resource_updated(uri: impl Into<String>) -> Self {
        Self::ResourceUpdated { meta: None, uri: uri.into(), extra: Object::new() }
    }

    /// Acknowledges the listen request with this id.
    #[must_use]
    pub fn acknowledged(subscription_id: impl Into<Id>, notifications: SubscriptionFilter) -> Self {
        let meta = Meta { subscription_id: Some(subscription_id.into()), ..Meta::default() };
        Self::SubscriptionsAcknowledged { meta: Some(meta), notifications, extra: Object::new() }
    }

    /// Says that the client is ready.
    #[must_use]
    pub const fn initialized() -> Self {
        Self::Initialized { meta: None, extra: None }
    }
}
