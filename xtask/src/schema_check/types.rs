//! The types of the schemas by name, and the trip of a JSON text through the model's type of that name.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toolpost_protocol::{Error, Id, model as m};

use crate::Done;

/// What a decoded value encodes to, and how it shows itself.
pub(super) type Trip = (Value, String);

fn trip<T: DeserializeOwned + Serialize + Debug>(text: &str) -> Result<Trip, String> {
    let decoded: T = serde_json::from_str(text).map_err(|error| format!("does not decode: {error}"))?;
    let encoded = serde_json::to_string(&decoded).map_err(|error| format!("does not encode: {error}"))?;
    let value = serde_json::from_str(&encoded).map_err(|error| format!("encodes to no JSON: {error}"))?;
    Ok((value, format!("{decoded:?}")))
}

/// One variant of an enum, which must be the one called `variant`.
fn variant<T: DeserializeOwned + Serialize + Debug>(variant: &str, text: &str) -> Result<Trip, String> {
    let (value, debug) = trip::<T>(text)?;
    match debug.strip_prefix(variant).is_some_and(|rest| rest.starts_with([' ', '('])) {
        true => Ok((value, debug)),
        false => Err(format!("decodes as {debug}")),
    }
}

fn request(method: &str, text: &str) -> Result<Trip, String> {
    method_is(method, text)?;
    known(trip::<m::Envelope<m::Request>>(text)?)
}

fn notification(method: &str, text: &str) -> Result<Trip, String> {
    method_is(method, text)?;
    known(trip::<m::Envelope<m::Notification>>(text)?)
}

/// A message whose method, and mode, the model knows.
fn known((value, debug): Trip) -> Result<Trip, String> {
    if debug.contains("body: Unknown") { Err(format!("decodes as {debug}")) } else { Ok((value, debug)) }
}

fn method_is(method: &str, text: &str) -> Done {
    let message: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if message["method"] == method { Ok(()) } else { Err(format!("is not a message of {method}")) }
}

/// The params of a message with this method; the trip is that of the message.
fn params(method: &str, text: &str) -> Result<Trip, String> {
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method:?},"params":{text}}}"#);
    let told = message.replace(r#""id":1,"#, "");
    let (value, debug) = match method.starts_with("notifications/") {
        true => notification(method, &told)?,
        false => request(method, &message)?,
    };
    let params = value.get("params").cloned().unwrap_or_else(|| serde_json::json!({}));
    Ok((params, debug))
}

type Answer<R> = m::Envelope<Result<R, Error>>;

fn response<R: DeserializeOwned + Serialize + Debug>(text: &str) -> Result<Trip, String> {
    trip::<Answer<R>>(text)
}

/// An error whose `data` is of a type of its own, which must make the trip too.
fn error(text: &str) -> Result<Trip, String> {
    let (value, message) = trip::<Answer<m::EmptyResult>>(text)?;
    let data = value["error"]["data"].clone();
    let answer: Answer<m::EmptyResult> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Err(error) = answer.body else { return Err("is no error".to_owned()) };
    let read = m::ErrorData::of(&error).map_err(|error| format!("its data do not decode: {error}"))?;
    let Some(read) = read else { return Err("has no data".to_owned()) };
    if matches!(read, m::ErrorData::Unknown(_)) {
        return Err("its data are not known".to_owned());
    }
    let encoded = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    if encoded != data {
        return Err(format!("its data encodes to {encoded}"));
    }
    if let m::ErrorData::UrlElicitationRequired { elicitations, .. } = &read {
        elicitations.iter().try_for_each(|page| params("elicitation/create", page.as_str()).map(|_| ()))?;
    }
    Ok((value, format!("{message} {read:?}")))
}

/// An answer to a question within a result, which only the one who asked knows the kind of.
fn answer(text: &str) -> Result<Trip, String> {
    let answer: m::RawJson = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let text = answer.as_str();
    trip::<m::ElicitResult>(text)
        .or_else(|_| trip::<m::CreateMessageResult>(text))
        .or_else(|_| trip::<m::ListResult<m::Root>>(text))
}

