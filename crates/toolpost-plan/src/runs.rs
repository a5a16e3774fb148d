//! Runs that have names, and survive a crash: begun, looked at, resumed, cancelled.

mod record;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use toolpost_json::{Frame, Limits};
use toolpost_runs::journal::LogError;
use toolpost_runs::{FileJournal, JournalView};
use toolpost_tool::{Call, ErrorKind, Principal, ToolError};
use toolpost_workflow::rt::{Control, Start};
use toolpost_workflow::{Journal, JournalEntry, RunOutcome};

use crate::document::PlanDocument;
use crate::limits::PlanLimits;
use crate::plan::CompiledPlan;
use crate::run::{PlanInput, StepCaller};
use crate::tools::PlanTools;
use crate::value::PlanValue;
use record::{Kept, key_of, owner_of};

pub use record::{PlanRun, PlanRunState};

/// Keeps runs of plans in a journal on disk: each has a name, and goes on after a crash where it stopped.
///
/// A step whose end is recorded does not run again. One that was under way and is safe to repeat does; one that is not is
/// asked about ([`Start::decide_unknown`]), and left as it is until somebody answers: the run ends, and says that the
/// outcome is unknown. With the steps the journal keeps the document, the input, and whose run it is, so that a name is
/// enough to go on.
///
/// A run is its principal's: nobody else resumes or cancels it, or is told that there is such a run.
///
/// ```
/// use std::sync::Arc;
/// use toolpost_plan::{PlanDocument, PlanInput, PlanLimits, PlanRunState, PlanRuns, PlanTool, PlanTools, StepCall, StepCaller};
/// use toolpost_tool::{BoxFuture, Call, Output, ToolError, ToolSpec};
///
/// struct Tools(ToolSpec);
///
/// impl PlanTools for Tools {
///     fn find(&self, name: &str) -> Option<PlanTool<'_>> {
///         (name == self.0.name()).then(|| PlanTool::new(&self.0))
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("runs");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (tools, limits) = (Tools(ToolSpec::new("charge")?), PlanLimits::default());
/// let text = r#"{"steps": {"pay": {"tool": "charge"}}, "output": {"$ref": "/steps/pay/output"}, "durable": "order-42"}"#;
/// let plan = PlanDocument::parse(text, &limits)?.compile(&tools, &limits)?;
/// let caller: Arc<dyn StepCaller> = Arc::new(|_: StepCall| -> BoxFuture<'static, Result<Output, ToolError>> {
///     Box::pin(async { Output::json("paid") })
/// });
/// let call = || Call::new(&serde_json::json!({}));
///
/// let runs = PlanRuns::open(&path)?;
/// let run = runs.begin("order-42", &plan, PlanInput::new(call()?, caller.clone())).await?;
/// assert_eq!(plan.finish(run.run().await)?.structured(), Some("\"paid\""));
///
/// // In another process, after a crash: what was done is not done again.
/// let (plan, run) = runs.resume("order-42", &tools, &limits, call()?, caller).await?;
/// assert_eq!(plan.finish(run.run().await)?.structured(), Some("\"paid\""));
/// assert_eq!(runs.list().await?[0].state(), PlanRunState::Finished);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct PlanRuns {
    journal: Arc<FileJournal>,
    /// What is under way here, as long as it is; no more than there are runs.
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    /// By name: how what was prepared is cancelled, and whether it is still there. Of several one runs, and all are cancelled.
    runs: HashMap<Arc<str>, Vec<(Control, Weak<()>)>>,
    /// What was cancelled here, until it is removed: nothing of it is prepared any more, however far that was.
    cancelled: HashSet<String>,
}

