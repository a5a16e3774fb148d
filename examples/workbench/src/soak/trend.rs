//! Whether figures rise.

/// Bytes in the unit that people read.
const MEGABYTE: f64 = 1e6;

/// How much memory may grow for a million calls, in megabytes.
pub(super) const BOUND: f64 = 0.5;

/// Memory, by the number of calls made when it was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Vec<(f64, f64)>);

impl Memory {
    pub(super) fn add(&mut self, calls: u64, bytes: u64) {
        self.0.push((calls as f64 / 1e6, bytes as f64 / MEGABYTE));
    }

    /// Megabytes for each million calls: the slope of the straight line that fits best (least squares). Not a number
    /// with fewer than two measurements.
    pub(super) fn growth(&self) -> f64 {
        let count = self.0.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / count;
        let (calls, bytes) = (mean(|at| at.0), mean(|at| at.1));
        let (above, below) = self.0.iter().fold((0.0, 0.0), |(above, below), at| {
            (above + (at.0 - calls) * (at.1 - bytes), below + (at.0 - calls).powi(2))
        });
        above / below
    }

    /// First and last, in megabytes.
    pub(super) fn ends(&self) -> (f64, f64) {
        let end = |at: Option<&(f64, f64)>| at.map_or(f64::NAN, |at| at.1);
        (end(self.0.first()), end(self.0.last()))
    }

    /// Millions of calls between the first measurement and the last.
    pub(super) fn calls(&self) -> f64 {
        let end = |at: Option<&(f64, f64)>| at.map_or(f64::NAN, |at| at.0);
        end(self.0.last()) - end(self.0.first())
    }
}

/// The median of the last third as a multiple of the median of the first third. Not a number with fewer than three.
pub(super) fn drift(figures: &[f64]) -> f64 {
    let third = figures.len() / 3;
    median(&figures[figures.len() - third..]) / median(&figures[..third])
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_a_slope() {
        let mut memory = Memory::default();
        for step in 0..10_u64 {
            memory.add(step * 100_000, 20_000_000 + step * 60_000 + (step % 2) * 4_096);
        }
        let growth = memory.growth();
        assert!((0.59..0.61).contains(&growth) && BOUND < growth, "{growth}");
        let mut level = Memory::default();
        for step in 0..10_u64 {
            level.add(step * 100_000, 20_000_000 + (step % 2) * 40_960);
        }
        assert!(level.growth() < BOUND, "{}", level.growth());
        assert!(Memory::default().growth().is_nan(), "nothing measured is nothing shown");
    }

    #[test]
    fn one_outlier_is_no_drift() {
        assert_eq!(drift(&[1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 9.0]), 1.0);
        assert_eq!(drift(&[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]), 2.0);
        assert!(drift(&[1.0]).is_nan());
    }
}
