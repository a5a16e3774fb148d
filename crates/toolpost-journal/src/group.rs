//! A group of records on its way into a segment.

use crate::chain::Chain;
use crate::format::{GROUP_HEAD, GroupHead, Hash, sum_group, write_record};
use crate::record::NewRecord;

/// Memory that a group keeps for the next one.
const KEEP: usize = 8 << 20;

/// Records that are written at once, as bytes, behind a head that is filled in last.
#[derive(Debug)]
pub(crate) struct Group {
    id: u64,
    first: u64,
    count: u32,
    /// Of its last record, or of the one before it.
    time: u64,
    /// Empty without a record.
    bytes: Vec<u8>,
}

impl Group {
    /// An empty group behind the record before `first`, whose time was `time`.
    pub(crate) const fn new(id: u64, first: u64, time: u64) -> Self {
        Self { id, first, count: 0, time, bytes: Vec::new() }
    }

    /// Adds a record that is known to fit; its sequence number.
    #[inline]
    pub(crate) fn push(&mut self, record: &NewRecord<'_>, now: u64) -> u64 {
        if self.bytes.is_empty() {
            self.bytes.resize(GROUP_HEAD, 0);
        }
        let seq = self.next();
        self.time = self.time.max(now);
        write_record(
            &mut self.bytes,
            self.id,
            seq,
            self.time,
            record.kind,
            record.correlation,
            record.payload,
        );
        self.count += 1;
        seq
    }

    /// The sequence number of the next record.
    pub(crate) const fn next(&self) -> u64 {
        self.first + self.count as u64
    }

    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    #[cfg(feature = "tokio")]
    pub(crate) const fn time(&self) -> u64 {
        self.time
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Fills in the head, behind the link `previous`.
    pub(crate) fn finish(&mut self, chain: &Chain, previous: &Hash) -> (GroupHead, &[u8]) {
        let bytes = (self.bytes.len() - GROUP_HEAD) as u64;
        let mut head =
            GroupHead { first: self.first, count: self.count, bytes, time: self.time, link: *previous };
        head.write(&mut self.bytes);
        head.link = chain.link(previous, &mut self.bytes);
        head.write(&mut self.bytes);
        sum_group(&mut self.bytes, self.id);
        (head, &self.bytes)
    }

    /// An empty group behind it.
    #[cfg(feature = "tokio")]
    pub(crate) const fn restarted(&self) -> Self {
        Self::new(self.id, self.next(), self.time)
    }

    /// Makes it the empty group behind `before`, with its memory.
    pub(crate) fn restart(&mut self, next: u64, time: u64) {
        (self.first, self.count, self.time) = (next, 0, time);
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
    }
}
