//! The main messages of each revision, as a program builds them with the model's constructors.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use toolpost_protocol::model as m;
use toolpost_protocol::model::{CacheScope, Notification, Request};

type Messages = Vec<(&'static str, Value)>;

/// The messages of `revision`, each with the name of its type in the schema.
pub(super) fn messages(revision: &str) -> Result<Messages, serde_json::Error> {
    let mut messages = Messages::new();
    both(revision == "2026-07-28", &mut messages)?;
    match revision {
        "2026-07-28" => stateless(&mut messages)?,
        _ => sessions(&mut messages)?,
    }
    Ok(messages)
}

fn add<T: Serialize>(
    messages: &mut Messages,
    name: &'static str,
    message: &T,
) -> Result<(), serde_json::Error> {
    messages.push((name, serde_json::to_value(message)?));
    Ok(())
}

/// Messages that both revisions have, with what 2026-07-28 requires where `stateless`.
fn both(stateless: bool, messages: &mut Messages) -> Result<(), serde_json::Error> {
    let meta = || {
        stateless.then(|| {
            let mut meta = m::RequestMeta::stateless("2026-07-28", m::ClientCapabilities::default());
            meta.client_info = Some(m::Implementation::new("client", "1.0.0"));
            Box::new(meta)
        })
    };
    let ttl = Duration::from_millis(1500);

    let mut page = m::PaginatedRequestParams::default();
    page.meta = meta();
    page.cursor = Some(String::new());
    let request = |request| m::JsonRpcRequest::new(7_u64, request);
    add(messages, "ListToolsRequest", &request(Request::ListTools(Some(page.clone()))))?;
    add(messages, "ListPromptsRequest", &request(Request::ListPrompts(Some(page.clone()))))?;
    add(messages, "ListResourcesRequest", &request(Request::ListResources(Some(page.clone()))))?;
    add(messages, "ListResourceTemplatesRequest", &request(Request::ListResourceTemplates(Some(page))))?;

    let mut call = m::CallToolRequestParams::new("echo");
    call.meta = meta();
    call.arguments = Some(m::Object::from([("text".to_owned(), m::RawJson::from("hi"))]));
    add(messages, "CallToolRequest", &m::JsonRpcRequest::new("call-1", Request::CallTool(call)))?;
    let mut read = m::ReadResourceRequestParams::new("file:///a");
    read.meta = meta();
    add(messages, "ReadResourceRequest", &request(Request::ReadResource(read)))?;
    let mut prompt = m::GetPromptRequestParams::new("review");
    prompt.meta = meta();
    prompt.arguments = Some(BTreeMap::from([("code".to_owned(), "fn main() {}".to_owned())]));
    add(messages, "GetPromptRequest", &request(Request::GetPrompt(prompt)))?;
    let argument = m::CompletionArgument::new("language", "ru");
    let mut complete = m::CompleteRequestParams::new(m::PromptReference::new("review"), argument);
    complete.meta = meta();
    add(messages, "CompleteRequest", &request(Request::Complete(complete)))?;

    let mut hints = m::ToolAnnotations::default();
    hints.read_only = Some(true);
    let tool = m::Tool::new("echo", json!({"type": "object", "properties": {"text": {"type": "string"}}}))
        .with_title("Echo")
        .with_description("Says it again")
        .with_output_schema(json!({"type": "object"}))
        .with_annotations(hints);
    let tools = m::ListToolsResult::new(vec![tool]);
    let prompts = m::ListPromptsResult::new(vec![m::Prompt::new("review")]);
    let resources = m::ListResourcesResult::new(vec![m::Resource::new("file:///a", "a")]);
    let templates =
        m::ListResourceTemplatesResult::new(vec![m::ResourceTemplate::new("file:///{path}", "files")]);
    let text = m::TextResourceContents::new("file:///a", "text");
    let contents = m::ReadResourceResult::new(vec![text.clone().into()]);
    let result = m::CallToolResult::new(vec![
        m::ContentBlock::text("hi"),
        m::ImageContent::new("aGk=", "image/png").into(),
        m::AudioContent::new("aGk=", "audio/wav").into(),
        m::ResourceLink::new("file:///a", "a").into(),
        m::EmbeddedResource::new(text).into(),
        m::EmbeddedResource::new(m::BlobResourceContents::new("file:///b", "aGk=")).into(),
    ])
    .with_structured_content(json!({"said": "hi"}));
    let message = m::PromptMessage::new(m::Role::User, m::TextContent::new("Review this."));
    let prompt = m::GetPromptResult::new(vec![message]);
    let completion = m::CompleteResult::new(m::Completion::new(vec!["rust".to_owned()]));
    let failure = m::CallToolResult::failure("no such file");
    if stateless {
        add(messages, "ListToolsResult", &tools.reusable(ttl, CacheScope::Public))?;
        add(messages, "ListPromptsResult", &prompts.reusable(ttl, CacheScope::Public))?;
        add(messages, "ListResourcesResult", &resources.reusable(ttl, CacheScope::Private))?;
        add(messages, "ListResourceTemplatesResult", &templates.reusable(ttl, CacheScope::Private))?;
        add(messages, "ReadResourceResult", &contents.reusable(ttl, CacheScope::Private))?;
        add(messages, "CallToolResultResponse", &m::JsonRpcResponse::new("call-1", result.complete()))?;
        add(messages, "CallToolResult", &failure.complete())?;
        add(messages, "GetPromptResult", &prompt.complete())?;
        add(messages, "CompleteResult", &completion.complete())?;
    } else {
        add(messages, "ListToolsResult", &tools)?;
        add(messages, "ListPromptsResult", &prompts)?;
        add(messages, "ListResourcesResult", &resources)?;
        add(messages, "ListResourceTemplatesResult", &templates)?;
        add(messages, "ReadResourceResult", &contents)?;
        add(messages, "CallToolResult", &result)?;
        add(messages, "CallToolResult", &failure)?;
        add(messages, "GetPromptResult", &prompt)?;
        add(messages, "CompleteResult", &completion)?;
    }

    let notification = m::JsonRpcNotification::new;
    let cancelled = m::CancelledNotificationParams::new(7_u64);
    add(messages, "CancelledNotification", &notification(Notification::Cancelled(cancelled)))?;
    let mut progress = m::ProgressNotificationParams::new("token", 1_u32);
    progress.total = m::RawNumber::from_f64(2.5);
    add(messages, "ProgressNotification", &notification(Notification::Progress(progress)))?;
    let log = m::LoggingMessageNotificationParams::new(m::LoggingLevel::Warning, "low on disk");
    add(messages, "LoggingMessageNotification", &notification(Notification::LoggingMessage(log)))?;
    add(messages, "ToolListChangedNotification", &notification(Notification::ToolListChanged(None)))?;
    let updated = m::ResourceUpdatedNotificationParams::new("file:///a");
    add(messages, "ResourceUpdatedNotification", &notification(Notification::ResourceUpdated(updated)))?;
    let error = m::ErrorObject::new(-32601, "no such method");
    add(messages, "JSONRPCErrorResponse", &m::JsonRpcError::new(Some(7_u64.into()), error))?;
    Ok(())
}

/// Messages of 2026-07-28 alone.
fn stateless(messages: &mut Messages) -> Result<(), serde_json::Error> {
    let meta = m::RequestMeta::stateless("2026-07-28", m::ClientCapabilities::default());
    let mut discover = m::RequestParams::default();
    discover.meta = Some(Box::new(meta.clone()));
    add(messages, "DiscoverRequest", &m::JsonRpcRequest::new("d", Request::Discover(discover)))?;
    let mut tools = m::ServerCapabilities::default();
    tools.tools = Some(m::ToolsCapability::default());
    add(messages, "DiscoverResult", &m::DiscoverResult::new(vec!["2026-07-28".to_owned()], tools))?;

    let mut filter = m::SubscriptionFilter::default();
    filter.tools_list_changed = Some(true);
    let mut listen = m::SubscriptionsListenRequestParams::new(filter.clone());
    listen.meta = Some(Box::new(meta));
    add(messages, "SubscriptionsListenRequest", &m::JsonRpcRequest::new("l", Request::Listen(listen)))?;
    let heard = m::SubscriptionsAcknowledgedNotificationParams::new("l", filter);
    let heard = m::JsonRpcNotification::new(Notification::SubscriptionsAcknowledged(heard));
    add(messages, "SubscriptionsAcknowledgedNotification", &heard)?;
    add(messages, "SubscriptionsListenResult", &m::SubscriptionsListenResult::new("l"))?;

    let field = m::PrimitiveSchema::String(m::StringSchema::default());
    let form = m::FormSchema::new(BTreeMap::from([("name".to_owned(), field)]));
    let question = m::SamplingMessage::new(m::Role::User, m::TextContent::new("Who?"));
    let asked = m::InputRequiredResult::new(m::InputRequests::from([
        (
            "name".to_owned(),
            m::InputRequest::elicitation(m::ElicitRequestFormParams::new("Your name?", form)),
        ),
        (
            "page".to_owned(),
            m::InputRequest::elicitation(m::ElicitRequestUrlParams::new("Sign in", "https://example.com")),
        ),
        (
            "model".to_owned(),
            m::InputRequest::sampling(m::CreateMessageRequestParams::new(vec![question], 100_u32)),
        ),
        ("roots".to_owned(), m::InputRequest::roots()),
    ]));
    add(messages, "InputRequiredResult", &asked)?;
    add(messages, "InputRequiredResult", &m::InputRequiredResult::retry("state"))?;
    add(messages, "ElicitResult", &m::ElicitResult::new(m::ElicitAction::Decline))?;
    add(messages, "CreateMessageResult", &m::CreateMessageResult::new(m::TextContent::new("Me"), "model"))?;
    add(messages, "ListRootsResult", &m::ListRootsResult::new(vec![m::Root::new("file:///")]))?;

    let data = m::UnsupportedProtocolVersion::new(vec!["2026-07-28".to_owned()], "1900-01-01");
    let mut error = m::ErrorObject::new(-32022, "unsupported protocol version");
    error.data = Some(m::RawJson::encode(&data)?);
    add(messages, "UnsupportedProtocolVersionError", &m::JsonRpcError::new(Some(1_u64.into()), error))
}

/// Messages of 2025-11-25 alone.
fn sessions(messages: &mut Messages) -> Result<(), serde_json::Error> {
    let initialize = m::InitializeRequestParams::new(
        "2025-11-25",
        m::ClientCapabilities::default(),
        m::Implementation::new("client", "1.0.0"),
    );
    let initialize = Request::Initialize(Box::new(initialize));
    add(messages, "InitializeRequest", &m::JsonRpcRequest::new(0_u64, initialize))?;
    let result = m::InitializeResult::new(
        "2025-11-25",
        m::ServerCapabilities::default(),
        m::Implementation::new("server", "1.0.0"),
    );
    add(messages, "InitializeResult", &result)?;
    let initialized = m::JsonRpcNotification::new(Notification::Initialized(None));
    add(messages, "InitializedNotification", &initialized)?;
    add(messages, "PingRequest", &m::JsonRpcRequest::new(1_u64, Request::Ping(None)))?;
    add(messages, "EmptyResult", &m::EmptyResult::default())?;
    let level = m::SetLevelRequestParams::new(m::LoggingLevel::Error);
    add(messages, "SetLevelRequest", &m::JsonRpcRequest::new(2_u64, Request::SetLevel(level)))?;
    let subscribe = Request::Subscribe(m::ResourceRequestParams::new("file:///a"));
    add(messages, "SubscribeRequest", &m::JsonRpcRequest::new(3_u64, subscribe))?;
    let form = m::ElicitRequestFormParams::new("Sure?", m::FormSchema::default());
    add(messages, "ElicitRequest", &m::JsonRpcRequest::new(4_u64, Request::Elicit(form.into())))?;
    let question = m::SamplingMessage::new(m::Role::User, m::TextContent::new("Who?"));
    let sampling =
        Request::CreateMessage(Box::new(m::CreateMessageRequestParams::new(vec![question], 9_u32)));
    add(messages, "CreateMessageRequest", &m::JsonRpcRequest::new(5_u64, sampling))?;
    add(messages, "ListRootsRequest", &m::JsonRpcRequest::new(6_u64, Request::ListRoots(None)))?;
    let task = m::Task::new("t", m::TaskStatus::Working, "2025-11-25T10:30:00Z");
    add(messages, "CreateTaskResult", &m::CreateTaskResult::new(task.clone()))?;
    add(messages, "GetTaskResult", &task)?;
    let status = m::JsonRpcNotification::new(Notification::TaskStatus(task));
    add(messages, "TaskStatusNotification", &status)?;
    let get = Request::GetTask(m::TaskRequestParams::new("t"));
    add(messages, "GetTaskRequest", &m::JsonRpcRequest::new(8_u64, get))
}
