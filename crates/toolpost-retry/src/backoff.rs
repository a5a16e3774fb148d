//! The wait before each attempt.

use std::time::Duration;

/// Computes the wait before each retry: fixed, linear or exponential, up to a cap, and spread by a [`Jitter`].
///
/// The same attempt and seed give the same wait.
///
/// ```
/// use std::time::Duration;
/// use toolpost_retry::{Backoff, Jitter};
///
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1)).jitter(Jitter::None);
/// let waits: Vec<_> = (0..5).map(|attempt| backoff.delay(attempt, 7).as_millis()).collect();
/// assert_eq!(waits, [100, 200, 400, 800, 1000]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    growth: Growth,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    Fixed,
    Linear,
    Exponential,
}

/// Spreads waits at random, so that callers who failed together do not retry together.
///
/// The names are those of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// Leaves the wait as it is.
    None,
    /// Draws from zero to the wait that the backoff gives.
    Full,
    /// Draws from the base to three times the wait before, up to the cap. It grows by itself, fixed backoff or not.
    Decorrelated,
}

impl Backoff {
    /// Waits as long before each attempt, without jitter.
    #[must_use]
    pub const fn fixed(wait: Duration) -> Self {
        Self { base: wait, cap: wait, growth: Growth::Fixed, jitter: Jitter::None }
    }

    /// Waits that grow by `base` each time, up to `cap`, without jitter.
    #[must_use]
    pub const fn linear(base: Duration, cap: Duration) -> Self {
        Self { base, cap, growth: Growth::Linear, jitter: Jitter::None }
    }

    /// Waits that double each time, from `base` up to `cap`, with decorrelated jitter unless told otherwise.
    #[must_use]
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self { base, cap, growth: Growth::Exponential, jitter: Jitter::Decorrelated }
    }

    /// Sets how waits are spread.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The shortest wait, before jitter.
    #[must_use]
    pub const fn base(&self) -> Duration {
        self.base
    }

    /// The longest wait.
    #[must_use]
    pub const fn cap(&self) -> Duration {
        self.cap
    }

    /// Computes the wait before retry number `attempt`, the first being 0.
    ///
    /// `seed` is what jitter is drawn from: a random number for each call, or a fixed one in a test.
    #[must_use]
    pub fn delay(&self, attempt: u32, seed: u64) -> Duration {
        match self.jitter {
            Jitter::None => self.step(attempt),
            Jitter::Full => between(Duration::ZERO, self.step(attempt), nth(seed, attempt)),
            Jitter::Decorrelated => {
                // Past this many attempts one more changes nothing that anyone could tell.
                let first = attempt.saturating_sub(64);
                (first..=attempt).fold(self.base, |before, attempt| {
                    between(self.base, before.saturating_mul(3), nth(seed, attempt)).min(self.cap)
                })
            }
        }
    }

    fn step(&self, attempt: u32) -> Duration {
        let factor = match self.growth {
            Growth::Fixed => 1,
            Growth::Linear => attempt.saturating_add(1),
            Growth::Exponential => 1_u32.checked_shl(attempt).unwrap_or(u32::MAX),
        };
        self.base.saturating_mul(factor).min(self.cap)
    }
}

/// A duration from `low` to `high`, by a random number.
fn between(low: Duration, high: Duration, random: u64) -> Duration {
    let width = high.saturating_sub(low).as_nanos().min(u128::from(u64::MAX)) as u64;
    low + Duration::from_nanos(((u128::from(width) * u128::from(random)) >> 64) as u64)
}

/// The `n`-th number of SplitMix64 that begins with `seed`.
fn nth(seed: u64, n: u32) -> u64 {
    scatter(seed.wrapping_add(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014).
const fn scatter(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
