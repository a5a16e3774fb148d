//! Makes calls for a long time: does memory stay what it is, and do latencies?

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::value_parser;
use serde_json::json;

mod inside;
mod over_http;
mod trend;

use crate::load::goals::{Goal, all_held, goals_to_json, write_goals};
use crate::report::Form;
use crate::serve::{Failure, executor};

/// How long to go on.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Calls within this process, after those that warm it up.
    #[arg(long, value_name = "N", default_value_t = 2_000_000,
        value_parser = value_parser!(u64).range(10_000..=1_000_000_000))]
    calls: u64,
    /// Clients of a server in another process, each with one call at a time.
    #[arg(long, value_name = "C", default_value_t = 500, value_parser = value_parser!(u32).range(1..=700))]
    clients: u32,
    /// How long they call.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = value_parser!(u64).range(10..=86_400))]
    seconds: u64,
    /// Writes one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Makes the calls, over `root` those that go to a server; says whether all went as it had to.
///
/// # Errors
///
/// If the server does not come up, or memory cannot be measured.
pub fn run(root: &Path, options: &Options, form: Form) -> Result<bool, Failure> {
    let executor = executor()?;
    let mut goals = executor.block_on(inside::run(options.calls, form))?;
    let during = Duration::from_secs(options.seconds);
    goals.extend(executor.block_on(over_http::run(root, options.clients, during, form))?);
    form.clear();
    show(&goals, form)?;
    Ok(all_held(&goals))
}

fn show(goals: &[Goal], form: Form) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match form {
        Form::Json => {
            let document = json!({ "ok": all_held(goals), "goals": goals_to_json(goals) });
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
        }
        Form::Terminal | Form::Plain => write_goals(&mut out, goals, form)?,
    }
    out.flush()
}
