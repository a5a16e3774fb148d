//! Why a log could not be opened, read or written.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a log could not be opened, read or written. It converts into an [`io::Error`]; a clone is cheap.
#[derive(Clone, Debug)]
pub struct LogError {
    path: Arc<Path>,
    why: Why,
}

#[derive(Clone, Debug)]
enum Why {
    InUse,
    Damaged {
        at: u64,
        what: &'static str,
    },
    Foreign,
    Key(&'static str),
    Gone {
        seq: u64,
        nearest: u64,
    },
    NotThere(u64),
    Invalid(&'static str),
    #[cfg(feature = "tokio")]
    Full,
    Failed(Arc<io::Error>),
    Io(Arc<io::Error>),
}

impl LogError {
    fn new(path: impl Into<PathBuf>, why: Why) -> Self {
        Self { path: path.into().into(), why }
    }

    pub(crate) fn in_use(path: &Path) -> Self {
        Self::new(path, Why::InUse)
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, at: u64, what: &'static str) -> Self {
        Self::new(path, Why::Damaged { at, what })
    }

    pub(crate) fn foreign(path: impl Into<PathBuf>) -> Self {
        Self::new(path, Why::Foreign)
    }

    pub(crate) fn key(path: &Path, fault: &'static str) -> Self {
        Self::new(path, Why::Key(fault))
    }

    pub(crate) fn missing(path: &Path, seq: u64, nearest: u64) -> Self {
        Self::new(path, Why::Gone { seq, nearest })
    }

    pub(crate) fn not_there(path: &Path, seq: u64) -> Self {
        Self::new(path, Why::NotThere(seq))
    }

    pub(crate) fn invalid(path: &Path, what: &'static str) -> Self {
        Self::new(path, Why::Invalid(what))
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn full(path: &Path) -> Self {
        Self::new(path, Why::Full)
    }

    pub(crate) fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::new(path, Why::Io(Arc::new(error)))
    }

    /// What every call gets once a write or a sync has failed.
    pub(crate) fn as_failed(&self) -> Self {
        let why = match &self.why {
            Why::Io(error) => Why::Failed(Arc::clone(error)),
            other => other.clone(),
        };
        Self { path: Arc::clone(&self.path), why }
    }

    /// Whether another writer has the log open, in this process or another.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self.why, Why::InUse)
    }

    /// The file that is damaged and the offset in bytes, if damage is why. Nothing was changed.
    #[must_use]
    pub fn damaged_at(&self) -> Option<(&Path, u64)> {
        match self.why {
            Why::Damaged { at, .. } => Some((&self.path, at)),
            _ => None,
        }
    }

    /// Whether the log was written with another key, or with one where none was given, or without one.
    #[must_use]
    pub const fn is_wrong_key(&self) -> bool {
        matches!(self.why, Why::Key(_))
    }

    /// If the record asked for is not there any more, because its segment was removed, or not there yet: the sequence number
    /// of the nearest that is there, or will be.
    #[must_use]
    pub const fn gone(&self) -> Option<u64> {
        match self.why {
            Why::Gone { nearest, .. } => Some(nearest),
            _ => None,
        }
    }

    /// Whether as much waits to be written as may: `rt::Log::offer` found no room.
    #[must_use]
    #[cfg(feature = "tokio")]
    pub const fn is_full(&self) -> bool {
        matches!(self.why, Why::Full)
    }

    /// What kind of I/O error this is.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match &self.why {
            Why::InUse => io::ErrorKind::ResourceBusy,
            Why::Damaged { .. } | Why::Foreign | Why::NotThere(_) => io::ErrorKind::InvalidData,
            Why::Key(_) => io::ErrorKind::PermissionDenied,
            Why::Gone { .. } => io::ErrorKind::NotFound,
            Why::Invalid(_) => io::ErrorKind::InvalidInput,
            #[cfg(feature = "tokio")]
            Why::Full => io::ErrorKind::WouldBlock,
            Why::Failed(error) | Why::Io(error) => error.kind(),
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::InUse => write!(f, "the log {path} is in use: another writer has it open"),
            Why::Damaged { at, what } => {
                write!(f, "{path} is damaged at byte {at}: {what}; nothing was changed")
            }
            Why::Foreign => write!(f, "{path} is no log of this version"),
            Why::Key(fault) => write!(f, "the log {path} {fault}"),
            Why::Gone { seq, nearest } => {
                write!(f, "record {seq} is not in the log {path}; the nearest is {nearest}")
            }
            Why::NotThere(seq) => write!(
                f,
                "the log {path} does not lead to the given head of record {seq}: records were changed or cut off"
            ),
            Why::Invalid(what) => write!(f, "{what} (log {path})"),
            #[cfg(feature = "tokio")]
            Why::Full => write!(f, "as much waits to be written to the log {path} as may"),
            Why::Failed(error) => {
                write!(f, "the log {path} takes no more until it is opened anew, for a write failed: {error}")
            }
            Why::Io(error) => write!(f, "the log {path}: {error}"),
        }
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Failed(error) | Why::Io(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        Self::new(error.kind(), error)
    }
}
