//! Where in a log each run's entries are.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use toolpost_journal::{LogError, LogReader, LogRecord};
use toolpost_workflow::{JournalEntry, RunOutcome};

/// The kind of the record that removes a run, with all that came before.
pub(crate) const REMOVED: &str = "run.removed";

/// The kind of an entry's record.
pub(crate) const fn kind(entry: &JournalEntry) -> &'static str {
    match entry {
        JournalEntry::Opened { .. } => "run.opened",
        JournalEntry::Started { .. } => "step.started",
        JournalEntry::Retrying { .. } => "step.retrying",
        JournalEntry::Succeeded { .. } => "step.succeeded",
        JournalEntry::Failed { .. } => "step.failed",
        JournalEntry::Skipped { .. } => "step.skipped",
        JournalEntry::Cleared { .. } => "step.cleared",
        JournalEntry::Ended { .. } => "run.ended",
        _ => "run.entry",
    }
}

/// Per run, where its entries are and whether it has ended. In memory: for each run its name, and 16 bytes for each group of
/// its entries that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Index {
    runs: BTreeMap<Box<str>, Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// Sequence numbers that follow each other.
    ranges: Vec<Range<u64>>,
    entries: u64,
    bytes: u64,
    /// Whether the last entry says that the run has ended, and how.
    ended: Option<Option<RunOutcome>>,
}

impl Index {
    /// Reads the records from where the reader stands to before `end`.
    pub(crate) fn read(&mut self, reader: &mut LogReader, end: u64) -> Result<(), LogError> {
        while reader.position() < end
            && let Some(record) = reader.next_record()?
        {
            self.note(&record);
        }
        Ok(())
    }

    fn note(&mut self, record: &LogRecord<'_>) {
        let (run, seq) = (record.correlation(), record.seq());
        if record.kind() == REMOVED {
            self.runs.remove(run);
            return;
        }
        let lines = match self.runs.get_mut(run) {
            Some(lines) => lines,
            None => self.runs.entry(run.into()).or_default(),
        };
        match lines.ranges.last_mut() {
            Some(range) if range.end == seq => range.end += 1,
            _ => lines.ranges.push(seq..seq + 1),
        }
        lines.entries += 1;
        lines.bytes += record.payload().len() as u64;
        lines.ended = match JournalEntry::decode(record.payload()) {
            Some(JournalEntry::Ended { outcome }) => Some(Some(outcome)),
            _ if record.kind() == "run.ended" => Some(None),
            _ => None,
        };
    }

    /// Where the run's entries are; nothing of a run that is not known.
    pub(crate) fn ranges(&self, run: &str) -> Vec<Range<u64>> {
        self.runs.get(run).map_or_else(Vec::new, |lines| lines.ranges.clone())
    }

    pub(crate) fn knows(&self, run: &str) -> bool {
        self.runs.contains_key(run)
    }

    pub(crate) fn list(&self) -> Vec<RecordedRun> {
        let runs = self.runs.iter();
        runs.map(|(name, lines)| RecordedRun {
            name: name.to_string(),
            entries: lines.entries,
            bytes: lines.bytes,
            ended: lines.ended,
        })
        .collect()
    }
}

/// Reads entries back.
pub(crate) fn load(reader: &mut LogReader, ranges: &[Range<u64>]) -> io::Result<Vec<JournalEntry>> {
    let mut entries = Vec::new();
    for range in ranges {
        reader.seek(range.start)?;
        while reader.position() < range.end
            && let Some(record) = reader.next_record()?
        {
            let entry = JournalEntry::decode(record.payload()).ok_or_else(|| {
                let text = format!("record {} is no entry of a run that this version knows", record.seq());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// A run that a journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    name: String,
    entries: u64,
    bytes: u64,
    ended: Option<Option<RunOutcome>>,
}

impl RecordedRun {
    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing is left to do: each of its steps ended for good. A run that was dropped, cancelled or cut off by its
    /// deadline is not finished, nor is one with a step whose outcome is unknown.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.ended.is_some()
    }

    /// How it ended, if it is finished.
    #[must_use]
    pub fn outcome(&self) -> Option<RunOutcome> {
        self.ended.flatten()
    }

    /// How many entries there are.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// How many bytes those are, without names and what the log adds.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}
