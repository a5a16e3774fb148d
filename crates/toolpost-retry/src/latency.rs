//! Quantiles of recent latencies.

use std::time::Duration;

use crate::sync::{AtomicU32, Ordering};

/// Estimates quantiles of recent latencies, such as the 95th percentile after which to hedge. Lock-free.
///
/// It is a histogram whose buckets are an eighth of a power of two wide, so an answer is at most 12.5 % too long, and never too short. After each
/// 1024 calls every count is halved: what was long ago fades.
///
/// ```
/// use std::time::Duration;
/// use toolpost_retry::LatencyHistogram;
///
/// let latency = LatencyHistogram::new();
/// assert_eq!(latency.quantile(95), None);
/// for millis in 1..=100 {
///     latency.record(Duration::from_millis(millis));
/// }
/// let p95 = latency.quantile(95).expect("there are calls");
/// assert!(Duration::from_millis(95) <= p95 && p95 < Duration::from_millis(107));
/// ```
#[derive(Debug)]
pub struct LatencyHistogram {
    buckets: Box<[AtomicU32]>,
    recorded: AtomicU32,
}

/// Buckets per power of two.
const FINE: u32 = 8;
/// From one microsecond on, to more than a day.
const POWERS: u32 = 37;
/// Counts are halved after so many calls.
const MEMORY: u32 = 1_024;

impl LatencyHistogram {
    /// An empty histogram, of about a kilobyte.
    #[must_use]
    pub fn new() -> Self {
        Self { buckets: (0..POWERS * FINE).map(|_| AtomicU32::new(0)).collect(), recorded: AtomicU32::new(0) }
    }

    /// Records how long one call took, at a resolution of a microsecond.
    pub fn record(&self, took: Duration) {
        self.buckets[bucket_of(took)].fetch_add(1, Ordering::Relaxed);
        if self.recorded.fetch_add(1, Ordering::Relaxed) % MEMORY == MEMORY - 1 {
            for bucket in &self.buckets {
                let count = bucket.load(Ordering::Relaxed);
                // What others add meanwhile stays.
                bucket.fetch_sub(count / 2, Ordering::Relaxed);
            }
        }
    }

    /// Counts the calls recorded, modulo 2^32.
    #[must_use]
    pub fn recorded(&self) -> u32 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Estimates the time within which this percentage of recent calls ended; `None` before the first call.
    ///
    /// # Panics
    ///
    /// If `percent` is over 100.
    #[must_use]
    pub fn quantile(&self, percent: u32) -> Option<Duration> {
        assert!(percent <= 100, "a quantile is at most 100 percent, not {percent}");
        let counts = self.buckets.iter().map(|bucket| u64::from(bucket.load(Ordering::Relaxed)));
        let wanted = (counts.clone().sum::<u64>() * u64::from(percent)).div_ceil(100).max(1);
        let mut below = 0;
        counts
            .enumerate()
            .find(|(_, count)| {
                below += count;
                wanted <= below
            })
            .map(|(index, _)| end_of(index))
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket_of(took: Duration) -> usize {
    let micros = (took.as_micros().min(u128::from(u64::MAX)) as u64).max(1);
    let power = micros.ilog2();
    // The three bits below the highest one.
    let fine = (u128::from(micros) << 3 >> power) as u32 % FINE;
    ((power * FINE + fine).min(POWERS * FINE - 1)) as usize
}

/// The first moment past a bucket.
fn end_of(index: usize) -> Duration {
    let (power, fine) = (index as u32 / FINE, index as u32 % FINE);
    Duration::from_nanos(((u128::from(FINE + fine + 1) * 1_000) << power >> 3) as u64)
}
