//! How starting a program, or talking to it, can fail.

use std::io;
use std::path::PathBuf;

use toolpost_tool::{ErrorKind, ToolError};

/// Why a program could not be started, or could not be listened to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no such program: neither at that path, nor in a directory of `PATH`.
    #[error("the program `{}` was not found", .0.display())]
    NotFound(PathBuf),
    /// The program may not be executed.
    #[error("the program `{}` may not be executed", .0.display())]
    NotPermitted(PathBuf),
    /// The directory to run it in is none.
    #[error("the directory `{}` to run a program in was not found", .0.display())]
    NoDirectory(PathBuf),
    /// The system could not start it, for want of processes or descriptors say.
    #[error("the program `{}` could not be started: {source}", program.display())]
    Start {
        /// What was to be started.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This system cannot do what was asked for, so the program was not started.
    #[error("this system cannot {0}")]
    Unsupported(&'static str),
    /// As many processes run as may run at once.
    #[error("{0} processes run, and no more may run at once")]
    TooMany(usize),
    /// The supervisor was stopped, and starts nothing more.
    #[error("no program is started any more: the server is ending")]
    Stopped,
    /// A secret is longer than the 4,096 bytes that an inherited descriptor holds.
    #[error("the secret `{0}` is longer than 4,096 bytes")]
    LongSecret(String),
    /// A line has no end within the limit.
    #[error("a line is longer than its limit of {limit} bytes: {seen} bytes have come without an end")]
    LongLine {
        /// The longest line that is read, in bytes.
        limit: usize,
        /// How many bytes had come when the reader stopped.
        seen: usize,
    },
    /// Reading, writing or waiting failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ProcessError {
    /// This error as that of a call: [`Unavailable`](ErrorKind::Unavailable) where trying again may help, else
    /// [`Failed`](ErrorKind::Failed).
    #[must_use]
    pub fn into_tool_error(self) -> ToolError {
        let kind = match self {
            Self::Start { .. } | Self::TooMany(_) | Self::Io(_) => ErrorKind::Unavailable,
            Self::Stopped => ErrorKind::Unavailable,
            _ => ErrorKind::Failed,
        };
        ToolError::from(self).of_kind(kind)
    }
}
