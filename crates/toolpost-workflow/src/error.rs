//! What goes wrong: in a step, and in a plan.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a step failed. Any error converts into it, so `?` works in a step.
#[derive(Clone)]
pub struct StepError {
    source: Arc<dyn Error + Send + Sync>,
    permanent: bool,
}

impl StepError {
    /// An error that is only a message.
    #[must_use]
    pub fn message(text: impl Into<String>) -> Self {
        Self::from(Message(text.into()))
    }

    /// The same error, which no retry will cure.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.permanent = true;
        self
    }

    /// Whether retrying is pointless.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// The error itself, with its chain of sources.
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        Self { source: Arc::new(error), permanent: false }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

struct Message(String);

impl Error for Message {}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One thing wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Two steps share this name.
    Duplicate {
        /// The name.
        step: String,
    },
    /// A step depends on one that does not exist.
    Missing {
        /// The step.
        step: String,
        /// What it asked for.
        dependency: String,
    },
    /// Steps wait for each other.
    Cycle {
        /// The way around, each step depending on the one before it; the first name stands again at the end.
        path: Vec<String>,
    },
    /// A step uses a handle of another workflow.
    Foreign {
        /// The step.
        step: String,
    },
    /// The output names a step that does not exist, or a handle of another workflow.
    Output,
    /// More steps or edges than 32 bits count.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { step } => write!(f, "step `{step}` is declared twice"),
            Self::Missing { step, dependency } => {
                write!(f, "step `{step}` depends on `{dependency}`, which does not exist")
            }
            Self::Cycle { path } => write!(f, "steps wait for each other: {}", path.join(" -> ")),
            Self::Foreign { step } => write!(f, "step `{step}` uses a handle of another workflow"),
            Self::Output => f.write_str("the output is no step of this workflow"),
            Self::TooLarge => f.write_str("more steps or edges than 32 bits count"),
        }
    }
}

/// Everything wrong with a plan, found in one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPlan {
    faults: Vec<Fault>,
}

impl InvalidPlan {
    /// The faults; at least one.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(crate) const fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl Error for InvalidPlan {}
