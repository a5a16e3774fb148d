//! A look at a journal's file from outside.

use std::fs;
use std::io;
use std::path::Path;

use super::file_error::JournalError;
use super::frames::{Judged, parts, payload, scan};
use super::index::{Index, RecordedRun};
use crate::journal::JournalEntry;

/// What a journal's file held at one time, read without its lock and without changing anything: for
/// tools that look at a journal while its owner writes.
///
/// It keeps a copy of the file in memory.
#[derive(Debug)]
pub struct JournalView {
    bytes: Vec<u8>,
    index: Index,
    whole: usize,
    damaged: bool,
}

impl JournalView {
    /// Reads the file. Call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no journal. Damage is no error here: see
    /// [`damaged_at`](Self::damaged_at).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| JournalError::io(path, error))?;
        let mut index = Index::default();
        let (whole, damaged) = match scan(&bytes, |at, size, payload| index.read(at, size, payload)) {
            Judged::Whole(whole) => (whole, false),
            Judged::Damaged(at) => (at, true),
            Judged::Foreign => return Err(JournalError::foreign(path)),
        };
        Ok(Self { bytes, index, whole, damaged })
    }

    /// The runs before the first damage, by name.
    #[must_use]
    pub fn list(&self) -> Vec<RecordedRun> {
        self.index.list()
    }

    /// The entries of a run; empty for a run nobody heard of.
    ///
    /// # Errors
    ///
    /// When an entry is of a kind that this version does not know.
    pub fn load(&self, run: &str) -> io::Result<Vec<JournalEntry>> {
        let mut entries = Vec::new();
        for &(at, length) in self.index.of(run).map_or(&[][..], |lines| &lines.ranges) {
            decode(&self.bytes[at as usize..(at + length) as usize], at, &mut entries)?;
        }
        Ok(entries)
    }

    /// How many bytes at the end are no whole entry: a write that was torn, or is under way.
    #[must_use]
    pub const fn torn(&self) -> usize {
        if self.damaged { 0 } else { self.bytes.len() - self.whole }
    }

    /// The offset at which the file is damaged, with whole entries behind it.
    #[must_use]
    pub fn damaged_at(&self) -> Option<u64> {
        self.damaged.then_some(self.whole as u64)
    }
}

/// Appends the entries of frames that lie side by side; `at` is where they lie in the file.
pub(super) fn decode(mut bytes: &[u8], at: u64, entries: &mut Vec<JournalEntry>) -> io::Result<()> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let length = bytes.len();
    while !bytes.is_empty() {
        let offset = at + (length - bytes.len()) as u64;
        let (payload, size) =
            payload(bytes).ok_or_else(|| invalid(format!("the journal is damaged at byte {offset}")))?;
        let entry = parts(payload).and_then(|(_, entry)| JournalEntry::decode(entry));
        entries.push(entry.ok_or_else(|| invalid(format!("unknown entry at byte {offset}")))?);
        bytes = &bytes[size..];
    }
    Ok(())
}
