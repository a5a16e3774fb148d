//! The fixture server of the official MCP conformance suite: what the suite expects to find.
//!
//! `cargo run -p conformance -- 127.0.0.1:38001` serves it at `/mcp`; `cargo xtask conformance` runs
//! the suite against it.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

mod content;
mod inputs;
mod offer;
mod tools;

use std::error::Error;

use toolpost::dispatch::{Changes, Dispatcher, Registry};
use toolpost::server::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:38001".into());
    let changes = Changes::new();
    let registry = tools::register(inputs::register(Registry::builder())).build()?;
    let registry = tools::with_triggers(&registry, &changes)?;
    let dispatcher = Dispatcher::builder(registry)
        .resources(offer::resources())
        .prompts(offer::prompts())
        .completions(offer::complete)
        .changes(changes)
        .build();
    let server = Server::builder(dispatcher)
        .name("toolpost-conformance")
        .version(env!("CARGO_PKG_VERSION"))
        .instructions("The fixture of the official conformance suite.")
        .build();
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    server.serve(listener).await?;
    Ok(())
}
