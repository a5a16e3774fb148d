//! Watches how long jobs wait, and says when to shed one (Nichols and Jacobson, "Controlling Queue Delay", 2012).

use std::time::Duration;

/// When a standing queue is too long: waiting above `target` for a whole `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DelayBound {
    pub(crate) target: Duration,
    pub(crate) interval: Duration,
}

/// The state of one queue under watch; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delay {
    /// When the delay will have been above target for an interval; none while it is below.
    above_until: Option<u64>,
    /// While shedding: when to shed next, and how many have been shed.
    shedding: Option<(u64, u32)>,
    /// When the last job left.
    last: u64,
}

impl Delay {
    /// Says whether the job that waits since `since` and leaves at `now` is to be shed; `is_last` of all that wait, it
    /// never is.
    pub(crate) fn sheds(&mut self, bound: &DelayBound, since: u64, now: u64, is_last: bool) -> bool {
        let interval = nanos(bound.interval);
        // Who came no earlier than the one before left found the queue empty: what was seen of it is over. So it is also
        // when the account has gone to another tenant meanwhile.
        if self.last <= since {
            *self = Self::default();
        }
        self.last = now;
        if is_last || now.saturating_sub(since) < nanos(bound.target) {
            *self = Self { last: now, ..Self::default() };
            return false;
        }
        let Some(until) = self.above_until else {
            self.above_until = Some(now.saturating_add(interval));
            return false;
        };
        match self.shedding {
            None if now < until => false,
            Some((next, _)) if now < next => false,
            shedding => {
                let count = shedding.map_or(1, |(_, count)| count.saturating_add(1));
                let pause = (interval as f64 / f64::from(count).sqrt()) as u64;
                let from = shedding.map_or(now, |(next, _)| next);
                self.shedding = Some((from.saturating_add(pause), count));
                true
            }
        }
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}
