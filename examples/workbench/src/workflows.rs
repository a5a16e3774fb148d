//! Workflows in files: checked, and run with a view of their steps.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use toolpost::plan::{CompiledPlan, PlanDocument, PlanInput, PlanLimits, PlanValue, RefusedPlan};
use toolpost::workflow::rt::Start;
use toolpost::workflow::{EventKind, RunEvent};
use toolpost::{Peers, PlanRunner, Runtime};
use toolpost_tool::{Call, NoArgs, Principal};

use crate::clock::now;
use crate::programs::Declared;
use crate::report::{Form, shown};
use crate::runs;
use crate::serve::{Failure, executor, runtime};

/// The columns of a timeline.
const WIDTH: usize = 60;

/// The widest that a fault of a step is shown, in characters.
const FAULT_MAX: usize = 200;

/// What to do with a workflow.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Runs the workflow of a file over the tools; writes its output on stdout, and on stderr what its steps do.
    Run {
        /// The document, as JSON.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Draws when each step ran into this file.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Writes the workflow as it ran on stdout too, as a Mermaid flowchart.
        #[arg(long)]
        mermaid: bool,
        /// Keeps the run in this directory, under a name: it goes on after a crash (`workbench runs`). Where there is one of that
        /// name, of the same document, it goes on where it stopped.
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
        /// The name of the run; that of the document (`durable`) unless told otherwise.
        #[arg(long, value_name = "NAME", requires = "runs")]
        name: Option<String>,
        /// Programs that steps may call.
        #[command(flatten)]
        programs: StepPrograms,
    },
    /// Says everything that is wrong with the workflow of a file, each with its place and how to mend it; ends badly if
    /// anything is. Nothing is run.
    Check {
        /// The document, as JSON.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Programs that steps may call.
        #[command(flatten)]
        programs: StepPrograms,
    },
}

/// Programs that steps may call.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StepPrograms {
    /// Lets steps call the programs of this TOML file too (`[programs.NAME]`), of those that say `read-only = true`.
    #[arg(long, value_name = "FILE")]
    pub programs: Option<PathBuf>,
}

/// Does it; says whether all went as it had to.
///
/// # Errors
///
/// If `root` is no readable directory, or a file cannot be read or written.
pub fn run(root: &Path, command: &Command, form: Form) -> Result<bool, Failure> {
    let (file, programs) = match command {
        Command::Run { file, programs, .. } | Command::Check { file, programs } => (file, programs),
    };
    let (_runtime, runner) = runner(root, programs)?;
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the workflow {}: {error}", file.display()))?;
    let plan = match compiled(&runner, text) {
        Ok(plan) => plan,
        Err(refused) => {
            tell(&mut io::stderr().lock(), &file.display().to_string(), &refused, form)?;
            return Ok(false);
        }
    };
    let (svg, mermaid, runs, name) = match command {
        Command::Check { .. } => {
            let (steps, calls) =
                (plan.graph().steps().filter(|step| !is_ours(plan.graph().step_name(*step))), plan.calls());
            let reads = if plan.annotations().read_only == Some(true) { ", only reads" } else { "" };
            writeln!(
                io::stdout(),
                "{}: {} steps, at most {calls} calls{reads}: nothing is wrong",
                file.display(),
                steps.count()
            )?;
            return Ok(true);
        }
        Command::Run { svg, mermaid, runs, name, .. } => (svg, *mermaid, runs, name),
    };
    let Some(directory) = runs else {
        return match plan.durable() {
            Some(name) => Err(format!(
                "{}: /durable: the run `{name}` needs a directory that keeps it: give --runs DIR, or leave `durable` out",
                file.display()
            )
            .into()),
            None => executor()?.block_on(async {
                let start = plan.start(runner.input(&call()?));
                run_plan(&plan, start, svg.as_deref(), mermaid, form).await
            }),
        };
    };
    let Some(name) = name.as_deref().or_else(|| plan.durable()) else {
        let message = "the run has no name: give --name NAME, or a `durable` in the document";
        return Err(format!("{}: {message}", file.display()).into());
    };
    let kept = runs::open(directory)?;
    executor()?.block_on(async {
        let start = kept.begin(name, &plan, runner.input(&call()?)).await?;
        let is_done = run_plan(&plan, start, svg.as_deref(), mermaid, form).await?;
        if !is_done {
            runs::tell_how_to_go_on(&kept, name, directory).await;
        }
        Ok(is_done)
    })
}

/// The call that a run is run for.
pub(crate) fn call() -> Result<Call, Failure> {
    Ok(Call::new(&NoArgs {})?)
}

/// What runs workflows over the tools, as long as the runtime is there.
pub(crate) fn runner(root: &Path, programs: &StepPrograms) -> Result<(Runtime, PlanRunner), Failure> {
    let mut declared = Declared::of(programs.programs.as_deref())?;
    let runtime = runtime(root, |builder| declared.set_up(builder))?;
    let peers = Peers::new();
    let _first = peers.bind(&runtime);
    Ok((runtime, PlanRunner::new(&peers).read_only()))
}

