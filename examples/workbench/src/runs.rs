//! Runs of workflows that have names, kept in a directory: listed, shown, resumed, cancelled, run again.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use toolpost::plan::{PlanRun, PlanRunState, PlanRuns};
use toolpost::runs::journal::LogReader;
use toolpost_tool::Principal;

use crate::clock::written;
use crate::report::{Form, shown};
use crate::serve::{Failure, executor};
use crate::workflows::{StepPrograms, call, compiled, run_plan, runner, tell};

/// The widest that an output or an error of a step is shown, in characters.
const STEP_MAX: usize = 200;

/// What to do with runs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists the runs: how far each is, when it began, and when it went on last. Also while another process runs one.
    List {
        /// Where the runs are, and how they are shown.
        #[command(flatten)]
        kept: Kept,
    },
    /// Tells of one run what its record says: of each step how far it is, how often it was tried, and its output or
    /// error, cut. Also while another process runs it.
    Show {
        /// The name of the run.
        name: String,
        /// Where the runs are, and how they are shown.
        #[command(flatten)]
        kept: Kept,
    },
    /// Goes on with a run that a crash ended, by its name alone: what was done is not done again. Writes the output of
    /// the run on stdout, and on stderr what its steps do.
    Resume {
        /// The name of the run.
        name: String,
        /// Where the runs are, and how they are shown.
        #[command(flatten)]
        kept: Kept,
        /// Programs that steps may call.
        #[command(flatten)]
        programs: StepPrograms,
    },
    /// Cancels a run that has not ended, for good.
    Cancel {
        /// The name of the run.
        name: String,
        /// Where the runs are, and how they are shown.
        #[command(flatten)]
        kept: Kept,
    },
    /// Runs a run again from the steps that failed; otherwise as `resume`.
    Retry {
        /// The name of the run.
        name: String,
        /// Where the runs are, and how they are shown.
        #[command(flatten)]
        kept: Kept,
        /// Programs that steps may call.
        #[command(flatten)]
        programs: StepPrograms,
    },
}

/// Where runs are, and how they are shown.
#[derive(Clone, Debug, clap::Args)]
pub struct Kept {
    /// The directory that keeps the runs (`workflow run --runs DIR`).
    #[arg(long, value_name = "DIR")]
    pub runs: PathBuf,
    /// Writes one JSON document; the output of a run that goes on is one anyway.
    #[arg(long)]
    pub json: bool,
}

/// Does it; says whether all went as it had to.
///
/// # Errors
///
/// If the runs cannot be read, are damaged, or are in use; if there is no such run, or it is not one to do this with.
pub fn run(root: &Path, command: &Command) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match command {
        Command::List { kept } => list(&mut out, kept)?,
        Command::Show { name, kept } => show(&mut out, name, kept)?,
        Command::Cancel { name, kept } => {
            cancel(name, kept)?;
            show(&mut out, name, kept)?;
        }
        Command::Resume { name, kept, programs } => {
            drop(out);
            return go_on(root, name, kept, programs, false);
        }
        Command::Retry { name, kept, programs } => {
            drop(out);
            return go_on(root, name, kept, programs, true);
        }
    }
    Ok(true)
}

/// Opens the runs in a directory, which is made if it is not there: one process at a time has them.
///
/// # Errors
///
/// If another process has them, they are damaged, or cannot be read or written.
pub(crate) fn open(directory: &Path) -> Result<PlanRuns, Failure> {
    PlanRuns::open(directory).map_err(|error| match error.is_in_use() {
        true => format!(
            "the runs in {} are in use by another process, and one at a time may have them: wait until it ends, or end it \
             (`workbench runs list` and `show` work meanwhile)",
            directory.display()
        )
        .into(),
        false => format!("cannot open the runs in {}: {error}", directory.display()).into(),
    })
}

/// Says of a run that did not succeed by which command it goes on, if any does.
pub(crate) async fn tell_how_to_go_on(runs: &PlanRuns, name: &str, directory: &Path) {
    if let Ok(Some(run)) = runs.show(name).await
        && let Some(hint) = hint(&run, directory)
    {
        // Whoever does not see it asks `show`.
        let _ = writeln!(io::stderr(), "{hint}");
    }
}

