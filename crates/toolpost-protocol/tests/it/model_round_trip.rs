//! Whatever is decoded encodes to the same JSON, number for number, and decodes to the same value again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use crate::model_shapes;

use std::collections::BTreeMap;
use std::fmt::Debug;

use model_shapes::{Text, WILD as W, each};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use toolpost_protocol::model::*;

/// `decode(encode(x)) == x`, and `encode(decode(text))` is `text` but for whitespace and the order of keys.
fn check<T: DeserializeOwned + Serialize + PartialEq + Debug>(texts: &Text) {
    each(texts, |text| {
        let decoded: T = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let encoded = serde_json::to_string(&decoded).map_err(|error| error.to_string())?;
        if canonical(&encoded) != canonical(text) {
            return Err(format!("{text} encodes to {encoded}"));
        }
        if encoded.contains('\n') {
            return Err(format!("an encoded message stays on one line: {encoded}"));
        }
        let again: T = serde_json::from_str(&encoded).map_err(|error| error.to_string())?;
        if again == decoded { Ok(()) } else { Err(format!("{decoded:?} became {again:?}")) }
    });
}

/// The JSON `text` with sorted keys, without whitespace, and with its numbers digit for digit.
fn canonical(text: &str) -> String {
    match text.as_bytes()[0] {
        b'{' => {
            let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{key:?}:{}", canonical(value.get()))).collect();
            format!("{{{}}}", fields.join(","))
        }
        b'[' => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
            let items: Vec<_> = items.iter().map(|item| canonical(item.get())).collect();
            format!("[{}]", items.join(","))
        }
        b'"' => format!("{:?}", serde_json::from_str::<String>(text).unwrap()),
        _ => text.to_owned(),
    }
}

#[test]
fn values() {
    check::<RawJson>(&W.any());
    check::<RawNumber>(&W.number());
    check::<RequestId>(&W.id());
}

#[test]
fn names() {
    check::<Role>(&W.role());
    check::<LoggingLevel>(&W.level());
    check::<IconTheme>(&W.name(&["light", "dark"]));
    check::<ResultType>(&W.name(&["complete", "input_required"]));
    check::<CacheScope>(&W.name(&["public", "private"]));
    check::<TaskSupport>(&W.name(&["forbidden", "optional", "required"]));
    check::<TaskStatus>(&W.name(&["working", "input_required", "completed", "failed", "cancelled"]));
    check::<StopReason>(&W.name(&["endTurn", "stopSequence", "maxTokens", "toolUse"]));
    check::<ContextInclusion>(&W.name(&["none", "thisServer", "allServers"]));
    check::<ToolChoiceMode>(&W.name(&["auto", "required", "none"]));
    check::<ElicitAction>(&W.name(&["accept", "decline", "cancel"]));
    check::<StringFormat>(&W.name(&["email", "uri", "date", "date-time"]));
    check::<NumberKind>(&model_shapes::one_of(vec![
        model_shapes::word("number"),
        model_shapes::word("integer"),
    ]));
    check::<FormMode>(&model_shapes::word("form"));
}

#[test]
fn a_name_is_equal_to_itself_however_it_is_said() {
    assert_eq!(Role::Other("user".to_owned()), Role::User);
    assert_ne!(Role::Other("User".to_owned()), Role::User);
}

#[test]
fn parties_and_capabilities() {
    check::<Icon>(&W.icon());
    check::<Implementation>(&W.implementation());
    check::<RootsCapability>(&W.roots_capability());
    check::<SamplingCapability>(&W.sampling_capability());
    check::<ElicitationCapability>(&W.elicitation_capability());
    check::<ClientCapabilities>(&W.client_capabilities());
    check::<ServerCapabilities>(&W.server_capabilities());
    check::<TasksCapability>(&W.tasks_capability());
    check::<PromptsCapability>(&W.list_changed());
    check::<ToolsCapability>(&W.list_changed());
    check::<ResourcesCapability>(&W.list_changed());
}

#[test]
fn meta() {
    check::<RequestMeta>(&W.request_meta());
    check::<Meta>(&W.result_meta());
    check::<Meta>(&W.notification_meta());
    check::<RequestParams>(&W.request_params());
    check::<NotificationParams>(&W.notification_params());
    check::<PaginatedRequestParams>(&W.paginated());
    check::<RelatedTask>(&W.related_task());
}

