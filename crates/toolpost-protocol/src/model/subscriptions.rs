//! `subscriptions/listen`: a stream of the notifications that a client asks for. 2026-07-28 only.

use super::Object;

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
