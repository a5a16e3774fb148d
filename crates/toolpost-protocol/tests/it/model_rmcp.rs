//! The model beside rmcp's: the same messages decode in both and encode to equal JSON.
//!
//! The generated texts are tame (see `model_shapes`): machine-sized numbers, names and blocks that the specification
//! knows, and no other fields. The tests called `rmcp_...` say what becomes of the rest: each of them is a difference
//! that is meant, because the model loses nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(deprecated, reason = "rmcp marks what the specification deprecates")]

use crate::model_shapes;

use model_shapes::{TAME as W, Text, each};
use rmcp::model as theirs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use toolpost_protocol::model as ours;
use toolpost_protocol::{Error, Id};

fn encode<T: DeserializeOwned + Serialize>(whose: &str, text: &str) -> Result<Value, String> {
    let decoded: T = serde_json::from_str(text).map_err(|error| format!("{whose}: {error}: {text}"))?;
    serde_json::to_value(&decoded).map(settled).map_err(|error| format!("{whose}: {error}: {text}"))
}

fn same<Ours, Theirs>(texts: &Text)
where
    Ours: DeserializeOwned + Serialize,
    Theirs: DeserializeOwned + Serialize,
{
    each(texts, |text| {
        let (ours, theirs) = (encode::<Ours>("ours", text)?, encode::<Theirs>("theirs", text)?);
        if ours == theirs { Ok(()) } else { Err(format!("\n  ours {ours}\ntheirs {theirs}")) }
    });
}

/// `value` as both write it, apart from two differences:
///
/// - rmcp reads some numbers as `f64` or `f32`, and writes `50` back as `50.0` and `0.9` as `0.8999999761581421`: numbers
///   are compared by value, as `f32`.
/// - rmcp drops params that are `{}` where they may be absent, and writes `null` for absent params of a method that it
///   does not know: neither says anything, so neither counts.
fn settled(value: Value) -> Value {
    match value {
        Value::Number(number) => format!("{}", number.as_f64().unwrap() as f32).into(),
        Value::Array(items) => items.into_iter().map(settled).collect(),
        Value::Object(mut fields) => {
            let says_nothing =
                |params: &Value| params.is_null() || params.as_object().is_some_and(Map::is_empty);
            if fields.contains_key("method") && fields.get("params").is_some_and(says_nothing) {
                fields.remove("params");
            }
            fields.into_iter().map(|(key, value)| (key, settled(value))).collect()
        }
        other => other,
    }
}

#[test]
fn parties_and_capabilities() {
    same::<ours::Icon, theirs::Icon>(&W.icon());
    same::<ours::Implementation, theirs::Implementation>(&W.implementation());
    same::<ours::ClientCapabilities, theirs::ClientCapabilities>(&W.client_capabilities());
    same::<ours::ServerCapabilities, theirs::ServerCapabilities>(&W.server_capabilities());
    same::<ours::LoggingLevel, theirs::LoggingLevel>(&W.level());
    same::<ours::Role, theirs::Role>(&W.role());
    same::<Id, theirs::RequestId>(&W.id());
    same::<ours::RequestMeta, theirs::RequestMetaObject>(&W.request_meta());
}

#[test]
fn content() {
    same::<ours::Annotations, theirs::Annotations>(&W.annotations());
    same::<ours::ContentBlock, theirs::ContentBlock>(&W.block());
    same::<ours::ResourceContents, theirs::ResourceContents>(&W.contents());
}

#[test]
fn resources() {
    same::<ours::Resource, theirs::Resource>(&W.resource());
    same::<ours::ResourceTemplate, theirs::ResourceTemplate>(&W.resource_template());
    same::<ours::ListResult<ours::Resource>, theirs::ListResourcesResult>(&W.list_resources());
    same::<ours::ListResult<ours::ResourceTemplate>, theirs::ListResourceTemplatesResult>(
        &W.list_templates(),
    );
    same::<ours::ReadResourceResult, theirs::ReadResourceResult>(&W.read_result());
}

#[test]
fn tools() {
    same::<ours::ToolAnnotations, theirs::ToolAnnotations>(&W.tool_annotations());
    same::<ours::Tool, theirs::Tool>(&W.tool());
    same::<ours::ListResult<ours::Tool>, theirs::ListToolsResult>(&W.list_tools());
    same::<ours::CallToolResult, theirs::CallToolResult>(&W.call_result());
    same::<ours::CallToolRequestParams, theirs::CallToolRequestParams>(&W.call_params());
}

