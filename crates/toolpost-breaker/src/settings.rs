//! How long a breaker stays open, and how it finds its way back.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::open_time::{OpenTime, scatter};
use crate::sync::{AtomicU64, Ordering};
use crate::transition::Transition;
use crate::word::{LONGEST, MOST_PROBES, MOST_STAGES};

/// What a breaker does beside judging: how long it stays open, how it probes, whom it tells.
///
/// Many breakers may share one, behind an `Arc`. Unless told otherwise: open for 10 seconds, growing to 5 minutes,
/// with decorrelated jitter; 3 probes, then 6, then 12; probes that do not report are given up after a minute.
///
/// ```
/// use std::sync::Arc;
/// use std::time::{Duration, Instant};
/// use toolpost_breaker::{Breaker, BreakerSettings, Consecutive};
///
/// let now = Instant::now();
/// let settings = BreakerSettings::new(now)
///     .open_time(Duration::from_secs(1), Duration::from_secs(60))
///     .on_transition(|change| println!("{:?}: {} to {}", change.name, change.from, change.to));
/// let settings = Arc::new(settings); // For all backends of a kind.
/// let search = Breaker::with_settings(Consecutive::new(5), Arc::clone(&settings)).named("search");
/// let fetch = Breaker::with_settings(Consecutive::new(5), settings).named("fetch");
/// # let _ = (search, fetch);
/// ```
pub struct BreakerSettings {
    pub(crate) start: Instant,
    pub(crate) open_time: OpenTime,
    pub(crate) probes: u16,
    pub(crate) ramp: u8,
    pub(crate) patience: Duration,
    retry_after_cap: Duration,
    seed: u64,
    /// Breakers made so far; each draws other random numbers.
    made: AtomicU64,
    listener: Option<Listener>,
}

type Listener = Box<dyn Fn(&Transition) + Send + Sync>;

impl BreakerSettings {
    /// Begins with the defaults, for breakers that begin now.
    ///
    /// Times are kept as distances from this one, in a word that has no room for a sign: whatever lies before it is taken
    /// for it. So a test with a clock of its own gives the earliest time that it will use.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            open_time: OpenTime {
                first: Duration::from_secs(10),
                longest: Duration::from_secs(300),
                jitter: true,
            },
            probes: 3,
            ramp: 3,
            patience: Duration::from_secs(60),
            retry_after_cap: Duration::from_secs(60 * 60),
            seed: RandomState::new().hash_one(0_u8),
            made: AtomicU64::new(0),
            listener: None,
        }
    }

    /// Sets how long it stays open: at least `first`, longer each time that its probes fail again, `longest` at most.
    ///
    /// Each time is drawn between `first` and three times the one before (decorrelated jitter), so that breakers that opened
    /// together do not probe together. With `first` as `longest` it is always the same.
    #[must_use]
    pub fn open_time(mut self, first: Duration, longest: Duration) -> Self {
        (self.open_time.first, self.open_time.longest) = (first, longest);
        self
    }

    /// Doubles the open time each time that the probes fail again, instead of drawing it.
    #[must_use]
    pub fn without_jitter(mut self) -> Self {
        self.open_time.jitter = false;
        self
    }

    /// Sets how many calls may find out whether it works again.
    ///
    /// One failure among them opens it again.
    ///
    /// # Panics
    ///
    /// Unless it is 1 to 2047.
    #[must_use]
    pub fn probes(mut self, probes: u16) -> Self {
        assert!((1..=MOST_PROBES).contains(&probes), "1 to {MOST_PROBES} probes, not {probes}");
        self.probes = probes;
        self
    }

    /// Sets in how many stages it goes from the first probes to closed, each with twice the probes of the one before.
    ///
    /// The first stage asks whether the thing works; those after it, whether it bears load: up to a quarter of
    /// their probes may fail. One stage is a cliff: all callers at once after the first probes.
    ///
    /// # Panics
    ///
    /// Unless it is 1 to 8.
    #[must_use]
    pub fn ramp(mut self, stages: u8) -> Self {
        assert!((1..=MOST_STAGES).contains(&stages), "1 to {MOST_STAGES} stages, not {stages}");
        self.ramp = stages;
        self
    }

    /// Sets how long it waits for probes that do not report before it lets others through in their place.
    ///
    /// It counts from the last probe that was let through. Until then, whoever asks is refused; so this is also the
    /// longest for which probes that hang can hold up a recovery. A probe that was given up is still heard: its success
    /// counts towards closing and its failure opens the breaker, as long as it is half-open. So a thing whose calls take
    /// longer than this recovers too, at the price of a few more calls under way.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how long it lets itself be told to stay open; see
    /// [`Permit::failure_retry_after`](crate::Permit::failure_retry_after).
    #[must_use]
    pub fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.retry_after_cap = cap;
        self
    }

    /// Sets what the jitter is drawn from. By default each process draws its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets who is told of every transition, in the thread that caused it and after the fact.
    ///
    /// Whose transition it is, [its name](Transition::name) tells, if the breaker has one; see
    /// [`Breaker::named`](crate::Breaker::named) and [`Breakers::naming`](crate::Breakers::naming).
    ///
    /// A panic of the listener reaches the caller of the breaker, whose state is sound.
    #[must_use]
    pub fn on_transition(mut self, listener: impl Fn(&Transition) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    pub(crate) fn next_seed(&self) -> u64 {
        scatter(self.seed.wrapping_add(self.made.fetch_add(1, Ordering::Relaxed)))
    }

    /// How many probes a stage has.
    pub(crate) fn stage_size(&self, stage: u8) -> u16 {
        let doubled = u32::from(self.probes) << stage;
        doubled.min(u32::from(MOST_PROBES)) as u16
    }

    /// How many probes of a stage may fail.
    pub(crate) fn tolerated(&self, stage: u8) -> u16 {
        if stage == 0 { 0 } else { self.stage_size(stage) / 4 }
    }

    pub(crate) fn open_for(&self, attempt: u8, seed: u64, retry_after: Duration) -> Duration {
        let own = self.open_time.nth(u32::from(attempt), seed);
        own.max(retry_after.min(self.retry_after_cap)).clamp(Duration::from_millis(1), LONGEST)
    }

    #[inline]
    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// Milliseconds since the start, rounded down.
    #[inline]
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        let elapsed = self.elapsed(now);
        elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis())
    }

    /// Milliseconds since the start until `after` from now, rounded up.
    pub(crate) fn millis_up(&self, now: Instant, after: Duration) -> u64 {
        (self.elapsed(now) + after).as_nanos().div_ceil(1_000_000) as u64
    }

    /// Patience in milliseconds, rounded up.
    pub(crate) fn patience_millis(&self) -> u64 {
        u64::try_from(self.patience.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    pub(crate) fn tell(&self, transition: impl FnOnce() -> Transition) {
        if let Some(listener) = &self.listener {
            listener(&transition());
        }
    }
}

impl fmt::Debug for BreakerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerSettings")
            .field("open_time", &self.open_time)
            .field("probes", &self.probes)
            .field("ramp", &self.ramp)
            .field("patience", &self.patience)
            .field("retry_after_cap", &self.retry_after_cap)
            .finish_non_exhaustive()
    }
}
