//! How long jobs hold their permits: a moving mean and deviation, after Jacobson's estimator of round trips (1988).

use std::time::Duration;

use crate::delay::nanos;

/// Nanoseconds; nothing is known until the first job has settled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServiceTime {
    mean: f64,
    deviation: f64,
    seen: u32,
}

impl ServiceTime {
    /// A full weight for the first, then a sixty-fourth of each.
    pub(crate) fn learn(&mut self, cost: Duration) {
        let cost = nanos(cost) as f64;
        const MOST: u32 = 64;
        let weight = if self.seen < MOST {
            self.seen += 1;
            1.0 / f64::from(self.seen)
        } else {
            1.0 / MOST as f64
        };
        let error = cost - self.mean;
        self.mean += error * weight;
        let spread = if self.seen == 1 { 0.0 } else { error.abs() - self.deviation };
        self.deviation += spread * weight;
    }

    pub(crate) const fn mean(&self) -> u64 {
        self.mean as u64
    }

    /// A time that most jobs stay below: the mean and three mean deviations (96 in 100 of exponential times).
    pub(crate) fn most(&self) -> u64 {
        (3.0 * self.deviation + self.mean) as u64
    }
}
