//! rmcp's macro-made tools as toolpost tools, and back inside the server they came from.
#![expect(clippy::disallowed_methods, reason = "the server runs in a task beside the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use rmcp::handler::server::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ContentBlock, ElicitRequest, ElicitRequestParams, ErrorCode,
    InputRequest, InputRequiredResult,
};
use rmcp::service::{Peer, RequestContext, RoleClient, RunningService, ServiceError};
use rmcp::{ErrorData, Json, RoleServer, ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use toolpost::{Runtime, RuntimeBuilder};
use toolpost_rmcp::{Tools, tools, tools_declared};
use toolpost_tool::{BreakerPolicy, CachePolicy, Call, ErrorKind, Refusal, Tool as _, ToolSpec};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Part {
    /// Which part.
    id: u32,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Stock {
    pieces: u32,
}

#[derive(Clone, Default)]
struct Shop {
    calls: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
    router: ToolRouter<Self>,
}

#[tool_router]
impl Shop {
    #[tool(description = "Looks a part up.", annotations(title = "Look up", read_only_hint = true))]
    async fn look_up(&self, Parameters(Part { id }): Parameters<Part>) -> Result<String, ErrorData> {
        self.calls.fetch_add(1, Relaxed);
        match self.down.load(Relaxed) {
            true => Err(ErrorData::internal_error("the index is down", None)),
            false => Ok(format!("part {id}")),
        }
    }

    #[tool(description = "Counts pieces.")]
    fn stock(&self, Parameters(Part { id }): Parameters<Part>) -> Json<Stock> {
        Json(Stock { pieces: id })
    }

    #[tool(description = "Refuses any part.")]
    fn reject(&self, Parameters(Part { id }): Parameters<Part>) -> Result<String, String> {
        Err(format!("no part {id}"))
    }

    #[tool(description = "Draws.")]
    fn draw(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::text("a"), ContentBlock::text("b")])
    }

    #[tool(description = "Tells the client.")]
    async fn tell(&self, peer: Peer<RoleServer>) -> String {
        match peer.notify_tool_list_changed().await {
            Ok(()) => "told".to_owned(),
            Err(error) => format!("nobody there: {error}"),
        }
    }

    #[tool(description = "Never ends, and has work elsewhere.")]
    async fn hang(&self, context: RequestContext<RoleServer>) -> String {
        let (calls, ct) = (Arc::clone(&self.calls), context.ct);
        self.calls.fetch_add(1, Relaxed);
        tokio::spawn(async move {
            ct.cancelled().await;
            calls.fetch_add(10, Relaxed);
        });
        std::future::pending().await
    }

    #[tool(description = "Asks back.")]
    fn ask(&self) -> InputRequiredResult {
        let params = json!({
            "mode": "form", "message": "Which?",
            "requestedSchema": { "type": "object", "properties": { "id": { "type": "integer" } } },
        });
        let params: ElicitRequestParams =
            serde_json::from_value(params).expect("parameters of an elicitation");
        let request = InputRequest::Elicitation(ElicitRequest::new(params));
        InputRequiredResult::new(Some([("which".to_owned(), request)].into()), Some("round one".to_owned()))
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Shop {}

impl Shop {
    /// The five lines.
    fn through_toolpost(mut self, declare: impl Fn(ToolSpec) -> ToolSpec) -> (Self, Runtime) {
        let tools = tools_declared(Self::tool_router(), self.clone(), declare).expect("names that fit");
        let runtime =
            tools.into_iter().fold(Runtime::builder(), RuntimeBuilder::any).build().expect("tools in order");
        self.router = Tools::new(runtime.clone()).router();
        (self, runtime)
    }
}

async fn connect(server: impl ServerHandler) -> RunningService<RoleClient, ()> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let running = server.serve(ours).await.expect("the server starts");
        running.waiting().await
    });
    ().serve(theirs).await.expect("the client connects")
}

fn asking(tool: &'static str, arguments: &Value) -> CallToolRequestParams {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    params
}

fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().expect("text").text
}

fn declared(spec: ToolSpec) -> ToolSpec {
    let mut breaker = BreakerPolicy::default();
    (breaker.minimum_calls, breaker.window) = (4, 8);
    let spec = spec.with_breaker(breaker).with_concurrency(4).with_time_limit(Duration::from_millis(50));
    match spec.annotations().read_only {
        Some(true) => spec.with_cache(CachePolicy::new(Duration::from_secs(60))),
        _ => spec,
    }
}

#[tokio::test]
async fn the_server_lists_and_answers_as_before() {
    let before = connect(Shop { router: Shop::tool_router(), ..Shop::default() }).await;
    let after = connect(Shop::default().through_toolpost(|spec| spec).0).await;
    let mut listed = before.list_all_tools().await.unwrap();
    for tool in &mut listed {
        // The title for people moves to where newer revisions have it.
        if let Some(annotations) = &mut tool.annotations {
            tool.title = tool.title.take().or(annotations.title.take());
        }
        // Formats that are a width of Rust's numbers go.
        for schema in std::iter::once(&mut tool.input_schema).chain(&mut tool.output_schema) {
            let properties = Arc::make_mut(schema).get_mut("properties").and_then(Value::as_object_mut);
            for property in properties.into_iter().flat_map(|named| named.values_mut()) {
                property.as_object_mut().map(|members| members.remove("format"));
            }
        }
    }
    assert_eq!(after.list_all_tools().await.unwrap(), listed);
    for request in [
        asking("look_up", &json!({ "id": 7 })),
        asking("stock", &json!({ "id": 7 })),
        asking("reject", &json!({ "id": 7 })),
        asking("draw", &json!({})),
        asking("tell", &json!({})),
    ] {
        let tool = request.name.clone();
        let (before, after) = (before.call_tool(request.clone()).await, after.call_tool(request).await);
        assert_eq!(after.unwrap(), before.unwrap(), "{tool}");
    }
    let unfit = after.call_tool(asking("look_up", &json!({ "id": "seven" }))).await.unwrap();
    assert_eq!(unfit.is_error, Some(true));
    assert!(text(&unfit).contains("id"), "{unfit:?}");
}

