//! The messages of MCP as Rust types: every request, notification and result of 2026-07-28 and of 2025-11-25.
//!
//! One type serves both revisions. A field that only one of them has is optional, and its documentation says which;
//! where it says nothing, both have it. [`Request`] and [`Notification`] are decoded by their method, content blocks
//! by their `type`, and results by the method that was called, so a wrong message is reported for what it is. An
//! [`Envelope`] makes a JSON-RPC message of each; [`ListResult`] is the result of every list.
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
//! let ContentBlock::Text { text, .. } = &block else { panic!("a text block") };
//! assert_eq!(text, "hi");
//! assert_eq!(serde_json::to_string(&block)?, r#"{"type":"text","text":"hi","x-mood":1e400}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

#[macro_use]
pub(crate) mod wire;

mod capabilities;
mod completion;
mod content;
mod discover;
mod elicitation;
mod envelope;
mod error;
mod form;
mod implementation;
mod initialize;
pub(crate) mod json;
mod list;
mod logging;
mod meta;
mod notification;
mod prompts;
mod request;
mod resources;
mod result;
mod roots;
mod sampling;
mod subscriptions;
mod tasks;
mod tools;

pub use capabilities::{Capability, ClientCapabilities, ServerCapabilities};
pub use completion::{
    CompleteResult, Completion, CompletionArgument, CompletionContext, CompletionReference,
};
pub use content::{Annotations, ContentBlock, Role};
pub use discover::DiscoverResult;
pub use elicitation::{ElicitAction, ElicitResult};
pub use envelope::Envelope;
pub use error::ErrorData;
pub use form::{FormField, FormOption, FormSchema, StringFormat};
pub use implementation::{Icon, IconTheme, Implementation};
pub use initialize::InitializeResult;
pub use json::{Object, RawJson, RawNumber};
pub use list::{ListResult, Listed};
pub use logging::LoggingLevel;
pub use meta::{Meta, RequestMeta};
pub use notification::Notification;
pub use prompts::{GetPromptResult, Prompt, PromptArgument, PromptMessage};
pub use request::Request;
pub use resources::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
pub use result::{CacheScope, EmptyResult, RequestResult, ResultType};
pub use roots::Root;
pub use sampling::{
    CreateMessageRequestParams, CreateMessageResult, ModelHint, ModelPreferences, SamplingContent,
    SamplingMessage, StopReason, ToolChoice,
};
pub use subscriptions::SubscriptionFilter;
pub use tasks::{DetailedTask, Task, TaskMetadata, TaskStatus};
pub use tools::{CallToolRequestParams, CallToolResult, TaskSupport, Tool, ToolAnnotations, ToolExecution};

described! { Implementation, Prompt, PromptArgument, Resource, ResourceTemplate, Tool }
