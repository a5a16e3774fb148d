//! Offers the tools on stdio and over HTTP.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use clap::value_parser;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::server::{MemoryEventStore, Server, ServerBuilder, terminated};
use toolpost::{Peers, PlanRunner, Runtime, RuntimeBuilder};

use crate::approve::Asking;
use crate::programs::Declared;
use crate::{secrets, tools, workflow};

/// What ends a command before it has a result.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The longest that a server which has answered its calls waits for what goes on behind them. What remains then is
/// left behind: nobody waits for its result.
const GRACE: Duration = Duration::from_secs(1);

/// Connections at once over HTTP: fewer than the 1,024 descriptors that a process usually has, since calls open files.
const CONNECTIONS: usize = 896;

/// Connections that may come while none is accepted: tokio's own bound is 128, and who comes next waits for a second.
const BACKLOG: u32 = 1_024;

/// Bytes of requests and of unread answers over HTTP, of all clients: an eighth of what a small container has.
const BUFFERED_BYTES: usize = 32 << 20;

/// Bytes of what streams over HTTP said, for clients that come back; half of it for one of them.
const KEPT_BYTES: usize = 16 << 20;

/// Calls that have a thread at once; the others of those that run wait for one.
const THREADS: usize = 24;

/// The address space that a thread takes: its stack, and what glibc's allocator keeps for a thread that allocates.
const THREAD_SPACE: u64 = 66 << 20;

/// The longest that the end of the process waits for threads that nobody can stop.
const LAST_GRACE: Duration = Duration::from_millis(100);

/// What a server takes on.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Capacity {
    /// Calls that run at once.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = value_parser!(u32).range(1..=100_000))]
    pub permits: u32,
    /// Calls that may wait for a permit; whatever comes beyond them is refused.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = value_parser!(u32).range(..=100_000))]
    pub queue: u32,
    /// Adds tools that only wait, for tests of load and shutdown: `sleep` and, over HTTP, `hold`, which waits until
    /// stdin is closed.
    #[arg(long)]
    pub with_sleep: bool,
}

/// Who may reach a server over HTTP, and for how long it remembers them.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Access {
    /// Lets clients address the server by this name or address, as their Host header says it (without port); loopback
    /// always may. May be given more than once.
    #[arg(long, value_name = "HOST", requires = "http")]
    pub allow_host: Vec<String>,
    /// Lets pages of this origin (such as `https://example.org`) call the server; loopback always may. May be given more
    /// than once.
    #[arg(long, value_name = "ORIGIN", requires = "http")]
    pub allow_origin: Vec<String>,
    /// Lets in only who carries one of these bearer tokens: a line for each, with the name of whoever has it, a space and
    /// the token.
    #[arg(long, value_name = "FILE", requires = "http")]
    pub token_file: Option<PathBuf>,
    /// Protects sessions, cursors and the state of calls with this secret: 32 bytes in hexadecimal. Servers that share it,
    /// and one after a restart, take what another gave out.
    #[arg(long, value_name = "FILE", requires = "http")]
    pub state_key_file: Option<PathBuf>,
    /// Serves on an address that others can reach, though nobody is asked who they are: in a container, or behind
    /// something that asks.
    #[arg(long, requires = "http")]
    pub allow_public: bool,
    /// Ends a session with a log level or subscriptions that was not used for so many seconds; 1800 unless told otherwise.
    #[arg(long, value_name = "SECONDS", requires = "http", value_parser = value_parser!(u64).range(1..=31_536_000))]
    pub session_idle: Option<u64>,
    /// Connections at once, each of which takes a descriptor; 896 unless told otherwise.
    #[arg(long, value_name = "N", requires = "http", value_parser = value_parser!(u32).range(16..=65_536))]
    pub connections: Option<u32>,
}

