//! Follows the hash chain of a log from its first record to its last.

use crate::chain::{Chain, LogHead};
use crate::error::LogError;
use crate::format::SegmentHead;
use crate::reader::LogReader;
use crate::recover::check_key;
use crate::scan::{Scan, Step};
use crate::segments::{self, Index};

/// What [`LogReader::verify`] has found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogReport {
    first: u64,
    head: LogHead,
    bytes: u64,
    torn: u64,
}

impl LogReport {
    /// The sequence number of the first record, or of the next one if there is none.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Where the chain stands behind the last record.
    #[must_use]
    pub const fn head(&self) -> LogHead {
        self.head
    }

    /// Bytes that were read, over all segments.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes at the end that are no whole group: a write that was torn, or is under way.
    #[must_use]
    pub const fn torn(&self) -> u64 {
        self.torn
    }
}

impl LogReader {
    /// Reads the whole log and follows its hash chain, with the key that it was written with, if any. Finds bytes that were
    /// changed, and records that were removed, put in another order, or put in; `heads` that were kept elsewhere
    /// ([`LogWriter::head`](crate::LogWriter::head)) must lie on the chain, which alone finds out that the end was cut off, and
    /// that a log without a key was written anew. The oldest segments, which retention removes, need not be there.
    ///
    /// # Errors
    ///
    /// At the first thing that is not whole, with file and offset ([`LogError::damaged_at`]); for a wrong or missing key; for
    /// a head that the chain does not lead to; when the log cannot be read.
    pub fn verify(&self, key: Option<&[u8; 32]>, heads: &[LogHead]) -> Result<LogReport, LogError> {
        let (files, path) = (&*self.cursor.files, &*self.cursor.path);
        let chain = Chain::new(key.copied());
        let mut missing: Vec<LogHead> = heads.to_vec();
        let mut report: Option<LogReport> = None;
        let mut before: Option<SegmentHead> = None;
        let firsts = self.cursor.firsts()?;
        for (at, &first) in firsts.iter().enumerate() {
            let path_of = files.path(&segments::name(first));
            let failed = |error| LogError::io(&path_of, error);
            let damaged = |at, what| Err(LogError::damaged(&path_of, at, what));
            let file = match files.open(&segments::name(first), false) {
                // Retention removed it since.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && before.is_none() => continue,
                file => file.map_err(failed)?,
            };
            let Some(head) = segments::head(files, first, &*file)? else {
                return damaged(0, "the head of the segment is missing");
            };
            match &before {
                None => check_key(path, &chain, &head)?,
                // The head is the one that the segment before it leads to.
                Some(expected) if *expected != head => {
                    return damaged(0, "the segment before it does not lead here");
                }
                Some(_) => {}
            }
            let report = report.get_or_insert_with(|| {
                let start = LogHead::new(first - 1, head.previous);
                LogReport { first, head: start, bytes: 0, torn: 0 }
            });
            missing.retain(|kept| *kept != report.head);
            let mut scan = Scan::new(&*file, &chain, &head).map_err(failed)?;
            let mut index = Index::default();
            let last = at + 1 == firsts.len();
            loop {
                match scan.step().map_err(failed)? {
                    Step::Group(group, at) => {
                        index.note(&group, at);
                        let link = LogHead::new(group.end() - 1, group.link);
                        missing.retain(|kept| *kept != link);
                    }
                    Step::Seal(at) => match segments::seal(&*file, scan.size, head.id).map_err(failed)? {
                        Some((seal, offset))
                            if offset == at
                                && (seal.end, seal.time, seal.link) == (scan.next, scan.time, scan.link)
                                && seal.index == index.entries =>
                        {
                            break;
                        }
                        None if last => {
                            report.torn = scan.size - at;
                            break;
                        }
                        _ => return damaged(at, "the seal does not fit the segment"),
                    },
                    Step::End | Step::Torn if last => {
                        report.torn = scan.size - scan.at;
                        break;
                    }
                    Step::End | Step::Torn => return damaged(scan.at, "the segment ends without a seal"),
                    Step::Damaged(at, what) => return damaged(at, what),
                }
            }
            report.bytes += scan.size;
            report.head = LogHead::new(scan.next - 1, scan.link);
            let (first, time, previous) = (scan.next, scan.time, scan.link);
            before = Some(SegmentHead { first, time, previous, ..head });
        }
        match (missing.first(), report) {
            (None, Some(report)) => Ok(report),
            (Some(head), Some(report)) if head.seq() + 1 < report.first => {
                Err(LogError::missing(path, head.seq(), report.first))
            }
            (Some(head), _) => Err(LogError::not_there(path, head.seq())),
            (None, None) => Err(LogError::io(path, std::io::ErrorKind::NotFound.into())),
        }
    }
}
