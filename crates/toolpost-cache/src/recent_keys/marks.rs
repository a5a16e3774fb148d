//! Sixteen bits of each hash in a bucket, compared all at once.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many raw keys a bucket has room for.
pub(super) const WAYS: usize = 4;

/// A one in the lowest bit of each way's sixteen.
const ONES: u64 = u64::MAX / 0xFFFF;

/// For each way of a bucket, the [`mark`] of the hash in it; zero where there is none.
#[derive(Debug, Default)]
pub(super) struct Marks(AtomicU64);

impl Marks {
    /// Sets the mark of this hash in `way`. The caller has the bucket locked.
    pub(super) fn set(&self, way: usize, hash: u64) {
        let at = 16 * way;
        let others = self.0.load(Ordering::Relaxed) & !(0xFFFF << at);
        self.0.store(others | u64::from(mark(hash)) << at, Ordering::Relaxed);
    }

    /// The ways whose mark is that of this hash, each as the highest of its sixteen bits; perhaps some others above one
    /// that is, never one that is not there alone.
    ///
    /// Why: in `differ`, the sixteen bits of a way are zero exactly where the marks are equal. Subtracting one from each way
    /// sets the highest bit of a way that is zero, by a borrow, and of one whose highest bit is set already, which
    /// `!differ` takes out again. Otherwise only a borrow from a way below can set it, and the lowest borrow begins at an
    /// equal way. So the lowest match is always right, and what is above it is compared in full by the caller.
    #[inline(always)]
    pub(super) fn matching(&self, hash: u64) -> u64 {
        let differ = self.0.load(Ordering::Relaxed) ^ (u64::from(mark(hash)) * ONES);
        differ.wrapping_sub(ONES) & !differ & ONES << 15
    }
}

/// The lowest of some matching ways.
pub(super) const fn first(matching: u64) -> usize {
    matching.trailing_zeros() as usize / 16
}

/// The matching ways without their lowest.
pub(super) const fn without_first(matching: u64) -> u64 {
    matching & (matching - 1)
}

/// Sixteen bits of a hash of which no other use is made; never zero.
pub(super) const fn mark(hash: u64) -> u16 {
    (hash >> 48 | 1) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `matching` says, one way after the other.
    fn naive(marks: [u16; WAYS], hash: u64) -> Vec<usize> {
        (0..WAYS).filter(|way| marks[*way] == mark(hash)).collect()
    }

    fn matching(marks: [u16; WAYS], hash: u64) -> Vec<usize> {
        let kept = Marks::default();
        for (way, mark) in marks.into_iter().enumerate().filter(|(_, mark)| *mark != 0) {
            kept.set(way, u64::from(mark) << 48);
        }
        let (mut left, mut ways) = (kept.matching(hash), Vec::new());
        while left != 0 {
            ways.push(first(left));
            left = without_first(left);
        }
        ways
    }

    proptest! {
        #[test]
        fn all_at_once_finds_what_one_after_the_other_does(
            // Few different values, so that many are equal or next to each other.
            marks in proptest::array::uniform4(prop_oneof![Just(0_u16), (0..3_u16).prop_map(|n| 2 * n + 1), Just(0x7FFF), Just(0x8001), Just(0xFFFF)]),
            hash in prop_oneof![(0..4_u64).prop_map(|n| n << 48), Just(0x7FFF << 48), Just(0x8000 << 48), any::<u64>()],
        ) {
            let (slow, quick) = (naive(marks, hash), matching(marks, hash));
            prop_assert_eq!(slow.first(), quick.first());
            prop_assert!(slow.iter().all(|way| quick.contains(way)), "{:?} in {:?}", slow, quick);
        }
    }
}
