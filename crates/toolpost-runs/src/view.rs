//! A look at a journal from outside.

use std::io;
use std::path::Path;

use toolpost_journal::{LogError, LogReader};
use toolpost_workflow::JournalEntry;

use crate::index::{Index, RecordedRun, load};

/// What a journal held at one time, read without its lock and without changing anything: for tools that look at a journal
/// while its owner writes.
#[derive(Debug)]
pub struct JournalView {
    reader: LogReader,
    index: Index,
    damage: Option<LogError>,
}

impl JournalView {
    /// Reads the journal in the directory `path`. Call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When there is no journal, or it cannot be read. Damage is no error here: see [`damage`](Self::damage).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, LogError> {
        let mut reader = LogReader::open(path)?;
        let mut index = Index::default();
        let damage = match index.read(&mut reader, u64::MAX) {
            Ok(()) => None,
            Err(error) if error.damaged_at().is_some() => Some(error),
            Err(error) => return Err(error),
        };
        Ok(Self { reader, index, damage })
    }

    /// The runs before the first damage, by name.
    #[must_use]
    pub fn list(&self) -> Vec<RecordedRun> {
        self.index.list()
    }

    /// The entries of a run; empty for a run nobody heard of. Call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or one is of a kind that this version does not know.
    pub fn load(&mut self, run: &str) -> io::Result<Vec<JournalEntry>> {
        load(&mut self.reader, &self.index.ranges(run))
    }

    /// Where the journal is damaged, if it is: nothing behind that is shown.
    #[must_use]
    pub const fn damage(&self) -> Option<&LogError> {
        self.damage.as_ref()
    }
}
