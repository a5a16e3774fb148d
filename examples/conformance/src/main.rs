//! The fixture server of the official MCP conformance suite and of `cargo xtask interop`: what both expect to find.
//!
//! `cargo run -p conformance -- 127.0.0.1:38001` serves it at `/mcp`, `cargo run -p conformance -- stdio` on stdin and
//! stdout; a number after that is how many items a page of a list has. `cargo xtask conformance` runs the suite against it.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

mod content;
mod inputs;
mod offer;
mod tasks;
mod tools;
mod waits;

use std::error::Error;

use toolpost::dispatch::{Changes, Dispatcher, Registry};
use toolpost::server::{Server, ServerBuilder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:38001".into());
    let page_size: Option<usize> = args.next().map(|items| items.parse()).transpose()?;
    let changes = Changes::new();
    let registry = tools::register(tasks::register(inputs::register(Registry::builder())));
    let registry = waits::register(registry, &changes).build()?;
    let registry = tools::with_triggers(&registry, &changes)?;
    let dispatcher = Dispatcher::builder(registry)
        .resources(offer::resources())
        .prompts(offer::prompts())
        .completions(offer::complete)
        .changes(changes)
        .build();
    let builder = Server::builder(dispatcher)
        .name("toolpost-conformance")
        .version(env!("CARGO_PKG_VERSION"))
        .instructions("The fixture of the official conformance suite.");
    let server = page_size.into_iter().fold(builder, ServerBuilder::page_size).build();
    if address == "stdio" {
        return Ok(server.stdio().await?);
    }
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    server.serve(listener).await?;
    Ok(())
}
