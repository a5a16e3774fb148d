//! Offers the tools on stdio and over HTTP.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::value_parser;
use tokio::net::TcpListener;
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Bounds, Fair, Limit};
use toolpost::server::{Server, terminated};
use toolpost::{Peers, Runtime, RuntimeBuilder};

use crate::{tools, workflow};

/// What ends a command before it has a result.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The longest that a server which has answered its calls waits for what goes on behind them.
const GRACE: Duration = Duration::from_secs(5);

/// What a server takes on.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Capacity {
    /// Calls that run at once.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = value_parser!(u32).range(1..=100_000))]
    pub seats: u32,
    /// Calls that may wait for a seat; whatever comes beyond them is refused.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = value_parser!(u32).range(..=100_000))]
    pub queue: u32,
    /// Adds two tools that only wait, for tests of load and shutdown: `sleep`, and `hold`, which waits until
    /// stdin is closed.
    #[arg(long, requires = "http")]
    pub with_sleep: bool,
}

impl Capacity {
    fn set_up(self, builder: RuntimeBuilder) -> RuntimeBuilder {
        let gate =
            Gate::with(Limit::fixed(self.seats as usize), Fair::default(), Bounds::new(self.queue as usize));
        let extra = if self.with_sleep { tools::wait::all() } else { Vec::new() };
        extra.into_iter().fold(builder.seats(&gate), RuntimeBuilder::any)
    }
}

/// Every tool over the directory `root`, each under the policy it declares, and whatever `set_up` adds.
///
/// # Errors
///
/// If `root` is no readable directory.
pub fn runtime(
    root: &Path,
    set_up: impl FnOnce(RuntimeBuilder) -> RuntimeBuilder,
) -> Result<Runtime, Failure> {
    let tools =
        tools::all(root).map_err(|error| format!("cannot open the root {}: {error}", root.display()))?;
    let peers = Peers::new();
    let builder = tools.into_iter().fold(Runtime::builder(), RuntimeBuilder::any);
    let runtime = set_up(builder.any(workflow::tool(&peers)?)).build()?;
    let _first = peers.bind(&runtime);
    Ok(runtime)
}

/// A server of these tools.
#[must_use]
pub fn server(runtime: &Runtime) -> Server {
    Server::builder(runtime.dispatcher().clone())
        .name("workbench")
        .version(env!("CARGO_PKG_VERSION"))
        .title("toolpost workbench")
        .instructions("Reads one directory. Paths are relative to its root; start with survey or list_files.")
        .build()
}

/// Serves stdin and stdout until the client goes away.
///
/// # Errors
///
/// If `root` is no readable directory, or stdin or stdout fails.
pub fn stdio(root: &Path, capacity: Capacity) -> Result<(), Failure> {
    let runtime = runtime(root, |builder| capacity.set_up(builder))?;
    executor()?.block_on(async {
        server(&runtime).stdio().await?;
        Ok(runtime.drain(GRACE).await?)
    })
}

/// Serves Streamable HTTP on `address` until the process is asked to end; calls that run then are answered. Says on
/// stderr where.
///
/// # Errors
///
/// If `root` is no readable directory, or `address` cannot be served.
pub fn http(root: &Path, address: SocketAddr, capacity: Capacity) -> Result<(), Failure> {
    let runtime = runtime(root, |builder| capacity.set_up(builder))?;
    let server = server(&runtime);
    executor()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        writeln!(io::stderr(), "workbench: serving {}", url(listener.local_addr()?))?;
        let serving = server.serve(listener);
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = terminated() => server.stop(),
        }
        serving.await?;
        Ok(runtime.drain(GRACE).await?)
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
