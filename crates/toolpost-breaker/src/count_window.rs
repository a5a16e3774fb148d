//! Opens on the failure rate, or the slow-call rate, of the last so many calls.

use std::time::Duration;

use crate::policy::{CallOutcome, CallReport, FailurePolicy, Limits, Tally, assert_percent};
use crate::sync::{AtomicU64, Ordering, update};

/// Opens when too many of the last calls failed, or were slow.
///
/// The window truly slides: however long it went well before, a window of 100 at 50 percent opens after exactly 50
/// failures. Only a failure or a slow call can open it. At rest its counts are exact; between reports that
/// race each other it may judge one of them late.
///
/// A success in a window full of successes changes nothing, and so writes nothing.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_breaker::{Breaker, CountWindow};
///
/// // Half of the last 100 calls failed, or four fifths took 2 seconds or more; judged from 20 calls on.
/// let policy = CountWindow::new(100, 50).min_calls(20).slow(Duration::from_secs(2), 80);
/// let now = Instant::now();
/// let breaker = Breaker::new(policy, now);
/// for _ in 0..1_000 {
///     breaker.admit(now).expect("all is well").success(now);
/// }
/// for _ in 0..50 {
///     breaker.admit(now).expect("half of the last hundred have not failed yet").failure(now);
/// }
/// assert!(breaker.admit(now).is_err(), "a long healthy past buys nothing");
/// ```
#[derive(Debug)]
pub struct CountWindow {
    /// See [`Counts`].
    counts: AtomicU64,
    /// Outcomes of two bits each, `SLOTS` to a word, whose upper bits say of which generation they are: words of
    /// another one are empty.
    ///
    /// At rest, the counts are the sums over the slots.
    ring: Box<[AtomicU64]>,
    size: u32,
    limits: Limits,
}

const LARGEST: u32 = 4_096;
const SLOTS: u32 = 20;
const SLOT_BITS: u32 = 2;
const FAILED: u64 = 0b01;
const SLOW: u64 = 0b10;
/// Where, in a word of the ring, the generation begins.
const TAG: u32 = SLOTS * SLOT_BITS;

impl CountWindow {
    /// Opens when this percentage of the last `size` calls failed; judged from 10 calls on, or `size` if that is less.
    ///
    /// # Panics
    ///
    /// Unless the size is 1 to 4096 and the percentage 1 to 100.
    #[must_use]
    pub fn new(size: u32, failure_percent: u32) -> Self {
        assert!((1..=LARGEST).contains(&size), "a window of 1 to {LARGEST} calls, not {size}");
        assert_percent(failure_percent);
        Self {
            counts: AtomicU64::new(Counts::fresh(0).0),
            ring: (0..size.div_ceil(SLOTS)).map(|_| AtomicU64::new(0)).collect(),
            size,
            limits: Limits { min_calls: size.min(10), failure_percent, slow: None },
        }
    }

    /// Sets from how many calls on the window is judged.
    ///
    /// # Panics
    ///
    /// Unless it is 1 to the size of the window.
    #[must_use]
    pub fn min_calls(mut self, calls: u32) -> Self {
        assert!((1..=self.size).contains(&calls), "1 to {} calls, not {calls}", self.size);
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

    /// Whether another success in this generation would change nothing.
    #[inline]
    fn is_full_of_successes(&self, generation: u32) -> bool {
        self.counts.load(Ordering::Acquire) >> POSITION_BITS
            == Counts::CLEAN | (generation as u64) << (GENERATION - POSITION_BITS)
    }

    /// Out of line, and with a copy of the report, so that the usual case stays small and writes no report at all.
    #[inline(never)]
    fn weigh_and_push(&self, report: CallReport<'_>) -> bool {
        match self.limits.weigh(report.outcome, || report.took()) {
            None => false,
            Some((false, false)) if self.is_full_of_successes(report.generation) => false,
            Some((failed, slow)) => self.push(&report, failed, slow),
        }
    }

    /// Puts one outcome into the ring and returns whether to open.
    fn push(&self, report: &CallReport<'_>, failed: bool, slow: bool) -> bool {
        let Some((slot, counts)) = self.claim(report) else { return false };
        let outcome = if failed { FAILED } else { 0 } | if slow { SLOW } else { 0 };
        let Some(before) = self.put(slot, report, outcome) else { return false };
        let counts = if before == outcome {
            counts
        } else {
            let delta = Counts::delta(outcome).wrapping_sub(Counts::delta(before));
            let Some((_, counts)) = update(&self.counts, |seen| {
                (Counts(seen).generation() == report.generation).then(|| seen.wrapping_add(delta))
            }) else {
                return false;
            };
            Counts(counts)
        };
        (failed || slow) && self.limits.are_exceeded_by(counts.tally(self.size))
    }

    /// Takes the next slot of this generation; `None` if it is over.
    fn claim(&self, report: &CallReport<'_>) -> Option<(u32, Counts)> {
        let (before, after) = update(&self.counts, |seen| {
            let counts = Counts(seen);
            if counts.generation() == report.generation {
                Some(counts.advanced(self.size).0)
            } else if report.is_current() {
                Some(Counts::fresh(report.generation).advanced(self.size).0)
            } else {
                None
            }
        })?;
        if Counts(before).generation() == report.generation {
            return Some((Counts(before).position(), Counts(after)));
        }
        // Words are renewed when first written. This keeps those never written from waiting until their
        // generation comes again.
        for word in &self.ring {
            let _renewed = update(word, |seen| renewed(seen, report));
        }
        Some((0, Counts(after)))
    }

    /// Writes a slot and returns what it held; `None` if the generation is over.
    fn put(&self, slot: u32, report: &CallReport<'_>, outcome: u64) -> Option<u64> {
        let shift = slot % SLOTS * SLOT_BITS;
        let word = &self.ring[(slot / SLOTS) as usize];
        let (before, _) =
            update(word, |seen| Some(renewed(seen, report)? & !(0b11 << shift) | outcome << shift))?;
        Some(slots_of(before, report.generation) >> shift & 0b11)
    }
}

impl FailurePolicy for CountWindow {
    #[inline(always)]
    fn record(&self, report: &CallReport<'_>) -> bool {
        // The usual case, before anything else is computed.
        let unchanged = report.outcome == CallOutcome::Success
            && self.limits.slow.is_none()
            && self.is_full_of_successes(report.generation);
        !unchanged && self.weigh_and_push(*report)
    }

