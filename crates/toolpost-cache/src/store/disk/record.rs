//! One entry as bytes: checksum, key, times, tags, value.

use std::time::{Duration, Instant, UNIX_EPOCH};

use super::Clock;
use crate::lifetime::Windows;

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
    pub(super) fn of(windows: Windows, clock: Clock, now: Instant) -> Self {
        let millis = |at: Instant| {
            let since_1970 = clock.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
            let at = match at.checked_duration_since(clock.instant) {
                Some(after) => since_1970.saturating_add(after),
                None => since_1970.saturating_sub(clock.instant.duration_since(at)),
            };
            u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            written: millis(now),
            fresh_until: millis(windows.fresh_until),
            stale_until: millis(windows.stale_until),
            error_until: millis(windows.error_until),
        }
    }

    /// The windows on this process's clock; `None` if they are over, or begin in the future.
    pub(super) fn windows(&self, clock: Clock, now: Instant) -> Option<Windows> {
        let wall_now = clock.wall.checked_add(now.saturating_duration_since(clock.instant))?;
        let since_1970 = wall_now.duration_since(UNIX_EPOCH).ok()?;
        let millis = u64::try_from(since_1970.as_millis()).ok()?;
        if millis < self.written || self.error_until <= millis {
            return None;
        }
        let left = |until: u64| now.checked_add(Duration::from_millis(until.saturating_sub(millis)));
        let ended = |until: u64| if until <= millis { Some(now) } else { left(until) };
        Some(Windows::new(ended(self.fresh_until)?, ended(self.stale_until)?, ended(self.error_until)?))
    }
}
