//! Serves the tools on stdin and stdout, or over HTTP.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use toolpost::server::{Server, ServerBuilder};

use crate::config::{Config, Files, Serve};
use crate::follow::follow;
use crate::gateway::Gateway;
use crate::say::say;
use crate::{Failure, access};

/// The longest that a gateway which has answered its calls waits for what goes on behind them.
const GRACE: Duration = Duration::from_secs(5);

/// For how long clients may keep a list: servers come and go, and not every client hears of it.
const LIST_TTL: Duration = Duration::from_secs(5);

/// Connections at once: fewer than the 1,024 descriptors that a process usually has, since programs take some.
const CONNECTIONS: u32 = 896;

/// Serves until the client goes away, or the process is asked to end; a second time ends it at once.
///
/// # Errors
///
/// Everything that is wrong with the configuration, what cannot be served, and calls that were cut off.
pub(crate) async fn serve(config: Config, files: Files, http: Option<String>) -> Result<(), Failure> {
    let address = http.or_else(|| config.serve.http.clone());
    let builder = SetUp { serve: config.serve.clone(), key: config.state_key, asks: config.tokens.is_some() };
    let (watched, notes) = (config.watched.clone(), config.notes.clone());
    let gateway = Gateway::start(config).await.map_err(|faults| faults.join("\n"))?;
    let path = builder.serve.path.clone().unwrap_or_else(|| "/mcp".into());
    let server = builder.server(&gateway);
    let following = follow(gateway.clone(), files, watched, address.is_some());
    let serving = async {
        match address {
            None => {
                notes.into_iter().for_each(say);
                server.stdio().await.map_err(Failure::from)
            }
            Some(address) => over_http(&server, &address, &path, notes).await,
        }
    };
    tokio::select! {
        ended = serving => ended?,
        () = following => {}
    }
    let drained = async {
        gateway.stop().await;
        gateway.runtime().drain(GRACE).await
    };
    match timeout(2 * GRACE, drained).await {
        Ok(Ok(())) => {}
        Ok(Err(remaining)) => say(format!("left behind: {remaining}")),
        Err(_late) => say("left behind: processes that do not end"),
    }
    Ok(())
}

/// What a server is made of besides its tools.
struct SetUp {
    serve: Serve,
    key: Option<[u8; 32]>,
    /// Whether clients are asked who they are.
    asks: bool,
}

impl SetUp {
    fn server(self, gateway: &Gateway) -> Server {
        let Self { serve, key, asks } = self;
        let resource = access::resource(&serve);
        let mut builder = gateway
            .runtime()
            .server()
            .name(serve.name.unwrap_or_else(|| "gateway".into()))
            .version(env!("CARGO_PKG_VERSION"))
            .list_ttl(LIST_TTL);
        builder = serve.allow_hosts.into_iter().fold(builder, ServerBuilder::allow_host);
        builder = serve.allow_origins.into_iter().fold(builder, ServerBuilder::allow_origin);
        if let Some(instructions) = serve.instructions {
            builder = builder.instructions(instructions);
        }
        if let Some(path) = serve.path {
            builder = builder.path(path);
        }
        if let Some(key) = key {
            builder = builder.state_key(key);
        }
        if asks {
            builder = builder.authenticate(gateway.door().clone());
        }
        if let Some(resource) = resource {
            builder = builder.protected_resource(resource);
        }
        if serve.allow_public {
            builder = builder.allow_unauthenticated_public();
        }
        if let Some(grace) = serve.grace_ms {
            builder = builder.grace(Duration::from_millis(grace));
        }
        let connections = serve.connections.unwrap_or(CONNECTIONS) as usize;
        builder.http_limits(|limits| limits.connections = connections).build()
    }
}

async fn over_http(server: &Server, address: &str, path: &str, notes: Vec<String>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "cannot serve on {address}: the port is in use by another process; choose another one, or 0 for a free one"
            )
        }
        _ => format!("cannot serve on {address}: {error}; give `8080`, `127.0.0.1:8080` or `localhost:8080`"),
    };
    let listener = match address.parse::<u16>() {
        Ok(port) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await,
        Err(_) => TcpListener::bind(address).await,
    };
    let listener = listener.map_err(cannot)?;
    let local = listener.local_addr()?;
    let serving = server.serve(listener);
    tokio::pin!(serving);
    // What cannot be served says so at its first poll.
    tokio::select! {
        biased;
        ended = &mut serving => return Ok(ended?),
        () = std::future::ready(()) => say(format!("serving http://{local}{path}")),
    }
    notes.into_iter().for_each(say);
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = asked_to_end() => server.stop(),
    }
    tokio::select! {
        ended = serving => Ok(ended?),
        () = asked_to_end() => Err("asked to end a second time; calls that ran were cut off".into()),
    }
}

/// Resolves on SIGTERM and ctrl-c. (SIGHUP asks for the configuration to be read again.)
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        done = tokio::signal::ctrl_c() => {
            if done.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
