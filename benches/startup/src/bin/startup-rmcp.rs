//! rmcp on stdio: a router of the same tools, by what its macros expand to.

use std::sync::Arc;

use bench_startup::{ABOUT, Found, Search, first, name, search, wanted};
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::{ToolCallContext, parse_json_object, schema_for_type};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};

struct Handler(Arc<ToolRouter<Handler>>);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut router = ToolRouter::new();
    macro_rules! add {
        ($n:expr) => {
            router = router.with_route(route::<$n>())
        };
    }
    first!(wanted(), add);
    let service = Handler(Arc::new(router)).serve(rmcp::transport::stdio()).await?;
    service.waiting().await?;
    Ok(())
}

fn route<const N: usize>() -> ToolRoute<Handler> {
    let tool = Tool::new(name(N), ABOUT, schema_for_type::<Search<N>>()).with_output_schema::<Found<N>>();
    ToolRoute::new_dyn(tool, |context: ToolCallContext<'_, Handler>| {
        Box::pin(async move {
            let asked: Search<N> = parse_json_object(context.arguments.unwrap_or_default())?;
            let found = serde_json::to_value(search(&asked)).expect("encodes");
            Ok(CallToolResult::structured(found).into())
        })
    })
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
