//! Puts a server under load, and says what came back and how fast.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::value_parser;
use serde_json::{Value, json};

mod connection;
mod cores;
mod drive;
mod figures;
pub(crate) mod goals;
mod overload;
mod served;

pub use connection::{Answer, Ask, Connection};
pub use cores::Cores;
pub use drive::{Pace, Plan, drive};
pub use figures::Figures;
pub use served::Served;
pub(crate) use served::resident;

use crate::report::Form;
use crate::serve::{Failure, executor};

/// What load to make.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long [default: 10, or 60 with --overload].
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// Connections, each with one call at a time.
    #[arg(long, value_name = "C", default_value_t = 16, value_parser = value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// Calls per second, sent when they are due whatever became of those before (an open loop); without it each
    /// connection calls again as soon as it is answered (a closed loop).
    #[arg(long, value_name = "R", value_parser = value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// A server on this machine, such as http://127.0.0.1:8080/mcp; without it, one is started.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The tool to call.
    #[arg(long, value_name = "NAME", default_value = "list_files")]
    tool: String,
    /// Its arguments, as JSON.
    #[arg(long, value_name = "JSON", default_value = r#"{"limit":50}"#)]
    arguments: String,
    /// Makes three times the load that the permits of a server can bear, and says whether it bears it well.
    #[arg(long, conflicts_with_all = ["connections", "rate", "url", "tool", "arguments"])]
    overload: bool,
    /// Keeps the server to one core and the client to another, such as 0,1; needs taskset.
    #[arg(long, value_name = "SERVER,CLIENT")]
    cores: Option<Cores>,
    /// Writes one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Makes the load, over `root` if it starts the server; says whether all went as it had to.
///
/// # Errors
///
/// If the options make no sense together, or the server does not come up.
pub fn run(root: &Path, options: &Options, form: Form) -> Result<bool, Failure> {
    if let Some(cores) = options.cores {
        cores.keep_client()?;
    }
    let executor = executor()?;
    if options.overload {
        let during = Duration::from_secs(options.seconds.unwrap_or(60));
        return executor.block_on(overload::run(root, during, options.cores, form));
    }
    let arguments: Value =
        serde_json::from_str(&options.arguments).map_err(|error| format!("--arguments: {error}"))?;
    executor.block_on(async {
        let (served, url) = match &options.url {
            Some(url) => (None, url.clone()),
            None => {
                let served = Served::start(root, &[], options.cores).await?;
                let url = served.url().to_owned();
                (Some(served), url)
            }
        };
        let ask = Ask::new(&url, &options.tool, &arguments, &json!({}))?;
        let plan = Plan {
            connections: options.connections,
            pace: options.rate.map_or(Pace::Closed, |rate| Pace::Open(f64::from(rate))),
            during: Duration::from_secs(options.seconds.unwrap_or(10)),
            slow: None,
        };
        form.progress(&format!("loading {url}"));
        let figures = drive(&Arc::new(ask), plan).await?;
        form.clear();
        let title = format!("{} {}: {plan}", options.tool, options.arguments);
        figures.show(&title, form)?;
        drop(served);
        Ok(figures.is_ok())
    })
}

/// The address of a server on this machine, and the path it is at.
fn loopback(url: &str) -> Result<(SocketAddr, String), Failure> {
    let uri: hyper::Uri = url.parse().map_err(|error| format!("`{url}` is no URL: {error}"))?;
    let host = uri.host().unwrap_or_default();
    let ip = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() => ip,
        _ if host == "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => return Err(format!("`{url}` is not on this machine: load goes to loopback alone").into()),
    };
    match (uri.scheme_str(), uri.port_u16()) {
        (Some("http"), port) => Ok((SocketAddr::new(ip, port.unwrap_or(80)), uri.path().to_owned())),
        _ => Err(format!("`{url}` does not start with http://").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_stays_on_this_machine() {
        for url in ["http://127.0.0.1:80/mcp", "http://localhost:8080/mcp", "http://[::1]:1/mcp"] {
            assert!(loopback(url).is_ok_and(|(address, path)| address.ip().is_loopback() && path == "/mcp"));
        }
        for url in [
            "http://example.com/mcp",
            "http://10.0.0.1:80/mcp",
            "http://0.0.0.0:80/mcp",
            "http://localhost.example.com/mcp",
            "http://127.0.0.1@example.com/mcp",
            "https://127.0.0.1/mcp",
            "127.0.0.1:80",
            "",
        ] {
            assert!(loopback(url).is_err(), "{url}");
        }
    }
}