#[test]
fn content() {
    check::<Annotations>(&W.annotations());
    check::<TextContent>(&W.text());
    check::<ImageContent>(&W.image());
    check::<AudioContent>(&W.audio());
    check::<ResourceLink>(&W.resource_link());
    check::<EmbeddedResource>(&W.embedded());
    check::<ContentBlock>(&W.block());
}

#[test]
fn resources() {
    check::<Resource>(&W.resource());
    check::<ResourceTemplate>(&W.resource_template());
    check::<TextResourceContents>(&W.text_contents());
    check::<BlobResourceContents>(&W.blob_contents());
    check::<ResourceContents>(&W.contents());
    check::<ListResourcesResult>(&W.list_resources());
    check::<ListResourceTemplatesResult>(&W.list_templates());
    check::<ReadResourceRequestParams>(&W.read_params());
    check::<ReadResourceResult>(&W.read_result());
    check::<ResourceRequestParams>(&W.resource_params());
    check::<ResourceUpdatedNotificationParams>(&W.updated_params());
}

#[test]
fn tools() {
    check::<ToolAnnotations>(&W.tool_annotations());
    check::<ToolExecution>(&W.tool_execution());
    check::<Tool>(&W.tool());
    check::<ListToolsResult>(&W.list_tools());
    check::<CallToolRequestParams>(&W.call_params());
    check::<CallToolResult>(&W.call_result());
}

#[test]
fn prompts() {
    check::<PromptArgument>(&W.prompt_argument());
    check::<Prompt>(&W.prompt());
    check::<PromptMessage>(&W.prompt_message());
    check::<ListPromptsResult>(&W.list_prompts());
    check::<GetPromptRequestParams>(&W.prompt_params());
    check::<GetPromptResult>(&W.prompt_result());
}

#[test]
fn completion() {
    check::<PromptReference>(&W.prompt_reference());
    check::<ResourceTemplateReference>(&W.template_reference());
    check::<CompletionReference>(&W.completion_reference());
    check::<CompletionArgument>(&W.completion_argument());
    check::<CompletionContext>(&W.completion_context());
    check::<CompleteRequestParams>(&W.complete_params());
    check::<Completion>(&W.completion());
    check::<CompleteResult>(&W.complete_result());
}

#[test]
fn sampling() {
    check::<ModelHint>(&W.model_hint());
    check::<ModelPreferences>(&W.model_preferences());
    check::<ToolChoice>(&W.tool_choice());
    check::<ToolUseContent>(&W.tool_use());
    check::<ToolResultContent>(&W.tool_result());
    check::<SamplingBlock>(&W.sampling_block());
    check::<SamplingContent>(&W.sampling_content());
    check::<SamplingMessage>(&W.sampling_message());
    check::<CreateMessageRequestParams>(&W.sampling_params());
    check::<CreateMessageResult>(&W.sampling_result());
}

#[test]
fn elicitation() {
    check::<StringSchema>(&W.string_schema());
    check::<NumberSchema>(&W.number_schema());
    check::<BooleanSchema>(&W.boolean_schema());
    check::<UntitledSingleSelectEnumSchema>(&W.untitled_single());
    check::<TitledSingleSelectEnumSchema>(&W.titled_single());
    check::<UntitledMultiSelectEnumSchema>(&W.untitled_multi());
    check::<TitledMultiSelectEnumSchema>(&W.titled_multi());
    check::<LegacyTitledEnumSchema>(&W.legacy_titled());
    check::<PrimitiveSchema>(&W.primitive());
    check::<FormSchema>(&W.form());
    check::<ElicitRequestFormParams>(&W.form_params());
    check::<ElicitRequestUrlParams>(&W.url_params());
    check::<ElicitRequestParams>(&W.elicit_params());
    check::<ElicitResult>(&W.elicit_result());
    check::<ElicitationCompleteNotificationParams>(&W.elicitation_complete_params());
}

#[test]
fn roots_logging_progress_and_cancellation() {
    check::<Root>(&W.root());
    check::<ListRootsResult>(&W.roots_result());
    check::<SetLevelRequestParams>(&W.level_params());
    check::<LoggingMessageNotificationParams>(&W.log_params());
    check::<ProgressNotificationParams>(&W.progress_params());
    check::<CancelledNotificationParams>(&W.cancelled_params());
}

