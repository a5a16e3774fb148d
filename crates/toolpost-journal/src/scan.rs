//! Reads a segment from its first group on and checks all of it: for opening, and for verifying.

use std::io;

use crate::chain::Chain;
use crate::files::{Blob, read_full};
use crate::format::{GROUP_HEAD, GroupHead, Hash, Part, SEGMENT_HEAD, part, record};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// A piece of a file in memory.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// How many of them are the file's.
    filled: usize,
    /// Where in the file they begin.
    start: u64,
}

impl Window {
    /// `length` bytes at an offset, or fewer where the file ends.
    pub(crate) fn get(&mut self, file: &dyn Blob, at: u64, length: usize) -> io::Result<&mut [u8]> {
        if !self.holds(at, length) {
            let want = length.max(CHUNK);
            if self.bytes.len() < want || CHUNK < self.bytes.len() / 4 && want == CHUNK {
                self.bytes = vec![0; want];
            }
            self.filled = 0;
            self.filled = read_full(file, &mut self.bytes, at)?;
            self.start = at;
        }
        let from = (at - self.start) as usize;
        let to = self.filled.min(from + length);
        Ok(&mut self.bytes[from.min(to)..to])
    }

    /// What [`get`](Self::get) gave, as long as nothing else was asked for.
    pub(crate) fn held(&self, at: u64, length: usize) -> &[u8] {
        let from = at.saturating_sub(self.start) as usize;
        self.bytes.get(from..from + length).unwrap_or_default()
    }

    /// Whether so many bytes at an offset are here.
    pub(crate) fn holds(&self, at: u64, length: usize) -> bool {
        self.start <= at && at + length as u64 <= self.start + self.filled as u64
    }

    /// Takes the file to have other bytes by now.
    pub(crate) const fn forget(&mut self) {
        self.filled = 0;
    }
}

/// What a scan met.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole group, at this offset.
    Group(GroupHead, u64),
    /// The seal, at this offset.
    Seal(u64),
    /// The end of the file, behind a whole group.
    End,
    /// The beginning of a group, which the file's end cuts short.
    Torn,
    Damaged(u64, &'static str),
}

/// A scan of one segment.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) file: &'a dyn Blob,
    pub(crate) chain: &'a Chain,
    pub(crate) id: u64,
    pub(crate) size: u64,
    /// Where it stands.
    pub(crate) at: u64,
    /// The next record.
    pub(crate) next: u64,
    pub(crate) time: u64,
    pub(crate) link: Hash,
    pub(crate) window: Window,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(
        file: &'a dyn Blob,
        chain: &'a Chain,
        head: &crate::format::SegmentHead,
    ) -> io::Result<Self> {
        Ok(Self {
            file,
            chain,
            id: head.id,
            size: file.size()?,
            at: SEGMENT_HEAD as u64,
            next: head.first,
            time: head.time,
            link: head.previous,
            window: Window::default(),
        })
    }

    /// The next group, checked against the chain.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let (at, left) = (self.at, self.size.saturating_sub(self.at));
        if left == 0 {
            return Ok(Step::End);
        }
        if left < GROUP_HEAD as u64 {
            return Ok(Step::Torn);
        }
        let head = match part(self.window.get(self.file, at, GROUP_HEAD)?, self.id) {
            Part::Group(head) => head,
            Part::Seal => return Ok(Step::Seal(at)),
            Part::Damaged => return Ok(Step::Damaged(at, "the head of a group")),
        };
        if head.first != self.next {
            return Ok(Step::Damaged(at, "its groups are not in order"));
        }
        if left < head.size() {
            return Ok(Step::Torn);
        }
        let bytes = self.window.get(self.file, at, head.size() as usize)?;
        if (bytes.len() as u64) < head.size() {
            return Ok(Step::Torn);
        }
        if self.chain.link(&self.link, bytes) != head.link {
            return Ok(match first_damaged(bytes, self.id, &head) {
                Some(within) => Step::Damaged(at + within as u64, "a record"),
                None => Step::Damaged(at, "the hash chain does not lead here"),
            });
        }
        (self.at, self.next, self.time, self.link) = (at + head.size(), head.end(), head.time, head.link);
        Ok(Step::Group(head, at))
    }
}

/// Where in a group the first record is that is not whole.
fn first_damaged(group: &[u8], id: u64, head: &GroupHead) -> Option<usize> {
    let mut at = GROUP_HEAD;
    for seq in head.first..head.end() {
        match record(&group[at..], id, seq) {
            Some(span) => at += span.size,
            None => return Some(at),
        }
    }
    (at != group.len()).then_some(at)
}

/// Where the zeros at the end of a file begin.
pub(crate) fn zeros_from(file: &dyn Blob, size: u64) -> io::Result<u64> {
    let mut bytes = vec![0; 64 << 10];
    let mut end = size;
    while 0 < end {
        let from = end.saturating_sub(bytes.len() as u64);
        let part = &mut bytes[..(end - from) as usize];
        let read = read_full(file, part, from)?;
        if let Some(last) = part[..read].iter().rposition(|byte| *byte != 0) {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}