/// Where to serve HTTP: a port of this machine alone (`8080`), an address (`127.0.0.1:8080`), or a name (`localhost:8080`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(port) = text.parse() {
            return Ok(Self { host: Ipv4Addr::LOCALHOST.to_string(), port });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) if !host.is_empty() && !host.contains([':', '/', '[', ']']) => {
                Ok(Self { host: host.to_owned(), port })
            }
            _ => Err("give a port (8080), or an address or a name with one (127.0.0.1:8080, localhost:8080)"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Capacity {
    fn set_up(self, builder: RuntimeBuilder, stdin_is_free: bool) -> RuntimeBuilder {
        let gate = Gate::with_discipline(
            Limit::fixed(self.permits as usize),
            Fair::default(),
            QueueLimits::new(self.queue as usize),
        );
        let extra = if self.with_sleep { tools::wait::all(stdin_is_free, self.permits) } else { Vec::new() };
        extra.into_iter().fold(builder.gate(&gate), RuntimeBuilder::any)
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
    runtime_asking(root, &Asking::default(), set_up)
}

/// The same, with calls that wait for a person.
fn runtime_asking(
    root: &Path,
    asking: &Asking,
    set_up: impl FnOnce(RuntimeBuilder) -> RuntimeBuilder,
) -> Result<Runtime, Failure> {
    let approvals = asking.approvals()?;
    let tools =
        tools::all(root).map_err(|error| format!("cannot open the root {}: {error}", root.display()))?;
    let peers = Peers::new();
    let builder = tools.into_iter().fold(Runtime::builder(), RuntimeBuilder::any);
    let workflows = PlanRunner::new(&peers).approvals(approvals.clone()).read_only();
    let builder = builder.approvals(approvals).settings(asking.settings()?);
    let runtime = set_up(builder.any(workflow::tool(&peers)?).any(workflows.tool())).build()?;
    let _first = peers.bind(&runtime);
    Ok(runtime)
}

/// A server of these tools.
#[must_use]
pub fn server(runtime: &Runtime) -> Server {
    server_builder(runtime).build()
}

fn server_builder(runtime: &Runtime) -> ServerBuilder {
    Server::builder(runtime.dispatcher().clone())
        .name("workbench")
        .version(env!("CARGO_PKG_VERSION"))
        .title("toolpost workbench")
        .instructions("Reads one directory. Paths are relative to its root; start with survey or list_files.")
}

/// Serves stdin and stdout until the client goes away or the process is asked to end; a second time ends it at once.
///
/// # Errors
///
/// If `root` is no readable directory, stdin or stdout fails, or calls were cut off.
pub fn stdio(
    root: &Path,
    capacity: Capacity,
    asking: &Asking,
    mut programs: Declared,
) -> Result<(), Failure> {
    let runtime = runtime_asking(root, asking, |builder| programs.set_up(capacity.set_up(builder, false)))?;
    let server = server(&runtime);
    to_its_end(async {
        programs.start(&runtime);
        tokio::select! {
            ended = server.stdio() => ended?,
            cut = told_twice() => return Err(cut),
        }
        drain(&runtime).await;
        Ok(())
    })
}

/// Serves Streamable HTTP on `address` until the process is asked to end; calls that run then are answered, unless it is
/// asked a second time. Says on stderr where, once it does.
///
/// # Errors
///
/// If `root` is no readable directory, `address` cannot be served, or calls were cut off.
pub fn http(
    root: &Path,
    address: &Address,
    capacity: Capacity,
    access: Access,
    asking: &Asking,
    mut programs: Declared,
) -> Result<(), Failure> {
    let runtime = runtime_asking(root, asking, |builder| programs.set_up(capacity.set_up(builder, true)))?;
    let Access {
        allow_host,
        allow_origin,
        token_file,
        state_key_file,
        allow_public,
        session_idle,
        connections,
    } = access;
    let builder = allow_host.into_iter().fold(server_builder(&runtime), ServerBuilder::allow_host);
    let mut builder = allow_origin.into_iter().fold(builder, ServerBuilder::allow_origin);
    if let Some(file) = token_file {
        builder = builder.authenticate(secrets::tokens(&file)?);
    }
    if let Some(file) = state_key_file {
        builder = builder.state_key(secrets::state_key(&file)?);
    }
    if allow_public {
        builder = builder.allow_unauthenticated_public();
    }
    if let Some(seconds) = session_idle {
        builder = builder.http_limits(|limits| limits.session_idle = Duration::from_secs(seconds));
    }
    let builder = builder.http_limits(|limits| {
        limits.connections = connections.map_or(CONNECTIONS, |connections| connections as usize);
        limits.buffered_bytes = BUFFERED_BYTES;
    });
    let events = MemoryEventStore::new(|limits| {
        limits.bytes = KEPT_BYTES;
        limits.bytes_per_owner = KEPT_BYTES / 2;
    });
    let server = builder.event_store(Arc::new(events)).build();
    to_its_end(async {
        programs.start(&runtime);
        let listener = listen(address).await.map_err(|error| cannot_serve(address, &error))?;
        let url = url(listener.local_addr()?);
        let serving = server.serve(listener);
        tokio::pin!(serving);
        // What cannot be served says so at its first poll.
        tokio::select! {
            biased;
            ended = &mut serving => return Ok(ended?),
            () = std::future::ready(()) => say(format!("workbench: serving {url}")),
        }
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = terminated() => server.stop(),
        }
        tokio::select! {
            ended = serving => ended?,
            () = terminated() => return Err(cut_off()),
        }
        drain(&runtime).await;
        Ok(())
    })
}

/// Listens on the first address that `address` stands for and that can be had.
async fn listen(address: &Address) -> io::Result<TcpListener> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for one in lookup_host((&*address.host, address.port)).await? {
        match listen_on(one) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere it would let two servers have the same port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Runs `serving` and leaves behind what does not end with it: a tokio runtime that is dropped would wait for threads
/// that nobody can stop, a stdin that is a terminal among them.
fn to_its_end(serving: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let executor = executor()?;
    let ended = executor.block_on(serving);
    executor.shutdown_timeout(LAST_GRACE);
    ended
}

/// Waits a little for what goes on behind calls that were answered, and says what is left behind.
async fn drain(runtime: &Runtime) {
    if let Err(remaining) = runtime.drain(GRACE).await {
        say(format!("workbench: left behind: {remaining}"));
    }
}

async fn told_twice() -> Failure {
    terminated().await;
    terminated().await;
    cut_off()
}

fn cut_off() -> Failure {
    "asked to end a second time; calls that ran were cut off".into()
}

fn cannot_serve(address: &Address, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "cannot serve on {address}: the port is in use by another process; choose another one, or 0 for a free one"
        ),
        _ => format!("cannot serve on {address}: {error}"),
    }
    .into()
}

