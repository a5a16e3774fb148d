//! The command line of the workbench.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workbench::report::Form;
use workbench::{demo, selftest, serve};

/// Real tools over a real directory, served over MCP by toolpost.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The directory that the tools see; nothing outside of it can be reached.
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the tools on stdin and stdout, or over HTTP.
    Serve {
        /// Serves Streamable HTTP here instead, such as 127.0.0.1:8080; port 0 takes a free one.
        #[arg(long, value_name = "ADDR")]
        http: Option<SocketAddr>,
    },
    /// Starts the server on a free port, calls every tool with a real client, and shows what came back.
    Demo {
        /// Writes one JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Checks within 2 s that both transports work and every tool answers.
    Selftest {
        /// Writes one JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Cli { command, root } = Cli::parse();
    let done = match command {
        Command::Serve { http: None } => serve::stdio(&root).map(|()| true),
        Command::Serve { http: Some(address) } => serve::http(&root, address).map(|()| true),
        Command::Demo { json } => demo::run(&root, Form::of_stdout(json)),
        Command::Selftest { json } => selftest::run(&root, Form::of_stdout(json)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = format!("workbench: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                text += &format!(": {error}");
                source = error.source();
            }
            // Where stderr is gone there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}
