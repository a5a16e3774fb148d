//! The types of the schemas by name, and the trip of a JSON text through the model's type of that name.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toolpost_protocol::model as m;

use crate::Done;

/// What a decoded value encodes to, and how it shows itself.
pub(super) type Trip = (Value, String);

fn trip<T: DeserializeOwned + Serialize + Debug>(text: &str) -> Result<Trip, String> {
    let decoded: T = serde_json::from_str(text).map_err(|error| format!("does not decode: {error}"))?;
    let encoded = serde_json::to_string(&decoded).map_err(|error| format!("does not encode: {error}"))?;
    let value = serde_json::from_str(&encoded).map_err(|error| format!("encodes to no JSON: {error}"))?;
    Ok((value, format!("{decoded:?}")))
}

/// A request by its method; within a result it has no envelope.
fn request(method: &str, text: &str) -> Result<Trip, String> {
    method_is(method, text)?;
    if text.contains("\"jsonrpc\"") { trip::<m::JsonRpcRequest>(text) } else { trip::<m::InputRequest>(text) }
}

fn notification(method: &str, text: &str) -> Result<Trip, String> {
    method_is(method, text)?;
    trip::<m::JsonRpcNotification>(text)
}

fn method_is(method: &str, text: &str) -> Done {
    let message: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if message["method"] == method { Ok(()) } else { Err(format!("is not a message of {method}")) }
}

fn response<R: DeserializeOwned + Serialize + Debug>(text: &str) -> Result<Trip, String> {
    trip::<m::JsonRpcResponse<R>>(text)
}

/// An error whose `data` is of a type of its own, which must make the trip too.
fn error<D: DeserializeOwned + Serialize + Debug>(text: &str) -> Result<Trip, String> {
    let message: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let data = &message["error"]["data"];
    let (encoded, debug) = trip::<D>(&data.to_string())?;
    if encoded != *data {
        return Err(format!("its data encodes to {encoded}"));
    }
    let (value, message) = trip::<m::JsonRpcError>(text)?;
    Ok((value, format!("{message} {debug}")))
}

