//! Counts what happens, without making readers on different cores meet.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts of a cache since it was made (hits, misses, loads, evictions), and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Lookup-ups answered by a fresh entry.
    pub fresh_hits: u64,
    /// Lookup-ups answered by a stale entry.
    pub stale_hits: u64,
    /// Failed loads covered by an entry kept for that case.
    pub error_hits: u64,
    /// Lookup-ups that found nothing to serve at once.
    pub misses: u64,
    /// Loads that ended.
    pub loads: u64,
    /// Those of them that failed.
    pub failed_loads: u64,
    /// The time all ended loads took together.
    pub load_time: Duration,
    /// Those of the loads that refreshed a stale entry in the background.
    pub refreshes: u64,
    /// Callers that waited for somebody else's load.
    pub joined: u64,
    /// Entries evicted in favor of others.
    pub evicted: u64,
    /// Entries found expired by age.
    pub expired: u64,
    /// Entries found expired by a tag, or removed by key, or cleared.
    pub invalidated: u64,
    /// Values too heavy to be kept.
    pub refused: u64,
    /// Entries in memory now, expired ones not found yet included.
    pub entries: usize,
    /// Their weight in bytes.
    pub bytes: usize,
}

impl CacheStats {
    /// What a [`Store`](crate::Store) reports: the entries it holds, their weight in bytes, and how many it has evicted so
    /// far. The cache counts the rest.
    #[must_use]
    pub fn held(entries: usize, bytes: usize, evicted: u64) -> Self {
        Self { entries, bytes, evicted, ..Self::default() }
    }

    /// The share of look-ups that were answered at once; `None` before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let hits = self.fresh_hits + self.stale_hits;
        let all = hits + self.misses;
        (0 < all).then(|| hits as f64 / all as f64)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    FreshHit,
    StaleHit,
    ErrorHit,
    Miss,
    Load,
    FailedLoad,
    LoadNanos,
    Refresh,
    Joined,
    Expired,
    Invalidated,
    Refused,
    /// Entries given up by a store that counts here.
    Evicted,
    /// The bytes that such a store holds. What is taken out at once may be counted before it has come in.
    Bytes,
}

const COUNTS: usize = Count::Bytes as usize + 1;
/// Stripes that belong to one thread each, for as long as it lives.
const OWN: usize = 48;
/// All stripes; those above are shared by all other threads.
const STRIPES: usize = 64;

/// One cache line and its neighbor apart from the next.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; COUNTS]);

#[derive(Debug)]
pub(crate) struct Counters([Stripe; STRIPES]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Stripe::default()))
    }
}

impl Counters {
    pub(crate) fn add(&self, count: Count, by: u64) {
        let stripe = stripe();
        let counter = &self.0[stripe % STRIPES].0[count as usize];
        if stripe < OWN {
            // Nobody else writes here, so that nothing is lost between the two.
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        } else {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(crate) fn one(&self, count: Count) {
        self.add(count, 1);
    }

    /// What all threads have counted, modulo 2^64.
    pub(crate) fn sum(&self, count: Count) -> u64 {
        let counted = self.0.iter().map(|stripe| stripe.0[count as usize].load(Ordering::Relaxed));
        counted.fold(0, u64::wrapping_add)
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let sum = |count| self.sum(count);
        CacheStats {
            fresh_hits: sum(Count::FreshHit),
            stale_hits: sum(Count::StaleHit),
            error_hits: sum(Count::ErrorHit),
            misses: sum(Count::Miss),
            loads: sum(Count::Load),
            failed_loads: sum(Count::FailedLoad),
            load_time: Duration::from_nanos(sum(Count::LoadNanos)),
            refreshes: sum(Count::Refresh),
            joined: sum(Count::Joined),
            expired: sum(Count::Expired),
            invalidated: sum(Count::Invalidated),
            refused: sum(Count::Refused),
            ..CacheStats::default()
        }
    }
}

/// The stripe of this thread.
fn stripe() -> usize {
    thread_local! {
        static MINE: Mine = Mine::take();
    }
    MINE.try_with(|mine| mine.0).unwrap_or(OWN)
}

/// The stripes that no thread has now, as a set of bits.
static FREE: Mutex<u64> = Mutex::new((1 << OWN) - 1);

/// A stripe that a thread has until it ends.
struct Mine(usize);

impl Mine {
    fn take() -> Self {
        static OTHERS: AtomicUsize = AtomicUsize::new(0);
        // The lock hands on what the thread before has counted.
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        match free.trailing_zeros() as usize {
            lowest @ 0..OWN => {
                *free &= !(1 << lowest);
                Self(lowest)
            }
            _ => Self(OWN + OTHERS.fetch_add(1, Ordering::Relaxed) % (STRIPES - OWN)),
        }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        if self.0 < OWN {
            *FREE.lock().unwrap_or_else(PoisonError::into_inner) |= 1 << self.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn no_count_is_lost_whichever_threads_come_and_go() {
        const EACH: u64 = 1_000;
        let counters = Counters::default();
        for _ in 0..3 {
            thread::scope(|scope| {
                for _ in 0..2 * STRIPES {
                    scope.spawn(|| (0..EACH).for_each(|_| counters.one(Count::Miss)));
                }
            });
        }
        assert_eq!(counters.stats().misses, 3 * 2 * STRIPES as u64 * EACH);
    }
}
