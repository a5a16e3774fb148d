//! rmcp in its cheapest form: a router built once and shared; over HTTP stateless and answering in JSON, or with its own
//! sessions, which answer by events; on stdio over non-blocking pipes.

use std::process::ExitCode;
use std::sync::Arc;

use calls::messages::{Echo, Echoed, Nothing, Order, Wait, price};
use hyper_util::service::TowerToHyperService;
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::{ToolCallContext, parse_json_object, schema_for_type};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use served::{Transport, connections, listen, main as serve, name_of, print, ready, wait};

fn main() -> ExitCode {
    serve(|transport, many| async move {
        let handler = handler(many);
        if transport == Transport::Stdio {
            handler.serve(rmcp::transport::stdio_pipes()).await?.waiting().await?;
            return Ok(());
        }
        let sessions = transport == Transport::Sessions;
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(sessions)
            .with_json_response(!sessions);
        let manager = Arc::<LocalSessionManager>::default();
        let service = StreamableHttpService::new(move || Ok(handler.clone()), manager, config);
        let listener = listen().await?;
        ready(&listener)?;
        match connections(listener, TowerToHyperService::new(service)).await? {}
    })
}

/// The tools. Cheap to clone.
#[derive(Clone)]
struct Handler(Arc<ToolRouter<Handler>>);

/// `echo` and `price`; or, instead, `many` tools that echo.
fn handler(many: usize) -> Handler {
    let tool = Tool::new("price", "Prices an order.", schema_for_type::<Order>());
    let price = ToolRoute::new_dyn(tool, |context: ToolCallContext<'_, Handler>| {
        Box::pin(async move {
            let order: Order = parse_json_object(context.arguments.unwrap_or_default())?;
            Ok(structured(&price(&order)))
        })
    });
    let tool = Tool::new("wait", "Waits.", schema_for_type::<Wait>());
    let waiting = ToolRoute::new_dyn(tool, |context: ToolCallContext<'_, Handler>| {
        Box::pin(async move {
            let Wait { ms } = parse_json_object(context.arguments.unwrap_or_default())?;
            Ok(CallToolResult::success(vec![ContentBlock::text(wait(ms).await)]).into())
        })
    });
    let tool = Tool::new("print", "Prints.", schema_for_type::<Nothing>());
    let printing = ToolRoute::new_dyn(tool, |_: ToolCallContext<'_, Handler>| {
        Box::pin(async { Ok(CallToolResult::success(vec![ContentBlock::text(print())]).into()) })
    });
    let tool = Tool::new("panic", "Panics.", schema_for_type::<Nothing>());
    let panicking =
        ToolRoute::new_dyn(tool, |_: ToolCallContext<'_, Handler>| Box::pin(async { panic!("as asked") }));
    Handler(Arc::new(match many {
        0 => ToolRouter::new()
            .with_route(echo("echo".into()))
            .with_route(price)
            .with_route(waiting)
            .with_route(printing)
            .with_route(panicking),
        _ => (0..many).fold(ToolRouter::new(), |router, number| router.with_route(echo(name_of(number)))),
    }))
}

fn echo(name: String) -> ToolRoute<Handler> {
    let tool = Tool::new(name, "Echoes a message.", schema_for_type::<Echo>());
    ToolRoute::new_dyn(tool, |context: ToolCallContext<'_, Handler>| {
        Box::pin(async move {
            let echo: Echo = parse_json_object(context.arguments.unwrap_or_default())?;
            Ok(structured(&Echoed { message: echo.message }))
        })
    })
}

fn structured(value: &impl serde::Serialize) -> CallToolResponse {
    CallToolResult::structured(serde_json::to_value(value).expect("encodes")).into()
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.0.call(ToolCallContext::new(self, request, context)).await
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.list_all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.get(name).cloned()
    }
}
