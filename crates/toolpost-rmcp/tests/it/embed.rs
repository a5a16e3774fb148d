//! A runtime inside a handwritten rmcp server, called by rmcp's client.
#![expect(clippy::disallowed_methods, reason = "the server runs in a task beside the test")]

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig,
    ElicitRequestParams, ElicitResult, ElicitationAction, ErrorCode, Implementation, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion, ServerCapabilities, ServerConfig,
    Tool,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient, RunningService, ServiceError};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleServer, ServerHandler, ServiceExt,
};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use toolpost::Runtime;
use toolpost_dispatch::{Access, Authorize, Decision};
use toolpost_rmcp::Tools;
use toolpost_tool::{
    Call, InputRequest, InputRequired, Json, NoArgs, Output, Principal, Refusal, ToolError, tool_fn,
};

struct Server(Tools);

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.0.list_tools(request, context).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.0.call_tool(request, context).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.get_tool(name)
    }
}

/// Answers every form with `ada`, and passes on the progress it hears of.
struct Client(mpsc::UnboundedSender<ProgressNotificationParam>);

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("client", "1"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "name": "ada" })))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _gone = self.0.send(params);
    }
}

type Connected = (RunningService<RoleClient, Client>, mpsc::UnboundedReceiver<ProgressNotificationParam>);

async fn connect(server: impl ServerHandler, lifecycle: ClientLifecycleMode) -> Connected {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let running = server.serve(ours).await.expect("the server starts");
        running.waiting().await
    });
    let (sender, progress) = mpsc::unbounded_channel();
    let client = Client(sender).serve_with_lifecycle(theirs, lifecycle).await.expect("the client connects");
    (client, progress)
}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

fn eras() -> [ClientLifecycleMode; 2] {
    [ClientLifecycleMode::Initialize, modern()]
}

fn asking(tool: &'static str, arguments: &serde_json::Value) -> CallToolRequestParams {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    params
}

fn text(result: &CallToolResult) -> &str {
    let [block] = result.content.as_slice() else { panic!("one block expected: {result:?}") };
    &block.as_text().expect("text").text
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Terms {
    terms: Vec<i64>,
}

fn tools() -> Tools {
    let add = tool_fn("add", |Terms { terms }: Terms, _| async move { Ok(Json(terms.iter().sum::<i64>())) })
        .with_spec(|spec| spec.with_title("Add").with_description("Adds up.").read_only());
    let fail = tool_fn("fail", |_: NoArgs, _| async { Err::<String, _>(ToolError::new("out of oil")) });
    let refuse = tool_fn("refuse", |_: NoArgs, _| async {
        let wait = Some(Duration::from_millis(1500));
        Err::<String, _>(ToolError::refused(Refusal::QueueFull, "the queue is full", wait))
    });
    let picture = tool_fn("picture", |_: NoArgs, _| async {
        Output::blocks(&[json!({ "type": "image", "data": "AAAA", "mimeType": "image/png" })])
    });
    let greet = tool_fn("greet", |_: NoArgs, call: Call| async move {
        let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let answer = call.input("who", InputRequest::elicit("Your name?", &schema))?;
        let name = answer.pointer("/content/name").and_then(|name| Some(name.as_str()?.into_owned()));
        Ok(format!("hello {}", name.unwrap_or_default()))
    });
    let runtime = Runtime::builder().tool(add).tool(fail).tool(refuse).tool(picture).tool(greet);
    Tools::new(runtime.build().expect("tools in order"))
}

#[tokio::test]
async fn the_list_is_what_the_tools_say() {
    for lifecycle in eras() {
        let (client, _) = connect(Server(tools()), lifecycle).await;
        let tools = client.list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, ["add", "fail", "greet", "picture", "refuse"]);
        let add = &tools[0];
        assert_eq!((add.title.as_deref(), add.description.as_deref()), (Some("Add"), Some("Adds up.")));
        assert_eq!(add.annotations.as_ref().and_then(|told| told.read_only_hint), Some(true));
        assert!(add.input_schema["properties"].get("terms").is_some());
        let modern = client.peer_info().is_some_and(|info| info.protocol_version.as_str() >= "2026-07-28");
        let output = add.output_schema.as_ref().unwrap();
        assert_eq!(output["type"] == "object", !modern, "an older revision wants an object at the root");
        let sum = client.call_tool(asking("add", &json!({ "terms": [1] }))).await.unwrap();
        let bare = json!(1);
        let expected = if modern { bare } else { json!({ "result": bare }) };
        assert_eq!(sum.structured_content, Some(expected));
    }
}

