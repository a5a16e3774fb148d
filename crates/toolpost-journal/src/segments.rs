//! The segments of a log: their names, heads, seals and sparse indexes.

use std::io;

use crate::error::LogError;
use crate::files::{Blob, Files, read_full};
use crate::format::{GroupHead, IndexEntry, MAGIC, SEAL_TRAILER, SEGMENT_HEAD, Seal, SegmentHead};

/// Bytes between two entries of the sparse index, at least.
pub(crate) const STRIDE: u64 = 64 << 10;

/// The name of the segment whose first record is this.
pub(crate) fn name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The first records of the segments that are there, in order.
pub(crate) fn list(files: &dyn Files) -> io::Result<Vec<u64>> {
    let number = |name: String| {
        let digits = name.strip_suffix(".log")?;
        let all = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
        if all { digits.parse().ok() } else { None }
    };
    let mut firsts: Vec<u64> = files.list()?.into_iter().filter_map(number).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// Reads the head of a segment; `None` if it was never written whole.
pub(crate) fn head(files: &dyn Files, first: u64, file: &dyn Blob) -> Result<Option<SegmentHead>, LogError> {
    let path = || files.path(&name(first));
    let mut bytes = [0; SEGMENT_HEAD];
    let read = read_full(file, &mut bytes, 0).map_err(|error| LogError::io(path(), error))?;
    let begun = MAGIC.starts_with(&bytes[..read.min(MAGIC.len())]);
    if read < SEGMENT_HEAD && begun || bytes == [0; SEGMENT_HEAD] {
        return Ok(None);
    }
    let Some(head) = SegmentHead::decode(&bytes) else {
        return Err(match bytes.starts_with(MAGIC) {
            true => LogError::damaged(path(), 0, "the head of the segment"),
            false => LogError::foreign(path()),
        });
    };
    match head.first == first {
        true => Ok(Some(head)),
        false => Err(LogError::damaged(path(), 0, "the segment does not belong to its name")),
    }
}

/// Reads the seal of a segment and where it begins; `None` if there is none.
pub(crate) fn seal(file: &dyn Blob, size: u64, id: u64) -> io::Result<Option<(Seal, u64)>> {
    let least = (SEGMENT_HEAD + SEAL_TRAILER) as u64;
    let mut trailer = [0; SEAL_TRAILER];
    if size < least || read_full(file, &mut trailer, size - SEAL_TRAILER as u64)? < SEAL_TRAILER {
        return Ok(None);
    }
    let Some(offset) = Seal::offset(&trailer).filter(|at| (SEGMENT_HEAD as u64..size).contains(at)) else {
        return Ok(None);
    };
    // An index has an entry for each stride, so that whatever is longer is no seal.
    if STRIDE + size / 8 < size - offset {
        return Ok(None);
    }
    let mut bytes = vec![0; (size - offset) as usize];
    if read_full(file, &mut bytes, offset)? < bytes.len() {
        return Ok(None);
    }
    Ok(Seal::decode(&bytes, id, offset).map(|seal| (seal, offset)))
}

/// The sparse index of a segment: an entry for every 64 KiB or so, and where the scan that made it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) entries: Vec<IndexEntry>,
}

impl Index {
    /// Notes a group that begins at `offset`.
    pub(crate) fn note(&mut self, head: &GroupHead, offset: u64) {
        if self.entries.last().is_none_or(|last| STRIDE <= offset - last.offset) {
            self.entries.push(IndexEntry { first: head.first, time: head.time, offset });
        }
    }

    /// Where to look for a record: the last entry that is not behind it, as offset and first record.
    pub(crate) fn floor(&self, seq: u64) -> Option<(u64, u64)> {
        self.before(self.entries.partition_point(|entry| entry.first <= seq))
    }

    /// Where to look for the first record of this time or later: the last group that is known to end before it.
    pub(crate) fn floor_time(&self, time: u64) -> Option<(u64, u64)> {
        self.before(self.entries.partition_point(|entry| entry.time < time))
    }

    fn before(&self, at: usize) -> Option<(u64, u64)> {
        at.checked_sub(1).map(|at| (self.entries[at].offset, self.entries[at].first))
    }
}
