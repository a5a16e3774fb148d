//! What stands between the load and a server: nothing, bare hyper, toolpost, and other gateways.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench_http::load::{FREE, Served};
use bench_http::requests::Route;
use bench_http::servers::cargo_build;

/// Who passes requests on.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Hop {
    Hyper,
    Toolpost,
    McpProxy,
    FastMcp,
}

impl Hop {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Toolpost => "toolpost",
            Self::McpProxy => "mcp-proxy",
            Self::FastMcp => "FastMCP",
        }
    }

    /// Where its tools are.
    pub(crate) const fn route(self) -> Route {
        match self {
            Self::Hyper | Self::Toolpost | Self::FastMcp => Route::DIRECT,
            Self::McpProxy => Route { path: "/", prefix: "bench_" },
        }
    }

    /// Starts one in front of the servers on these ports; the tools of the first are those that are called.
    pub(crate) fn start(self, ports: &[String], free: bool) -> io::Result<Served> {
        let freely = |program: &mut Command| {
            if free {
                program.env(FREE, "");
            }
        };
        let first = ports.first().map(|port| port.trim_start_matches("old:")).unwrap_or_default();
        match self {
            Self::Hyper => {
                let mut program = Command::new(beside("serve-hop-hyper")?);
                freely(program.args(["http", "0", first]));
                Served::spawn(&mut program)
            }
            Self::Toolpost => {
                let mut program = Command::new(beside("serve-hop-toolpost")?);
                freely(program.args(["http", "0"]).args(ports));
                Served::spawn(&mut program)
            }
            Self::McpProxy => {
                let port = free_port()?;
                let config = std::env::temp_dir().join(format!("bench-upstream-{}.toml", std::process::id()));
                std::fs::write(
                    &config,
                    format!(
                        "[proxy]\nname = \"bench\"\nseparator = \"_\"\n[proxy.listen]\nhost = \"127.0.0.1\"\nport = {port}\n\
                         [[backends]]\nname = \"bench\"\ntransport = \"http\"\nurl = \"http://127.0.0.1:{first}/mcp\"\n"
                    ),
                )?;
                let mut program = Command::new(peers()?.join("bin/mcp-proxy"));
                // A log line for each call is not what it is measured for.
                Served::listening(program.arg("--config").arg(config).env("RUST_LOG", "error"), port)
            }
            Self::FastMcp => {
                let port = free_port()?;
                let script = format!(
                    "from fastmcp.server import create_proxy\n\
                     create_proxy('http://127.0.0.1:{first}/mcp').run(transport='http', host='127.0.0.1', port={port}, \
                     path='/mcp', show_banner=False, uvicorn_config={{'log_level': 'error', 'access_log': False}})\n"
                );
                let mut program = Command::new(peers()?.join("python/bin/python"));
                Served::listening(program.args(["-c", &script]), port)
            }
        }
    }
}

/// Builds or installs what can be, or takes what is there for a `quick` look: gives back who can be measured.
pub(crate) fn build(quick: bool) -> io::Result<Vec<Hop>> {
    let mut built = Vec::new();
    for package in ["serve-hop-hyper", "serve-hop-toolpost"] {
        if !(quick && beside(package)?.exists() || cargo_build(package)?) {
            return Err(io::Error::other(format!("{package} does not compile")));
        }
    }
    built.extend([Hop::Hyper, Hop::Toolpost]);
    let peers = peers()?;
    let mut installed = |hop: Hop, program: &str, how: &mut dyn FnMut() -> io::Result<bool>| {
        let there = peers.join(program).exists() || (!quick && how().unwrap_or(false));
        match there {
            true => built.push(hop),
            false => println!("skipped: {} is not installed here", hop.name()),
        }
    };
    installed(Hop::McpProxy, "bin/mcp-proxy", &mut || {
        let mut cargo = Command::new("cargo");
        let install =
            ["install", "mcp-proxy", "--version", "0.6.0", "--no-default-features", "--locked", "--quiet"];
        Ok(cargo.args(install).arg("--root").arg(&peers).status()?.success())
    });
    installed(Hop::FastMcp, "python/bin/fastmcp", &mut || {
        let python = peers.join("python");
        let made = Command::new("python3").args(["-m", "venv"]).arg(&python).status()?.success();
        let mut pip = Command::new(python.join("bin/pip"));
        Ok(made && pip.args(["install", "--quiet", "fastmcp"]).status()?.success())
    });
    Ok(built)
}

/// Where peers are installed: beside the builds.
fn peers() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).map(Path::to_path_buf);
    Ok(target.ok_or_else(|| io::Error::other("no folder of builds"))?.join("peers"))
}

fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// A port that nobody listens on, as it seems.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