#[test]
fn handshakes_and_subscriptions() {
    check::<DiscoverResult>(&W.discover_result());
    check::<InitializeRequestParams>(&W.initialize_params());
    check::<InitializeResult>(&W.initialize_result());
    check::<SubscriptionFilter>(&W.filter());
    check::<SubscriptionsListenRequestParams>(&W.listen_params());
    check::<SubscriptionsAcknowledgedNotificationParams>(&W.acknowledged_params());
    check::<SubscriptionsListenResult>(&W.listen_result());
}

#[test]
fn tasks() {
    check::<Task>(&W.task());
    check::<TaskMetadata>(&W.task_metadata());
    check::<TaskRequestParams>(&W.task_params());
    check::<Task>(&W.task_result());
    check::<CreateTaskResult>(&W.create_task_result());
    check::<ListTasksResult>(&W.list_tasks());
    check::<Task>(&W.task_status_params());
}

#[test]
fn input() {
    check::<InputRequest>(&W.input_request());
    check::<InputRequests>(&W.map(W.input_request()));
    check::<InputResponse>(&W.input_response());
    check::<InputResponses>(&W.map(W.input_response()));
    check::<InputRequiredResult>(&W.input_required());
}

#[test]
fn results() {
    check::<EmptyResult>(&W.empty_result());
    check::<RequestResult<CallToolResult>>(&W.outcome(W.call_result()));
    check::<RequestResult<GetPromptResult>>(&W.outcome(W.prompt_result()));
    check::<RequestResult<ReadResourceResult>>(&W.outcome(W.read_result()));
    check::<JsonRpcResponse<ListToolsResult>>(&W.response(W.list_tools()));
    check::<JsonRpcResponse<RequestResult<CallToolResult>>>(&W.response(W.outcome(W.call_result())));
}

#[test]
fn errors() {
    check::<ErrorObject>(&W.error_object());
    check::<JsonRpcError>(&W.error());
    let strings = W.list(model_shapes::string());
    let unsupported = W.object(vec![
        model_shapes::req("supported", strings),
        model_shapes::req("requested", model_shapes::string()),
    ]);
    check::<UnsupportedProtocolVersion>(&unsupported);
    let missing = W.object(vec![model_shapes::req("requiredCapabilities", W.client_capabilities())]);
    check::<MissingRequiredClientCapability>(&missing);
    let pages = W.object(vec![model_shapes::req("elicitations", W.list(W.url_params()))]);
    check::<UrlElicitationRequired>(&pages);
}

#[test]
fn requests() {
    for (method, params) in W.requests() {
        check::<JsonRpcRequest>(&W.request(method, params));
    }
}

#[test]
fn notifications() {
    for (method, params) in W.notifications() {
        check::<JsonRpcNotification>(&W.notification(method, params));
    }
}

#[test]
fn an_object_never_says_a_key_twice() {
    let mut tool = Tool::new("echo", serde_json::json!({}));
    tool.extra.insert("name".to_owned(), RawJson::from("other"));
    tool.extra.insert("x-more".to_owned(), RawJson::from(true));
    assert_eq!(serde_json::to_string(&tool).unwrap(), r#"{"name":"echo","inputSchema":{},"x-more":true}"#);
    assert!(serde_json::from_str::<Tool>(r#"{"name":"a","name":"b","inputSchema":{}}"#).is_err());
    assert!(serde_json::from_str::<Tool>(r#"{"name":"a","inputSchema":{},"x":1,"x":2}"#).is_err());
}

#[test]
fn null_is_absent_except_where_any_value_may_stand() {
    let result: CallToolResult =
        serde_json::from_str(r#"{"content":[],"isError":null,"structuredContent":null}"#).unwrap();
    assert_eq!((result.is_error, result.structured_content.as_ref()), (None, Some(&RawJson::null())));
    assert_eq!(serde_json::to_string(&result).unwrap(), r#"{"content":[],"structuredContent":null}"#);
}

#[test]
fn a_wrong_message_is_reported_for_what_it_is() {
    let wrong = |text| serde_json::from_str::<JsonRpcRequest>(text).unwrap_err().to_string();
    let error = wrong(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#);
    assert!(error.contains("missing field `name`"), "{error}");
    let error = wrong(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#);
    assert!(error.contains("missing field `params`"), "{error}");
    let error = wrong(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#);
    assert!(error.contains(r#"`jsonrpc` must be "2.0", found "1.0""#), "{error}");
    let error = wrong(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#);
    assert!(error.contains("an id is a string or an integer, found 1.5"), "{error}");
}
