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
use toolpost_protocol::{Code, Error, Id};

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
    check::<Id>(&W.id());
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
    check::<ElicitAction>(&W.name(&["accept", "decline", "cancel"]));
    check::<StringFormat>(&W.name(&["email", "uri", "date", "date-time"]));
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
    check::<Capability>(&W.roots_capability());
    check::<Capability>(&W.sampling_capability());
    check::<Capability>(&W.elicitation_capability());
    check::<ClientCapabilities>(&W.client_capabilities());
    check::<ServerCapabilities>(&W.server_capabilities());
    check::<Capability>(&W.tasks_capability());
    check::<Capability>(&W.list_changed());
    check::<Capability>(&W.list_changed());
    check::<Capability>(&W.list_changed());
}

#[test]
fn meta() {
    check::<RequestMeta>(&W.request_meta());
    check::<Meta>(&W.result_meta());
    check::<Meta>(&W.notification_meta());
    check::<TaskMetadata>(&W.related_task());
}

#[test]
fn content() {
    check::<Annotations>(&W.annotations());
    check::<ContentBlock>(&W.text());
    check::<ContentBlock>(&W.image());
    check::<ContentBlock>(&W.audio());
    check::<ContentBlock>(&W.resource_link());
    check::<ContentBlock>(&W.embedded());
    check::<ContentBlock>(&W.block());
}

#[test]
fn resources() {
    check::<Resource>(&W.resource());
    check::<ResourceTemplate>(&W.resource_template());
    check::<ResourceContents>(&W.text_contents());
    check::<ResourceContents>(&W.blob_contents());
    check::<ResourceContents>(&W.contents());
    check::<ListResult<Resource>>(&W.list_resources());
    check::<ListResult<ResourceTemplate>>(&W.list_templates());
    check::<ReadResourceResult>(&W.read_result());
}

#[test]
fn tools() {
    check::<ToolAnnotations>(&W.tool_annotations());
    check::<ToolExecution>(&W.tool_execution());
    check::<Tool>(&W.tool());
    check::<ListResult<Tool>>(&W.list_tools());
    check::<CallToolRequestParams>(&W.call_params());
    check::<CallToolResult>(&W.call_result());
}

#[test]
fn prompts() {
    check::<PromptArgument>(&W.prompt_argument());
    check::<Prompt>(&W.prompt());
    check::<PromptMessage>(&W.prompt_message());
    check::<ListResult<Prompt>>(&W.list_prompts());
    check::<GetPromptResult>(&W.prompt_result());
}

#[test]
fn completion() {
    check::<CompletionReference>(&W.prompt_reference());
    check::<CompletionReference>(&W.template_reference());
    check::<CompletionReference>(&W.completion_reference());
    check::<CompletionArgument>(&W.completion_argument());
    check::<CompletionContext>(&W.completion_context());
    check::<Completion>(&W.completion());
    check::<CompleteResult>(&W.complete_result());
}

#[test]
fn sampling() {
    check::<ModelHint>(&W.model_hint());
    check::<ModelPreferences>(&W.model_preferences());
    check::<ToolChoice>(&W.tool_choice());
    check::<ContentBlock>(&W.tool_use());
    check::<ContentBlock>(&W.tool_result());
    check::<ContentBlock>(&W.sampling_block());
    check::<SamplingContent>(&W.sampling_content());
    check::<SamplingMessage>(&W.sampling_message());
    check::<CreateMessageRequestParams>(&W.sampling_params());
    check::<CreateMessageResult>(&W.sampling_result());
}

#[test]
fn elicitation() {
    check::<FormField>(&W.string_schema());
    check::<FormField>(&W.number_schema());
    check::<FormField>(&W.boolean_schema());
    check::<FormField>(&W.untitled_single());
    check::<FormField>(&W.titled_single());
    check::<FormField>(&W.untitled_multi());
    check::<FormField>(&W.titled_multi());
    check::<FormField>(&W.legacy_titled());
    check::<FormField>(&W.primitive());
    check::<FormSchema>(&W.form());
    check::<ElicitResult>(&W.elicit_result());
}

#[test]
fn roots_logging_progress_and_cancellation() {
    check::<Root>(&W.root());
    check::<ListResult<Root>>(&W.roots_result());
}

#[test]
fn handshakes_and_subscriptions() {
    check::<DiscoverResult>(&W.discover_result());
    check::<InitializeResult>(&W.initialize_result());
    check::<SubscriptionFilter>(&W.filter());
    check::<EmptyResult>(&W.listen_result());
}

#[test]
fn tasks() {
    check::<Task>(&W.task());
    check::<TaskMetadata>(&W.task_metadata());
    check::<Task>(&W.task_result());
    check::<RequestResult<EmptyResult>>(&W.create_task_result());
    check::<ListResult<Task>>(&W.list_tasks());
    check::<Task>(&W.task_status_params());
    check::<DetailedTask>(&W.detailed_task("complete"));
}

#[test]
fn input() {
    check::<Envelope<Request>>(&W.input_request());
    check::<BTreeMap<String, Envelope<Request>>>(&W.map(W.input_request()));
    check::<RawJson>(&W.input_response());
    check::<BTreeMap<String, RawJson>>(&W.map(W.input_response()));
    check::<RequestResult<EmptyResult>>(&W.input_required());
}

#[test]
fn results() {
    check::<EmptyResult>(&W.empty_result());
    check::<RequestResult<CallToolResult>>(&W.outcome(W.call_result()));
    check::<RequestResult<GetPromptResult>>(&W.outcome(W.prompt_result()));
    check::<RequestResult<ReadResourceResult>>(&W.outcome(W.read_result()));
    check::<Envelope<Result<ListResult<Tool>, Error>>>(&W.response(W.list_tools()));
    check::<Envelope<Result<RequestResult<CallToolResult>, Error>>>(&W.response(W.outcome(W.call_result())));
}

