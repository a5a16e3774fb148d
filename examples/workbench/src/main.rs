//! The command line of the workbench.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workbench::approve::Asking;
use workbench::programs::Declared;
use workbench::report::Form;
use workbench::serve::{Access, Address, Capacity};
#[cfg(feature = "git")]
use workbench::tools;
use workbench::{approve, demo, load, runs, selftest, serve, soak, workflows};

/// Real tools over a real directory, served over MCP by toolpost.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The directory that the tools see; nothing outside of it can be reached. The one exception: where its .git is a
    /// file (a linked worktree), git_log reads the repository that lists it among its worktrees.
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the tools on stdin and stdout, or over HTTP.
    Serve {
        /// Serves Streamable HTTP here instead: 8080, 127.0.0.1:8080 or localhost:8080; port 0 takes a free one.
        #[arg(long, value_name = "ADDR")]
        http: Option<Address>,
        /// Adds the programs of this TOML file as tools: started for each call (`[programs.NAME]`), or kept warm
        /// (`[workers.NAME]`).
        #[arg(long, value_name = "FILE")]
        programs: Option<PathBuf>,
        #[command(flatten)]
        capacity: Capacity,
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        asking: Asking,
    },
    /// Shows which calls wait for the approval of a person, and decides about them.
    Approve {
        /// The directory that the server keeps them in (`serve --approvals DIR`).
        #[arg(long, value_name = "DIR")]
        approvals: PathBuf,
        /// The call to decide about: its id, or how it begins. Without one, those that wait are listed.
        id: Option<String>,
        /// Declines it.
        #[arg(long, requires = "id")]
        decline: bool,
        /// Writes one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Shows the whole over real HTTP, with a real client: every tool, the cache, a breaker that opens and recovers, an
    /// urgent call that overtakes a batch, a workflow against its single calls.
    Demo {
        /// Writes one JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Checks that both transports work and every tool answers; gives up after 30 s.
    Selftest {
        /// Writes one JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Puts a server under load: calls per second, latencies, refusals.
    Load(load::Options),
    /// Reads one log and writes it to stdout: what `git_log` starts for each call.
    #[cfg(feature = "git")]
    #[command(hide = true)]
    GitLogChild {
        /// The arguments of the call, as JSON.
        arguments: String,
    },
    /// Checks or runs a workflow of a file over the tools.
    Workflow {
        #[command(subcommand)]
        command: workflows::Command,
    },
    /// Shows the runs of workflows that have names (`workflow run --runs DIR`), and goes on with them.
    Runs {
        #[command(subcommand)]
        command: runs::Command,
    },
    /// Makes calls for a long time, and fails if memory grows, a call fails, or latencies drift.
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let Cli { command, root } = Cli::parse();
    #[cfg(feature = "git")]
    if let Some(program) = own_program() {
        tools::read_in_children_of(program);
    }
    let done = match command {
        #[cfg(feature = "git")]
        Command::GitLogChild { arguments } => tools::answer_git_log(&root, &arguments).map(|()| true),
        Command::Serve { http, capacity, access, asking, programs } => Declared::of(programs.as_deref())
            .and_then(|declared| match http {
                None => serve::stdio(&root, capacity, &asking, declared),
                Some(address) => serve::http(&root, &address, capacity, access, &asking, declared),
            })
            .map(|()| true),
        Command::Approve { approvals, id, decline, json } => {
            approve::run(&approvals, id.as_deref(), !decline, Form::of_stdout(json))
        }
        Command::Workflow { command } => workflows::run(&root, &command, Form::of_stdout(false)),
        Command::Runs { command } => runs::run(&root, &command),
        Command::Demo { json } => demo::run(&root, Form::of_stdout(json)),
        Command::Selftest { json } => selftest::run(&root, Form::of_stdout(json)),
        Command::Soak(options) => soak::run(&root, &options, Form::of_stdout(options.json)),
        Command::Load(options) => load::run(&root, &options, Form::of_stdout(options.json)),
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
            serve::say(text);
            ExitCode::FAILURE
        }
    }
}

/// This program, also after its file was replaced by a newer one.
#[cfg(feature = "git")]
fn own_program() -> Option<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Some(running) } else { std::env::current_exe().ok() }
}
