//! What goes wrong: in a step, and in a plan.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a step failed. Any error converts into it, and so does a text, so `?` works in a step, and so does
/// `Err("too big".into())`.
///
/// It is no [`Error`] itself, or no other error could convert into it; [`into_std`](Self::into_std) makes
/// one of it, and `?` does where a `Box<dyn Error>` is wanted.
///
/// ```
/// use toolpost_workflow::StepError;
///
/// fn port(text: &str) -> Result<u16, StepError> {
///     if text.is_empty() {
///         return Err("no port is given".into());
///     }
///     Ok(text.parse()?)
/// }
///
/// fn main_port() -> Result<u16, Box<dyn std::error::Error>> {
///     Ok(port("80")?)
/// }
///
/// assert_eq!(main_port().unwrap(), 80);
/// assert_eq!(port("").unwrap_err().to_string(), "no port is given");
/// assert!(port("x").unwrap_err().as_error().is::<std::num::ParseIntError>());
/// ```
#[derive(Clone)]
pub struct StepError {
    source: Arc<dyn Error + Send + Sync>,
    permanent: bool,
    retry_after: Option<Duration>,
}

impl StepError {
    /// An error that is only a message.
    #[must_use]
    pub fn message(text: impl Into<String>) -> Self {
        Self { source: Arc::new(Message(text.into())), permanent: false, retry_after: None }
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

    /// The same error, which asks not to be tried again before this time is over: a retry waits that long
    /// at least, also beyond the policy's cap.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// How long a retry waits at least, if the error says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The error itself, with its chain of sources.
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }

    /// The same as a standard error. Its source is the error itself, whose text it shows.
    #[must_use]
    pub fn into_std(self) -> Box<dyn Error + Send + Sync> {
        Box::new(Wrapped(self))
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for StepError {
    fn from(error: E) -> Self {
        Self { source: Arc::from(error.into()), permanent: false, retry_after: None }
    }
}

impl From<StepError> for Box<dyn Error> {
    fn from(error: StepError) -> Self {
        error.into_std()
    }
}

/// A step's error where a standard one is wanted.
#[derive(Debug)]
struct Wrapped(StepError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_error())
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

/// Steps of a cycle that its text names, and faults that the text of a plan does.
const CYCLE_SHOWN: usize = 12;
const FAULTS_SHOWN: usize = 20;

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
    /// The output names a step that does not exist.
    Output {
        /// The name.
        step: String,
    },
    /// The output is a handle of another workflow.
    ForeignOutput,
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
            Self::Cycle { path } => {
                f.write_str("steps wait for each other: ")?;
                match path.len().checked_sub(CYCLE_SHOWN) {
                    Some(more @ 1..) => {
                        let (first, last) = (&path[..CYCLE_SHOWN - 2], &path[path.len() - 2..]);
                        write!(f, "{} -> ({more} more) -> {}", first.join(" -> "), last.join(" -> "))
                    }
                    _ => f.write_str(&path.join(" -> ")),
                }
            }
            Self::Foreign { step } => write!(f, "step `{step}` uses a handle of another workflow"),
            Self::Output { step } => {
                write!(f, "the output is no step of this workflow: there is no `{step}`")
            }
            Self::ForeignOutput => f.write_str("the output is a handle of another workflow"),
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
        for (i, fault) in self.faults.iter().take(FAULTS_SHOWN).enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        match self.faults.len().checked_sub(FAULTS_SHOWN) {
            Some(more @ 1..) => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}

impl Error for InvalidPlan {}
