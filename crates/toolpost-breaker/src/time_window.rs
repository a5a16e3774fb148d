//! Opens on the failure rate, or the slow-call rate, of the last so much time.

use std::time::Duration;

use crate::policy::{CallReport, FailurePolicy, Limits, Tally, assert_percent};
use crate::sync::{AtomicU64, Ordering, update};

/// Opens when too many of the calls of the last while failed, or were slow.
///
/// Time is cut into buckets, so a call costs the same however many there were. The window is the current
/// bucket and those before it: from the span less one bucket, to the span. Only a failure or a slow call can open it.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_breaker::{Breaker, TimeWindow};
///
/// // Half of the calls of the last 10 seconds failed, if there were 20.
/// let policy = TimeWindow::new(Duration::from_secs(10), 50).min_calls(20);
/// let start = Instant::now();
/// let breaker = Breaker::new(policy, start);
/// for _ in 0..19 {
///     breaker.admit(start).expect("too few to judge").failure(start);
/// }
/// let later = start + Duration::from_secs(10);
/// breaker.admit(later).expect("closed").failure(later);
/// assert!(breaker.admit(later).is_ok(), "what failed ten seconds ago is forgotten");
/// ```
#[derive(Debug)]
pub struct TimeWindow {
    /// The bucket of a tick is that number modulo their count.
    buckets: Box<[Bucket; BUCKETS]>,
    /// Nanoseconds in a tick.
    width: u64,
    limits: Limits,
}

/// The calls of one tick. Each count carries the tick and generation it is of, in its upper bits; see [`Tick::tag`].
#[derive(Debug)]
struct Bucket {
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

const BUCKETS: usize = 10;
const COUNT_BITS: u32 = 24;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl TimeWindow {
    /// Opens when this percentage of the calls within `span` failed; judged from 10 calls on, in 10 buckets.
    ///
    /// # Panics
    ///
    /// Unless the span is 10 milliseconds to a year, and the percentage 1 to 100.
    #[must_use]
    pub fn new(span: Duration, failure_percent: u32) -> Self {
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        assert!(
            (Duration::from_millis(10)..=year).contains(&span),
            "a span of 10 ms to a year, not {span:?}"
        );
        assert_percent(failure_percent);
        Self {
            buckets: Box::new(std::array::from_fn(|_| Bucket::new())),
            width: (span.as_nanos() as u64).div_ceil(BUCKETS as u64),
            limits: Limits { min_calls: 10, failure_percent, slow: None },
        }
    }

    /// Sets from how many calls on the window is judged.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn min_calls(mut self, calls: u32) -> Self {
        assert!(0 < calls, "at least one call");
        self.limits.min_calls = calls;
        self
    }

    /// Also opens when this percentage of the calls took that long or longer, whether they failed or not.
    ///
    /// # Panics
    ///
    /// Unless the percentage is 1 to 100.
    #[must_use]
    pub fn slow(mut self, after: Duration, percent: u32) -> Self {
        assert_percent(percent);
        self.limits.slow = Some((after, percent));
        self
    }

    #[inline]
    fn tick(&self, generation: u32, at: Duration) -> Tick {
        let nanos = at.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(at.subsec_nanos()));
        Tick { generation, number: nanos / self.width }
    }

    #[inline]
    fn bucket(&self, number: u64) -> &Bucket {
        &self.buckets[(number % BUCKETS as u64) as usize]
    }

    /// Takes note of what went wrong in a call already counted, and returns whether to open.
    #[inline(never)]
    fn judge(&self, tick: Tick, failed: bool, slow: bool, report: &CallReport<'_>) -> bool {
        let bucket = self.bucket(tick.number);
        if failed {
            count(&bucket.failures, tick.tag(), report);
        }
        if slow {
            count(&bucket.slow, tick.tag(), report);
        }
        self.limits.are_exceeded_by(self.sum(tick))
    }

    fn sum(&self, tick: Tick) -> Tally {
        let mut tally = Tally::default();
        for back in 0..(BUCKETS as u64).min(tick.number + 1) {
            let tick = Tick { number: tick.number - back, ..tick };
            let bucket = self.bucket(tick.number);
            let read = |count: &AtomicU64| {
                let seen = count.load(Ordering::Acquire);
                if seen & !COUNT == tick.tag() { (seen & COUNT) as u32 } else { 0 }
            };
            // Calls last: so they are never fewer than what is counted among them.
            tally.failures += read(&bucket.failures);
            tally.slow += read(&bucket.slow);
            tally.calls += read(&bucket.calls);
        }
        tally
    }
}

impl FailurePolicy for TimeWindow {
    #[inline]
    fn record(&self, report: &CallReport<'_>) -> bool {
        let Some((failed, slow)) = self.limits.weigh(report.outcome, || report.took()) else { return false };
        let tick = self.tick(report.generation, report.at());
        count(&self.bucket(tick.number).calls, tick.tag(), report)
            && (failed || slow)
            && self.judge(tick, failed, slow, report)
    }

    fn is_slow(&self, took: Duration) -> bool {
        self.limits.is_slow(took)
    }

    fn tally(&self, generation: u32, at: Duration) -> Tally {
        self.sum(self.tick(generation, at))
    }
}

impl Bucket {
    fn new() -> Self {
        Self { calls: AtomicU64::new(0), failures: AtomicU64::new(0), slow: AtomicU64::new(0) }
    }
}

/// Adds one to a count of this tag, up to what it can hold; `false` if the count is already of a newer one, or the report
/// of a generation that is over.
#[inline]
fn count(count: &AtomicU64, tag: u64, report: &CallReport<'_>) -> bool {
    update(count, |seen| {
        if seen & !COUNT == tag {
            Some(if seen & COUNT == COUNT { seen } else { seen + 1 })
        } else if is_ahead(seen, tag) || !report.is_current() {
            None
        } else {
            Some(tag + 1)
        }
    })
    .is_some()
}

/// Whether a count is of the same generation as `tag` and of a tick after it: another thread was quicker, by a round at
/// least. Ticks wrap, so a count that seems to be very far ahead is one from long ago.
fn is_ahead(count: u64, tag: u64) -> bool {
    let ahead = ((count >> COUNT_BITS) as u32).wrapping_sub((tag >> COUNT_BITS) as u32);
    count >> 56 == tag >> 56 && (1..1 << 20).contains(&ahead)
}

/// A number of widths since the start, in a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tick {
    generation: u32,
    number: u64,
}

impl Tick {
    /// The upper bits of the counts of this tick: 8 of its generation, 32 of its number. They come again when both do: after
    /// 256 transitions within one window, or more than a year without a call.
    #[inline]
    const fn tag(self) -> u64 {
        (self.generation as u64 & 0xff) << 56 | (self.number & 0xffff_ffff) << COUNT_BITS
    }
}