#[tokio::test]
async fn answers_are_what_the_tools_answer() {
    for lifecycle in eras() {
        let (client, _) = connect(Server(tools()), lifecycle).await;
        let sum = client.call_tool(asking("add", &json!({ "terms": [1, 2, 39] }))).await.unwrap();
        assert_eq!((text(&sum), sum.is_error), ("42", Some(false)));
        let picture = client.call_tool(asking("picture", &json!({}))).await.unwrap();
        assert_eq!(picture.content[0].as_image().map(|image| &*image.mime_type), Some("image/png"));

        let failed = client.call_tool(asking("fail", &json!({}))).await.unwrap();
        assert_eq!((text(&failed), failed.is_error), ("out of oil", Some(true)));
        let unfit = client.call_tool(asking("add", &json!({ "terms": ["one"] }))).await.unwrap();
        assert_eq!(unfit.is_error, Some(true));
        assert!(text(&unfit).contains("terms"), "{unfit:?}");

        let refused = client.call_tool(asking("refuse", &json!({}))).await.unwrap();
        assert_eq!(refused.is_error, Some(true));
        let meta = refused.meta.as_ref().expect("a reason");
        assert_eq!(meta["dev.toolpost/rejection"], json!({ "reason": "queue_full", "retryAfterMs": 1500 }));

        let Err(ServiceError::McpError(error)) = client.call_tool(asking("ad", &json!({}))).await else {
            panic!("an unknown tool is an error of the protocol")
        };
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
        assert!(error.message.contains("did you mean `add`"), "{error:?}");
    }
}

#[tokio::test]
async fn a_tool_asks_for_input_where_the_revision_can_express_it() {
    let (client, _) = connect(Server(tools()), modern()).await;
    let once = client.call_tool_once(asking("greet", &json!({}))).await.unwrap();
    assert!(matches!(once, CallToolResponse::InputRequired(_)), "{once:?}");
    let greeted = client.call_tool(asking("greet", &json!({}))).await.unwrap();
    assert_eq!(text(&greeted), "hello ada");

    let (client, _) = connect(Server(tools()), ClientLifecycleMode::Initialize).await;
    let told = client.call_tool(asking("greet", &json!({}))).await.unwrap();
    assert_eq!(told.is_error, Some(true));
}

#[tokio::test]
async fn state_comes_back_only_to_the_call_it_was_given_for() {
    let counted = tool_fn("counted", |Terms { .. }: Terms, call: Call| async move {
        match call.state::<u32>()? {
            Some(round) => Ok(format!("round {round}")),
            None => Err(ToolError::input_required(InputRequired::new().with_state(&2_u32)?)),
        }
    });
    let tools = Tools::new(Runtime::builder().tool(counted).build().unwrap());
    let (client, _) = connect(Server(tools), modern()).await;
    let request = asking("counted", &json!({ "terms": [1] }));
    let CallToolResponse::InputRequired(required) = client.call_tool_once(request.clone()).await.unwrap()
    else {
        panic!("a suspended call")
    };
    let state = required.request_state.expect("sealed state");
    let with = |mut request: CallToolRequestParams, state: &str| {
        request.request_state = Some(state.to_owned());
        request
    };
    let CallToolResponse::Complete(done) =
        client.call_tool_once(with(request.clone(), &state)).await.unwrap()
    else {
        panic!("a finished call")
    };
    assert_eq!(text(&done), "round 2");
    let other = asking("counted", &json!({ "terms": [2] }));
    for forged in [with(other, &state), with(request.clone(), "3"), with(request, &format!("{state}A"))] {
        let Err(ServiceError::McpError(error)) = client.call_tool_once(forged).await else {
            panic!("foreign state is refused")
        };
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    }
}

