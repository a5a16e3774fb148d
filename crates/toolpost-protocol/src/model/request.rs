//! Every request, decoded by its method.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    CallToolRequestParams, CompleteRequestParams, CreateMessageRequestParams, ElicitRequestParams,
    GetPromptRequestParams, InitializeRequestParams, PaginatedRequestParams, RawJson,
    ReadResourceRequestParams, RequestParams, ResourceRequestParams, SetLevelRequestParams,
    SubscriptionsListenRequestParams, TaskRequestParams,
};

/// A request of either revision and either direction, without its id.
///
/// Params that 2025-11-25 lets a request leave out are optional; in 2026-07-28 only `roots/list` may leave them out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `server/discover`. 2026-07-28 only.
    Discover(RequestParams),
    /// `initialize`. 2025-11-25 only.
    Initialize(Box<InitializeRequestParams>),
    /// `ping`, in both directions. 2025-11-25 only.
    Ping(Option<RequestParams>),
    /// `tools/list`.
    ListTools(Option<PaginatedRequestParams>),
    /// `tools/call`.
    CallTool(CallToolRequestParams),
    /// `resources/list`.
    ListResources(Option<PaginatedRequestParams>),
    /// `resources/templates/list`.
    ListResourceTemplates(Option<PaginatedRequestParams>),
    /// `resources/read`.
    ReadResource(ReadResourceRequestParams),
    /// `resources/subscribe`. 2025-11-25 only.
    Subscribe(ResourceRequestParams),
    /// `resources/unsubscribe`. 2025-11-25 only.
    Unsubscribe(ResourceRequestParams),
    /// `subscriptions/listen`. 2026-07-28 only.
    Listen(SubscriptionsListenRequestParams),
    /// `prompts/list`.
    ListPrompts(Option<PaginatedRequestParams>),
    /// `prompts/get`.
    GetPrompt(GetPromptRequestParams),
    /// `completion/complete`.
    Complete(CompleteRequestParams),
    /// `logging/setLevel`. 2025-11-25 only.
    SetLevel(SetLevelRequestParams),
    /// `tasks/get`, in both directions. 2025-11-25 only.
    GetTask(TaskRequestParams),
    /// `tasks/result`, in both directions. 2025-11-25 only.
    GetTaskPayload(TaskRequestParams),
    /// `tasks/cancel`, in both directions. 2025-11-25 only.
    CancelTask(TaskRequestParams),
    /// `tasks/list`, in both directions. 2025-11-25 only.
    ListTasks(Option<PaginatedRequestParams>),
    /// `sampling/createMessage`, to the client; in 2026-07-28 only within a result.
    CreateMessage(Box<CreateMessageRequestParams>),
    /// `elicitation/create`, to the client; in 2026-07-28 only within a result.
    Elicit(ElicitRequestParams),
    /// `roots/list`, to the client; in 2026-07-28 only within a result.
    ListRoots(Option<RequestParams>),
    /// A method that no revision names, with its params verbatim.
    Unknown {
        /// The method.
        method: String,
        /// The params.
        params: Option<RawJson>,
    },
}

