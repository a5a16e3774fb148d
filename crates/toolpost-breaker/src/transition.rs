//! What a breaker tells about itself.

use std::time::{Duration, Instant};

use crate::policy::Tally;
use crate::word::{Phase, Word};

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Admits every call.
    Closed,
    /// Refuses every call until its time has come; the first call after that makes it half-open.
    Open,
    /// Admits a few calls as probes.
    HalfOpen,
    /// Refuses every call until [`reset`](crate::Breaker::reset).
    ForcedOpen,
    /// Admits every call and learns nothing from it, until [`reset`](crate::Breaker::reset).
    ForcedClosed,
}

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Closed => Self::Closed,
            Phase::Open { .. } => Self::Open,
            Phase::HalfOpen(_) => Self::HalfOpen,
            Phase::ForcedOpen => Self::ForcedOpen,
            Phase::ForcedClosed => Self::ForcedClosed,
        }
    }
}

/// A change of state, as told to [`Settings::on_transition`](crate::Settings::on_transition).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The generation that begins; it tells the order of events that two threads tell at once.
    pub generation: u32,
    /// When.
    pub at: Instant,
    /// For how long it opened, if it did.
    pub open_for: Option<Duration>,
}

impl Transition {
    pub(crate) fn new(from: Word, to: Word, at: Instant, open_for: Option<Duration>) -> Self {
        Self { from: from.phase.into(), to: to.phase.into(), generation: to.generation, at, open_for }
    }
}

/// A breaker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// How many transitions there were, modulo 2^20.
    pub generation: u32,
    /// What the window holds; empty unless closed.
    pub window: Tally,
    /// How long it stays open; `None` unless it is open and its time has not come.
    pub retry_after: Option<Duration>,
    /// Probes under way.
    pub probes: u16,
    /// How often it opened since it was last closed, counted to 16.
    pub openings: u8,
}
