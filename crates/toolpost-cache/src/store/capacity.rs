//! How much a store may hold.

use std::num::NonZeroUsize;

/// Bounds a store: how many entries it holds at most, and how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    entries: NonZeroUsize,
    bytes: usize,
}

impl Capacity {
    /// Bounds the number of entries, of any weight; zero is taken as one.
    #[must_use]
    pub const fn entries(entries: usize) -> Self {
        let entries = match NonZeroUsize::new(entries) {
            Some(entries) => entries,
            None => NonZeroUsize::MIN,
        };
        Self { entries, bytes: usize::MAX }
    }

    /// Bounds the bytes of all entries together too, as the [weight](crate::CacheEntry::weight) of entries counts them.
    #[must_use]
    pub const fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    pub(super) const fn max_entries(&self) -> NonZeroUsize {
        self.entries
    }

    pub(super) const fn max_bytes(&self) -> usize {
        self.bytes
    }
}

/// Expresses both bounds in one unit, for stores that know only one weight.
///
/// An entry takes up its share of whichever bound it uses more of. The sum of these shares stays
/// within the capacity only if both bounds hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    bytes: u128,
    capacity: u64,
    /// What weighs no more than this has the least share.
    light: usize,
}

/// The share of an entry that is small for its bounds.
pub(super) const UNIT: u64 = 1 << 12;

impl Shares {
    pub(super) fn of(bounds: Capacity) -> Self {
        let capacity = (bounds.entries.get() as u64).saturating_mul(UNIT);
        Self { bytes: (bounds.bytes as u128).max(1), capacity, light: bounds.bytes / bounds.entries.get() }
    }

    #[cfg(feature = "moka")]
    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The share of an entry of this weight; more than the capacity if it can never fit.
    pub(super) fn share(&self, weight: usize) -> u64 {
        if weight <= self.light {
            return UNIT;
        }
        let by_bytes = (weight as u128 * u128::from(self.capacity)).div_ceil(self.bytes);
        u64::try_from(by_bytes).unwrap_or(u64::MAX).max(UNIT)
    }

    /// Shards of equal capacity, each with room for entries of some size, and their capacity.
    pub(super) fn shards(&self, wanted: u64) -> (u64, u64) {
        let mut shards = wanted.next_power_of_two();
        while 1 < shards && self.capacity / shards < 64 * UNIT {
            shards /= 2;
        }
        (shards, self.capacity / shards)
    }
}
