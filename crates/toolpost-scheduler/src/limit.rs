//! How many jobs run at once: a fixed number, or one that follows measured times between two bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many jobs run at once.
///
/// A backend whose capacity nobody knows shows it by its times: where they grow, fewer run at once.
///
/// ```
/// use std::time::Duration;
/// use toolpost_scheduler::Limit;
///
/// let mut limit = Limit::gradient(1..=200);
/// for _ in 0..1_000 {
///     limit.learn(Duration::from_millis(10), limit.permits());
/// }
/// let healthy = limit.permits();
/// for _ in 0..20 {
///     limit.learn(Duration::from_millis(100), limit.permits());
/// }
/// assert!(limit.permits() < healthy / 2, "ten times as slow: {} of {healthy}", limit.permits());
/// ```
///
/// The adaptive limits follow Netflix' concurrency-limits. Both stay within the given bounds, whatever they measure, and
/// grow only while the permits there are in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    rule: Rule,
    least: usize,
    most: usize,
    now: f64,
    /// The whole part of `now`.
    permits: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Fixed,
    /// The long-run mean time against the latest: falling behind shrinks the limit in proportion.
    Gradient {
        long: Option<f64>,
    },
    /// The least time seen against the latest: the difference is a queue, to be kept between two lengths.
    Vegas {
        least: Option<f64>,
        seen: u32,
    },
}

impl Limit {
    /// The greatest limit there is.
    pub const MAX: usize = (1 << 31) - 1;

    /// Lets always so many run: `permits`.
    ///
    /// # Panics
    ///
    /// When `permits` is zero, or above [`Limit::MAX`].
    #[must_use]
    pub const fn fixed(permits: usize) -> Self {
        assert!(0 < permits && permits <= Self::MAX, "a limit is between one and two billion");
        Self { rule: Rule::Fixed, least: permits, most: permits, now: permits as f64, permits }
    }

    /// Follows the ratio of the long-run mean time to the latest time (Gradient2), within `permits`.
    ///
    /// # Panics
    ///
    /// When the range is empty, begins with zero, or ends above [`Limit::MAX`].
    #[must_use]
    pub fn gradient(permits: RangeInclusive<usize>) -> Self {
        Self::adaptive(Rule::Gradient { long: None }, &permits)
    }

    /// Follows the queue that the excess over the least time ever seen tells of (Vegas), within `permits`.
    ///
    /// # Panics
    ///
    /// When the range is empty, begins with zero, or ends above [`Limit::MAX`].
    #[must_use]
    pub fn vegas(permits: RangeInclusive<usize>) -> Self {
        Self::adaptive(Rule::Vegas { least: None, seen: 0 }, &permits)
    }

    /// How many jobs may run at once now.
    #[must_use]
    pub const fn permits(&self) -> usize {
        self.permits
    }

    /// Whether it follows measured times.
    #[must_use]
    pub const fn is_adaptive(&self) -> bool {
        !matches!(self.rule, Rule::Fixed)
    }

    /// Learns the time that one job held its permit, with so many in flight while it did.
    pub fn learn(&mut self, time: Duration, in_flight: usize) {
        let time = time.as_secs_f64().max(1e-9);
        let wanted = match &mut self.rule {
            Rule::Fixed => return,
            Rule::Gradient { long } => {
                let mean = long.map_or(time, |mean| mean + (time - mean) / 600.0);
                // After a long overload the mean is far above what is normal now; it comes down faster than it went up.
                let mean = if 2.0 * time < mean { mean * 0.95 } else { mean };
                *long = Some(mean);
                let gradient = (1.5 * mean / time).clamp(0.5, 1.0);
                // The term for a queue is the square root, at most an eighth, so that the limit does not creep upwards.
                let queue = self.now.sqrt().min(self.now / 8.0).max(1.0);
                self.now + 0.2 * (self.now * gradient + queue - self.now)
            }
            Rule::Vegas { least, seen } => {
                *seen += 1;
                // The least is looked for anew every thousand jobs, or it would be that of a service long gone.
                let floor = match *least {
                    Some(floor) if *seen % 1_000 != 0 => floor.min(time),
                    _ => time,
                };
                *least = Some(floor);
                let queue = self.now * (1.0 - floor / time);
                let step = self.now.log10().max(1.0);
                if queue < 3.0 * step {
                    self.now + step
                } else if 6.0 * step < queue {
                    self.now - step
                } else {
                    self.now
                }
            }
        };
        if wanted < self.now || self.now < 2.0 * in_flight as f64 {
            self.now = wanted.clamp(self.least as f64, self.most as f64);
            self.permits = self.now as usize;
        }
    }

    fn adaptive(rule: Rule, permits: &RangeInclusive<usize>) -> Self {
        let (least, most) = (*permits.start(), *permits.end());
        assert!(0 < least && least <= most && most <= Self::MAX, "a limit is between one and two billion");
        let now = (least as f64 * 2.0).clamp(20.0, 100.0).clamp(least as f64, most as f64);
        Self { rule, least, most, now, permits: now as usize }
    }
}
