//! rmcp in its cheapest form: a router built once and shared, stateless, answers in JSON.

use std::sync::Arc;

use bench_spine::messages::{Echo, Echoed, Order, price};
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::{ToolCallContext, parse_json_object, schema_for_type};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::requests::name_of;

/// The tools. Cheap to clone.
#[derive(Clone)]
pub struct Handler(Arc<ToolRouter<Handler>>);

/// `echo` and `price`; or, instead, `many` tools that echo.
pub fn handler(many: usize) -> Handler {
    let tool = Tool::new("price", "Prices an order.", schema_for_type::<Order>());
    let price = ToolRoute::new_dyn(tool, |context: ToolCallContext<'_, Handler>| {
        Box::pin(async move {
            let order: Order = parse_json_object(context.arguments.unwrap_or_default())?;
            Ok(structured(&price(&order)))
        })
    });
    Handler(Arc::new(match many {
        0 => ToolRouter::new().with_route(echo("echo".into())).with_route(price),
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

/// The HTTP service of the same tools.
pub fn http(many: usize) -> StreamableHttpService<Handler, LocalSessionManager> {
    let handler = handler(many);
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), config)
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
