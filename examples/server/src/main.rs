//! The smallest server: `cargo run -p example-server` speaks MCP on stdio, and
//! `cargo run -p example-server -- 127.0.0.1:8080` over HTTP at `/mcp`.

use std::error::Error;

use toolpost::Runtime;
use toolpost::tool::{Call, tool_fn};

/// Greets someone.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greet {
    /// Who to greet.
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let greet = tool_fn("greet", |args: Greet, _: Call| async move { Ok(format!("Hello, {}!", args.name)) });
    let runtime = Runtime::builder().tool(greet).build()?;
    let server = runtime.server().name("greeter").version("1.0.0").build();
    match std::env::args().nth(1) {
        Some(address) => server.http(address).await?,
        None => server.stdio().await?,
    }
    Ok(())
}
