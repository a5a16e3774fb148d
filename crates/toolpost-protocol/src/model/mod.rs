//! The messages of MCP as Rust types: every request, notification and result of 2026-07-28 and of 2025-11-25.
//!
//! One type serves both revisions. A field that only one of them has is optional, and its documentation says which;
//! where it says nothing, both have it. [`Request`] and [`Notification`] are decoded by their method, content blocks
//! by their `type`, and results by the method that was called, so a wrong message is reported for what it is.
//!
//! Nothing is lost on the way through: fields that no revision names are kept in `extra`, names that are unknown in
//! the `Other` variant of their enum, blocks of an unknown type in `Unknown`, and numbers digit for digit. An
//! optional field that is absent stays absent (a `null` there counts as absent, except where any JSON is allowed).
//! Decoding what was encoded gives the same value back.
//!
//! ```
//! use serde_json::json;
//! use toolpost_protocol::model::{ContentBlock, Tool};
//!
//! let tool = Tool::new("echo", json!({"type": "object"})).with_description("Says it again");
//! assert_eq!(
//!     serde_json::to_string(&tool)?,
//!     r#"{"name":"echo","description":"Says it again","inputSchema":{"type":"object"}}"#
//! );
//!
//! let block: ContentBlock = serde_json::from_str(r#"{"type": "text", "text": "hi", "x-mood": 1e400}"#)?;
//! let ContentBlock::Text(text) = &block else { panic!("a text block") };
//! assert_eq!(text.text, "hi");
//! assert_eq!(serde_json::to_string(&block)?, r#"{"type":"text","text":"hi","x-mood":1e400}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

#[macro_use]
mod wire;

mod cancellation;
mod capabilities;
mod completion;
mod content;
mod discover;
mod elicitation;
mod error;
mod form;
mod id;
mod implementation;
mod initialize;
mod input;
mod json;
mod jsonrpc;
mod logging;
mod meta;
mod notification;
mod pagination;
mod progress;
mod prompts;
mod request;
mod resources;
mod result;
mod roots;
mod sampling;
mod subscriptions;
mod tasks;
mod tools;

pub use cancellation::CancelledNotificationParams;
pub use capabilities::{
    ClientCapabilities, ElicitationCapability, ElicitationTaskRequests, PromptsCapability,
    ResourcesCapability, RootsCapability, SamplingCapability, SamplingTaskRequests, ServerCapabilities,
    TaskRequests, TasksCapability, ToolTaskRequests, ToolsCapability,
};
pub use completion::{
    CompleteRequestParams, CompleteResult, Completion, CompletionArgument, CompletionContext,
    CompletionReference, PromptReference, ResourceTemplateReference,
};
pub use content::{
    Annotations, AudioContent, ContentBlock, EmbeddedResource, ImageContent, ResourceLink, Role, TextContent,
};
pub use discover::DiscoverResult;
pub use elicitation::{
    ElicitAction, ElicitRequestFormParams, ElicitRequestParams, ElicitRequestUrlParams, ElicitResult,
    ElicitationCompleteNotificationParams, FormMode,
};
pub use error::{
    ErrorObject, MissingRequiredClientCapability, UnsupportedProtocolVersion, UrlElicitationRequired,
};
pub use form::{
    BooleanSchema, FormSchema, LegacyTitledEnumSchema, NumberKind, NumberSchema, PrimitiveSchema,
    StringFormat, StringSchema, TitledMultiSelectEnumSchema, TitledOption, TitledOptions,
    TitledSingleSelectEnumSchema, UntitledMultiSelectEnumSchema, UntitledOptions,
    UntitledSingleSelectEnumSchema,
};
pub use id::{ProgressToken, RequestId};
pub use implementation::{Icon, IconTheme, Implementation};
pub use initialize::{InitializeRequestParams, InitializeResult};
pub use input::{InputRequest, InputRequests, InputRequiredResult, InputResponse, InputResponses};
pub use json::{Object, RawJson, RawNumber};
pub use jsonrpc::{JsonRpcError, JsonRpcNotification, JsonRpcRequest, JsonRpcResponse};
pub use logging::{LoggingLevel, LoggingMessageNotificationParams, SetLevelRequestParams};
pub use meta::{Meta, NotificationParams, RequestMeta, RequestParams};
pub use notification::Notification;
pub use pagination::PaginatedRequestParams;
pub use progress::ProgressNotificationParams;
pub use prompts::{
    GetPromptRequestParams, GetPromptResult, ListPromptsResult, Prompt, PromptArgument, PromptMessage,
};
pub use request::Request;
pub use resources::{
    BlobResourceContents, ListResourceTemplatesResult, ListResourcesResult, ReadResourceRequestParams,
    ReadResourceResult, Resource, ResourceContents, ResourceRequestParams, ResourceTemplate,
    ResourceUpdatedNotificationParams, TextResourceContents,
};
pub use result::{CacheScope, EmptyResult, RequestResult, ResultType};
pub use roots::{ListRootsResult, Root};
pub use sampling::{
    ContextInclusion, CreateMessageRequestParams, CreateMessageResult, ModelHint, ModelPreferences,
    SamplingBlock, SamplingContent, SamplingMessage, StopReason, ToolChoice, ToolChoiceMode,
    ToolResultContent, ToolUseContent,
};
pub use subscriptions::{
    SubscriptionFilter, SubscriptionsAcknowledgedNotificationParams, SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
};
pub use tasks::{
    CreateTaskResult, ListTasksResult, RelatedTask, Task, TaskMetadata, TaskRequestParams, TaskStatus,
};
pub use tools::{
    CallToolRequestParams, CallToolResult, ListToolsResult, TaskSupport, Tool, ToolAnnotations, ToolExecution,
};
