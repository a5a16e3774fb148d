//! Whose fault an outcome is.

use toolpost_protocol::Code;
use toolpost_tool::{ErrorKind, Output, ToolError};

/// What the outcome of a call says about the tool that was called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It works: it answered, if only to say no.
    Works,
    /// It answered with a result that reports an error (`isError`).
    ReportsError,
    /// It failed: an error, a panic, something it needs that cannot be reached.
    Fails,
    /// It did not end in time.
    TimesOut,
    /// Nothing: the caller left before the end.
    Cancelled,
    /// Nothing: the caller's arguments, or its message, were at fault.
    CallersFault,
    /// Nothing: this runtime refused the call before the tool saw it.
    Refused,
    /// Nothing yet: the call waits for input.
    InputRequired,
}

impl Verdict {
    /// Judges an outcome.
    ///
    /// A time limit that is the caller's own deadline is [`TimesOut`](Self::TimesOut) too: whoever knows the deadline
    /// can tell the two apart.
    #[must_use]
    pub fn of(result: &Result<Output, ToolError>) -> Self {
        let error = match result {
            Ok(output) if output.is_error() => return Self::ReportsError,
            Ok(_) => return Self::Works,
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::InvalidArguments => Self::CallersFault,
            ErrorKind::Protocol => match error.as_protocol().map(toolpost_protocol::Error::code) {
                Some(Code::INTERNAL_ERROR) => Self::Fails,
                _ => Self::CallersFault,
            },
            ErrorKind::Refused(_) => Self::Refused,
            ErrorKind::InputRequired => Self::InputRequired,
            ErrorKind::TimedOut => Self::TimesOut,
            // Failed, panicked, unavailable, and what may come to be.
            _ => Self::Fails,
        }
    }
}