#[test]
fn errors() {
    check::<Error>(&W.error_object());
    check::<Envelope<Result<EmptyResult, Error>>>(&W.error());
    let strings = W.list(model_shapes::string());
    data(
        Code::UNSUPPORTED_VERSION,
        vec![model_shapes::req("supported", strings), model_shapes::req("requested", model_shapes::string())],
    );
    let missing = model_shapes::req("requiredCapabilities", W.client_capabilities());
    data(Code::MISSING_CLIENT_CAPABILITY, vec![missing]);
    let pages = model_shapes::req("elicitations", W.list(W.url_params()));
    data(Code::URL_ELICITATION_REQUIRED, vec![pages]);
}

/// Data of an error with this code are read by it, and written as they came.
fn data(code: Code, fields: Vec<model_shapes::Field>) {
    each(&W.object(fields), |text| {
        let given = RawJson::parse(text).map_err(|error| error.to_string())?;
        let error = Error::new(code, "no").with_data(&given);
        let read = ErrorData::of(&error).map_err(|error| error.to_string())?;
        if matches!(read, None | Some(ErrorData::Unknown(_))) {
            return Err(format!("{text} is not known by {code}"));
        }
        let encoded = serde_json::to_string(&read).map_err(|error| error.to_string())?;
        if canonical(&encoded) == canonical(text) {
            Ok(())
        } else {
            Err(format!("{text} encodes to {encoded}"))
        }
    });
}

#[test]
fn requests() {
    for (method, params) in W.requests() {
        check::<Envelope<Request>>(&W.request(method, params));
    }
}

#[test]
fn notifications() {
    for (method, params) in W.notifications() {
        check::<Envelope<Notification>>(&W.notification(method, params));
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
fn an_envelope_keeps_what_it_has_no_use_for() {
    let text = r#"{"method":"roots/list","id":"of-nobody","x":1}"#;
    let question: Envelope<Request> = serde_json::from_str(text).unwrap();
    assert_eq!((question.id.as_ref(), question.body.clone()), (None, Request::list_roots()));
    assert_eq!(serde_json::to_string(&question).unwrap(), text);
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{},"params":[]}"#;
    let answer: Envelope<Result<EmptyResult, Error>> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&answer).unwrap(), text);
}

#[test]
fn params_that_are_left_out_stay_so() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#,
    ] {
        let message: Envelope<Request> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
    }
    let page = Envelope::new(Request::list_tools(Some("2".to_owned()))).with_id(1);
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"2"}}"#;
    assert_eq!(serde_json::to_string(&page).unwrap(), text);
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
    let wrong = |text| serde_json::from_str::<Envelope<Request>>(text).unwrap_err().to_string();
    let error = wrong(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#);
    assert!(error.contains("missing field `name`"), "{error}");
    let error = wrong(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#);
    assert!(error.contains("missing field `params`"), "{error}");
    let error = wrong(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#);
    assert!(error.contains(r#"`jsonrpc` must be "2.0", found "1.0""#), "{error}");
    let error = wrong(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#);
    assert!(error.contains("an id is a string or an integer, found 1.5"), "{error}");
}

#[test]
fn results_within_a_result_stay_verbatim_however_deep_they_nest() {
    let open = r#"{"type":"tool_result","toolUseId":"a","content":["#;
    let text = format!("{}{}", open.repeat(4000), "]}".repeat(4000));
    let block: ContentBlock = serde_json::from_str(&text).unwrap();
    let ContentBlock::ToolResult { content, .. } = &block else { panic!("a result") };
    assert!(matches!(content.as_slice(), [ContentBlock::Unknown(_)]));
    assert_eq!(serde_json::to_string(&block).unwrap(), text);
}

#[test]
fn fields_within_a_field_stay_verbatim_however_deep_they_nest() {
    let open = r#"{"type":"array","items":"#;
    let field = |levels: usize, inner: &str| format!("{}{inner}{}", open.repeat(levels), "}".repeat(levels));
    let read = |text: &str| serde_json::from_str::<FormField>(text).unwrap();
    let deep = field(6000, r#"{"type":"string","enum":[]}"#);
    assert!(matches!(read(&deep), FormField::Unknown(_)));
    let deep = deep.replace(open, r#"{"type":"array","enum":[],"items":"#);
    let FormField::MultiSelect { items, .. } = read(&deep) else { panic!("a field of several") };
    assert!(matches!(*items, FormField::Unknown(_)));
    for (items, known) in [
        (r#"{"type":"string","enum":["a"]}"#, true),
        (r#"{"anyOf":[{"const":"a","title":"A"}]}"#, true),
        (r#"{"type":"number","enum":[1]}"#, false),
    ] {
        let text = field(1, items);
        let FormField::MultiSelect { items, .. } = read(&text) else { panic!("{text}") };
        assert_eq!(!matches!(*items, FormField::Unknown(_)), known, "{text}");
        assert_eq!(serde_json::to_string(&read(&text)).unwrap(), text);
    }
}

#[test]
fn an_id_of_the_model_is_the_same_however_the_peer_escapes_it() {
    let read = |text: &str| serde_json::from_str::<Id>(text).unwrap();
    assert_eq!(read(r#""a\/b""#), Id::from("a/b"));
    assert_eq!(read(r#""\u0031""#), Id::from("1"));
    assert_eq!(read(r#""\ud800""#).raw(), r#""\ud800""#, "which is no text");
    assert_ne!(read("1"), read(r#""1""#));
}
