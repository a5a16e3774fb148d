//! What a breaker tells about itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::policy::Tally;
use crate::sync::{AtomicU64, Ordering};
use crate::word::{Phase, Word};

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
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

/// In lower case, as a log has it: `closed`, `open`, `half-open`, `forced open`, `forced closed`.
impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced open",
            Self::ForcedClosed => "forced closed",
        })
    }
}

impl From<Phase> for BreakerState {
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

/// A change of state, as told to [`BreakerSettings::on_transition`](crate::BreakerSettings::on_transition).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The name of the breaker, if it has one; see [`Breaker::named`](crate::Breaker::named).
    pub name: Option<Arc<str>>,
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
    /// The generation that begins; it tells the order of events that two threads tell at once.
    pub generation: u32,
    /// When.
    pub at: Instant,
    /// For how long it opened, if it did.
    pub open_for: Option<Duration>,
}

impl Transition {
    pub(crate) fn new(
        from: Word,
        to: Word,
        at: Instant,
        open_for: Option<Duration>,
        name: Option<Arc<str>>,
    ) -> Self {
        Self { name, from: from.phase.into(), to: to.phase.into(), generation: to.generation, at, open_for }
    }
}

/// A breaker at one moment.
///
/// Calls that are admitted while closed are not counted: that would be a write for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: BreakerState,
    /// How many transitions there were, modulo 2^20.
    pub generation: u32,
    /// What the window holds; empty unless closed.
    pub window: Tally,
    /// How long it stays open; `None` unless it is open and its time has not come.
    pub retry_after: Option<Duration>,
    /// Probes under way.
    pub probes: u16,
    /// How often it opened, or gave its probes up, since it was last closed; counted to 16.
    pub openings: u8,
    /// Answers of `admit` and `peek` that said no, since it was made.
    pub refused: u64,
    /// Times it opened by itself, since it was made.
    pub opened: u64,
    /// Calls let through while half-open, since it was made.
    pub probed: u64,
    /// Times it gave up on probes that did not report, since it was made.
    pub given_up: u64,
}

/// What a breaker did since it was made.
#[derive(Debug)]
pub(crate) struct Counts {
    refused: AtomicU64,
    opened: AtomicU64,
    probed: AtomicU64,
    given_up: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self { refused: zero(), opened: zero(), probed: zero(), given_up: zero() }
    }
}

impl Counts {
    #[inline]
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn probe(&self, gives_up: bool) {
        self.probed.fetch_add(1, Ordering::Relaxed);
        if gives_up {
            self.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self, into: &mut Snapshot) {
        into.refused = self.refused.load(Ordering::Relaxed);
        into.opened = self.opened.load(Ordering::Relaxed);
        into.probed = self.probed.load(Ordering::Relaxed);
        into.given_up = self.given_up.load(Ordering::Relaxed);
    }
}
