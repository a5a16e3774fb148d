//! Every request, decoded by its method.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    CallToolRequestParams, ClientCapabilities, CompletionArgument, CompletionContext, CompletionReference,
    CreateMessageRequestParams, FormSchema, Implementation, LoggingLevel, Object, RawJson, RequestMeta,
    SubscriptionFilter, TaskMetadata,
};

/// A request of either revision and either direction: its method and its params.
///
/// 2026-07-28 requires `meta` on all but those within a result.
///
/// ```
/// use toolpost_protocol::model::{Envelope, Request};
///
/// let ask = Envelope::new(Request::read_resource("file:///a")).with_id(7);
/// assert_eq!(
///     serde_json::to_string(&ask)?,
///     r#"{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///a"}}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `server/discover`. 2026-07-28 only.
    Discover {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `initialize`: opens a session. 2025-11-25 only.
    Initialize {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The newest revision that the client speaks.
        protocol_version: String,
        /// What the client can do.
        capabilities: ClientCapabilities,
        /// Who the client is.
        client_info: Implementation,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `ping`, in both directions. 2025-11-25 only.
    Ping {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `tools/list`.
    ListTools {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Where the page starts: the `next_cursor` of the page before, opaque, possibly empty.
        cursor: Option<String>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `resources/list`.
    ListResources {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Where the page starts: the `next_cursor` of the page before, opaque, possibly empty.
        cursor: Option<String>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `resources/templates/list`.
    ListResourceTemplates {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Where the page starts: the `next_cursor` of the page before, opaque, possibly empty.
        cursor: Option<String>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `prompts/list`.
    ListPrompts {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Where the page starts: the `next_cursor` of the page before, opaque, possibly empty.
        cursor: Option<String>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `tasks/list`, in both directions. 2025-11-25 only.
    ListTasks {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Where the page starts: the `next_cursor` of the page before, opaque, possibly empty.
        cursor: Option<String>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// `tools/call`.
    CallTool(Box<CallToolRequestParams>),
    /// `resources/read`.
    ReadResource {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// What to read.
        uri: String,
        /// Answers to what the server asked, by the names that it chose. 2026-07-28 only.
        input_responses: Option<BTreeMap<String, RawJson>>,
        /// What the server wanted back with the answers, opaque. 2026-07-28 only.
        request_state: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `resources/subscribe`. 2025-11-25 only.
    Subscribe {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The resource to watch.
        uri: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `resources/unsubscribe`. 2025-11-25 only.
    Unsubscribe {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The resource to watch no longer.
        uri: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `subscriptions/listen`: opens a stream of notifications. 2026-07-28 only.
    Listen {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// What to send.
        notifications: SubscriptionFilter,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `prompts/get`.
    GetPrompt {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The prompt.
        name: String,
        /// Its arguments, by name.
        arguments: Option<BTreeMap<String, String>>,
        /// Answers to what the server asked, by the names that it chose. 2026-07-28 only.
        input_responses: Option<BTreeMap<String, RawJson>>,
        /// What the server wanted back with the answers, opaque. 2026-07-28 only.
        request_state: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `completion/complete`.
    Complete {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// What the argument belongs to.
        reference: CompletionReference,
        /// The argument so far.
        argument: CompletionArgument,
        /// The arguments before it.
        context: Option<CompletionContext>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `logging/setLevel`. 2025-11-25 only.
    SetLevel {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The least grave level to send.
        level: LoggingLevel,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `tasks/get`: in both directions in 2025-11-25, to the server as an extension of 2026-07-28.
    GetTask {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The task.
        task_id: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `tasks/result`, in both directions. 2025-11-25 only.
    GetTaskPayload {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The task.
        task_id: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `tasks/cancel`, likewise.
    CancelTask {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The task.
        task_id: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `tasks/update`: answers to what a task asks. 2026-07-28 only, as an extension.
    UpdateTask {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The task.
        task_id: String,
        /// The answers, by the keys of what is asked.
        input_responses: BTreeMap<String, RawJson>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `sampling/createMessage`, to the client; in 2026-07-28 only within a result.
    CreateMessage(Box<CreateMessageRequestParams>),
    /// `elicitation/create` by a form, to the client; in 2026-07-28 only within a result.
    ElicitForm {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// The word `form`, or nothing, which says the same.
        mode: Option<String>,
        /// The question.
        message: String,
        /// The form.
        requested_schema: FormSchema,
        /// Asks for a task instead of a result. 2025-11-25 only.
        task: Option<TaskMetadata>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `elicitation/create` by a page to visit, to the client; in 2026-07-28 only within a result.
    ElicitUrl {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Why.
        message: String,
        /// The page.
        url: String,
        /// The name of this question, for the notification of its end. Required in 2025-11-25, absent from 2026-07-28.
        elicitation_id: Option<String>,
        /// Asks for a task instead of a result. 2025-11-25 only.
        task: Option<TaskMetadata>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// `roots/list`, to the client; in 2026-07-28 only within a result.
    ListRoots {
        /// What the request says about itself.
        meta: Option<Box<RequestMeta>>,
        /// Fields that no revision names; `None` leaves the params out where nothing else is said.
        extra: Option<Object>,
    },
    /// A method, or a mode of it, that no revision names, with its params verbatim.
    Unknown {
        /// The method.
        method: String,
        /// The params.
        params: Option<RawJson>,
    },
}

messages! { Request(Box<RequestMeta>) {
    "server/discover" => Discover required {}
    "initialize" => Initialize required {
        protocol_version: required "protocolVersion",
        capabilities: required "capabilities",
        client_info: required "clientInfo",
    }
    "ping" => Ping optional {}
    "tools/list" => ListTools optional { cursor: optional "cursor" }
    "resources/list" => ListResources optional { cursor: optional "cursor" }
    "resources/templates/list" => ListResourceTemplates optional { cursor: optional "cursor" }
    "prompts/list" => ListPrompts optional { cursor: optional "cursor" }
    "tasks/list" => ListTasks optional { cursor: optional "cursor" }
    "resources/read" => ReadResource required {
        uri: required "uri",
        input_responses: optional "inputResponses",
        request_state: optional "requestState",
    }
    "resources/subscribe" => Subscribe required { uri: required "uri" }
    "resources/unsubscribe" => Unsubscribe required { uri: required "uri" }
    "subscriptions/listen" => Listen required { notifications: required "notifications" }
    "prompts/get" => GetPrompt required {
        name: required "name",
        arguments: optional "arguments",
        input_responses: optional "inputResponses",
        request_state: optional "requestState",
    }
    "completion/complete" => Complete required {
        reference: required "ref",
        argument: required "argument",
        context: optional "context",
    }
    "logging/setLevel" => SetLevel required { level: required "level" }
    "tasks/get" => GetTask required { task_id: required "taskId" }
    "tasks/result" => GetTaskPayload required { task_id: required "taskId" }
    "tasks/cancel" => CancelTask required { task_id: required "taskId" }
    "tasks/update" => UpdateTask required {
        task_id: required "taskId",
        input_responses: required "inputResponses",
    }
    "elicitation/create" => ElicitForm required {
        mode: optional "mode",
        message: required "message",
        requested_schema: required "requestedSchema",
        task: optional "task",
    }
    "elicitation/create url" => ElicitUrl required tagged "mode" = "url" {
        message: required "message",
        url: required "url",
        elicitation_id: optional "elicitationId",
        task: optional "task",
    }
    "roots/list" => ListRoots optional {}
} boxed {
    "tools/call" => CallTool,
    "sampling/createMessage" => CreateMessage,
} }

impl Request {
    /// Tells apart the modes of `elicitation/create`.
    fn label<'a>(method: &'a str, params: Option<&RawJson>) -> Result<&'a str, serde_json::Error> {
        #[derive(Deserialize)]
        struct Probe {
            mode: Option<String>,
        }
        match (method, params) {
            ("elicitation/create", Some(params)) => match params.decode::<Probe>()?.mode.as_deref() {
                None | Some("form") => Ok("elicitation/create"),
                Some("url") => Ok("elicitation/create url"),
                Some(_) => Ok(""),
            },
            _ if method.contains(' ') => Ok(""),
            _ => Ok(method),
        }
    }

    /// Says what the request says about itself. A method that no revision names stays as it is.
    #[must_use]
    pub fn with_meta(mut self, said: RequestMeta) -> Self {
        if let Some(meta) = self.meta_mut() {
            *meta = Some(Box::new(said));
        }
        self
    }

    /// Asks what the server speaks and offers.
    #[must_use]
    pub const fn discover() -> Self {
        Self::Discover { meta: None, extra: Object::new() }
    }

    /// Opens a session: proposes a revision, and says who asks and what it can do.
    #[must_use]
    pub fn initialize(
        protocol_version: impl Into<String>,
        capabilities: ClientCapabilities,
        client_info: Implementation,
    ) -> Self {
        let protocol_version = protocol_version.into();
        Self::Initialize { meta: None, protocol_version, capabilities, client_info, extra: Object::new() }
    }

    /// Asks whether the other side is there.
    #[must_use]
    pub const fn ping() -> Self {
        Self::Ping { meta: None, extra: None }
    }

    /// Asks for the page of tools at `cursor`, or the first.
    #[must_use]
    pub const fn list_tools(cursor: Option<String>) -> Self {
        Self::ListTools { meta: None, cursor, extra: None }
    }

    /// Asks for the page of resources at `cursor`, or the first.
    #[must_use]
    pub const fn list_resources(cursor: Option<String>) -> Self {
        Self::ListResources { meta: None, cursor, extra: None }
    }

    /// Asks for the page of resource templates at `cursor`, or the first.
    #[must_use]
    pub const fn list_resource_templates(cursor: Option<String>) -> Self {
        Self::ListResourceTemplates { meta: None, cursor, extra: None }
    }

    /// Asks for the page of prompts at `cursor`, or the first.
    #[must_use]
    pub const fn list_prompts(cursor: Option<String>) -> Self {
        Self::ListPrompts { meta: None, cursor, extra: None }
    }

    /// Reads the resource at `uri`.
    #[must_use]
    pub fn read_resource(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        Self::ReadResource {
            meta: None,
            uri,
            input_responses: None,
            request_state: None,
            extra: Object::new(),
        }
    }

    /// Asks to be told when the resource at `uri` changes.
    #[must_use]
    pub fn subscribe(uri: impl Into<String>) -> Self {
        Self::Subscribe { meta: None, uri: uri.into(), extra: Object::new() }
    }

    /// Asks to be told no longer.
    #[must_use]
    pub fn unsubscribe(uri: impl Into<String>) -> Self {
        Self::Unsubscribe { meta: None, uri: uri.into(), extra: Object::new() }
    }

    /// Asks for a stream of these notifications.
    #[must_use]
    pub const fn listen(notifications: SubscriptionFilter) -> Self {
        Self::Listen { meta: None, notifications, extra: Object::new() }
    }

    /// Asks for a prompt, filled in with these arguments.
    #[must_use]
    pub fn get_prompt(name: impl Into<String>, arguments: Option<BTreeMap<String, String>>) -> Self {
        Self::GetPrompt {
            meta: None,
            name: name.into(),
            arguments,
            input_responses: None,
            request_state: None,
            extra: Object::new(),
        }
    }

    /// Asks for suggestions for an argument of a prompt or of a resource template.
    #[must_use]
    pub const fn complete(reference: CompletionReference, argument: CompletionArgument) -> Self {
        Self::Complete { meta: None, reference, argument, context: None, extra: Object::new() }
    }

    /// Asks for log messages from this level up.
    #[must_use]
    pub const fn set_level(level: LoggingLevel) -> Self {
        Self::SetLevel { meta: None, level, extra: Object::new() }
    }

    /// Asks how a task stands.
    #[must_use]
    pub fn get_task(task_id: impl Into<String>) -> Self {
        Self::GetTask { meta: None, task_id: task_id.into(), extra: Object::new() }
    }

    /// Asks the person using the client to fill in a form.
    #[must_use]
    pub fn elicit_form(message: impl Into<String>, requested_schema: FormSchema) -> Self {
        Self::ElicitForm {
            meta: None,
            mode: Some("form".to_owned()),
            message: message.into(),
            requested_schema,
            task: None,
            extra: Object::new(),
        }
    }

    /// Asks the person using the client to visit a page, and says why.
    #[must_use]
    pub fn elicit_url(message: impl Into<String>, url: impl Into<String>) -> Self {
        Self::ElicitUrl {
            meta: None,
            message: message.into(),
            url: url.into(),
            elicitation_id: None,
            task: None,
            extra: Object::new(),
        }
    }

    /// Asks for the client's roots.
    #[must_use]
    pub const fn list_roots() -> Self {
        Self::ListRoots { meta: None, extra: None }
    }
}

impl From<CallToolRequestParams> for Request {
    fn from(params: CallToolRequestParams) -> Self {
        Self::CallTool(Box::new(params))
    }
}