/// Decodes `text` as the type called `name` and encodes it again.
pub(super) fn round_trip(name: &str, text: &str) -> Result<Trip, String> {
    match name {
        "Annotations" => trip::<m::Annotations>(text),
        "AudioContent" => trip::<m::AudioContent>(text),
        "BlobResourceContents" => trip::<m::BlobResourceContents>(text),
        "BooleanSchema" => trip::<m::BooleanSchema>(text),
        "CallToolRequest" => request("tools/call", text),
        "CallToolRequestParams" => trip::<m::CallToolRequestParams>(text),
        "CallToolResult" => trip::<m::CallToolResult>(text),
        "CallToolResultResponse" => response::<m::RequestResult<m::CallToolResult>>(text),
        "CancelTaskRequest" => request("tasks/cancel", text),
        "CancelTaskResult" | "GetTaskResult" => trip::<m::Task>(text),
        "CancelledNotification" => notification("notifications/cancelled", text),
        "CancelledNotificationParams" => trip::<m::CancelledNotificationParams>(text),
        "ClientCapabilities" => trip::<m::ClientCapabilities>(text),
        "CompleteRequest" => request("completion/complete", text),
        "CompleteRequestParams" => trip::<m::CompleteRequestParams>(text),
        "CompleteResult" => trip::<m::CompleteResult>(text),
        "CompleteResultResponse" => response::<m::CompleteResult>(text),
        "ContentBlock" => trip::<m::ContentBlock>(text),
        "CreateMessageRequest" => request("sampling/createMessage", text),
        "CreateMessageRequestParams" => trip::<m::CreateMessageRequestParams>(text),
        "CreateMessageResult" => trip::<m::CreateMessageResult>(text),
        "CreateTaskResult" => trip::<m::CreateTaskResult>(text),
        "DiscoverRequest" => request("server/discover", text),
        "DiscoverResult" => trip::<m::DiscoverResult>(text),
        "DiscoverResultResponse" => response::<m::DiscoverResult>(text),
        "ElicitRequest" => request("elicitation/create", text),
        "ElicitRequestFormParams" => trip::<m::ElicitRequestFormParams>(text),
        "ElicitRequestParams" => trip::<m::ElicitRequestParams>(text),
        "ElicitRequestURLParams" => trip::<m::ElicitRequestUrlParams>(text),
        "ElicitResult" => trip::<m::ElicitResult>(text),
        "ElicitationCompleteNotification" => notification("notifications/elicitation/complete", text),
        "EmbeddedResource" => trip::<m::EmbeddedResource>(text),
        "EmptyResult" | "Result" | "GetTaskPayloadResult" => trip::<m::EmptyResult>(text),
        "Error"
        | "InternalError"
        | "InvalidParamsError"
        | "InvalidRequestError"
        | "MethodNotFoundError"
        | "ParseError" => trip::<m::ErrorObject>(text),
        "GetPromptRequest" => request("prompts/get", text),
        "GetPromptRequestParams" => trip::<m::GetPromptRequestParams>(text),
        "GetPromptResult" => trip::<m::GetPromptResult>(text),
        "GetPromptResultResponse" => response::<m::RequestResult<m::GetPromptResult>>(text),
        "GetTaskPayloadRequest" => request("tasks/result", text),
        "GetTaskRequest" => request("tasks/get", text),
        "HeaderMismatchError" | "JSONRPCErrorResponse" => trip::<m::JsonRpcError>(text),
        "Icon" => trip::<m::Icon>(text),
        "ImageContent" => trip::<m::ImageContent>(text),
        "Implementation" => trip::<m::Implementation>(text),
        "InitializeRequest" => request("initialize", text),
        "InitializeRequestParams" => trip::<m::InitializeRequestParams>(text),
        "InitializeResult" => trip::<m::InitializeResult>(text),
        "InitializedNotification" => notification("notifications/initialized", text),
        "InputRequest" => trip::<m::InputRequest>(text),
        "InputRequests" => trip::<m::InputRequests>(text),
        "InputRequiredResult" => trip::<m::InputRequiredResult>(text),
        "InputResponse" => trip::<m::InputResponse>(text),
        "InputResponses" => trip::<m::InputResponses>(text),
        "JSONRPCNotification" => trip::<m::JsonRpcNotification>(text),
        "JSONRPCRequest" => trip::<m::JsonRpcRequest>(text),
        "JSONRPCResultResponse" => response::<m::EmptyResult>(text),
        "LegacyTitledEnumSchema" => trip::<m::LegacyTitledEnumSchema>(text),
        "ListPromptsRequest" => request("prompts/list", text),
        "ListPromptsResult" => trip::<m::ListPromptsResult>(text),
        "ListPromptsResultResponse" => response::<m::ListPromptsResult>(text),
        "ListResourceTemplatesRequest" => request("resources/templates/list", text),
        "ListResourceTemplatesResult" => trip::<m::ListResourceTemplatesResult>(text),
        "ListResourceTemplatesResultResponse" => response::<m::ListResourceTemplatesResult>(text),
        "ListResourcesRequest" => request("resources/list", text),
        "ListResourcesResult" => trip::<m::ListResourcesResult>(text),
        "ListResourcesResultResponse" => response::<m::ListResourcesResult>(text),
        "ListRootsRequest" => request("roots/list", text),
        "ListRootsResult" => trip::<m::ListRootsResult>(text),
        "ListTasksRequest" => request("tasks/list", text),
        "ListTasksResult" => trip::<m::ListTasksResult>(text),
        "ListToolsRequest" => request("tools/list", text),
        "ListToolsResult" => trip::<m::ListToolsResult>(text),
        "ListToolsResultResponse" => response::<m::ListToolsResult>(text),
        "LoggingMessageNotification" => notification("notifications/message", text),
        "LoggingMessageNotificationParams" => trip::<m::LoggingMessageNotificationParams>(text),
        "MissingRequiredClientCapabilityError" => error::<m::MissingRequiredClientCapability>(text),
        "ModelHint" => trip::<m::ModelHint>(text),
        "ModelPreferences" => trip::<m::ModelPreferences>(text),
        "NotificationMetaObject" => trip::<m::Meta>(text),
        "NotificationParams" => trip::<m::NotificationParams>(text),
        "NumberSchema" => trip::<m::NumberSchema>(text),
        "PaginatedRequestParams" => trip::<m::PaginatedRequestParams>(text),
        "PingRequest" => request("ping", text),
        "PrimitiveSchemaDefinition" => trip::<m::PrimitiveSchema>(text),
        "ProgressNotification" => notification("notifications/progress", text),
        "ProgressNotificationParams" => trip::<m::ProgressNotificationParams>(text),
        "Prompt" => trip::<m::Prompt>(text),
        "PromptArgument" => trip::<m::PromptArgument>(text),
        "PromptListChangedNotification" => notification("notifications/prompts/list_changed", text),
        "PromptMessage" => trip::<m::PromptMessage>(text),
        "PromptReference" => trip::<m::PromptReference>(text),
        "ReadResourceRequest" => request("resources/read", text),
        "ReadResourceRequestParams" => trip::<m::ReadResourceRequestParams>(text),
        "ReadResourceResult" => trip::<m::ReadResourceResult>(text),
        "ReadResourceResultResponse" => response::<m::RequestResult<m::ReadResourceResult>>(text),
        "RelatedTaskMetadata" => trip::<m::RelatedTask>(text),
        "RequestMetaObject" => trip::<m::RequestMeta>(text),
        "RequestParams" => trip::<m::RequestParams>(text),
        "Resource" => trip::<m::Resource>(text),
        "ResourceLink" => trip::<m::ResourceLink>(text),
        "ResourceListChangedNotification" => notification("notifications/resources/list_changed", text),
        "ResourceRequestParams" | "SubscribeRequestParams" | "UnsubscribeRequestParams" => {
            trip::<m::ResourceRequestParams>(text)
        }
        "ResourceTemplate" => trip::<m::ResourceTemplate>(text),
        "ResourceTemplateReference" => trip::<m::ResourceTemplateReference>(text),
        "ResourceUpdatedNotification" => notification("notifications/resources/updated", text),
        "ResourceUpdatedNotificationParams" => trip::<m::ResourceUpdatedNotificationParams>(text),
        "ResultMetaObject" | "SubscriptionsListenResultMetaObject" => trip::<m::Meta>(text),
        "Root" => trip::<m::Root>(text),
        "RootsListChangedNotification" => notification("notifications/roots/list_changed", text),
        "SamplingMessage" => trip::<m::SamplingMessage>(text),
        "SamplingMessageContentBlock" => trip::<m::SamplingBlock>(text),
        "ServerCapabilities" => trip::<m::ServerCapabilities>(text),
        "SetLevelRequest" => request("logging/setLevel", text),
        "SetLevelRequestParams" => trip::<m::SetLevelRequestParams>(text),
        "StringSchema" => trip::<m::StringSchema>(text),
        "SubscribeRequest" => request("resources/subscribe", text),
        "SubscriptionFilter" => trip::<m::SubscriptionFilter>(text),
        "SubscriptionsAcknowledgedNotification" => {
            notification("notifications/subscriptions/acknowledged", text)
        }
        "SubscriptionsAcknowledgedNotificationParams" => {
            trip::<m::SubscriptionsAcknowledgedNotificationParams>(text)
        }
        "SubscriptionsListenRequest" => request("subscriptions/listen", text),
        "SubscriptionsListenRequestParams" => trip::<m::SubscriptionsListenRequestParams>(text),
        "SubscriptionsListenResult" => trip::<m::SubscriptionsListenResult>(text),
        "SubscriptionsListenResultResponse" => response::<m::SubscriptionsListenResult>(text),
        "Task" => trip::<m::Task>(text),
        "TaskMetadata" => trip::<m::TaskMetadata>(text),
        "TaskStatusNotification" => notification("notifications/tasks/status", text),
        "TaskStatusNotificationParams" => trip::<m::Task>(text),
        "TextContent" => trip::<m::TextContent>(text),
        "TextResourceContents" => trip::<m::TextResourceContents>(text),
        "TitledMultiSelectEnumSchema" => trip::<m::TitledMultiSelectEnumSchema>(text),
        "TitledSingleSelectEnumSchema" => trip::<m::TitledSingleSelectEnumSchema>(text),
        "Tool" => trip::<m::Tool>(text),
        "ToolAnnotations" => trip::<m::ToolAnnotations>(text),
        "ToolChoice" => trip::<m::ToolChoice>(text),
        "ToolExecution" => trip::<m::ToolExecution>(text),
        "ToolListChangedNotification" => notification("notifications/tools/list_changed", text),
        "ToolResultContent" => trip::<m::ToolResultContent>(text),
        "ToolUseContent" => trip::<m::ToolUseContent>(text),
        "URLElicitationRequiredError" => error::<m::UrlElicitationRequired>(text),
        "UnsubscribeRequest" => request("resources/unsubscribe", text),
        "UnsupportedProtocolVersionError" => error::<m::UnsupportedProtocolVersion>(text),
        "UntitledMultiSelectEnumSchema" => trip::<m::UntitledMultiSelectEnumSchema>(text),
        "UntitledSingleSelectEnumSchema" => trip::<m::UntitledSingleSelectEnumSchema>(text),
        "LoggingLevel" => trip::<m::LoggingLevel>(text),
        "ProgressToken" => trip::<m::ProgressToken>(text),
        "RequestId" => trip::<m::RequestId>(text),
        "ResourceContents" => trip::<m::ResourceContents>(text),
        "ResultType" => trip::<m::ResultType>(text),
        "Role" => trip::<m::Role>(text),
        "TaskStatus" => trip::<m::TaskStatus>(text),
        _ => Err("the model has no type of this name".to_owned()),
    }
}