fn answers(text: &str) -> Result<Trip, String> {
    let answers: BTreeMap<String, m::RawJson> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let trips: Result<BTreeMap<String, Trip>, String> =
        answers.into_iter().map(|(name, json)| Ok((name, answer(json.as_str())?))).collect();
    let trips = trips?;
    let debug: Vec<&str> = trips.values().map(|(_, debug)| debug.as_str()).collect();
    Ok((trips.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect(), debug.join(" ")))
}

/// Decodes `text` as the type called `name` and encodes it again.
pub(super) fn round_trip(name: &str, text: &str) -> Result<Trip, String> {
    match name {
        "ext-tasks-draft CancelTaskRequest" => request("tasks/cancel", text),
        "ext-tasks-draft CreateTaskResult" => variant::<m::RequestResult<m::EmptyResult>>("Detached", text),
        "ext-tasks-draft GetTaskRequest" => request("tasks/get", text),
        "ext-tasks-draft TaskStatusNotification" => notification("notifications/tasks", text),
        "ext-tasks-draft UpdateTaskRequest" => request("tasks/update", text),
        "ext-tasks-draft CancelTaskResult" | "ext-tasks-draft UpdateTaskResult" => {
            trip::<m::EmptyResult>(text)
        }
        name if name.starts_with("ext-tasks-draft ") => trip::<m::DetailedTask>(text),
        "Annotations" => trip::<m::Annotations>(text),
        "AudioContent" => variant::<m::ContentBlock>("Audio", text),
        "BlobResourceContents" => variant::<m::ResourceContents>("Blob", text),
        "BooleanSchema" => variant::<m::FormField>("Boolean", text),
        "CallToolRequest" => request("tools/call", text),
        "CallToolRequestParams" => trip::<m::CallToolRequestParams>(text),
        "CallToolResult" => trip::<m::CallToolResult>(text),
        "CallToolResultResponse" => response::<m::RequestResult<m::CallToolResult>>(text),
        "CancelTaskRequest" => request("tasks/cancel", text),
        "CancelTaskResult" | "GetTaskResult" => trip::<m::Task>(text),
        "CancelledNotification" => notification("notifications/cancelled", text),
        "CancelledNotificationParams" => params("notifications/cancelled", text),
        "ClientCapabilities" => trip::<m::ClientCapabilities>(text),
        "CompleteRequest" => request("completion/complete", text),
        "CompleteRequestParams" => params("completion/complete", text),
        "CompleteResult" => trip::<m::CompleteResult>(text),
        "CompleteResultResponse" => response::<m::CompleteResult>(text),
        "ContentBlock" => trip::<m::ContentBlock>(text),
        "CreateMessageRequest" => request("sampling/createMessage", text),
        "CreateMessageRequestParams" => trip::<m::CreateMessageRequestParams>(text),
        "CreateMessageResult" => trip::<m::CreateMessageResult>(text),
        "CreateTaskResult" => variant::<m::RequestResult<m::EmptyResult>>("Task", text),
        "DiscoverRequest" => request("server/discover", text),
        "DiscoverResult" => trip::<m::DiscoverResult>(text),
        "DiscoverResultResponse" => response::<m::DiscoverResult>(text),
        "ElicitRequest" => request("elicitation/create", text),
        "ElicitRequestFormParams" => params("elicitation/create", text),
        "ElicitRequestParams" => params("elicitation/create", text),
        "ElicitRequestURLParams" => params("elicitation/create", text),
        "ElicitResult" => trip::<m::ElicitResult>(text),
        "ElicitationCompleteNotification" => notification("notifications/elicitation/complete", text),
        "EmbeddedResource" => variant::<m::ContentBlock>("Resource", text),
        "EmptyResult" | "Result" | "GetTaskPayloadResult" => trip::<m::EmptyResult>(text),
        "Error"
        | "InternalError"
        | "InvalidParamsError"
        | "InvalidRequestError"
        | "MethodNotFoundError"
        | "ParseError" => trip::<Error>(text),
        "GetPromptRequest" => request("prompts/get", text),
        "GetPromptRequestParams" => params("prompts/get", text),
        "GetPromptResult" => trip::<m::GetPromptResult>(text),
        "GetPromptResultResponse" => response::<m::RequestResult<m::GetPromptResult>>(text),
        "GetTaskPayloadRequest" => request("tasks/result", text),
        "GetTaskRequest" => request("tasks/get", text),
        "HeaderMismatchError" | "JSONRPCErrorResponse" => trip::<Answer<m::EmptyResult>>(text),
        "Icon" => trip::<m::Icon>(text),
        "ImageContent" => variant::<m::ContentBlock>("Image", text),
        "Implementation" => trip::<m::Implementation>(text),
        "InitializeRequest" => request("initialize", text),
        "InitializeRequestParams" => params("initialize", text),
        "InitializeResult" => trip::<m::InitializeResult>(text),
        "InitializedNotification" => notification("notifications/initialized", text),
        "InputRequest" => known(trip::<m::Envelope<m::Request>>(text)?),
        "InputRequests" => trip::<BTreeMap<String, m::Envelope<m::Request>>>(text),
        "InputRequiredResult" => variant::<m::RequestResult<m::EmptyResult>>("InputRequired", text),
        "InputResponse" => answer(text),
        "InputResponses" => answers(text),
        "JSONRPCNotification" => trip::<m::Envelope<m::Notification>>(text),
        "JSONRPCRequest" => trip::<m::Envelope<m::Request>>(text),
        "JSONRPCResultResponse" => response::<m::EmptyResult>(text),
        "LegacyTitledEnumSchema" => variant::<m::FormField>("Select", text),
        "ListPromptsRequest" => request("prompts/list", text),
        "ListPromptsResult" => trip::<m::ListResult<m::Prompt>>(text),
        "ListPromptsResultResponse" => response::<m::ListResult<m::Prompt>>(text),
        "ListResourceTemplatesRequest" => request("resources/templates/list", text),
        "ListResourceTemplatesResult" => trip::<m::ListResult<m::ResourceTemplate>>(text),
        "ListResourceTemplatesResultResponse" => response::<m::ListResult<m::ResourceTemplate>>(text),
        "ListResourcesRequest" => request("resources/list", text),
        "ListResourcesResult" => trip::<m::ListResult<m::Resource>>(text),
        "ListResourcesResultResponse" => response::<m::ListResult<m::Resource>>(text),
        "ListRootsRequest" => request("roots/list", text),
        "ListRootsResult" => trip::<m::ListResult<m::Root>>(text),
        "ListTasksRequest" => request("tasks/list", text),
        "ListTasksResult" => trip::<m::ListResult<m::Task>>(text),
        "ListToolsRequest" => request("tools/list", text),
        "ListToolsResult" => trip::<m::ListResult<m::Tool>>(text),
        "ListToolsResultResponse" => response::<m::ListResult<m::Tool>>(text),
        "LoggingMessageNotification" => notification("notifications/message", text),
        "LoggingMessageNotificationParams" => params("notifications/message", text),
        "MissingRequiredClientCapabilityError" => error(text),
        "ModelHint" => trip::<m::ModelHint>(text),
        "ModelPreferences" => trip::<m::ModelPreferences>(text),
        "NotificationMetaObject" => trip::<m::Meta>(text),
        "NotificationParams" => params("notifications/tools/list_changed", text),
        "NumberSchema" => {
            variant::<m::FormField>("Number", text).or_else(|_| variant::<m::FormField>("Integer", text))
        }
        "PaginatedRequestParams" => params("tools/list", text),
        "PingRequest" => request("ping", text),
        "PrimitiveSchemaDefinition" => trip::<m::FormField>(text),
        "ProgressNotification" => notification("notifications/progress", text),
        "ProgressNotificationParams" => params("notifications/progress", text),
        "Prompt" => trip::<m::Prompt>(text),
        "PromptArgument" => trip::<m::PromptArgument>(text),
        "PromptListChangedNotification" => notification("notifications/prompts/list_changed", text),
        "PromptMessage" => trip::<m::PromptMessage>(text),
        "PromptReference" => variant::<m::CompletionReference>("Prompt", text),
        "ReadResourceRequest" => request("resources/read", text),
        "ReadResourceRequestParams" => params("resources/read", text),
        "ReadResourceResult" => trip::<m::ReadResourceResult>(text),
        "ReadResourceResultResponse" => response::<m::RequestResult<m::ReadResourceResult>>(text),
        "RelatedTaskMetadata" => trip::<m::TaskMetadata>(text),
        "RequestMetaObject" => trip::<m::RequestMeta>(text),
        "RequestParams" => params("server/discover", text),
        "Resource" => trip::<m::Resource>(text),
        "ResourceLink" => variant::<m::ContentBlock>("ResourceLink", text),
        "ResourceListChangedNotification" => notification("notifications/resources/list_changed", text),
        "ResourceRequestParams" | "SubscribeRequestParams" | "UnsubscribeRequestParams" => {
            params("resources/subscribe", text)
        }
        "ResourceTemplate" => trip::<m::ResourceTemplate>(text),
        "ResourceTemplateReference" => variant::<m::CompletionReference>("ResourceTemplate", text),
        "ResourceUpdatedNotification" => notification("notifications/resources/updated", text),
        "ResourceUpdatedNotificationParams" => params("notifications/resources/updated", text),
        "ResultMetaObject" | "SubscriptionsListenResultMetaObject" => trip::<m::Meta>(text),
        "Root" => trip::<m::Root>(text),
        "RootsListChangedNotification" => notification("notifications/roots/list_changed", text),
        "SamplingMessage" => trip::<m::SamplingMessage>(text),
        "SamplingMessageContentBlock" => trip::<m::ContentBlock>(text),
        "ServerCapabilities" => trip::<m::ServerCapabilities>(text),
        "SetLevelRequest" => request("logging/setLevel", text),
        "SetLevelRequestParams" => params("logging/setLevel", text),
        "StringSchema" => variant::<m::FormField>("String", text),
        "SubscribeRequest" => request("resources/subscribe", text),
        "SubscriptionFilter" => trip::<m::SubscriptionFilter>(text),
        "SubscriptionsAcknowledgedNotification" => {
            notification("notifications/subscriptions/acknowledged", text)
        }
        "SubscriptionsAcknowledgedNotificationParams" => {
            params("notifications/subscriptions/acknowledged", text)
        }
        "SubscriptionsListenRequest" => request("subscriptions/listen", text),
        "SubscriptionsListenRequestParams" => params("subscriptions/listen", text),
        "SubscriptionsListenResult" => trip::<m::EmptyResult>(text),
        "SubscriptionsListenResultResponse" => response::<m::EmptyResult>(text),
        "Task" => trip::<m::Task>(text),
        "TaskMetadata" => trip::<m::TaskMetadata>(text),
        "TaskStatusNotification" => notification("notifications/tasks/status", text),
        "TaskStatusNotificationParams" => trip::<m::Task>(text),
        "TextContent" => variant::<m::ContentBlock>("Text", text),
        "TextResourceContents" => variant::<m::ResourceContents>("Text", text),
        "TitledMultiSelectEnumSchema" => variant::<m::FormField>("MultiSelect", text),
        "TitledSingleSelectEnumSchema" => variant::<m::FormField>("SelectTitled", text),
        "Tool" => trip::<m::Tool>(text),
        "ToolAnnotations" => trip::<m::ToolAnnotations>(text),
        "ToolChoice" => trip::<m::ToolChoice>(text),
        "ToolExecution" => trip::<m::ToolExecution>(text),
        "ToolListChangedNotification" => notification("notifications/tools/list_changed", text),
        "ToolResultContent" => variant::<m::ContentBlock>("ToolResult", text),
        "ToolUseContent" => variant::<m::ContentBlock>("ToolUse", text),
        "URLElicitationRequiredError" => error(text),
        "UnsubscribeRequest" => request("resources/unsubscribe", text),
        "UnsupportedProtocolVersionError" => error(text),
        "UntitledMultiSelectEnumSchema" => variant::<m::FormField>("MultiSelect", text),
        "UntitledSingleSelectEnumSchema" => variant::<m::FormField>("Select", text),
        "LoggingLevel" => trip::<m::LoggingLevel>(text),
        "ProgressToken" => trip::<Id>(text),
        "RequestId" => trip::<Id>(text),
        "ResourceContents" => trip::<m::ResourceContents>(text),
        "ResultType" => trip::<m::ResultType>(text),
        "Role" => trip::<m::Role>(text),
        "TaskStatus" => trip::<m::TaskStatus>(text),
        _ => Err("the model has no type of this name".to_owned()),
    }
}
