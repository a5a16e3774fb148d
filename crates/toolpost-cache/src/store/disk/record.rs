//! One entry as bytes: checksum, key, times, tags, value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::store::StoredEntry;

/// Changes whenever the layout does, or the way keys are written; part of what the checksum covers, so that what was
/// written otherwise is a miss.
const LAYOUT: &[u8; 8] = b"tpcache2";
const CHECKSUM: usize = 16;

pub(super) struct Record<'a> {
    pub(super) key: &'a [u8],
    /// Its place in the order of writes.
    pub(super) written: u64,
    pub(super) times: Times,
    pub(super) weight: usize,
    pub(super) tags: Vec<&'a str>,
    pub(super) value: &'a [u8],
}

/// Milliseconds since 1970, rounded so that nothing lives longer on disk than in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    written: u64,
    fresh_until: u64,
    stale_until: u64,
    error_until: u64,
}

impl Record<'_> {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = vec![0; CHECKSUM];
        let Times { written, fresh_until, stale_until, error_until } = self.times;
        for number in [self.written, written, fresh_until, stale_until, error_until, self.weight as u64] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        push(&mut out, self.key);
        out.extend_from_slice(&(self.tags.len() as u64).to_le_bytes());
        for tag in &self.tags {
            push(&mut out, tag.as_bytes());
        }
        push(&mut out, self.value);
        let sum = checksum(&out[CHECKSUM..]);
        out[..CHECKSUM].copy_from_slice(&sum);
        out
    }
}

impl<'a> Record<'a> {
    /// Reads a record; `None` unless every byte is as it was written.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (sum, mut rest) = bytes.split_at_checked(CHECKSUM)?;
        if sum != checksum(rest) {
            return None;
        }
        let rest = &mut rest;
        let written = number(rest)?;
        let times = Times {
            written: number(rest)?,
            fresh_until: number(rest)?,
            stale_until: number(rest)?,
            error_until: number(rest)?,
        };
        let weight = usize::try_from(number(rest)?).ok()?;
        let key = part(rest)?;
        let tags = number(rest)?;
        let tags = (0..tags).map(|_| std::str::from_utf8(part(rest)?).ok()).collect::<Option<_>>()?;
        let value = part(rest)?;
        rest.is_empty().then_some(Self { key, written, times, weight, tags, value })
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(LAYOUT).update(bytes);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM]);
    sum
}

fn push(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u64).to_le_bytes());
    out.extend_from_slice(part);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*number))
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

impl Times {
    pub(super) fn of<V>(entry: &StoredEntry<V>) -> Self {
        let millis = |at: SystemTime| {
            let since_1970 = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            written: millis(entry.stored_at),
            fresh_until: millis(entry.fresh_until),
            stale_until: millis(entry.stale_until),
            error_until: millis(entry.error_until),
        }
    }

    /// An entry with these times.
    pub(super) fn restore<V>(&self, value: V) -> StoredEntry<V> {
        // A time that no clock shows comes from a file that nobody wrote: long ago, and so expired.
        let at = |millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH);
        let mut entry = StoredEntry::new(value, at(self.written), at(self.fresh_until));
        entry.stale_until = at(self.stale_until);
        entry.error_until = at(self.error_until);
        entry
    }
}
