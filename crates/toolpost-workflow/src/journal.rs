//! What a run writes down, so that after a crash only what is missing runs again.

use std::io;

use async_trait::async_trait;

use crate::compiled::StepId;
use crate::state::RunOutcome;

/// Keeps the entries of runs, so that after a crash only what is missing runs again. One journal may serve many
/// runs at once. `FileJournal` of the crate toolpost-runs is one; this is one in memory:
///
/// ```
/// use std::collections::HashMap;
/// use std::io;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::{Arc, Mutex};
/// use async_trait::async_trait;
/// use toolpost_workflow::{Journal, JournalEntry, Workflow};
///
/// #[derive(Default)]
/// struct InMemory(Mutex<HashMap<String, Vec<JournalEntry>>>);
///
/// #[async_trait]
/// impl Journal for InMemory {
///     async fn append(&self, run: &str, entries: &[JournalEntry]) -> io::Result<()> {
///         self.0.lock().unwrap().entry(run.to_owned()).or_default().extend_from_slice(entries);
///         Ok(())
///     }
///
///     async fn load(&self, run: &str) -> io::Result<Vec<JournalEntry>> {
///         Ok(self.0.lock().unwrap().get(run).cloned().unwrap_or_default())
///     }
/// }
///
/// let mut w = Workflow::<u64>::new("charge");
/// let cents = w.input();
/// let charges = Arc::new(AtomicU32::new(0));
/// let counted = Arc::clone(&charges);
/// let charged = w.step("charge").run(cents, move |cents| {
///     counted.fetch_add(1, Ordering::Relaxed);
///     async move { Ok(*cents) }
/// });
/// w.record(charged);
/// let plan = w.build(charged)?;
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let journal = Arc::new(InMemory::default());
/// let first = plan.start(100).journal(journal.clone(), "order 42").run().await;
/// let again = plan.start(100).journal(journal, "order 42").run().await;
/// assert_eq!(again.output(), first.output());
/// assert_eq!(charges.load(Ordering::Relaxed), 1, "the second life did not charge");
/// # });
/// # Ok::<_, toolpost_workflow::InvalidPlan>(())
/// ```
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends entries to a run's record. When it returns, they survive whatever the journal promises
    /// to survive; entries of one run keep their order.
    ///
    /// # Errors
    ///
    /// When the entries may be lost. The run is cancelled ([`Cause::Journal`](crate::Cause::Journal)), and what
    /// waited for them never begins.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the entries may be kept or not, but never some behind a gap.
    async fn append(&self, run: &str, entries: &[JournalEntry]) -> io::Result<()>;

    /// Gives everything ever appended for this run, in order; nothing for a run nobody heard of.
    ///
    /// # Errors
    ///
    /// When the record cannot be read whole. The run is cancelled before its first step.
    ///
    /// # Cancel safety
    ///
    /// Reads alone.
    async fn load(&self, run: &str) -> io::Result<Vec<JournalEntry>>;

    /// Tells journals apart within this process: one name runs once at a time in each. Two values that
    /// stand for one journal must say the same; a journal that is shared by reference alone need not
    /// care, for the default is its address.
    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// One line of a run's record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalEntry {
    /// The run began, with a plan of this version.
    Opened {
        /// [`CompiledGraph::version`](crate::CompiledGraph::version).
        version: u128,
        /// The plan in words: its name, revision and number of steps.
        plan: String,
        /// A digest of the input, if the run was told to keep one.
        input: Option<u64>,
    },
    /// An attempt began. Durable before the attempt, unless the step is repeatable.
    Started {
        /// The step.
        step: StepId,
    },
    /// An attempt failed, and another will follow.
    Retrying {
        /// The step.
        step: StepId,
    },
    /// A step succeeded. Durable before anything that depends on it begins.
    Succeeded {
        /// The step.
        step: StepId,
        /// Its value, if the plan records it.
        value: Option<Vec<u8>>,
    },
    /// A step failed for good.
    Failed {
        /// The step.
        step: StepId,
        /// What the error said.
        error: String,
    },
    /// A step's condition said no.
    Skipped {
        /// The step.
        step: StepId,
    },
    /// A step that had failed shall run again, as if it never had.
    Cleared {
        /// The step.
        step: StepId,
    },
    /// Every step has ended for good: nothing is left to do.
    Ended {
        /// How the run ended.
        outcome: RunOutcome,
    },
}

