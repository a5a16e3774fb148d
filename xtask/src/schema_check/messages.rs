//! The main messages of each revision, as a program builds them with the model's constructors.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use toolpost_protocol::model::{CacheScope, Envelope, Notification, Request};
use toolpost_protocol::{Code, Error, model as m};

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
    let mut meta = m::RequestMeta::stateless("2026-07-28", m::ClientCapabilities::default());
    meta.client_info = Some(m::Implementation::new("client", "1.0.0"));
    let request = |request: Request| {
        let request = if stateless { request.with_meta(meta.clone()) } else { request };
        Envelope::new(request).with_id(7)
    };
    let ttl = Duration::from_millis(1500);

    let page = || Some(String::new());
    add(messages, "ListToolsRequest", &request(Request::list_tools(page())))?;
    add(messages, "ListPromptsRequest", &request(Request::list_prompts(page())))?;
    add(messages, "ListResourcesRequest", &request(Request::list_resources(page())))?;
    add(messages, "ListResourceTemplatesRequest", &request(Request::list_resource_templates(page())))?;

    let mut call = m::CallToolRequestParams::new("echo");
    call.arguments = Some(m::Object::from([("text".to_owned(), m::RawJson::from("hi"))]));
    add(messages, "CallToolRequest", &request(call.into()).with_id("call-1"))?;
    add(messages, "ReadResourceRequest", &request(Request::read_resource("file:///a")))?;
    let arguments = BTreeMap::from([("code".to_owned(), "fn main() {}".to_owned())]);
    add(messages, "GetPromptRequest", &request(Request::get_prompt("review", Some(arguments))))?;
    let argument = m::CompletionArgument::new("language", "ru");
    let complete = Request::complete(m::CompletionReference::prompt("review"), argument);
    add(messages, "CompleteRequest", &request(complete))?;

    let mut hints = m::ToolAnnotations::default();
    hints.read_only = Some(true);
    let tool = m::Tool::new("echo", json!({"type": "object", "properties": {"text": {"type": "string"}}}))
        .with_title("Echo")
        .with_description("Says it again")
        .with_output_schema(json!({"type": "object"}))
        .with_annotations(hints);
    let tools = m::ListResult::new(vec![tool]);
    let prompts = m::ListResult::new(vec![m::Prompt::new("review")]);
    let resources = m::ListResult::new(vec![m::Resource::new("file:///a", "a")]);
    let templates = m::ListResult::new(vec![m::ResourceTemplate::new("file:///{path}", "files")]);
    let text = m::ResourceContents::text("file:///a", "text");
    let contents = m::ReadResourceResult::new(vec![text.clone()]);
    let result = m::CallToolResult::new(vec![
        m::ContentBlock::text("hi"),
        m::ContentBlock::image("aGk=", "image/png"),
        m::ContentBlock::audio("aGk=", "audio/wav"),
        m::ContentBlock::resource_link(m::Resource::new("file:///a", "a")),
        m::ContentBlock::resource(text),
        m::ContentBlock::resource(m::ResourceContents::blob("file:///b", "aGk=")),
    ])
    .with_structured_content(json!({"said": "hi"}));
    let message = m::PromptMessage::new(m::Role::User, "Review this.");
    let prompt = m::GetPromptResult::new(vec![message]);
    let completion = m::CompleteResult::new(m::Completion::new(vec!["rust".to_owned()]));
    let failure = m::CallToolResult::failure("no such file");
    if stateless {
        add(messages, "ListToolsResult", &tools.reusable(ttl, CacheScope::Public))?;
        add(messages, "ListPromptsResult", &prompts.reusable(ttl, CacheScope::Public))?;
        add(messages, "ListResourcesResult", &resources.reusable(ttl, CacheScope::Private))?;
        add(messages, "ListResourceTemplatesResult", &templates.reusable(ttl, CacheScope::Private))?;
        add(messages, "ReadResourceResult", &contents.reusable(ttl, CacheScope::Private))?;
        add(messages, "CallToolResultResponse", &answered(Ok(result.complete())).with_id("call-1"))?;
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

    add(messages, "CancelledNotification", &Envelope::new(Notification::cancelled(7)))?;
    let progress = Notification::progress("token", 1_u32);
    add(messages, "ProgressNotification", &Envelope::new(progress))?;
    let log = Notification::log(m::LoggingLevel::Warning, "low on disk");
    add(messages, "LoggingMessageNotification", &Envelope::new(log))?;
    add(messages, "ToolListChangedNotification", &Envelope::new(Notification::tool_list_changed()))?;
    let updated = Notification::resource_updated("file:///a");
    add(messages, "ResourceUpdatedNotification", &Envelope::new(updated))?;
    let error = Error::new(Code::METHOD_NOT_FOUND, "no such method");
    add(messages, "JSONRPCErrorResponse", &answered(Err(error)).with_id(7))
}