impl Request {
    /// Decodes the params of a request by its method.
    ///
    /// # Errors
    ///
    /// When the params are not those of the method.
    pub fn decode(method: &str, params: Option<RawJson>) -> Result<Self, serde_json::Error> {
        Ok(match method {
            "server/discover" => Self::Discover(required(params)?),
            "initialize" => Self::Initialize(Box::new(required(params)?)),
            "ping" => Self::Ping(optional(params)?),
            "tools/list" => Self::ListTools(optional(params)?),
            "tools/call" => Self::CallTool(required(params)?),
            "resources/list" => Self::ListResources(optional(params)?),
            "resources/templates/list" => Self::ListResourceTemplates(optional(params)?),
            "resources/read" => Self::ReadResource(required(params)?),
            "resources/subscribe" => Self::Subscribe(required(params)?),
            "resources/unsubscribe" => Self::Unsubscribe(required(params)?),
            "subscriptions/listen" => Self::Listen(required(params)?),
            "prompts/list" => Self::ListPrompts(optional(params)?),
            "prompts/get" => Self::GetPrompt(required(params)?),
            "completion/complete" => Self::Complete(required(params)?),
            "logging/setLevel" => Self::SetLevel(required(params)?),
            "tasks/get" => Self::GetTask(required(params)?),
            "tasks/result" => Self::GetTaskPayload(required(params)?),
            "tasks/cancel" => Self::CancelTask(required(params)?),
            "tasks/list" => Self::ListTasks(optional(params)?),
            "sampling/createMessage" => Self::CreateMessage(Box::new(required(params)?)),
            "elicitation/create" => Self::Elicit(required(params)?),
            "roots/list" => Self::ListRoots(optional(params)?),
            _ => Self::Unknown { method: method.to_owned(), params },
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        match self {
            Self::Discover(_) => "server/discover",
            Self::Initialize(_) => "initialize",
            Self::Ping(_) => "ping",
            Self::ListTools(_) => "tools/list",
            Self::CallTool(_) => "tools/call",
            Self::ListResources(_) => "resources/list",
            Self::ListResourceTemplates(_) => "resources/templates/list",
            Self::ReadResource(_) => "resources/read",
            Self::Subscribe(_) => "resources/subscribe",
            Self::Unsubscribe(_) => "resources/unsubscribe",
            Self::Listen(_) => "subscriptions/listen",
            Self::ListPrompts(_) => "prompts/list",
            Self::GetPrompt(_) => "prompts/get",
            Self::Complete(_) => "completion/complete",
            Self::SetLevel(_) => "logging/setLevel",
            Self::GetTask(_) => "tasks/get",
            Self::GetTaskPayload(_) => "tasks/result",
            Self::CancelTask(_) => "tasks/cancel",
            Self::ListTasks(_) => "tasks/list",
            Self::CreateMessage(_) => "sampling/createMessage",
            Self::Elicit(_) => "elicitation/create",
            Self::ListRoots(_) => "roots/list",
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
            Self::Discover(params) => encode(params),
            Self::Initialize(params) => encode(params),
            Self::Ping(params) | Self::ListRoots(params) => encode_some(params.as_ref()),
            Self::ListTools(params)
            | Self::ListResources(params)
            | Self::ListResourceTemplates(params)
            | Self::ListPrompts(params)
            | Self::ListTasks(params) => encode_some(params.as_ref()),
            Self::CallTool(params) => encode(params),
            Self::ReadResource(params) => encode(params),
            Self::Subscribe(params) | Self::Unsubscribe(params) => encode(params),
            Self::Listen(params) => encode(params),
            Self::GetPrompt(params) => encode(params),
            Self::Complete(params) => encode(params),
            Self::SetLevel(params) => encode(params),
            Self::GetTask(params) | Self::GetTaskPayload(params) | Self::CancelTask(params) => encode(params),
            Self::CreateMessage(params) => encode(params),
            Self::Elicit(params) => encode(params),
            Self::Unknown { params, .. } => Ok(params.clone()),
        }
    }
}

/// Decodes params that must be there.
pub(super) fn required<T: DeserializeOwned>(params: Option<RawJson>) -> Result<T, serde_json::Error> {
    match params {
        Some(params) => params.decode(),
        None => Err(serde::de::Error::missing_field("params")),
    }
}

/// Decodes params that may be absent.
pub(super) fn optional<T: DeserializeOwned>(params: Option<RawJson>) -> Result<Option<T>, serde_json::Error> {
    params.map(|params| params.decode()).transpose()
}

/// Encodes params.
pub(super) fn encode<T: Serialize>(params: &T) -> Result<Option<RawJson>, serde_json::Error> {
    RawJson::encode(params).map(Some)
}

/// Encodes params that may be absent.
pub(super) fn encode_some<T: Serialize>(params: Option<&T>) -> Result<Option<RawJson>, serde_json::Error> {
    params.map(RawJson::encode).transpose()
}
