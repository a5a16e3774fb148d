//! Offers the tools on stdio and over HTTP.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;
use toolpost::server::{Server, terminated};
use toolpost::{Peers, Runtime};

use crate::{tools, workflow};

/// What ends a command before it has a result.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A server of every tool over the directory `root`.
///
/// # Errors
///
/// If `root` is no readable directory.
pub fn server(root: &Path) -> Result<Server, Failure> {
    let tools =
        tools::all(root).map_err(|error| format!("cannot open the root {}: {error}", root.display()))?;
    let peers = Peers::new();
    let builder = tools.into_iter().fold(Runtime::builder(), |builder, tool| builder.tool(tool));
    let runtime = builder.tool(workflow::tool(&peers)?).build()?;
    let _first = peers.bind(&runtime);
    Ok(Server::builder(runtime.dispatcher().clone())
        .name("workbench")
        .version(env!("CARGO_PKG_VERSION"))
        .title("toolpost workbench")
        .instructions("Reads one directory. Paths are relative to its root; start with survey or list_files.")
        .build())
}

/// Serves stdin and stdout until the client goes away.
///
/// # Errors
///
/// If `root` is no readable directory, or stdin or stdout fails.
pub fn stdio(root: &Path) -> Result<(), Failure> {
    let server = server(root)?;
    Ok(executor()?.block_on(server.stdio())?)
}

/// Serves Streamable HTTP on `address` until the process is asked to end. Says on stderr where.
///
/// # Errors
///
/// If `root` is no readable directory, or `address` cannot be served.
pub fn http(root: &Path, address: SocketAddr) -> Result<(), Failure> {
    let server = server(root)?;
    executor()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        writeln!(io::stderr(), "workbench: serving {}", url(listener.local_addr()?))?;
        let serving = server.serve(listener);
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = terminated() => server.stop(),
        }
        Ok(serving.await?)
    })
}

/// Where a client reaches the server that listens on `address`.
#[must_use]
pub fn url(address: SocketAddr) -> String {
    format!("http://{address}/mcp")
}

/// What the commands run on.
///
/// # Errors
///
/// If no thread can be started.
pub fn executor() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
