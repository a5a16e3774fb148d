//! Opens what a crash, or somebody, left of a log: the torn end is cut, anything else that is not whole is an error.

use std::collections::VecDeque;
use std::path::Path;

use crate::chain::Chain;
use crate::error::LogError;
use crate::files::{Blob, Files};
use crate::format::{Hash, SEGMENT_HEAD, SegmentHead};
use crate::scan::{Scan, Step, zeros_from};
use crate::segments::{self, Index};

/// A segment that is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Older {
    pub(crate) first: u64,
    pub(crate) bytes: u64,
    /// Of its last record.
    pub(crate) time: u64,
}

/// The log as it is after that.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) older: VecDeque<Older>,
    pub(crate) head: SegmentHead,
    pub(crate) file: Box<dyn Blob>,
    /// Of the last segment's bytes, its seal counted.
    pub(crate) end: u64,
    pub(crate) sealed: bool,
    pub(crate) index: Index,
    pub(crate) next: u64,
    pub(crate) time: u64,
    pub(crate) link: Hash,
    /// Bytes that were cut off.
    pub(crate) cut: u64,
}

impl Recovered {
    /// A log that has just been created.
    pub(crate) fn new(head: SegmentHead, file: Box<dyn Blob>) -> Self {
        Self {
            older: VecDeque::new(),
            file,
            end: SEGMENT_HEAD as u64,
            sealed: false,
            index: Index::default(),
            next: head.first,
            time: head.time,
            link: head.previous,
            cut: 0,
            head,
        }
    }
}

/// Recovers the log; `None` if there is none. `unsynced`: segments are created without a sync, so that the last may be void.
pub(crate) fn recover(
    files: &dyn Files,
    chain: &Chain,
    path: &Path,
    unsynced: bool,
) -> Result<Option<Recovered>, LogError> {
    let failed = |error| LogError::io(path, error);
    for name in files.list().map_err(failed)? {
        if name.ends_with(".new") {
            files.remove(&name).map_err(failed)?;
        }
    }
    let mut firsts = segments::list(files).map_err(failed)?;
    let (last, file, head) = loop {
        let Some(&last) = firsts.last() else { return Ok(None) };
        let file = files.open(&segments::name(last), true).map_err(failed)?;
        match segments::head(files, last, &*file)? {
            Some(head) => break (last, file, head),
            None if unsynced && (last == 1 || 1 < firsts.len()) => {
                files.remove(&segments::name(last)).map_err(failed)?;
                firsts.pop();
            }
            None => {
                let path = files.path(&segments::name(last));
                return Err(LogError::damaged(path, 0, "the head of the segment is missing"));
            }
        }
    };
    check_key(path, chain, &head)?;
    firsts.pop();
    let older = join(files, &firsts, &head)?;

    let path = files.path(&segments::name(last));
    let failed = |error| LogError::io(&path, error);
    let mut index = Index::default();
    let mut scan = Scan::new(&*file, chain, &head).map_err(failed)?;
    let size = scan.size;
    let mut sealed = false;
    let whole = loop {
        match scan.step().map_err(failed)? {
            Step::Group(group, at) => index.note(&group, at),
            Step::End | Step::Torn => break scan.at,
            Step::Seal(at) => match segments::seal(&*file, size, head.id).map_err(failed)? {
                Some((seal, offset)) if offset == at => {
                    let fits = (seal.end, seal.time, seal.link) == (scan.next, scan.time, scan.link);
                    if !fits || seal.index != index.entries {
                        return Err(LogError::damaged(&path, at, "the seal does not fit the segment"));
                    }
                    sealed = true;
                    break size;
                }
                // It was torn; all that it says is in the segment.
                _ => break at,
            },
            Step::Damaged(at, what) => {
                // A machine's crash may leave zeros where bytes were to be, by the sector.
                let zeros = zeros_from(&*file, size).map_err(failed)?;
                if zeros <= scan.at {
                    break scan.at;
                }
                let sectors = zeros.next_multiple_of(512);
                if size <= sectors || scan.size != size {
                    return Err(LogError::damaged(&path, at, what));
                }
                scan.size = sectors;
                scan.window.forget();
            }
        }
    };
    let (next, time, link) = (scan.next, scan.time, scan.link);
    if whole < size {
        file.set_size(whole).map_err(failed)?;
        if !unsynced {
            file.sync().map_err(failed)?;
        }
    }
    Ok(Some(Recovered { older, head, file, end: whole, sealed, index, next, time, link, cut: size - whole }))
}

/// Whether the key is the one that the log was written with.
pub(crate) fn check_key(path: &Path, chain: &Chain, head: &SegmentHead) -> Result<(), LogError> {
    match (head.key_check, chain.key_check(head.id)) {
        (written, given) if written == given => Ok(()),
        (0, _) => Err(LogError::key(path, "was written without a key")),
        (_, 0) => Err(LogError::key(path, "was written with a key, and none was given")),
        _ => Err(LogError::key(path, "was written with another key")),
    }
}

/// Looks whether each segment leads to the next, by heads and seals alone.
fn join(files: &dyn Files, firsts: &[u64], last: &SegmentHead) -> Result<VecDeque<Older>, LogError> {
    let mut older = VecDeque::new();
    let mut next = last.clone();
    for &first in firsts.iter().rev() {
        let path = files.path(&segments::name(first));
        let failed = |error| LogError::io(&path, error);
        let file = files.open(&segments::name(first), false).map_err(failed)?;
        let size = file.size().map_err(failed)?;
        let Some(head) = segments::head(files, first, &*file)? else {
            return Err(LogError::damaged(&path, 0, "the head of the segment is missing"));
        };
        let Some((seal, offset)) = segments::seal(&*file, size, last.id).map_err(failed)? else {
            return Err(LogError::damaged(&path, size, "the segment ends without a seal"));
        };
        let same = (head.id, head.key_check) == (last.id, last.key_check);
        if !same || (seal.end, seal.time, seal.link) != (next.first, next.time, next.previous) {
            return Err(LogError::damaged(&path, offset, "the segment does not lead to the next one"));
        }
        older.push_front(Older { first, bytes: size, time: seal.time });
        next = head;
    }
    Ok(older)
}
