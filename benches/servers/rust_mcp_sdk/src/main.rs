//! rust-mcp-sdk over its axum server, answering in JSON; its tools built once. It speaks 2026-07-28 alone.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use calls::messages::{Echo, Echoed, Nothing, Order, Wait, price};
use rust_mcp_axum::{AxumServerOptions, create_axum_server};
use rust_mcp_sdk::mcp_server::{McpServerOptions, ServerHandler, server_runtime};
use rust_mcp_sdk::schema::{
    CallToolError, CallToolRequestParams, CallToolResult, Implementation, ListToolsResult,
    ListToolsResultCacheScope, PaginatedRequestParams, RpcError, ServerCapabilities, ServerCapabilitiesTools,
    ServerResult, TextContent, Tool, ToolInputSchema,
};
use rust_mcp_sdk::{
    McpServer, RequestContext, ServerDetails, StdioTransport, ToMcpServerHandler, TransportOptions,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use served::{Transport, main as serve, name_of, print, ready_at, wait};

struct Handler(Vec<Tool>);

fn main() -> ExitCode {
    serve(|transport, many| async move {
        let tools = match many {
            0 => vec![
                tool::<Echo>("echo", "Echoes a message."),
                tool::<Order>("price", "Prices an order."),
                tool::<Wait>("wait", "Waits."),
                tool::<Nothing>("print", "Prints."),
                tool::<Nothing>("panic", "Panics."),
            ],
            _ => (0..many).map(|number| tool::<Echo>(&name_of(number), "Echoes a message.")).collect(),
        };
        let handler = Handler(tools).to_mcp_server_handler();
        match transport {
            Transport::Http => {
                let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
                let options =
                    AxumServerOptions { port, enable_json_response: Some(true), ..Default::default() };
                let server = create_axum_server(details(), handler, options);
                tokio::spawn(ready_at(port));
                server.start().await.map_err(|error| error.to_string())?;
            }
            Transport::Stdio => {
                let transport =
                    StdioTransport::new(TransportOptions::default()).map_err(|error| error.to_string())?;
                let options = McpServerOptions {
                    server_details: details(),
                    transport,
                    handler,
                    message_observer: None,
                };
                server_runtime::create_server(options).start().await.map_err(|error| error.to_string())?;
            }
            Transport::Sessions => return Err("no sessions: 2026-07-28 alone".into()),
        }
        Ok(())
    })
}

fn details() -> ServerDetails {
    ServerDetails {
        server_info: Implementation {
            name: "bench".into(),
            version: "1.0.0".into(),
            title: None,
            description: None,
            icons: Vec::new(),
            website_url: None,
        },
        capabilities: ServerCapabilities {
            tools: Some(ServerCapabilitiesTools { list_changed: None }),
            ..Default::default()
        },
        meta: None,
        instructions: None,
    }
}

fn tool<T: JsonSchema>(name: &str, description: &str) -> Tool {
    let mut schema = schemars::schema_for!(T).to_value();
    let mut extra = schema.as_object_mut().map(std::mem::take).unwrap_or_default();
    extra.remove("type");
    extra.remove("$schema");
    Tool {
        annotations: None,
        description: Some(description.to_owned()),
        icons: Vec::new(),
        input_schema: ToolInputSchema::new(None, Some(extra)),
        meta: None,
        name: name.to_owned(),
        output_schema: None,
        title: None,
    }
}

#[async_trait]
impl ServerHandler for Handler {
    async fn handle_list_tools_request(
        &self,
        _: Option<PaginatedRequestParams>,
        _: &RequestContext,
        _: Arc<dyn McpServer>,
    ) -> Result<ListToolsResult, RpcError> {
        Ok(ListToolsResult {
            tools: self.0.clone(),
            meta: None,
            next_cursor: None,
            cache_scope: ListToolsResultCacheScope::Private,
            result_type: "complete".to_owned(),
            ttl_ms: 0,
        })
    }

    async fn handle_call_tool_request(
        &self,
        params: CallToolRequestParams,
        _: &RequestContext,
        _: Arc<dyn McpServer>,
    ) -> Result<ServerResult, CallToolError> {
        let arguments = Value::Object(params.arguments.unwrap_or_default());
        let (text, structured) = match &*params.name {
            "wait" => {
                let Wait { ms } = arguments_of(arguments)?;
                (wait(ms).await.to_owned(), None)
            }
            "print" => (print().to_owned(), None),
            "panic" => panic!("as asked"),
            "price" => structured(&price(&arguments_of::<Order>(arguments)?)),
            _ => structured(&Echoed { message: arguments_of::<Echo>(arguments)?.message }),
        };
        Ok(ServerResult::CallToolResult(CallToolResult {
            content: vec![TextContent::new(text, None, None).into()],
            is_error: None,
            meta: None,
            result_type: "complete".to_owned(),
            structured_content: structured,
        }))
    }
}

fn arguments_of<T: DeserializeOwned>(arguments: Value) -> Result<T, CallToolError> {
    serde_json::from_value(arguments).map_err(CallToolError::new)
}

fn structured(value: &impl Serialize) -> (String, Option<Value>) {
    let text = serde_json::to_string(value).expect("encodes");
    (text, Some(serde_json::to_value(value).expect("encodes")))
}
