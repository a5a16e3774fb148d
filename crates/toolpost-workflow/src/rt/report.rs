//! What a run came to.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::driver::Driver;
use crate::needs::Handle;
use crate::run::Run;
use crate::shape::StepId;
use crate::state::{Cause, Outcome, State};
use crate::value::Value;

/// How a run ended: its state at the end, and every value that was computed on the way.
pub struct Report<O> {
    run: Run,
    output: Option<Value>,
    types: PhantomData<fn() -> O>,
}

impl<O: Send + Sync + 'static> Report<O> {
    pub(super) fn new(driver: Driver) -> Self {
        let (run, output) = driver.into_parts();
        Self { run, output, types: PhantomData }
    }

    /// How the run ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.run.outcome().unwrap_or(Outcome::Cancelled)
    }

    /// The plan's output, if the step that gives it succeeded, whatever became of the others.
    #[must_use]
    pub fn output(&self) -> Option<Arc<O>> {
        self.output.clone()?.downcast().ok()
    }

    /// The value of one step, if it succeeded.
    #[must_use]
    pub fn value<T: Send + Sync + 'static>(&self, step: Handle<T>) -> Option<Arc<T>> {
        self.run.values().get(step.slot as usize)?.clone()?.downcast().ok()
    }

    /// The value of one step, by name and of this type.
    #[must_use]
    pub fn value_of<T: Send + Sync + 'static>(&self, step: &str) -> Option<Arc<T>> {
        let step = self.run.shape().find(step)?;
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
            (Outcome::Succeeded, Some(output)) => Ok(output),
            (outcome, _) => Err(RunError::new(outcome, &self.run)),
        }
    }
}

impl<O> fmt::Debug for Report<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("run", &self.run)
            .field("outcome", &self.run.outcome())
            .finish_non_exhaustive()
    }
}

/// Why a run has no output: the first step that failed, and its cause.
#[derive(Clone, Debug)]
pub struct RunError {
    outcome: Outcome,
    plan: Arc<str>,
    step: Option<(StepId, Arc<str>)>,
    cause: Option<Cause>,
}

impl RunError {
    fn new(outcome: Outcome, run: &Run) -> Self {
        let wanted = match outcome {
            Outcome::Failed => State::Failed,
            Outcome::Cancelled => State::Cancelled,
            Outcome::Unknown => State::Unknown,
            Outcome::Succeeded => State::Skipped,
        };
        let step = run.ended().iter().copied().find(|&step| run.state(step) == wanted);
        Self {
            outcome,
            plan: Arc::clone(&run.shape().name),
            step: step.map(|step| (step, Arc::clone(&run.shape().names[step.index()]))),
            cause: step.and_then(|step| run.cause(step).cloned()),
        }
    }

    /// How the run ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The name of the step that decided it.
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
            (Some((_, step)), Some(Cause::Error(_))) => {
                write!(f, "step `{step}` of workflow `{plan}` failed")
            }
            (Some((_, step)), Some(cause)) => write!(f, "step `{step}` of workflow `{plan}`: {cause}"),
            _ => write!(f, "workflow `{plan}` did not succeed"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(Cause::Error(error) | Cause::Journal(error)) => Some(error.as_error()),
            _ => None,
        }
    }
}
