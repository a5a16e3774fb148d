//! What a run came to.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::driver::Driver;
use crate::compiled::StepId;
use crate::needs::StepHandle;
use crate::policy::OnFailure;
use crate::run::Run;
use crate::state::{Cause, RunOutcome, StepState};
use crate::value::Value;

/// How a run ended: its state at the end, and every value that was computed on the way.
pub struct RunReport<O> {
    run: Run,
    /// The step that gives the output, unless the input is the output.
    last: Option<StepId>,
    output: Option<Value>,
    types: PhantomData<fn() -> O>,
}

impl<O: Send + Sync + 'static> RunReport<O> {
    pub(super) fn new(driver: Driver) -> Self {
        let (run, last, output) = driver.into_parts();
        Self { run, last, output, types: PhantomData }
    }

    /// How the run ended.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        self.run.outcome().unwrap_or(RunOutcome::Cancelled)
    }

    /// The plan's output, if the step that gives it succeeded, whatever became of the others.
    #[must_use]
    pub fn output(&self) -> Option<Arc<O>> {
        self.output.clone()?.downcast().ok()
    }

    /// The value of one step, if it succeeded.
    #[must_use]
    pub fn value<T: Send + Sync + 'static>(&self, step: StepHandle<T>) -> Option<Arc<T>> {
        self.run.values().get(step.slot as usize)?.clone()?.downcast().ok()
    }

    /// The value of one step, by name and of this type.
    #[must_use]
    pub fn value_of<T: Send + Sync + 'static>(&self, step: &str) -> Option<Arc<T>> {
        let step = self.run.graph().find(step)?;
        self.run.values().get(step.index())?.clone()?.downcast().ok()
    }

    /// The final state of the run: every step's end, cause, attempts and times.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// The output, or why there is none.
    ///
    /// # Errors
    ///
    /// When the run did not succeed, or its output step was skipped.
    pub fn into_result(self) -> Result<Arc<O>, RunError> {
        match (self.outcome(), self.output()) {
            (RunOutcome::Succeeded, Some(output)) => Ok(output),
            (outcome, _) => Err(RunError::new(outcome, &self.run, self.last)),
        }
    }
}

impl<O> fmt::Debug for RunReport<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunReport")
            .field("run", &self.run)
            .field("outcome", &self.run.outcome())
            .finish_non_exhaustive()
    }
}

/// Why a run has no output: the step that decided it, and its cause.
///
/// Its text includes that of the step's error, which is also its [source](Error::source).
#[derive(Clone, Debug)]
pub struct RunError {
    outcome: RunOutcome,
    plan: Arc<str>,
    step: Option<(StepId, Arc<str>)>,
    cause: Option<Cause>,
}

impl RunError {
    fn new(outcome: RunOutcome, run: &Run, output: Option<StepId>) -> Self {
        let first =
            |decides: &dyn Fn(StepId) -> bool| run.ended().iter().copied().find(|&step| decides(step));
        let (step, cause) = match outcome {
            // A failure that is allowed decides nothing.
            RunOutcome::Failed => {
                let decides =
                    |step| run.state(step) == StepState::Failed && run.failure_rule(step) != OnFailure::Allow;
                let step = first(&decides);
                (step, step.and_then(|step| run.cause(step)))
            }
            RunOutcome::Unknown => {
                let step = first(&|step| run.state(step) == StepState::Unknown);
                (step, step.and_then(|step| run.cause(step)))
            }
            // What ended the run is about no step; a deadline is about those it cut off.
            RunOutcome::Cancelled => {
                let cause =
                    first(&|step| run.state(step) == StepState::Cancelled).and_then(|step| run.cause(step));
                let cut = first(&|step| run.state(step) == StepState::Cancelled && 0 < run.attempts(step));
                (cut.filter(|_| matches!(cause, Some(Cause::Deadline))), cause)
            }
            // The output was skipped: back to where that began.
            RunOutcome::Succeeded => match output.and_then(|output| run.causes(output).last()) {
                Some((step, cause)) => (Some(step), Some(cause)),
                None => (output, None),
            },
        };
        Self {
            outcome,
            plan: Arc::clone(&run.graph().name),
            step: step.map(|step| (step, Arc::clone(&run.graph().names[step.index()]))),
            cause: cause.cloned(),
        }
    }

    /// How the run ended.
    #[must_use]
    pub const fn outcome(&self) -> RunOutcome {
        self.outcome
    }

    /// The name of the step that decided it; of a run that its deadline ended, a step that was cut off.
    /// None if it was no step: the run was refused, dropped or cancelled, or its journal failed.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.step.as_ref().map(|(_, name)| &**name)
    }

    /// Why that step ended as it did.
    #[must_use]
    pub const fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, .. } = self;
        match (&self.step, &self.cause) {
            (Some((_, step)), Some(cause @ Cause::Error(_))) => {
                write!(f, "step `{step}` of workflow `{plan}` failed: {cause}")
            }
            (Some((_, step)), Some(cause)) => write!(f, "step `{step}` of workflow `{plan}`: {cause}"),
            (None, Some(cause)) => write!(f, "workflow `{plan}`: {cause}"),
            _ => write!(f, "workflow `{plan}` did not succeed"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(Cause::Error(error) | Cause::Journal(error) | Cause::Refused(error)) => {
                Some(error.as_error())
            }
            _ => None,
        }
    }
}
