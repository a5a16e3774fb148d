//! How a log is written.

use std::fmt;
use std::time::Duration;

use crate::chain::Chain;
use crate::format::Hash;

/// What an append has survived when it is called done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The machine's crash: each group is synced (`fdatasync`) before its appends are done.
    #[default]
    Machine,
    /// The process's crash: the operating system has the bytes. `rt::Log` syncs them this long after they
    /// were written, at the latest, so that the machine's crash costs no more than that.
    Interval(Duration),
    /// The process's crash; when the bytes reach the disk is left to the operating system. After the machine's crash a log of
    /// more than one segment may be damaged in the middle.
    Process,
}

/// How a log is written: durability, sizes, retention, key.
#[derive(Clone)]
pub struct LogOptions {
    pub(crate) durability: Durability,
    pub(crate) segment_bytes: u64,
    pub(crate) record_bytes: usize,
    pub(crate) pending_bytes: usize,
    pub(crate) retain_bytes: u64,
    pub(crate) retain_for: Duration,
    key: Option<Hash>,
}

impl LogOptions {
    /// Durable against the machine's crash, segments of 64 MiB, records of 16 MiB at most, everything retained, no key.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            durability: Durability::Machine,
            segment_bytes: 64 << 20,
            record_bytes: 16 << 20,
            pending_bytes: 4 << 20,
            retain_bytes: u64::MAX,
            retain_for: Duration::MAX,
            key: None,
        }
    }

    /// What an append has survived when it is called done.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Begins another segment once this one would grow beyond so many bytes (4 KiB at least). A group that is longer has a
    /// segment of its own.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.max(4 << 10);
        self
    }

    /// Bytes of a record's kind, correlation and payload together, at most (and 1 GiB at most). A longer one is refused.
    #[must_use]
    pub fn record_bytes(mut self, bytes: usize) -> Self {
        self.record_bytes = bytes.min(crate::format::RECORD_MAX);
        self
    }

    /// Bytes that wait for the write under way (4 MiB). Whoever appends beyond that waits for it too; one batch alone may be
    /// longer.
    #[must_use]
    pub const fn pending_bytes(mut self, bytes: usize) -> Self {
        self.pending_bytes = bytes;
        self
    }

    /// Removes the oldest segments once all together take more than so many bytes. The newest two stay.
    #[must_use]
    pub const fn retain_bytes(mut self, bytes: u64) -> Self {
        self.retain_bytes = bytes;
        self
    }

    /// Removes segments whose last record is older than this, by the time of the newest record.
    #[must_use]
    pub const fn retain_for(mut self, age: Duration) -> Self {
        self.retain_for = age;
        self
    }

    /// Keys the hash chain with 32 secret bytes: who does not know them cannot change a record, or make one up, without being
    /// found out. A log has one key for its whole life, or none.
    #[must_use]
    pub const fn key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(key);
        self
    }

    pub(crate) const fn chain(&self) -> Chain {
        Chain::new(self.key)
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Without the key.
impl fmt::Debug for LogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOptions")
            .field("durability", &self.durability)
            .field("segment_bytes", &self.segment_bytes)
            .field("record_bytes", &self.record_bytes)
            .field("pending_bytes", &self.pending_bytes)
            .field("retain_bytes", &self.retain_bytes)
            .field("retain_for", &self.retain_for)
            .field("keyed", &self.key.is_some())
            .finish()
    }
}
