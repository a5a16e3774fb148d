//! What a run tells those who listen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::compiled::StepId;
use crate::state::{Cause, RunOutcome, StepState};

/// Something that happened in a run.
#[derive(Clone, Debug)]
pub struct RunEvent {
    /// When.
    pub at: Instant,
    /// How many steps had ended, this one among them.
    pub completed: usize,
    /// How many steps the plan has.
    pub total: usize,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An attempt began.
    Started {
        /// The step.
        step: StepId,
        /// Its name.
        name: Arc<str>,
        /// Which attempt, from one.
        attempt: u32,
    },
    /// An attempt failed, and another will follow.
    Retrying {
        /// The step.
        step: StepId,
        /// Its name.
        name: Arc<str>,
        /// When the next attempt is due.
        at: Instant,
        /// Why this one failed.
        cause: Cause,
    },
    /// A step reached its end; each does so once.
    Ended {
        /// The step.
        step: StepId,
        /// Its name.
        name: Arc<str>,
        /// The end.
        state: StepState,
        /// Why, if it ended without a value.
        cause: Option<Cause>,
        /// How long its last attempt took, if there was one in this life of the run.
        took: Option<Duration>,
    },
    /// The run is over; nothing follows.
    Finished(RunOutcome),
}