#[test]
fn prompts_and_completion() {
    same::<ours::Prompt, theirs::Prompt>(&W.prompt());
    same::<ours::ListResult<ours::Prompt>, theirs::ListPromptsResult>(&W.list_prompts());
    same::<ours::GetPromptResult, theirs::GetPromptResult>(&W.prompt_result());
    same::<ours::CompleteResult, theirs::CompleteResult>(&W.complete_result());
}

#[test]
fn sampling_and_roots() {
    same::<ours::ModelPreferences, theirs::ModelPreferences>(&W.model_preferences());
    same::<ours::SamplingMessage, theirs::SamplingMessage>(&W.sampling_message());
    same::<ours::CreateMessageRequestParams, theirs::CreateMessageRequestParams>(&W.sampling_params());
    same::<ours::CreateMessageResult, theirs::CreateMessageResult>(&W.sampling_result());
    same::<ours::Root, theirs::Root>(&W.root());
    same::<ours::ListResult<ours::Root>, theirs::ListRootsResult>(&W.roots_result());
}

#[test]
fn elicitation() {
    same::<ours::FormField, theirs::PrimitiveSchemaDefinition>(&W.primitive());
    same::<ours::FormSchema, theirs::ElicitationSchema>(&W.form());
    same::<ours::ElicitResult, theirs::ElicitResult>(&W.elicit_result());
}

#[test]
fn handshakes_and_subscriptions() {
    same::<ours::DiscoverResult, theirs::DiscoverResult>(&W.discover_result());
    same::<ours::InitializeResult, theirs::InitializeResult>(&W.initialize_result());
    same::<ours::SubscriptionFilter, theirs::SubscriptionFilter>(&W.filter());
    same::<ours::EmptyResult, theirs::SubscriptionsListenResult>(&W.listen_result());
    same::<ours::RequestResult<ours::EmptyResult>, theirs::InputRequiredResult>(&W.input_required());
}

#[test]
fn requests() {
    for (method, params) in W.requests() {
        let texts = W.request(method, params);
        match method {
            "sampling/createMessage" | "elicitation/create" | "roots/list" => {
                same::<ours::Envelope<ours::Request>, theirs::ServerJsonRpcMessage>(&texts);
            }
            _ => same::<ours::Envelope<ours::Request>, theirs::ClientJsonRpcMessage>(&texts),
        }
    }
}

#[test]
fn notifications() {
    for (method, params) in W.notifications() {
        let texts = W.notification(method, params);
        match method {
            "notifications/initialized" | "notifications/roots/list_changed" => {
                same::<ours::Envelope<ours::Notification>, theirs::ClientJsonRpcMessage>(&texts);
            }
            _ => same::<ours::Envelope<ours::Notification>, theirs::ServerJsonRpcMessage>(&texts),
        }
    }
}

#[test]
fn answers() {
    same::<
        ours::Envelope<Result<ours::CallToolResult, Error>>,
        theirs::JsonRpcResponse<theirs::CallToolResult>,
    >(&W.response(W.call_result()));
    same::<
        ours::Envelope<Result<ours::ListResult<ours::Tool>, Error>>,
        theirs::JsonRpcResponse<theirs::ListToolsResult>,
    >(&W.response(W.list_tools()));
    same::<ours::Envelope<Result<ours::EmptyResult, Error>>, theirs::ServerJsonRpcMessage>(&W.error());
}

/// What rmcp makes of `text`: the JSON it encodes to, or nothing where it does not decode.
fn rmcp<T: DeserializeOwned + Serialize>(text: &str) -> Option<Value> {
    serde_json::from_str::<T>(text).ok().map(|decoded| serde_json::to_value(&decoded).unwrap())
}

/// What the model makes of `text`, which must be what it says.
fn kept<T: DeserializeOwned + Serialize>(text: &str) {
    let decoded: T = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&decoded).unwrap(), text);
}

#[test]
fn rmcp_drops_fields_it_does_not_know() {
    let text = r#"{"name":"a","inputSchema":{},"x-later":1}"#;
    kept::<ours::Tool>(text);
    assert_eq!(rmcp::<theirs::Tool>(text), Some(json!({"name": "a", "inputSchema": {}})));
}

