//! What a client and a server can do.

use std::collections::BTreeMap;

use super::Object;

/// What a client can do.
///
/// Declared with each request in 2026-07-28, once by `initialize` in 2025-11-25. An empty object means that the
/// capability is there, an absent one that it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCapabilities {
    /// Capabilities outside the specification, by name.
    pub experimental: Option<BTreeMap<String, Object>>,
    /// It can list its roots. Deprecated in 2026-07-28.
    pub roots: Option<RootsCapability>,
    /// It can ask a language model. Deprecated in 2026-07-28.
    pub sampling: Option<SamplingCapability>,
    /// It can ask the person using it.
    pub elicitation: Option<ElicitationCapability>,
    /// Extensions it speaks, by identifier, with their settings. 2026-07-28 only.
    pub extensions: Option<BTreeMap<String, Object>>,
    /// Its requests can become tasks. 2025-11-25 only.
    pub tasks: Option<TasksCapability>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ClientCapabilities {
    experimental: optional "experimental",
    roots: optional "roots",
    sampling: optional "sampling",
    elicitation: optional "elicitation",
    extensions: optional "extensions",
    tasks: optional "tasks",
} }

/// The client's roots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootsCapability {
    /// It tells when the list changes. 2025-11-25 only.
    pub list_changed: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { RootsCapability { list_changed: optional "listChanged" } }

/// The client's language model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingCapability {
    /// It honors `includeContext`.
    pub context: Option<Object>,
    /// It honors `tools` and `toolChoice`.
    pub tools: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SamplingCapability { context: optional "context", tools: optional "tools" } }

/// How the client can ask the person using it; neither mode named means forms only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitationCapability {
    /// By a form.
    pub form: Option<Object>,
    /// By a page to visit.
    pub url: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitationCapability { form: optional "form", url: optional "url" } }

/// What a server can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// Capabilities outside the specification, by name.
    pub experimental: Option<BTreeMap<String, Object>>,
    /// It sends log messages. Deprecated in 2026-07-28.
    pub logging: Option<Object>,
    /// It completes arguments.
    pub completions: Option<Object>,
    /// It offers prompts.
    pub prompts: Option<PromptsCapability>,
    /// It offers resources.
    pub resources: Option<ResourcesCapability>,
    /// It offers tools.
    pub tools: Option<ToolsCapability>,
    /// Extensions it speaks, by identifier, with their settings. 2026-07-28 only.
    pub extensions: Option<BTreeMap<String, Object>>,
    /// Its requests can become tasks. 2025-11-25 only.
    pub tasks: Option<TasksCapability>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ServerCapabilities {
    experimental: optional "experimental",
    logging: optional "logging",
    completions: optional "completions",
    prompts: optional "prompts",
    resources: optional "resources",
    tools: optional "tools",
    extensions: optional "extensions",
    tasks: optional "tasks",
} }

/// The server's prompts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptsCapability {
    /// It tells when the list changes.
    pub list_changed: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { PromptsCapability { list_changed: optional "listChanged" } }

/// The server's resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourcesCapability {
    /// It tells when a resource that a client asked about changes.
    pub subscribe: Option<bool>,
    /// It tells when the list changes.
    pub list_changed: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ResourcesCapability { subscribe: optional "subscribe", list_changed: optional "listChanged" } }

/// The server's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolsCapability {
    /// It tells when the list changes.
    pub list_changed: Option<bool>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ToolsCapability { list_changed: optional "listChanged" } }

/// Which requests can become tasks, and what can be done with those. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TasksCapability {
    /// Tasks can be listed.
    pub list: Option<Object>,
    /// Tasks can be cancelled.
    pub cancel: Option<Object>,
    /// The requests that can become tasks.
    pub requests: Option<TaskRequests>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TasksCapability { list: optional "list", cancel: optional "cancel", requests: optional "requests" } }

/// The requests that can become tasks. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskRequests {
    /// Of a server: requests about tools.
    pub tools: Option<ToolTaskRequests>,
    /// Of a client: requests for a language model.
    pub sampling: Option<SamplingTaskRequests>,
    /// Of a client: requests for the person using it.
    pub elicitation: Option<ElicitationTaskRequests>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { TaskRequests {
    tools: optional "tools",
    sampling: optional "sampling",
    elicitation: optional "elicitation",
} }

/// The requests about tools that can become tasks. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolTaskRequests {
    /// `tools/call`.
    pub call: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ToolTaskRequests { call: optional "call" } }

/// The requests for a language model that can become tasks. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingTaskRequests {
    /// `sampling/createMessage`.
    pub create_message: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { SamplingTaskRequests { create_message: optional "createMessage" } }

/// The requests for the person using a client that can become tasks. 2025-11-25 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitationTaskRequests {
    /// `elicitation/create`.
    pub create: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitationTaskRequests { create: optional "create" } }
