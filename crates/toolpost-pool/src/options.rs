//! The bounds and times of a pool.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How many connections a pool holds, and for how long it keeps them.
///
/// Unless told otherwise: 100 connections, 10 of one key, each for one user at a time; 1,000 may wait; idle for 5 minutes,
/// alive for an hour, asked whether it is alive after 30 seconds of idleness.
///
/// ```
/// use std::time::Duration;
/// use toolpost_pool::PoolOptions;
///
/// // A browser for each user: one connection, which carries all that this user does at once.
/// let options = PoolOptions::new().total(20).per_key(1).shared_by(64).idle_time(Duration::from_secs(600));
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct PoolOptions {
    pub(crate) total: usize,
    pub(crate) per_key: usize,
    pub(crate) waiting: usize,
    pub(crate) shared_by: u32,
    pub(crate) idle_time: Duration,
    life: Duration,
    pub(crate) check_after: Duration,
    seed: u64,
    #[cfg(feature = "tokio")]
    pub(crate) times: crate::rt::Times,
}

impl PoolOptions {
    /// Begins with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            total: 100,
            per_key: 10,
            waiting: 1_000,
            shared_by: 1,
            idle_time: Duration::from_secs(300),
            life: Duration::from_secs(3_600),
            check_after: Duration::from_secs(30),
            seed: RandomState::new().hash_one(0_u8),
            #[cfg(feature = "tokio")]
            times: crate::rt::Times::default(),
        }
    }

    /// Sets how many connections there are at most, in use, idle, being made and being closed.
    ///
    /// # Panics
    ///
    /// If it is zero, or more than 2^31.
    #[must_use]
    pub fn total(mut self, total: usize) -> Self {
        assert!((1..=1 << 31).contains(&total), "1 to 2^31 connections in all, not {total}");
        self.total = total;
        self
    }

    /// Sets how many connections one key has at most.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn per_key(mut self, per_key: usize) -> Self {
        assert!(0 < per_key, "at least one connection of a key");
        self.per_key = per_key;
        self
    }

    /// Sets how many may wait at once, of all keys; one more is refused. With zero nobody waits.
    #[must_use]
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// Lends one connection to so many at once; the one with the fewest users first.
    ///
    /// A new connection of a key is made only once all that it has are lent to as many. A shared connection that is never
    /// idle makes room for nobody: where there are more keys than connections, those beyond wait until one is.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn shared_by(mut self, users: u32) -> Self {
        assert!(0 < users, "at least one user of a connection");
        self.shared_by = users;
        self
    }

    /// Sets for how long a connection may be idle; then it is closed. `Duration::MAX` is for ever.
    #[must_use]
    pub fn idle_time(mut self, idle_time: Duration) -> Self {
        self.idle_time = idle_time;
        self
    }

    /// Sets how long after its making a connection is not handed out any more. `Duration::MAX` is never.
    ///
    /// Each has up to a tenth less, drawn at random, so that those that were made together do not end together.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// Sets after how much idleness a connection is to be asked whether it is alive before it is handed out.
    ///
    /// `Duration::ZERO` is each time, `Duration::MAX` never.
    #[must_use]
    pub fn check_after(mut self, idle: Duration) -> Self {
        self.check_after = idle;
        self
    }

    /// Sets what the lives are drawn from. By default each process draws its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When the life of the `n`-th connection ends that is made now; none if it does not.
    pub(crate) fn end_of_life(&self, n: u64, now: Instant) -> Option<Instant> {
        let tenth = self.life.as_nanos() / 10;
        // A fraction of 2^32, so that no life overflows.
        let less = (tenth * u128::from(scatter(self.seed.wrapping_add(n)) >> 32)) >> 32;
        let less = Duration::from_nanos(less.min(u128::from(u64::MAX)) as u64);
        now.checked_add(self.life.saturating_sub(less))
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
const fn scatter(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
