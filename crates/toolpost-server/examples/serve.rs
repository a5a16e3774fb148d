//! A server of a few tools: on stdio, or with an address, over HTTP.
//!
//! ```text
//! cargo run -p toolpost-server --example serve                    # stdio
//! cargo run -p toolpost-server --example serve -- 127.0.0.1:8080  # http://127.0.0.1:8080/mcp
//! ```
#![expect(clippy::print_stdout, reason = "a tool prints, as a library might that knows nothing of MCP")]

use std::time::Duration;

use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::Server;
use toolpost_tool::{Call, NoArgs, tool_fn};

/// Repeats a text.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

/// Counts to ten, and says so.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Count {
    /// How long one step takes, in milliseconds.
    step_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::builder()
        .tool(tool_fn("echo", |args: Echo, _| async move { Ok(args.text) }))
        .tool(tool_fn("print", |args: Echo, _| async move {
            // No client sees it.
            println!("{}", args.text);
            Ok("printed")
        }))
        .tool(tool_fn("nothing", |_: NoArgs, _| async { Ok("") }))
        .tool(tool_fn("count", |args: Count, call: Call| async move {
            let mut step = tokio::time::interval(Duration::from_millis(args.step_ms.max(1)));
            for done in 1..=10_u32 {
                step.tick().await;
                call.progress(f64::from(done), Some(10.0), None);
            }
            Ok("ten")
        }))
        .build()?;
    let server =
        Server::builder(Dispatcher::builder(registry).build()).name("serve").version("1.0.0").build();
    match std::env::args().nth(1) {
        Some(address) => server.http(address).await?,
        None => server.stdio().await?,
    }
    Ok(())
}
