//! tower-mcp as its guide sets it up: a router of tools over axum, answering in JSON, with its own sessions for clients of
//! 2025-11-25.

use std::process::ExitCode;

use axum::serve::ListenerExt;
use calls::messages::{Echo, Echoed, Nothing, Order, Wait, price};
use served::{Transport, listen, main as serve, name_of, print, ready, wait};
use tower_mcp::{CallToolResult, HttpTransport, McpRouter, StdioTransport, Tool, ToolBuilder};

fn main() -> ExitCode {
    serve(|transport, many| async move {
        let router = router(many);
        if transport == Transport::Stdio {
            return Ok(StdioTransport::new(router).run().await?);
        }
        let app = HttpTransport::new(router).into_router_at("/mcp");
        let listener = listen().await?;
        ready(&listener)?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        Ok(axum::serve(listener, app).await?)
    })
}

fn router(many: usize) -> McpRouter {
    let router = McpRouter::new().server_info("bench", "1.0.0");
    if many != 0 {
        return (0..many).fold(router, |router, number| router.tool(echo(&name_of(number))));
    }
    let price = ToolBuilder::new("price")
        .description("Prices an order.")
        .handler(|order: Order| async move { Ok(structured(&price(&order))) })
        .build();
    let waiting = ToolBuilder::new("wait")
        .description("Waits.")
        .handler(|Wait { ms }: Wait| async move { Ok(CallToolResult::text(wait(ms).await)) })
        .build();
    let printing = ToolBuilder::new("print")
        .description("Prints.")
        .handler(|_: Nothing| async move { Ok(CallToolResult::text(print())) })
        .build();
    let panicking = ToolBuilder::new("panic")
        .description("Panics.")
        .handler(|_: Nothing| async move {
            if true {
                panic!("as asked");
            }
            Ok(CallToolResult::text(""))
        })
        .build();
    router.tool(echo("echo")).tool(price).tool(waiting).tool(printing).tool(panicking)
}

fn echo(name: &str) -> Tool {
    ToolBuilder::new(name)
        .description("Echoes a message.")
        .handler(|echo: Echo| async move { Ok(structured(&Echoed { message: echo.message })) })
        .build()
}

/// Text and structure, as the others answer.
fn structured(value: &impl serde::Serialize) -> CallToolResult {
    let mut result = CallToolResult::text(serde_json::to_string(value).expect("encodes"));
    result.structured_content = Some(serde_json::to_value(value).expect("encodes"));
    result
}