/// The first byte of an entry.
mod tag {
    use crate::state::RunOutcome;

    /// Without more than a version.
    pub(super) const OPENED_BARE: u8 = 0;
    pub(super) const STARTED: u8 = 1;
    pub(super) const RETRYING: u8 = 2;
    pub(super) const SUCCEEDED: u8 = 3;
    pub(super) const SUCCEEDED_WITH: u8 = 4;
    pub(super) const FAILED: u8 = 5;
    pub(super) const SKIPPED: u8 = 6;
    pub(super) const OPENED: u8 = 7;
    pub(super) const CLEARED: u8 = 8;
    pub(super) const ENDED: u8 = 9;
    pub(super) const fn of(outcome: RunOutcome) -> u8 {
        match outcome {
            RunOutcome::Succeeded => 0,
            RunOutcome::Failed => 1,
            RunOutcome::Cancelled => 2,
            RunOutcome::Unknown => 3,
        }
    }

    pub(super) const fn outcome(byte: u8) -> Option<RunOutcome> {
        match byte {
            0 => Some(RunOutcome::Succeeded),
            1 => Some(RunOutcome::Failed),
            2 => Some(RunOutcome::Cancelled),
            3 => Some(RunOutcome::Unknown),
            _ => None,
        }
    }
}

impl JournalEntry {
    /// Appends the entry as bytes: a tag, the step as four bytes if it is about one, then the rest;
    /// little-endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = |tag: u8, step: &StepId| {
            out.push(tag);
            out.extend(step.0.to_le_bytes());
        };
        match self {
            Self::Opened { version, plan, input } => {
                out.push(tag::OPENED);
                out.extend(version.to_le_bytes());
                out.push(u8::from(input.is_some()));
                out.extend(input.unwrap_or_default().to_le_bytes());
                out.extend(plan.as_bytes());
            }
            Self::Started { step } => head(tag::STARTED, step),
            Self::Retrying { step } => head(tag::RETRYING, step),
            Self::Succeeded { step, value: None } => head(tag::SUCCEEDED, step),
            Self::Succeeded { step, value: Some(value) } => {
                head(tag::SUCCEEDED_WITH, step);
                out.extend(value);
            }
            Self::Failed { step, error } => {
                head(tag::FAILED, step);
                out.extend(error.as_bytes());
            }
            Self::Skipped { step } => head(tag::SKIPPED, step),
            Self::Cleared { step } => head(tag::CLEARED, step),
            Self::Ended { outcome } => out.extend([tag::ENDED, tag::of(*outcome)]),
        }
    }

    /// Reads an entry back; `None` when the bytes are not exactly one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        match tag {
            tag::OPENED_BARE => {
                let version = u128::from_le_bytes(rest.try_into().ok()?);
                return Some(Self::Opened { version, plan: String::new(), input: None });
            }
            tag::OPENED => {
                let (version, rest) = rest.split_first_chunk()?;
                let (&known, rest) = rest.split_first()?;
                let (digest, plan) = rest.split_first_chunk()?;
                let input = match (known, u64::from_le_bytes(*digest)) {
                    (0, 0) => None,
                    (1, digest) => Some(digest),
                    _ => return None,
                };
                let version = u128::from_le_bytes(*version);
                return Some(Self::Opened { version, plan: text(plan)?, input });
            }
            tag::ENDED => {
                let [outcome] = rest else { return None };
                return Some(Self::Ended { outcome: tag::outcome(*outcome)? });
            }
            _ => {}
        }
        let (step, rest) = rest.split_first_chunk()?;
        let step = StepId(u32::from_le_bytes(*step));
        match (tag, rest) {
            (tag::STARTED, []) => Some(Self::Started { step }),
            (tag::RETRYING, []) => Some(Self::Retrying { step }),
            (tag::SUCCEEDED, []) => Some(Self::Succeeded { step, value: None }),
            (tag::SUCCEEDED_WITH, value) => Some(Self::Succeeded { step, value: Some(value.to_vec()) }),
            (tag::FAILED, error) => Some(Self::Failed { step, error: text(error)? }),
            (tag::SKIPPED, []) => Some(Self::Skipped { step }),
            (tag::CLEARED, []) => Some(Self::Cleared { step }),
            _ => None,
        }
    }
}