pub(crate) fn compiled(runner: &PlanRunner, text: String) -> Result<CompiledPlan, RefusedPlan> {
    let document = PlanDocument::parse(text, &PlanLimits::default());
    document.and_then(|document| runner.compile(&document, &Principal::anonymous()))
}

/// Says all that is wrong with the document of this name.
pub(crate) fn tell(
    out: &mut impl io::Write,
    name: &str,
    refused: &RefusedPlan,
    form: Form,
) -> io::Result<()> {
    for fault in refused.faults() {
        let place = match fault.path() {
            "" => "the document",
            path => path,
        };
        let (place, message) = (shown(place, FAULT_MAX), shown(fault.message(), 1_000));
        writeln!(out, "{} {}: {message}", form.paint("31", "FAIL"), form.paint("1", &place))?;
        if let Some(hint) = fault.hint() {
            writeln!(out, "     {}", shown(hint, 1_000))?;
        }
    }
    let count = refused.faults().len();
    writeln!(out, "{name}: {count} wrong, and nothing was run")
}

/// Runs what was prepared, shown while it lasts; says whether it succeeded.
pub(crate) async fn run_plan(
    plan: &CompiledPlan,
    start: Start<PlanInput, PlanValue>,
    svg: Option<&Path>,
    mermaid: bool,
    form: Form,
) -> Result<bool, Failure> {
    let mut view = View::new(plan, form);
    let report = start.timed().listen(move |event| view.show(event)).run().await;
    let (run, ended) = (report.run(), now());
    // A timeline that nobody can see is not missed.
    let _ = write!(io::stderr(), "\n{}", run.timeline(ended, WIDTH));
    if let Some(svg) = svg {
        std::fs::write(svg, run.timeline_svg(ended))
            .map_err(|error| format!("cannot write {}: {error}", svg.display()))?;
    }
    let drawn = mermaid.then(|| run.to_mermaid());
    let mut out = io::stdout().lock();
    let is_done = match plan.finish(report) {
        Ok(output) => {
            let output: Value = serde_json::from_str(output.structured().unwrap_or("null"))?;
            serde_json::to_writer_pretty(&mut out, &output)?;
            writeln!(out)?;
            true
        }
        Err(error) => {
            let _ =
                writeln!(io::stderr(), "{} {}", form.paint("31", "FAIL"), shown(&error.to_string(), 1_000));
            false
        }
    };
    if let Some(drawn) = drawn {
        write!(out, "{drawn}")?;
    }
    Ok(is_done)
}

/// Whether a step is not of the document, but puts values together for it.
fn is_ours(name: &str) -> bool {
    name.contains('(')
}

/// The steps of a run on stderr: a line for each that changes with it on a terminal, elsewhere a line for each change.
struct View {
    is_live: bool,
    form: Form,
    /// In the order of the document.
    steps: Vec<(Arc<str>, String)>,
    is_drawn: bool,
}

impl View {
    fn new(plan: &CompiledPlan, form: Form) -> Self {
        let graph = plan.graph();
        let names = graph.steps().map(|step| graph.step_name(step)).filter(|name| !is_ours(name));
        let steps = names.map(|name| (Arc::from(name), "waits".to_owned())).collect();
        let is_live = form == Form::Terminal && io::stderr().is_terminal();
        Self { is_live, form, steps, is_drawn: false }
    }

    fn show(&mut self, event: &RunEvent) {
        let (name, line) = match &event.kind {
            EventKind::Started { name, attempt: 1, .. } => (name, "runs".to_owned()),
            EventKind::Started { name, attempt, .. } => (name, format!("runs, attempt {attempt}")),
            EventKind::Retrying { name, cause, .. } => (name, format!("will be tried again: {cause}")),
            EventKind::Ended { name, state, cause, took, .. } => {
                let took = took.map(|took| format!(" in {took:.1?}")).unwrap_or_default();
                let why = cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
                (name, format!("{state}{took}{why}"))
            }
            _ => return,
        };
        let Some(step) = self.steps.iter_mut().find(|(step, _)| step == name) else { return };
        step.1 = shown(&line, FAULT_MAX);
        // Who cannot be shown anything misses nothing else.
        let _ = if self.is_live { self.draw() } else { self.tell(name) };
    }

    fn tell(&self, name: &str) -> io::Result<()> {
        let line = self.steps.iter().find(|(step, _)| **step == *name).map_or("", |(_, line)| line);
        writeln!(io::stderr(), "{name}: {line}")
    }

    fn draw(&mut self) -> io::Result<()> {
        let mut out = io::stderr().lock();
        if std::mem::replace(&mut self.is_drawn, true) {
            write!(out, "\x1b[{}A", self.steps.len())?;
        }
        for (name, line) in &self.steps {
            let color = match line.split([' ', ':']).next() {
                Some("succeeded") => "32",
                Some("failed" | "cancelled" | "unknown") => "31",
                Some("runs" | "will") => "33",
                _ => "2",
            };
            writeln!(out, "\x1b[2K{name:<24} {}", self.form.paint(color, line))?;
        }
        out.flush()
    }
}
