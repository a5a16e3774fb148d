//! Where a step stands, and why.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::compiled::StepId;
use crate::error::StepError;

/// Where a step stands. The last five are ends: a step reaches exactly one of them, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepState {
    /// Something it depends on has not ended.
    Waiting,
    /// It may start as soon as a permit is free.
    Ready,
    /// An attempt is under way.
    Running,
    /// An attempt failed, and the next one is not due yet.
    Delayed,
    /// It ended with a value.
    Succeeded,
    /// Its last attempt failed.
    Failed,
    /// It never ran: a condition said no, or something it needs did not succeed.
    Skipped,
    /// It was dropped, or never started, because the run ended first.
    Cancelled,
    /// It was started before a crash, may have had its effect, and nobody decided what to do.
    Unknown,
}

impl StepState {
    /// Whether this is an end.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled | Self::Unknown)
    }

    /// One lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Delayed => "delayed",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a step ended without a value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It returned this error.
    Error(StepError),
    /// It ran longer than its limit.
    Overran(Duration),
    /// It panicked with this message.
    Panicked(Arc<str>),
    /// Its own condition said no.
    Condition,
    /// This step, which it needs, did not succeed.
    Dependency(StepId, Arc<str>),
    /// This step failed, and its failure ends the run.
    FailFast(StepId, Arc<str>),
    /// The run's deadline passed.
    Deadline,
    /// Whoever held the run dropped it.
    Dropped,
    /// Whoever controls the run cancelled it.
    Cancelled,
    /// The run was refused before its first step: its name is in use, or its record is of another plan or
    /// input, or cannot be read by this one.
    Refused(StepError),
    /// A start without an end was found in the journal.
    OutcomeUnknown,
    /// The journal could not be read or written.
    Journal(StepError),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Overran(limit) => write!(f, "ran longer than {limit:?}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Condition => f.write_str("its condition was not met"),
            Self::Dependency(_, name) => write!(f, "needs step `{name}`, which did not succeed"),
            Self::FailFast(_, name) => write!(f, "step `{name}` failed and ended the run"),
            Self::Deadline => f.write_str("the run's deadline passed"),
            Self::Dropped => f.write_str("the run was dropped"),
            Self::Cancelled => f.write_str("the run was cancelled"),
            Self::Refused(error) => error.fmt(f),
            Self::OutcomeUnknown => f.write_str("it was started before a crash and its outcome is unknown"),
            Self::Journal(error) => write!(f, "the journal failed: {error}"),
        }
    }
}

/// How a whole run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunOutcome {
    /// Every step succeeded, was skipped by a condition, or failed where that was allowed.
    Succeeded,
    /// A step failed.
    Failed,
    /// The run was stopped before its end, and no step failed.
    Cancelled,
    /// No step failed, and the outcome of one is unknown.
    Unknown,
}

/// How a step ended in an earlier life of the run.
#[derive(Clone, Debug)]
pub(crate) enum RecordedOutcome {
    /// It did not end, and may run.
    Missing,
    /// With a value.
    Succeeded,
    /// With this error.
    Failed(StepError),
    /// Its condition said no.
    Skipped,
    /// It was started, and nobody decided what to do about it.
    Unknown,
    /// It was started, and counts as failed.
    GivenUp,
}