/// Writes a line on stderr, for whoever reads it: a stderr that is closed, or full and read by nobody, holds up nothing.
pub fn say(line: String) {
    let (said, is_said) = mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "ends with the line, or with the process")]
    thread::spawn(move || {
        let _ = writeln!(io::stderr(), "{line}");
        let _ = said.send(());
    });
    let _ = is_said.recv_timeout(Duration::from_millis(200));
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
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(threads(address_space()))
        .build()
}

/// How many calls may have a thread within that much address space, of which a quarter is for what they work on.
fn threads(space: Option<u64>) -> usize {
    let Some(space) = space else { return THREADS };
    let fit = usize::try_from(space / 4 * 3 / THREAD_SPACE).unwrap_or(THREADS);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    fit.saturating_sub(workers).clamp(2, THREADS)
}

/// The address space that this process may have (`ulimit -v`), where that is limited and Linux says so.
fn address_space() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    soft.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_stop_does_not_keep_the_process_from_ending() {
        let (_never, wait) = mpsc::channel::<()>();
        let ended = to_its_end(async {
            drop(tokio::task::spawn_blocking(move || wait.recv()));
            Ok(())
        });
        assert!(ended.is_ok());
    }

    #[test]
    fn threads_fit_into_the_address_space_that_there_is() {
        assert_eq!((threads(None), threads(Some(1 << 40)), threads(Some(0))), (THREADS, THREADS, 2));
        assert!(threads(Some(512 << 20)) <= 4, "each takes an eighth of it");
    }

    #[test]
    fn an_address_may_be_a_port_an_address_or_a_name() {
        for (text, shown) in [
            ("8080", "127.0.0.1:8080"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:8080", "localhost:8080"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in ["", "localhost", ":8080", "localhost:", "http://localhost:8080", "::1:8080", "65536"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