fn answered(answer: Result<m::CallToolResult, Error>) -> Envelope<Result<m::CallToolResult, Error>> {
    Envelope::new(answer)
}

/// Messages of 2026-07-28 alone.
fn stateless(messages: &mut Messages) -> Result<(), serde_json::Error> {
    let meta = m::RequestMeta::stateless("2026-07-28", m::ClientCapabilities::default());
    let discover = Request::discover().with_meta(meta.clone());
    add(messages, "DiscoverRequest", &Envelope::new(discover).with_id("d"))?;
    let mut tools = m::ServerCapabilities::default();
    tools.tools = Some(m::Capability::new().with("listChanged"));
    add(messages, "DiscoverResult", &m::DiscoverResult::new(vec!["2026-07-28".to_owned()], tools))?;

    let mut filter = m::SubscriptionFilter::default();
    filter.tools_list_changed = Some(true);
    let listen = Request::listen(filter.clone()).with_meta(meta);
    add(messages, "SubscriptionsListenRequest", &Envelope::new(listen).with_id("l"))?;
    let heard = Envelope::new(Notification::acknowledged("l", filter));
    add(messages, "SubscriptionsAcknowledgedNotification", &heard)?;
    add(messages, "SubscriptionsListenResult", &m::EmptyResult::of_subscription("l"))?;

    let field = m::FormField::string().with_title("Name");
    let form = m::FormSchema::new(BTreeMap::from([("name".to_owned(), field)]));
    let question = m::SamplingMessage::new(m::Role::User, "Who?");
    let asked = m::RequestResult::<m::CallToolResult>::ask([
        ("name", Request::elicit_form("Your name?", form)),
        ("page", Request::elicit_url("Sign in", "https://example.com")),
        ("model", m::CreateMessageRequestParams::new(vec![question], 100_u32).into()),
        ("roots", Request::list_roots()),
    ]);
    add(messages, "InputRequiredResult", &asked)?;
    add(messages, "InputRequiredResult", &m::RequestResult::<m::CallToolResult>::retry("state"))?;
    add(messages, "ElicitResult", &m::ElicitResult::new(m::ElicitAction::Decline))?;
    add(messages, "CreateMessageResult", &m::CreateMessageResult::new("Me", "model"))?;
    add(messages, "ListRootsResult", &m::ListResult::new(vec![m::Root::new("file:///")]))?;

    let data = m::ErrorData::unsupported_version(vec!["2026-07-28".to_owned()], "1900-01-01");
    let error = Error::new(Code::UNSUPPORTED_VERSION, "unsupported protocol version").with_data(&data);
    add(messages, "UnsupportedProtocolVersionError", &answered(Err(error)).with_id(1))
}

/// Messages of 2025-11-25 alone.
fn sessions(messages: &mut Messages) -> Result<(), serde_json::Error> {
    let mut id = 0;
    let mut request = |request: Request| {
        id += 1;
        Envelope::new(request).with_id(id)
    };
    let client = m::Implementation::new("client", "1.0.0");
    let initialize = Request::initialize("2025-11-25", m::ClientCapabilities::default(), client);
    add(messages, "InitializeRequest", &request(initialize))?;
    let result = m::InitializeResult::new(
        "2025-11-25",
        m::ServerCapabilities::default(),
        m::Implementation::new("server", "1.0.0"),
    );
    add(messages, "InitializeResult", &result)?;
    add(messages, "InitializedNotification", &Envelope::new(Notification::initialized()))?;
    add(messages, "PingRequest", &request(Request::ping()))?;
    add(messages, "EmptyResult", &m::EmptyResult::default())?;
    add(messages, "SetLevelRequest", &request(Request::set_level(m::LoggingLevel::Error)))?;
    add(messages, "SubscribeRequest", &request(Request::subscribe("file:///a")))?;
    add(messages, "UnsubscribeRequest", &request(Request::unsubscribe("file:///a")))?;
    let form = m::FormSchema::default();
    add(messages, "ElicitRequest", &request(Request::elicit_form("Sure?", form)))?;
    let question = m::SamplingMessage::new(m::Role::User, "Who?");
    let sampling = m::CreateMessageRequestParams::new(vec![question], 9_u32);
    add(messages, "CreateMessageRequest", &request(sampling.into()))?;
    add(messages, "ListRootsRequest", &request(Request::list_roots()))?;
    let task = m::Task::new("t", m::TaskStatus::Working, "2025-11-25T10:30:00Z");
    add(messages, "CreateTaskResult", &m::RequestResult::<m::CallToolResult>::task(task.clone()))?;
    add(messages, "GetTaskResult", &task)?;
    let status = Notification::TaskStatus(Box::new(task));
    add(messages, "TaskStatusNotification", &Envelope::new(status))?;
    add(messages, "GetTaskRequest", &request(Request::get_task("t")))
}
