//! Why a journal's file could not be opened.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal's file could not be opened. It converts into an [`io::Error`].
#[derive(Debug)]
pub struct JournalError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    InUse,
    Damaged(u64),
    Foreign,
    Io(io::Error),
}

impl JournalError {
    pub(super) fn in_use(path: &Path) -> Self {
        Self { path: path.to_owned(), why: Why::InUse }
    }

    pub(super) fn damaged(path: &Path, offset: u64) -> Self {
        Self { path: path.to_owned(), why: Why::Damaged(offset) }
    }

    pub(super) fn foreign(path: &Path) -> Self {
        Self { path: path.to_owned(), why: Why::Foreign }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), why: Why::Io(error) }
    }

    /// Whether somebody else has the journal open, in this process or another.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self.why, Why::InUse)
    }

    /// Where the file is damaged, if that is why: the offset of the first frame that is not whole
    /// although whole frames follow. Nothing was changed. [`JournalView`](super::JournalView) shows
    /// what comes before it.
    #[must_use]
    pub const fn damaged_at(&self) -> Option<u64> {
        match self.why {
            Why::Damaged(offset) => Some(offset),
            _ => None,
        }
    }

    /// What kind of I/O error this is.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match &self.why {
            Why::InUse => io::ErrorKind::ResourceBusy,
            Why::Damaged(_) | Why::Foreign => io::ErrorKind::InvalidData,
            Why::Io(error) => error.kind(),
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::InUse => write!(f, "the journal {path} is in use: it is open elsewhere"),
            Why::Damaged(offset) => write!(
                f,
                "the journal {path} is damaged at byte {offset}, and whole entries follow; nothing was changed"
            ),
            Why::Foreign => write!(f, "{path}: the file is no workflow journal"),
            Why::Io(error) => write!(f, "the journal {path}: {error}"),
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<JournalError> for io::Error {
    fn from(error: JournalError) -> Self {
        Self::new(error.kind(), error)
    }
}