impl PlanRuns {
    /// Opens the journal at this path, or creates it.
    ///
    /// # Errors
    ///
    /// As [`FileJournal::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LogError> {
        FileJournal::open(path).map(Self::of)
    }

    /// Keeps runs in a journal that is open.
    #[must_use]
    pub fn of(journal: FileJournal) -> Self {
        Self { journal: Arc::new(journal), running: Mutex::default() }
    }

    /// Prepares a run of this name. If there is one already, of the same document and input, and of the same principal, it
    /// goes on where it stopped.
    ///
    /// # Errors
    ///
    /// When the name is no name of a run, is taken by a run of another document, input or principal, or by one that was
    /// cancelled; or when the journal fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the name may be taken or not.
    pub async fn begin(
        &self,
        name: &str,
        plan: &CompiledPlan,
        input: PlanInput,
    ) -> Result<Start<PlanInput, PlanValue>, ToolError> {
        let mine = Kept::of(plan.document(), &input);
        let mut found = self.kept(name).await?;
        if found.is_none() {
            let plan = mine.encode()?;
            let entry = JournalEntry::Opened { version: 0, plan, input: None };
            self.journal.append(&key_of(name), &[entry]).await.map_err(broken)?;
            // Whoever came first has the name.
            found = self.kept(name).await?;
        }
        match found {
            Some(theirs) if theirs.owner != mine.owner => Err(taken(name)),
            Some(theirs) if theirs.cancelled => Err(cancelled(name)),
            Some(theirs) if theirs.document != mine.document => Err(differs(name, "document")),
            Some(theirs) if theirs.input != mine.input => Err(differs(name, "input")),
            _ => self.start(name, plan, input),
        }
    }

    /// Prepares a run to go on, by its name alone: its document is checked anew against the tools that there are now.
    ///
    /// What failed stays failed, unless [`Start::rerun_failed`] is asked for.
    ///
    /// # Errors
    ///
    /// When the principal of `call` has no run of that name, it was cancelled, its document is refused now, or the journal
    /// fails.
    ///
    /// # Cancel safety
    ///
    /// Reads alone.
    pub async fn resume(
        &self,
        name: &str,
        tools: &dyn PlanTools,
        limits: &PlanLimits,
        call: Call,
        caller: Arc<dyn StepCaller>,
    ) -> Result<(CompiledPlan, Start<PlanInput, PlanValue>), ToolError> {
        let kept = self.kept_by(name, call.principal()).await?;
        if kept.cancelled {
            return Err(cancelled(name));
        }
        let refused = |refused| ToolError::from(refused).of_kind(ErrorKind::InvalidArguments);
        let document = PlanDocument::parse(kept.document, limits).map_err(refused)?;
        let plan = document.compile(tools, limits).map_err(refused)?;
        let input = Frame::from_text(kept.input, &Limits::new()).map_err(ToolError::from)?;
        let start = self.start(name, &plan, PlanInput::new(call, caller).with_input(input))?;
        Ok((plan, start))
    }

    /// Cancels a run for good: what runs here is dropped, and nobody resumes it.
    ///
    /// # Errors
    ///
    /// When `by` has no run of that name, or the journal fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped, what runs is dropped, and the run may be cancelled or not.
    pub async fn cancel(&self, name: &str, by: &Principal) -> Result<(), ToolError> {
        let kept = self.kept_by(name, by).await?;
        let prepared = {
            let mut running = self.running();
            running.cancelled.insert(name.to_owned());
            running.runs.remove(name)
        };
        for (control, _) in prepared.into_iter().flatten() {
            control.cancel();
        }
        if !kept.cancelled {
            let entry = JournalEntry::Ended { outcome: RunOutcome::Cancelled };
            self.journal.append(&key_of(name), &[entry]).await.map_err(broken)?;
        }
        Ok(())
    }

    /// Forgets a run, whatever became of it.
    ///
    /// # Errors
    ///
    /// When `by` has no run of that name, it is under way, or the journal fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the run may be forgotten or not.
    pub async fn remove(&self, name: &str, by: &Principal) -> Result<(), ToolError> {
        self.kept_by(name, by).await?;
        if self.is_running(name) {
            return Err(ToolError::new(format!("run `{name}` is under way: cancel it first")));
        }
        // Together: a document without its steps would be run from the start.
        self.journal.remove_all(&[name, &key_of(name)]).await.map_err(broken)?;
        self.running().cancelled.remove(name);
        Ok(())
    }

    /// All runs, by name.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads alone.
    pub async fn list(&self) -> io::Result<Vec<PlanRun>> {
        let mut runs = Vec::new();
        for name in names(self.journal.list()?.iter().map(|run| run.name())) {
            runs.extend(self.show(&name).await?);
        }
        Ok(runs)
    }

    /// One run, and how far each of its steps is.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Reads alone.
    pub async fn show(&self, name: &str) -> io::Result<Option<PlanRun>> {
        let kept = self.journal.load(&key_of(name)).await?;
        let steps = self.journal.load(name).await?;
        Ok(PlanRun::read(name, &kept, &steps, self.is_running(name)))
    }

    /// All runs of the journal at this path, by name, without opening it: while another process has it. What runs there is shown as
    /// unfinished.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read, is none, or is damaged: what is before the damage a
    /// [`JournalView`](toolpost_runs::JournalView) shows.
    pub fn look(path: impl AsRef<Path>) -> io::Result<Vec<PlanRun>> {
        let mut view = JournalView::read(path)?;
        if let Some(damage) = view.damage() {
            return Err(damage.clone().into());
        }
        let mut runs = Vec::new();
        for name in names(view.list().iter().map(|run| run.name())) {
            let (kept, steps) = (view.load(&key_of(&name))?, view.load(&name)?);
            runs.extend(PlanRun::read(&name, &kept, &steps, false));
        }
        Ok(runs)
    }

    fn start(
        &self,
        name: &str,
        plan: &CompiledPlan,
        input: PlanInput,
    ) -> Result<Start<PlanInput, PlanValue>, ToolError> {
        let alive = Arc::new(());
        let weak = Arc::downgrade(&alive);
        let (start, control) = plan.start(input).journal(self.journal.clone(), name).control();
        let mut running = self.running();
        if running.cancelled.contains(name) {
            return Err(cancelled(name));
        }
        running.runs.retain(|_, prepared| {
            prepared.retain(|(_, alive)| alive.strong_count() != 0);
            !prepared.is_empty()
        });
        running.runs.entry(name.into()).or_default().push((control, weak));
        drop(running);
        // It lives as long as the run does.
        Ok(start.listen(move |_| {
            let _ = &alive;
        }))
    }

    fn is_running(&self, name: &str) -> bool {
        let running = self.running();
        running.runs.get(name).is_some_and(|of| of.iter().any(|(_, alive)| alive.strong_count() != 0))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn kept(&self, name: &str) -> Result<Option<Kept>, ToolError> {
        if !crate::compile::is_run_name(name) {
            let message = "the name of a run has 1 to 128 letters, digits, `-`, `_` and `.`";
            return Err(ToolError::invalid_arguments(message));
        }
        let entries = self.journal.load(&key_of(name)).await.map_err(broken)?;
        Ok(Kept::read(&entries))
    }

    async fn kept_by(&self, name: &str, by: &Principal) -> Result<Kept, ToolError> {
        match self.kept(name).await? {
            Some(kept) if kept.owner == owner_of(by) => Ok(kept),
            _ => Err(ToolError::invalid_arguments(format!("you have no run `{name}`"))),
        }
    }
}

impl fmt::Debug for PlanRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanRuns").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// Names of runs, of those of records.
fn names<'a>(records: impl Iterator<Item = &'a str>) -> Vec<String> {
    records.filter_map(record::run_of).map(String::from).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broken(error: io::Error) -> ToolError {
    ToolError::unavailable(format!("the journal of runs failed: {error}"))
}

fn taken(name: &str) -> ToolError {
    ToolError::invalid_arguments(format!("the name `{name}` is taken: choose another one"))
}

fn cancelled(name: &str) -> ToolError {
    ToolError::invalid_arguments(format!("run `{name}` was cancelled: begin another one under another name"))
}

fn differs(name: &str, what: &str) -> ToolError {
    ToolError::invalid_arguments(format!("run `{name}` began with another {what}: choose another name"))
}
