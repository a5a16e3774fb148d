//! `subscriptions/listen`: a stream of the notifications that a client asks for. 2026-07-28 only.

use super::{Meta, Object, RequestId, RequestMeta, ResultType};

/// The kinds of notifications to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionFilter {
    /// Changes of the list of tools.
    pub tools_list_changed: Option<bool>,
    /// Changes of the list of prompts.
    pub prompts_list_changed: Option<bool>,
    /// Changes of the list of resources.
    pub resources_list_changed: Option<bool>,
    /// Changes of the resources with these URIs, or below them.
    pub resource_subscriptions: Option<Vec<String>>,
    /// Fields that no revision names; extensions put theirs here.
    pub extra: Object,
}

object! { SubscriptionFilter {
    tools_list_changed: optional "toolsListChanged",
    prompts_list_changed: optional "promptsListChanged",
    resources_list_changed: optional "resourcesListChanged",
    resource_subscriptions: optional "resourceSubscriptions",
} }

/// The params of `subscriptions/listen`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionsListenRequestParams {
    /// Required.
    pub meta: Option<Box<RequestMeta>>,
    /// What to send.
    pub notifications: SubscriptionFilter,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SubscriptionsListenRequestParams { meta: optional "_meta", notifications: required "notifications" } }

impl SubscriptionsListenRequestParams {
    /// Asks for these notifications.
    #[must_use]
    pub fn new(notifications: SubscriptionFilter) -> Self {
        Self { notifications, ..Self::default() }
    }
}

/// The params of `notifications/subscriptions/acknowledged`, the first message of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionsAcknowledgedNotificationParams {
    /// Names the listen request.
    pub meta: Option<Meta>,
    /// What will be sent, out of what was asked for.
    pub notifications: SubscriptionFilter,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SubscriptionsAcknowledgedNotificationParams {
    meta: optional "_meta",
    notifications: required "notifications",
} }

impl SubscriptionsAcknowledgedNotificationParams {
    /// Acknowledges the listen request with this id.
    #[must_use]
    pub fn new(subscription_id: impl Into<RequestId>, notifications: SubscriptionFilter) -> Self {
        let meta = Meta { subscription_id: Some(subscription_id.into()), ..Default::default() };
        Self { meta: Some(meta), notifications, extra: Object::new() }
    }
}

/// The result of `subscriptions/listen`, which ends its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionsListenResult {
    /// Names the listen request.
    pub meta: Meta,
    /// Always `complete`.
    pub result_type: Option<ResultType>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SubscriptionsListenResult { meta: required "_meta", result_type: optional "resultType" } }

impl SubscriptionsListenResult {
    /// Ends the stream of the listen request with this id.
    #[must_use]
    pub fn new(subscription_id: impl Into<RequestId>) -> Self {
        let meta = Meta { subscription_id: Some(subscription_id.into()), ..Default::default() };
        Self { meta, result_type: Some(ResultType::Complete), extra: Object::new() }
    }
}