#[test]
fn rmcp_refuses_names_it_does_not_know() {
    kept::<ours::Role>(r#""system""#);
    assert_eq!(rmcp::<theirs::Role>(r#""system""#), None);
}

#[test]
fn rmcp_refuses_blocks_it_does_not_know() {
    let text = r#"{"type":"video","uri":"a:b"}"#;
    kept::<ours::ContentBlock>(text);
    assert_eq!(rmcp::<theirs::ContentBlock>(text), None);
}

#[test]
fn rmcp_refuses_ids_beyond_64_bits() {
    kept::<Id>("123456789012345678901234567890");
    assert_eq!(rmcp::<theirs::RequestId>("123456789012345678901234567890"), None);
}

#[test]
fn rmcp_drops_data_that_is_null() {
    let text = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no","data":null}}"#;
    kept::<ours::Envelope<Result<ours::EmptyResult, Error>>>(text);
    let theirs = rmcp::<theirs::ServerJsonRpcMessage>(text).unwrap();
    assert_eq!(theirs["error"], json!({"code": -32602, "message": "no"}));
}

#[test]
fn rmcp_guesses_the_type_of_a_result_and_may_lose_its_content() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":2},"resultType":"complete","content":[]}}"#;
    kept::<ours::Envelope<Result<ours::RequestResult<ours::CallToolResult>, Error>>>(text);
    assert_eq!(rmcp::<theirs::ServerJsonRpcMessage>(text).unwrap()["result"].get("content"), None);
}

/// The examples of the specification, where they are beside this checkout or in `TOOLPOST_SCHEMAS`.
#[test]
fn examples() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/schema");
    let schemas = std::env::var("TOOLPOST_SCHEMAS").unwrap_or_else(|_| beside.to_owned());
    let Ok(folders) = std::fs::read_dir(format!("{schemas}/2026-07-28/examples")) else {
        println!("skipped: no examples under {schemas}");
        return;
    };
    let mut compared = 0;
    for folder in folders.map(|folder| folder.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for file in std::fs::read_dir(&folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            compared += usize::from(example(&name, &text));
        }
    }
    assert!(100 <= compared, "only {compared} examples were compared");
}

fn both<Ours, Theirs>(text: &str) -> bool
where
    Ours: DeserializeOwned + Serialize,
    Theirs: DeserializeOwned + Serialize,
{
    assert_eq!(encode::<Ours>("ours", text), encode::<Theirs>("theirs", text), "{text}");
    true
}

/// The params of a message that has this method, which the model reads with it.
fn params<Theirs: DeserializeOwned + Serialize>(method: &str, text: &str) -> bool {
    let json = Some(ours::RawJson::parse(text).unwrap());
    let encoded = if method.starts_with("notifications/") {
        ours::Notification::decode(method, json).unwrap().params()
    } else {
        ours::Request::decode(method, json).unwrap().params()
    };
    let ours = serde_json::to_value(encoded.unwrap()).map(settled).unwrap();
    assert_eq!(ours, encode::<Theirs>("theirs", text).unwrap(), "{text}");
    true
}

/// Compares an example by the name of its type; `false` for the types that rmcp has no counterpart of.
fn example(name: &str, text: &str) -> bool {
    match name {
        // Data of errors, keyed collections and requests without an envelope are no types of their own in rmcp, nor is
        // each kind of a form's field: those are compared where they stand in other examples.
        "CreateMessageRequest"
        | "ElicitRequest"
        | "ListRootsRequest"
        | "InputRequests"
        | "InputResponses" => false,
        _ if name.ends_with("Schema") => both::<ours::FormField, theirs::PrimitiveSchemaDefinition>(text),
        _ if name.ends_with("Request") => {
            both::<ours::Envelope<ours::Request>, theirs::ClientJsonRpcMessage>(text)
        }
        _ if name.ends_with("Notification") => {
            both::<ours::Envelope<ours::Notification>, theirs::ServerJsonRpcMessage>(text)
        }
        _ if name.ends_with("ResultResponse") => {
            both::<ours::Envelope<Result<ours::RawJson, Error>>, theirs::ServerJsonRpcMessage>(text)
        }
        _ if name.ends_with("Error") && text.contains("\"jsonrpc\"") => {
            both::<ours::Envelope<Result<ours::EmptyResult, Error>>, theirs::ServerJsonRpcMessage>(text)
        }
        _ if name.ends_with("Error") => both::<Error, theirs::ErrorData>(text),
        _ if name.ends_with("Content") && name.starts_with("Tool") => {
            both::<ours::ContentBlock, theirs::SamplingMessageContentBlock>(text)
        }
        _ if name.ends_with("Content") => both::<ours::ContentBlock, theirs::ContentBlock>(text),
        _ if name.ends_with("ResourceContents") => {
            both::<ours::ResourceContents, theirs::ResourceContents>(text)
        }
        "EmbeddedResource" | "ResourceLink" => both::<ours::ContentBlock, theirs::ContentBlock>(text),
        "CallToolRequestParams" => both::<ours::CallToolRequestParams, theirs::CallToolRequestParams>(text),
        "CallToolResult" => both::<ours::CallToolResult, theirs::CallToolResult>(text),
        "CancelledNotificationParams" => {
            params::<theirs::CancelledNotificationParam>("notifications/cancelled", text)
        }
        "ClientCapabilities" => both::<ours::ClientCapabilities, theirs::ClientCapabilities>(text),
        "CompleteRequestParams" => params::<theirs::CompleteRequestParams>("completion/complete", text),
        "CompleteResult" => both::<ours::CompleteResult, theirs::CompleteResult>(text),
        "CreateMessageRequestParams" => {
            both::<ours::CreateMessageRequestParams, theirs::CreateMessageRequestParams>(text)
        }
        "CreateMessageResult" => both::<ours::CreateMessageResult, theirs::CreateMessageResult>(text),
        "DiscoverResult" => both::<ours::DiscoverResult, theirs::DiscoverResult>(text),
        "ElicitRequestFormParams" => params::<theirs::ElicitRequestParams>("elicitation/create", text),
        // rmcp adds an empty `elicitationId`, which 2026-07-28 does not have.
        "ElicitRequestURLParams" => false,
        "ElicitResult" => both::<ours::ElicitResult, theirs::ElicitResult>(text),
        "GetPromptRequestParams" => params::<theirs::GetPromptRequestParams>("prompts/get", text),
        "GetPromptResult" => both::<ours::GetPromptResult, theirs::GetPromptResult>(text),
        // rmcp adds the mode to a form that leaves it out.
        "InputRequiredResult" if !text.contains("\"mode\"") && text.contains("inputRequests") => false,
        "InputRequiredResult" => {
            both::<ours::RequestResult<ours::EmptyResult>, theirs::InputRequiredResult>(text)
        }
        "ListPromptsResult" => both::<ours::ListResult<ours::Prompt>, theirs::ListPromptsResult>(text),
        "ListResourceTemplatesResult" => {
            both::<ours::ListResult<ours::ResourceTemplate>, theirs::ListResourceTemplatesResult>(text)
        }
        "ListResourcesResult" => both::<ours::ListResult<ours::Resource>, theirs::ListResourcesResult>(text),
        "ListRootsResult" => both::<ours::ListResult<ours::Root>, theirs::ListRootsResult>(text),
        "ListToolsResult" => both::<ours::ListResult<ours::Tool>, theirs::ListToolsResult>(text),
        "LoggingMessageNotificationParams" => {
            params::<theirs::LoggingMessageNotificationParam>("notifications/message", text)
        }
        "ModelPreferences" => both::<ours::ModelPreferences, theirs::ModelPreferences>(text),
        "PaginatedRequestParams" => params::<theirs::PaginatedRequestParams>("tools/list", text),
        "ProgressNotificationParams" => {
            params::<theirs::ProgressNotificationParam>("notifications/progress", text)
        }
        "ReadResourceResult" => both::<ours::ReadResourceResult, theirs::ReadResourceResult>(text),
        "Resource" => both::<ours::Resource, theirs::Resource>(text),
        "ResourceUpdatedNotificationParams" => {
            params::<theirs::ResourceUpdatedNotificationParam>("notifications/resources/updated", text)
        }
        "Root" => both::<ours::Root, theirs::Root>(text),
        "SamplingMessage" => both::<ours::SamplingMessage, theirs::SamplingMessage>(text),
        "ServerCapabilities" => both::<ours::ServerCapabilities, theirs::ServerCapabilities>(text),
        "SubscriptionsListenResult" => both::<ours::EmptyResult, theirs::SubscriptionsListenResult>(text),
        "Tool" => both::<ours::Tool, theirs::Tool>(text),
        _ => panic!("{name} is compared with nothing"),
    }
}