#[tokio::test]
async fn a_client_whose_answers_are_none_is_asked_three_times() {
    let strict = tool_fn("strict", |_: NoArgs, call: Call| async move {
        let schema =
            json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
        call.input("who", InputRequest::elicit("Your name?", &schema)).map(|_| "told")
    });
    let tools = Tools::new(Runtime::builder().tool(strict).build().unwrap());
    let (client, _) = connect(Server(tools), modern()).await;
    let mut request = asking("strict", &json!({}));
    for round in 0..4 {
        let answered = client.call_tool_once(request.clone()).await.unwrap();
        match answered {
            CallToolResponse::InputRequired(required) => {
                assert!(round < 3, "asked once, and again after the first two answers that are none");
                request.request_state = required.request_state;
                request.input_responses =
                    Some(serde_json::from_value(json!({ "who": { "action": "accept" } })).unwrap());
            }
            CallToolResponse::Complete(done) => {
                assert_eq!((round, done.is_error), (3, Some(true)));
                assert!(text(&done).contains("lacks `content` with `name`"), "{done:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn progress_comes_before_the_answer() {
    let steps = tool_fn("steps", |_: NoArgs, call: Call| async move {
        for done in [1.0, 2.0, 2.0, 1.0, 3.0] {
            call.progress(done, Some(3.0), Some("turning"));
            tokio::task::yield_now().await;
        }
        Ok("done")
    });
    let runtime = Runtime::builder().tool(steps).build().unwrap();
    for lifecycle in eras() {
        let (client, mut progress) = connect(Server(Tools::new(runtime.clone())), lifecycle).await;
        // rmcp's client puts a progress token on each request.
        let done = client.call_tool(asking("steps", &json!({}))).await.unwrap();
        assert_eq!(text(&done), "done");
        for expected in [1.0, 2.0, 3.0] {
            let heard = progress.recv().await.expect("progress");
            assert_eq!((heard.progress, heard.total), (expected, Some(3.0)));
            assert_eq!(heard.message.as_deref(), Some("turning"));
        }
    }
}

/// Says that the future it was in is gone.
struct Gone(Option<oneshot::Sender<()>>);

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(gone) = self.0.take() {
            let _unheard = gone.send(());
        }
    }
}

#[tokio::test]
async fn a_cancelled_request_drops_the_tools_future() {
    for lifecycle in [ClientLifecycleMode::Initialize] {
        let (started, mut begun) = mpsc::unbounded_channel();
        let (gone, mut ended) = mpsc::unbounded_channel();
        let hang = tool_fn("hang", move |_: NoArgs, _| {
            let (started, gone) = (started.clone(), gone.clone());
            async move {
                let (sender, receiver) = oneshot::channel();
                let _held = Gone(Some(sender));
                let _unheard = (started.send(()), gone.send(receiver));
                std::future::pending::<Result<String, ToolError>>().await
            }
        });
        let runtime = Runtime::builder().tool(hang).build().unwrap();
        let (client, _) = connect(Server(Tools::new(runtime.clone())), lifecycle).await;
        let client = Arc::new(client);
        let call = tokio::spawn({
            let client = Arc::clone(&client);
            async move { client.call_tool(asking("hang", &json!({}))).await.map(drop) }
        });
        begun.recv().await.expect("the tool runs");
        assert_eq!(runtime.dispatcher().running(), 1);
        call.abort();
        let dropped = ended.recv().await.expect("a receiver");
        tokio::time::timeout(Duration::from_secs(10), dropped).await.expect("the call is cancelled").unwrap();
        while 0 < runtime.dispatcher().running() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_principal_urgency_and_meta_reach_the_tool() {
    let look = tool_fn("look", |_: NoArgs, call: Call| async move {
        let trace = call.trace().trace_id().unwrap_or_default().to_owned();
        let due = call.deadline().is_some();
        let own = call.meta().and_then(|meta| Some(meta.member("com.example/own")?.as_str()?.into_owned()));
        let (who, urgency) = (call.principal().as_str().to_owned(), call.priority().as_str());
        Ok(format!("{who} {urgency} {due} {trace} {}", own.unwrap_or_default()))
    });
    let tools = Tools::new(Runtime::builder().tool(look).build().unwrap())
        .identified_by(|_| Principal::new("ada"))
        .clamp_priority(|principal, asked| if principal.is_anonymous() { Default::default() } else { asked });
    let (client, _) = connect(Server(tools), ClientLifecycleMode::Initialize).await;
    let meta = json!({
        "com.example/own": "mark",
        "dev.toolpost/priority": "urgent",
        "dev.toolpost/deadlineMs": 60000,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
    });
    let mut request = asking("look", &json!({}));
    request.meta = Some(serde_json::from_value(meta).unwrap());
    let seen = client.call_tool(request).await.unwrap();
    assert_eq!(text(&seen), "ada urgent true 0af7651916cd43dd8448eb211c80319c mark");
}

#[derive(Debug)]
struct NotFail;

impl Authorize for NotFail {
    fn authorize(
        &self,
        access: &Access<'_>,
    ) -> Result<Decision, Box<dyn std::error::Error + Send + Sync + 'static>> {
        Ok(match access.target.name() {
            "fail" => Decision::Deny("not today".into()),
            _ => Decision::Allow,
        })
    }
}

#[tokio::test]
async fn what_may_not_be_called_is_not_listed() {
    let named = |name: &str| tool_fn(name, |_: NoArgs, _| async { Ok("ok") });
    let runtime = Runtime::builder().tool(named("fail")).tool(named("work")).authorize(NotFail);
    let (client, _) = connect(Server(Tools::new(runtime.build().unwrap())), modern()).await;
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["work"]);
    let denied = client.call_tool(asking("fail", &json!({}))).await.unwrap();
    assert_eq!(denied.meta.as_ref().unwrap()["dev.toolpost/rejection"]["reason"], "denied");
}

#[test]
fn a_short_key_is_refused() {
    let tools = || Tools::new(Runtime::builder().build().unwrap());
    assert!(tools().with_state_key([0; 31]).is_err());
    assert!(tools().with_state_key([0; 32]).is_ok());
}

fn name_question() -> InputRequest {
    let schema =
        json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    InputRequest::elicit("Your name?", &schema)
}

fn twice() -> Tools {
    let twice = tool_fn("t", |_: NoArgs, call: Call| async move {
        call.input("first", name_question())?;
        call.input("second", name_question())?;
        Ok("done")
    });
    Tools::new(Runtime::builder().tool(twice).build().expect("a runtime"))
}

/// How often the client is asked, if it answers so.
async fn rounds(tools: Tools, answers: impl Fn(&[String]) -> serde_json::Value) -> usize {
    let (client, _) = connect(Server(tools), modern()).await;
    let mut request = asking("t", &json!({}));
    for round in 0..50 {
        match client.call_tool_once(request.clone()).await.expect("an answer") {
            CallToolResponse::InputRequired(required) => {
                let keys: Vec<String> =
                    required.input_requests.into_iter().flatten().map(|(key, _)| key).collect();
                request.request_state = required.request_state;
                request.input_responses = Some(serde_json::from_value(answers(&keys)).expect("answers"));
            }
            _ => return round,
        }
    }
    50
}

#[tokio::test]
async fn questions_one_after_the_other_are_each_asked_once() {
    let accept = json!({ "action": "accept", "content": { "name": "a" } });
    let asked = rounds(twice(), |keys| keys.iter().map(|key| (key.clone(), accept.clone())).collect());
    assert_eq!(asked.await, 2);
}

#[tokio::test]
async fn rmcps_own_client_answers_questions_one_after_the_other() {
    let (client, _) = connect(Server(twice()), modern()).await;
    let told = tokio::time::timeout(Duration::from_secs(10), client.call_tool(asking("t", &json!({})))).await;
    assert_eq!(text(&told.unwrap().unwrap()), "done");
}

#[tokio::test]
async fn who_answers_nothing_that_was_asked_is_asked_no_more() {
    assert_eq!(rounds(twice(), |_| json!({})).await, 3);
    // The first round has no state that says what was asked.
    let other = json!({ "nmae": { "action": "accept", "content": { "name": "a" } } });
    assert_eq!(rounds(twice(), |_| other.clone()).await, 4);
}
