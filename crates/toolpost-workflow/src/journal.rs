//! What a run writes down, so that after a crash only what is missing runs again.

use std::io;

use async_trait::async_trait;

use crate::shape::StepId;

/// Keeps the entries of runs. One journal may serve many runs at once.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends entries to a run's record. When it returns, they survive whatever the journal promises
    /// to survive; entries of one run keep their order.
    async fn append(&self, run: &str, entries: &[Entry]) -> io::Result<()>;

    /// Everything ever appended for this run, in order; empty for a run nobody heard of.
    async fn load(&self, run: &str) -> io::Result<Vec<Entry>>;
}

/// One line of a run's record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// The run began, with a plan of this version.
    Opened {
        /// [`Shape::version`](crate::Shape::version).
        version: u128,
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
}

impl Entry {
    /// Appends the entry as bytes: a tag, the step as four bytes, then the rest; little-endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = |tag: u8, step: &StepId| {
            out.push(tag);
            out.extend(step.0.to_le_bytes());
        };
        match self {
            Self::Opened { version } => {
                out.push(0);
                out.extend(version.to_le_bytes());
            }
            Self::Started { step } => head(1, step),
            Self::Retrying { step } => head(2, step),
            Self::Succeeded { step, value: None } => head(3, step),
            Self::Succeeded { step, value: Some(value) } => {
                head(4, step);
                out.extend(value);
            }
            Self::Failed { step, error } => {
                head(5, step);
                out.extend(error.as_bytes());
            }
            Self::Skipped { step } => head(6, step),
        }
    }

    /// Reads an entry back; `None` when the bytes are not exactly one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        if tag == 0 {
            return Some(Self::Opened { version: u128::from_le_bytes(rest.try_into().ok()?) });
        }
        let (step, rest) = rest.split_first_chunk()?;
        let step = StepId(u32::from_le_bytes(*step));
        match (tag, rest) {
            (1, []) => Some(Self::Started { step }),
            (2, []) => Some(Self::Retrying { step }),
            (3, []) => Some(Self::Succeeded { step, value: None }),
            (4, value) => Some(Self::Succeeded { step, value: Some(value.to_vec()) }),
            (5, error) => Some(Self::Failed { step, error: String::from_utf8(error.to_vec()).ok()? }),
            (6, []) => Some(Self::Skipped { step }),
            _ => None,
        }
    }
}
