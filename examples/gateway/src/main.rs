//! Other servers' tools and programs behind every policy, from one file: `gateway serve --config gateway.toml`.
#![expect(clippy::print_stdout, reason = "a command speaks to its terminal")]

mod access;
mod call;
mod check;
mod config;
mod expand;
mod faults;
mod follow;
mod gateway;
mod lenient;
mod list;
mod pin;
mod say;
mod serve;
mod upstreams;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{Config, Files};
use crate::say::say;

/// What ends a command before it has a result.
type Failure = Box<dyn Error + Send + Sync>;

/// What a command ends with that did not do what it was asked for, and for no reason of its own below.
const FAILED: u8 = 1;
/// The configuration has faults, or the command line asks for what is not there.
const WRONG: u8 = 2;

/// The longest that the end of the process waits for threads that nobody can stop.
const LAST_GRACE: Duration = Duration::from_millis(100);

/// Serves the tools of other MCP servers and of programs, each behind the policies of one file.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the tools on stdin and stdout, or over HTTP. When the files change (or on SIGHUP, over HTTP), what changed in
    /// them is changed without losing a call.
    Serve {
        /// Serves Streamable HTTP here, whatever the file says: 8080, 127.0.0.1:8080 or localhost:8080.
        #[arg(long, value_name = "ADDR")]
        http: Option<String>,
    },
    /// Says everything that is wrong with the configuration, without starting anything. Ends with 0 if nothing is, else 2.
    Check,
    /// Lists the tools: where each comes from, its policies, and how it does.
    List(list::Options),
    /// Calls one tool, behind every policy. Ends with 0 if it answered, 1 if it failed, 2 if there is no such tool or the
    /// arguments are not its, 3 if it was refused or cannot be reached now, 4 if it took too long, 5 if nobody knows how
    /// the call ended.
    Call(call::Options),
    /// Accepts what upstreams' tools say of themselves now: shows each difference from the lock file (`pins`), and writes it.
    Pin(pin::Options),
    /// Prints the JSON Schema of the file that --config names.
    Schema,
}

fn main() -> ExitCode {
    let Cli { command, files } = Cli::parse();
    let ended = run(command, files);
    say::finish();
    ended
}

fn run(command: Command, files: Files) -> ExitCode {
    if matches!(command, Command::Schema) {
        println!("{:#}", config::schema());
        return ExitCode::SUCCESS;
    }
    let config = match Config::load(&files) {
        Ok(config) => config,
        Err((faults, _)) => {
            faults.iter().for_each(say);
            return ExitCode::from(WRONG);
        }
    };
    let done = match command {
        Command::Check => Ok(check::check(&config)),
        Command::Serve { http } => to_its_end(serve::serve(config, files, http)).map(|()| 0),
        Command::List(options) => to_its_end(list::list(config, options)),
        Command::Call(options) => to_its_end(call::call(config, options)),
        Command::Pin(options) => to_its_end(pin::pin(config, options)),
        Command::Schema => Ok(0),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                text += &format!(": {error}");
                source = error.source();
            }
            text.lines().for_each(say);
            ExitCode::from(FAILED)
        }
    }
}

/// Runs `doing`, and leaves behind what does not end with it: threads that nobody can stop, a stdin that is a terminal
/// among them.
fn to_its_end<T>(doing: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = executor.block_on(doing);
    executor.shutdown_timeout(LAST_GRACE);
    ended
}