#[tokio::test]
async fn a_macro_made_tool_gains_a_cache_and_a_breaker() {
    let shop = Shop::default();
    let (server, _) = shop.clone().through_toolpost(declared);
    let client = connect(server).await;
    for _ in 0..5 {
        let found = client.call_tool(asking("look_up", &json!({ "id": 7 }))).await.unwrap();
        assert_eq!(text(&found), "part 7");
    }
    assert_eq!(shop.calls.load(Relaxed), 1, "asked once");

    shop.down.store(true, Relaxed);
    let mut refused = 0;
    for id in 100..120 {
        match client.call_tool(asking("look_up", &json!({ "id": id }))).await {
            Err(ServiceError::McpError(error)) => assert_eq!(error.code, ErrorCode::INTERNAL_ERROR),
            Ok(result) => {
                let reason = &result.meta.as_ref().unwrap()["dev.toolpost/rejection"]["reason"];
                assert_eq!(reason, "breaker_open");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let failed = shop.calls.load(Relaxed) - 1;
    assert_eq!((failed + refused, failed < 20), (20, true), "the breaker opened after {failed} failures");
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_drops_the_tool_and_cancels_its_token() {
    let shop = Shop::default();
    let (server, _) = shop.clone().through_toolpost(declared);
    let client = connect(server).await;
    let late = client.call_tool(asking("hang", &json!({}))).await.unwrap();
    assert_eq!(late.is_error, Some(true));
    while shop.calls.load(Relaxed) < 11 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_a_client_a_tool_works_and_its_peer_says_that_nobody_is_there() {
    let (_, runtime) = Shop::default().through_toolpost(|spec| spec);
    let found = runtime.call("look_up", &json!({ "id": 3 })).await.unwrap();
    assert_eq!(found.as_text(), Some("part 3"));
    for _ in 0..2 {
        let told = runtime.call("tell", &json!({})).await.unwrap();
        assert!(told.as_text().unwrap().starts_with("nobody there"), "{told:?}");
    }
    let stock = runtime.call("stock", &json!({ "id": 3 })).await.unwrap();
    assert_eq!(stock.structured(), Some(r#"{"pieces":3}"#));
}

#[tokio::test]
async fn failures_are_judged_by_whose_fault_they_are() {
    let shop = Shop::default();
    shop.down.store(true, Relaxed);
    let tools = tools(Shop::tool_router(), shop).unwrap();
    let named = |name: &str| tools.iter().find(|tool| tool.spec().name() == name).unwrap().clone();
    let down = named("look_up").call(Call::new(&json!({ "id": 1 })).unwrap()).await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Failed);
    assert_eq!(down.as_protocol().unwrap().code().0, -32603, "and stays the error it is");
    let unfit = named("look_up").call(Call::new(&json!({})).unwrap()).await.unwrap_err();
    assert_eq!(unfit.kind(), ErrorKind::InvalidArguments);
    let asks = named("ask").call(Call::new(&json!({})).unwrap()).await.unwrap_err();
    let asked = asks.as_input_required().unwrap();
    assert_eq!(asked.requests()["which"].method(), "elicitation/create");
    assert_eq!(asked.state(), Some(r#""round one""#));
    let reported = named("reject").call(Call::new(&json!({ "id": 1 })).unwrap()).await.unwrap();
    assert!(reported.is_error());
}

#[test]
fn specifications_are_rmcps() {
    let mut router = Shop::tool_router();
    router.disable_route("draw");
    let tools = tools(router, Shop::default()).unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.spec().name()).collect();
    assert_eq!(names, ["ask", "hang", "look_up", "reject", "stock", "tell"], "sorted, without the disabled");
    let look_up = tools[2].spec();
    assert_eq!((look_up.title(), look_up.description()), (Some("Look up"), "Looks a part up."));
    assert_eq!(look_up.annotations().read_only, Some(true));
    assert!(look_up.policy().repeatable, "reading twice does no harm");
    assert_eq!(look_up.policy().time_limit, None, "nothing is declared");
    assert!(tools[4].spec().output_schema().is_some());
}

#[tokio::test]
async fn an_open_breaker_is_a_refusal_to_the_runtime_too() {
    let shop = Shop::default();
    shop.down.store(true, Relaxed);
    let (_, runtime) = shop.through_toolpost(declared);
    let mut last = None;
    for id in 0..20 {
        last = runtime.call("look_up", &json!({ "id": id })).await.err();
    }
    assert_eq!(last.unwrap().kind(), ErrorKind::Refused(Refusal::BreakerOpen));
}
