//! The hash chain over the groups of a log.

use std::fmt;
use std::str::FromStr;

use crate::format::{GROUP_HEAD, Hash, LINK, SUM};

/// Where a log's hash chain stood behind a record. Kept elsewhere (in another log, on another machine), it shows later that
/// nothing up to there was changed, and that the log's end was not cut off: [`LogReader::verify`](crate::LogReader::verify)
/// asks for it. As text it is the sequence number, a colon, and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    seq: u64,
    link: Hash,
}

impl LogHead {
    pub(crate) const fn new(seq: u64, link: Hash) -> Self {
        Self { seq, link }
    }

    /// The sequence number of the last record that it stands for; zero for an empty log.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The hash of that record's group and of all before it.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.link
    }
}

impl fmt::Display for LogHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.link.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for LogHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a log's head is a sequence number, a colon, and 64 hexadecimal digits";
        let (seq, digits) = text.split_once(':').ok_or(FORM)?;
        let seq = seq.parse().map_err(|_| FORM)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(FORM);
        }
        let mut link = Hash::default();
        for (byte, at) in link.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| FORM)?;
        }
        Ok(Self { seq, link })
    }
}

/// Computes links, with a key or without one.
#[derive(Clone)]
pub(crate) struct Chain {
    key: Option<Hash>,
}

impl Chain {
    pub(crate) const fn new(key: Option<Hash>) -> Self {
        Self { key }
    }

    /// What a segment's head says of the key; zero without one.
    pub(crate) fn key_check(&self, id: u64) -> u64 {
        let Some(key) = &self.key else { return 0 };
        let mut text = *b"toolpost-journal key--------";
        text[20..].copy_from_slice(&id.to_le_bytes());
        let check = blake3::keyed_hash(key, &text);
        // Zero says that there is no key.
        check.as_bytes().first_chunk().map_or(1, |check| u64::from_le_bytes(*check).max(1))
    }

    /// The link behind a group of which `bytes` is the whole, with a head that is complete but for its checksum. Leaves the
    /// link before in the place of the link, and no checksum.
    pub(crate) fn link(&self, previous: &Hash, bytes: &mut [u8]) -> Hash {
        debug_assert!(GROUP_HEAD < bytes.len(), "a group is not empty");
        bytes[SUM].fill(0);
        bytes[LINK].copy_from_slice(previous);
        match &self.key {
            Some(key) => blake3::keyed_hash(key, bytes).into(),
            None => blake3::hash(bytes).into(),
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("keyed", &self.key.is_some()).finish()
    }
}