fn list(out: &mut impl io::Write, kept: &Kept) -> Result<(), Failure> {
    let (runs, times) = (look(&kept.runs)?, times(&kept.runs)?);
    if kept.json {
        let runs = runs.iter().map(|run| document(run, &times)).collect::<Result<Vec<_>, _>>()?;
        writeln!(out, "{}", json!({ "runs": runs }))?;
        return Ok(());
    }
    if runs.is_empty() {
        writeln!(out, "no run is kept in {}", kept.runs.display())?;
    }
    for run in &runs {
        let done = run.steps().filter(|(_, state)| matches!(*state, "succeeded" | "skipped")).count();
        let (state, steps) = (state(run), run.steps().count());
        writeln!(out, "{:<24} {state:<10} {done} of {steps} steps  {}", run.name(), when(run, &times))?;
    }
    Ok(())
}

fn show(out: &mut impl io::Write, name: &str, kept: &Kept) -> Result<(), Failure> {
    let (run, times) = (find(name, &kept.runs)?, times(&kept.runs)?);
    let document = document(&run, &times)?;
    if kept.json {
        writeln!(out, "{document}")?;
        return Ok(());
    }
    let form = Form::of_stdout(false);
    writeln!(out, "{}: {}, {}", form.paint("1", name), state(&run), when(&run, &times))?;
    for step in document["steps"].as_array().into_iter().flatten() {
        let text = |member: &str| step[member].as_str().unwrap_or("");
        let state = match text("state") {
            "running" => "begun",
            "waiting" if run.state() == PlanRunState::Finished => "not run",
            state => state,
        };
        let attempts = match step["attempts"].as_u64() {
            None | Some(0) => String::new(),
            Some(1) => "1 attempt".to_owned(),
            Some(attempts) => format!("{attempts} attempts"),
        };
        let end = match state {
            "begun" => "no end is recorded",
            "failed" => text("error"),
            _ => text("output"),
        };
        let line = format!("  {:<24} {state:<10} {attempts:<11} {}", text("step"), shown(end, STEP_MAX));
        writeln!(out, "{}", line.trim_end())?;
    }
    if let Some(hint) = hint(&run, &kept.runs) {
        writeln!(out, "{hint}")?;
    }
    Ok(())
}

fn cancel(name: &str, kept: &Kept) -> Result<(), Failure> {
    let run = find(name, &kept.runs)?;
    is_ours(&run)?;
    if run.state() == PlanRunState::Finished {
        return Err(format!("run `{name}` has ended ({}): there is nothing to cancel", state(&run)).into());
    }
    let runs = open(&kept.runs)?;
    Ok(executor()?.block_on(runs.cancel(name, &Principal::anonymous()))?)
}

/// Goes on with a run; `again`: from the steps that failed.
fn go_on(
    root: &Path,
    name: &str,
    kept: &Kept,
    programs: &StepPrograms,
    again: bool,
) -> Result<bool, Failure> {
    let run = find(name, &kept.runs)?;
    is_ours(&run)?;
    match (state(&run), again) {
        ("succeeded", true) => {
            let text = format!(
                "run `{name}` succeeded: no step is left to run again; `runs resume` writes its output"
            );
            return Err(text.into());
        }
        ("failed", false) => {
            let text =
                format!("run `{name}` failed, and stays so: `runs retry {name}` runs the failed steps again");
            return Err(text.into());
        }
        ("cancelled", _) => {
            let text = format!("run `{name}` was cancelled: begin another one (`workflow run --name NAME`)");
            return Err(text.into());
        }
        _ => {}
    }
    let (_runtime, runner) = runner(root, programs)?;
    let form = Form::of_stdout(kept.json);
    let plan = match compiled(&runner, run.document().to_owned()) {
        Ok(plan) => plan,
        Err(refused) => {
            let what = format!("the document of run `{name}`, with the tools that there are now");
            tell(&mut io::stderr().lock(), &what, &refused, form)?;
            if programs.programs.is_none() {
                let _ = writeln!(
                    io::stderr(),
                    "If its steps call programs, give the file that declares them: --programs FILE"
                );
            }
            return Ok(false);
        }
    };
    let runs = open(&kept.runs)?;
    executor()?.block_on(async {
        let start = runs.begin(name, &plan, runner.input(&call()?)).await?;
        let start = if again { start.rerun_failed() } else { start };
        let is_done = run_plan(&plan, start, None, false, form).await?;
        if !is_done {
            tell_how_to_go_on(&runs, name, &kept.runs).await;
        }
        Ok(is_done)
    })
}

