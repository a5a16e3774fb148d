//! What a run can be asked.

use std::sync::Arc;
use std::time::Instant;

use super::{Run, Tally};
use crate::compiled::{CompiledGraph, StepId};
use crate::policy::OnFailure;
use crate::rules::RunOptions;
use crate::state::{Cause, RunOutcome, StepState};

impl Run {
    /// The plan's structure.
    #[must_use]
    pub const fn graph(&self) -> &Arc<CompiledGraph> {
        &self.graph
    }

    /// Where a step stands.
    #[must_use]
    pub fn state(&self, step: StepId) -> StepState {
        self.memory.cells[step.index()].state
    }

    /// How many attempts of a step have begun.
    #[must_use]
    pub fn attempts(&self, step: StepId) -> u32 {
        self.memory.cells[step.index()].attempts
    }

    /// When the last attempt of a step began, if one did and the rules say [`timed`](RunOptions::timed).
    #[must_use]
    pub fn started_at(&self, step: StepId) -> Option<Instant> {
        self.spans.get(step.index())?.started
    }

    /// When a step ended, if it did and the rules say [`timed`](RunOptions::timed).
    #[must_use]
    pub fn ended_at(&self, step: StepId) -> Option<Instant> {
        self.spans.get(step.index())?.ended
    }

    /// Why a step ended without a value, or why its last attempt failed.
    #[must_use]
    pub fn cause(&self, step: StepId) -> Option<&Cause> {
        self.causes.get(&step.0)
    }

    /// The chain of causes from a step back to where it began.
    pub fn causes(&self, step: StepId) -> impl Iterator<Item = (StepId, &Cause)> {
        std::iter::successors(self.cause(step).map(|cause| (step, cause)), |(_, cause)| match cause {
            Cause::Dependency(from, _) | Cause::FailFast(from, _) => {
                self.cause(*from).map(|cause| (*from, cause))
            }
            _ => None,
        })
    }

    /// The steps that have ended, in the order in which they did.
    #[must_use]
    pub fn ended(&self) -> &[StepId] {
        &self.ended
    }

    /// How many attempts are under way.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// Whether a step could start if a permit were free.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.paused && !self.ready.is_empty()
    }

    /// Whether every step has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ended.len() == self.memory.cells.len()
    }

    /// How the run ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<RunOutcome> {
        self.is_finished().then_some(match self.tally {
            Tally { failed: 1.., .. } => RunOutcome::Failed,
            Tally { cancelled: 1.., .. } => RunOutcome::Cancelled,
            Tally { unknown: 1.., .. } => RunOutcome::Unknown,
            _ => RunOutcome::Succeeded,
        })
    }

    /// The rules of this run.
    #[must_use]
    pub const fn rules(&self) -> &RunOptions {
        &self.rules
    }

    /// Whether nothing is left for a later life of this run: each step ended for good.
    pub(crate) fn is_settled(&self) -> bool {
        let ended_by_plan = |step: &&StepId| {
            self.state(**step) != StepState::Cancelled
                || matches!(self.cause(**step), Some(Cause::FailFast(..)))
        };
        self.is_finished()
            && self.tally.unknown == 0
            && self.tally.late == 0
            && (self.tally.cancelled == 0 || self.ended.iter().all(|step| ended_by_plan(&step)))
    }

    /// Whether the last failure was final only because the deadline is nearer than the next attempt.
    pub(crate) const fn was_late(&self) -> bool {
        self.late
    }

    /// What a failure of this step means.
    pub(crate) fn failure_rule(&self, step: StepId) -> OnFailure {
        self.graph.policy(step.0).failure_rule().unwrap_or(self.rules.on_failure)
    }
}
