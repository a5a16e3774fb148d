//! Where in a journal's file each run's entries lie.

use std::collections::BTreeMap;

use super::frames::{Frame, Kind, kind, parts};
use crate::state::RunOutcome;

/// Per run, where its entries lie and whether it has ended. In memory: for each run its name, and 16
/// bytes for each group of its entries that lie side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    runs: BTreeMap<Box<str>, Lines>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// Offset and length of frames that lie side by side.
    pub(super) ranges: Vec<(u64, u64)>,
    entries: u64,
    /// Whether the last entry says that the run has ended, and how.
    ended: Option<Option<RunOutcome>>,
}

impl Index {
    /// Notes the whole frame with this payload.
    pub(super) fn read(&mut self, at: usize, size: usize, payload: &[u8]) {
        if let Some((run, entry)) = parts(payload) {
            self.note(run, at as u64, size as u64, kind(entry));
        }
    }

    /// Notes frames that were written one behind the other from `at` on.
    pub(super) fn add(&mut self, frames: Vec<Frame>, mut at: u64) {
        for frame in frames {
            self.note(&frame.run, at, frame.size as u64, frame.kind);
            at += frame.size as u64;
        }
    }

    fn note(&mut self, run: &str, at: u64, size: u64, kind: Kind) {
        if kind == Kind::Removed {
            self.runs.remove(run);
            return;
        }
        let lines = match self.runs.get_mut(run) {
            Some(lines) => lines,
            None => self.runs.entry(run.into()).or_default(),
        };
        match lines.ranges.last_mut() {
            Some((from, length)) if *from + *length == at => *length += size,
            _ => lines.ranges.push((at, size)),
        }
        lines.entries += 1;
        lines.ended = match kind {
            Kind::Ended(outcome) => Some(outcome),
            _ => None,
        };
    }

    pub(super) fn of(&self, run: &str) -> Option<&Lines> {
        self.runs.get(run)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = (&str, &Lines)> {
        self.runs.iter().map(|(name, lines)| (&**name, lines))
    }

    pub(super) fn list(&self) -> Vec<RecordedRun> {
        self.runs()
            .map(|(name, lines)| RecordedRun {
                name: name.to_owned(),
                entries: lines.entries,
                bytes: lines.ranges.iter().map(|(_, length)| length).sum(),
                ended: lines.ended,
            })
            .collect()
    }
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

    /// Whether nothing is left to do: each of its steps ended for good. A run that was dropped,
    /// cancelled or cut off by its deadline is not finished, nor is one with a step whose outcome is
    /// unknown.
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

    /// How many bytes of the file they take.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}
