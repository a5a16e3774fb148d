//! The time that a breaker stays open, from failed probes to failed probes.

use std::time::Duration;

/// Exponential backoff up to `longest`, with decorrelated jitter or without.
///
/// The names are those of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenTime {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
    pub(crate) jitter: bool,
}

impl OpenTime {
    /// The open time after the probes failed `n` times in a row.
    pub(crate) fn nth(&self, n: u32, seed: u64) -> Duration {
        if !self.jitter {
            let doubled = self.first.saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX));
            return doubled.min(self.longest);
        }
        // Past this many times one more changes nothing that anyone could tell.
        (n.saturating_sub(64)..=n).fold(self.first, |before, n| {
            let random = scatter(seed.wrapping_add(u64::from(n).wrapping_mul(GAMMA)));
            between(self.first, before.saturating_mul(3), random).min(self.longest)
        })
    }
}

/// A duration from `low` to `high`, by a random number.
fn between(low: Duration, high: Duration, random: u64) -> Duration {
    let width = high.saturating_sub(low).as_nanos().min(u128::from(u64::MAX)) as u64;
    low + Duration::from_nanos(((u128::from(width) * u128::from(random)) >> 64) as u64)
}

/// What SplitMix64 adds from number to number.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
pub(crate) const fn scatter(seed: u64) -> u64 {
    let z = seed.wrapping_add(GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