    fn needs_time(&self) -> bool {
        self.limits.slow.is_some()
    }

    fn is_slow(&self, took: Duration) -> bool {
        self.limits.is_slow(took)
    }

    fn tally(&self, generation: u32, _at: Duration) -> Tally {
        let counts = Counts(self.counts.load(Ordering::Acquire));
        if counts.generation() == generation { counts.tally(self.size) } else { Tally::default() }
    }
}

/// A word of the ring as a report sees it: empty if it is of a generation before, `None` if that of the report is over.
fn renewed(word: u64, report: &CallReport<'_>) -> Option<u64> {
    if (word >> TAG) as u32 == report.generation {
        Some(word)
    } else if report.is_current() {
        Some((report.generation as u64) << TAG)
    } else {
        None
    }
}

/// The slots of a word, which are empty in any generation but its own.
const fn slots_of(word: u64, generation: u32) -> u64 {
    if (word >> TAG) as u32 == generation { word & ((1 << TAG) - 1) } else { 0 }
}

/// The sums over the ring and the place of the next write, of one generation.
///
/// ```text
/// bits  0..12  position of the next write
///      12..26  failures, plus `BIAS`
///      26..40  slow calls, plus `BIAS`
///      40      whether the ring is full
///      41..61  generation
/// ```
///
/// A slot is written before its count is corrected, so a second writer of the same slot may correct first: a count can
/// fall below zero for a moment. The bias keeps it from borrowing from its neighbor.
#[derive(Clone, Copy)]
struct Counts(u64);

const POSITION_BITS: u32 = 12;
const COUNT_BITS: u32 = 14;
const FAILURES: u32 = POSITION_BITS;
const SLOWS: u32 = FAILURES + COUNT_BITS;
const FULL: u32 = SLOWS + COUNT_BITS;
const GENERATION: u32 = FULL + 1;
const BIAS: u64 = LARGEST as u64;

impl Counts {
    /// Full, with no failure and nothing slow, in generation zero; without the position.
    const CLEAN: u64 = (Self::fresh(0).0 | 1 << FULL) >> POSITION_BITS;

    const fn fresh(generation: u32) -> Self {
        Self(BIAS << FAILURES | BIAS << SLOWS | (generation as u64) << GENERATION)
    }

    const fn delta(outcome: u64) -> u64 {
        (outcome & FAILED) << FAILURES | (outcome >> 1) << SLOWS
    }

    const fn generation(self) -> u32 {
        (self.0 >> GENERATION) as u32
    }

    const fn position(self) -> u32 {
        self.0 as u32 & (LARGEST - 1)
    }

    const fn advanced(self, size: u32) -> Self {
        let next = self.position() + 1;
        if next == size { Self(self.0 & !(LARGEST as u64 - 1) | 1 << FULL) } else { Self(self.0 + 1) }
    }

    const fn tally(self, size: u32) -> Tally {
        let full = self.0 >> FULL & 1 == 1;
        Tally {
            calls: if full { size } else { self.position() },
            failures: Self::count(self.0 >> FAILURES),
            slow: Self::count(self.0 >> SLOWS),
        }
    }

    const fn count(bits: u64) -> u32 {
        (bits & ((1 << COUNT_BITS) - 1)).saturating_sub(BIAS) as u32
    }
}

impl CountWindow {
    /// Whether the counts are the sums over the ring; true whenever no report is under way.
    #[doc(hidden)]
    pub fn is_consistent(&self) -> bool {
        let counts = Counts(self.counts.load(Ordering::Acquire));
        let (mut failures, mut slow) = (0, 0);
        for word in &self.ring {
            let slots = slots_of(word.load(Ordering::Acquire), counts.generation());
            for slot in 0..SLOTS {
                let outcome = slots >> (slot * SLOT_BITS);
                failures += (outcome & FAILED) as u32;
                slow += (outcome >> 1 & 1) as u32;
            }
        }
        let tally = counts.tally(self.size);
        (tally.failures, tally.slow) == (failures, slow)
    }
}