/// All runs, as they are on disk: whoever has them open is not disturbed.
fn look(directory: &Path) -> Result<Vec<PlanRun>, Failure> {
    PlanRuns::look(directory).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => " (`workbench workflow run FILE --runs DIR --name NAME` begins one)",
            _ => "",
        };
        format!("cannot read the runs in {}: {error}{hint}", directory.display()).into()
    })
}

fn find(name: &str, directory: &Path) -> Result<PlanRun, Failure> {
    let is_it = |run: &PlanRun| run.name() == name;
    look(directory)?.into_iter().find(is_it).ok_or_else(|| {
        let place = directory.display();
        format!(
            "there is no run `{name}` in {place}: `workbench runs list --runs {place}` shows which there are"
        )
        .into()
    })
}

/// A run of a server's user is that user's.
fn is_ours(run: &PlanRun) -> Result<(), Failure> {
    match run.owner() {
        "" => Ok(()),
        owner => {
            let text = format!(
                "run `{}` belongs to `{}`: the server that began it goes on with it",
                run.name(),
                shown(owner, 60)
            );
            Err(text.into())
        }
    }
}

/// When each run began, and when something of it was recorded last.
type Times = HashMap<String, (SystemTime, SystemTime)>;

fn times(directory: &Path) -> Result<Times, Failure> {
    let mut times = Times::new();
    let mut reader = LogReader::open(directory)?;
    while let Some(record) = reader.next_record()? {
        // A run's records are under its name, or under that and what follows a `~`, which is in no name.
        let run = record.correlation().split('~').next().unwrap_or_default();
        let time = record.time();
        if record.kind() == "run.removed" {
            times.remove(run);
        } else if let Some((_, last)) = times.get_mut(run) {
            *last = time;
        } else {
            times.insert(run.to_owned(), (time, time));
        }
    }
    Ok(times)
}

/// The run as JSON.
fn document(run: &PlanRun, times: &Times) -> Result<Value, Failure> {
    let mut document = serde_json::to_value(run)?;
    if let Some((began, last)) = times.get(run.name()) {
        document["began"] = written(*began).into();
        document["changed"] = written(*last).into();
    }
    Ok(document)
}

fn when(run: &PlanRun, times: &Times) -> String {
    times.get(run.name()).map_or_else(String::new, |(began, last)| {
        format!("began {}, changed {}", written(*began), written(*last))
    })
}

/// How the run ended, or that it did not, in a word.
fn state(run: &PlanRun) -> &'static str {
    match run.state() {
        PlanRunState::Cancelled => "cancelled",
        PlanRunState::Finished if has_failed(run) => "failed",
        PlanRunState::Finished => "succeeded",
        PlanRunState::Running => "running",
        _ => "unfinished",
    }
}

fn has_failed(run: &PlanRun) -> bool {
    serde_json::to_value(run).is_ok_and(|run| run["outcome"] != "succeeded")
}

/// What to do about a run that did not succeed.
fn hint(run: &PlanRun, directory: &Path) -> Option<String> {
    let (what, verb) = match state(run) {
        "failed" => ("runs the failed steps again", "retry"),
        "unfinished" | "running" => ("goes on with it, once no other process runs it", "resume"),
        _ => return None,
    };
    Some(format!("`workbench runs {verb} {} --runs {}` {what}", run.name(), directory.display()))
}
