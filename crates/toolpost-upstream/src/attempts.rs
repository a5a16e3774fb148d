//! When a server that is not connected is tried again.

use std::time::{Duration, Instant};

use toolpost_retry::{Backoff, RetryBudget};

/// The waits between attempts that come to nothing, without jitter.
const BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30));
/// How soon after an attempt that came to nothing a call may have the next one made.
const SPACING: Duration = Duration::from_millis(100);
/// How many attempts calls may have made sooner, and after how long one more.
const HURRIED: u32 = 10;
const REGAINED: Duration = Duration::from_secs(3);

/// Decides when the next attempt is due. It takes the time as an argument, and never gives up.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// How many in a row have not come to a connection that was of use.
    failures: u32,
    seed: u64,
    ended: Option<Instant>,
    due: Instant,
    hurry: RetryBudget,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// There was no connection.
    Failed,
    /// There was one, which ended before anybody had an answer over it, or soon.
    Lost,
    /// There was one, and it was of use.
    Served,
}

impl Attempts {
    /// The first is due at once.
    pub(crate) fn new(seed: u64, now: Instant) -> Self {
        let hurry = RetryBudget::new(0, HURRIED).regained_every(REGAINED, now);
        Self { failures: 0, seed, ended: None, due: now, hurry }
    }

    /// When the next is due.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// An attempt has ended. The first after a connection is due at once: most servers that end are there again.
    pub(crate) fn end(&mut self, how: Ended, now: Instant) {
        self.ended = Some(now);
        if how == Ended::Served {
            self.failures = 0;
        }
        self.due = match (self.failures, how) {
            (0, Ended::Served | Ended::Lost) => now,
            (failures, _) => now + BACKOFF.delay(failures.saturating_sub(1), self.seed),
        };
        if how != Ended::Served {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// Somebody waits for the server: the next attempt is due soon, unless that was said too often.
    pub(crate) fn hurry(&mut self, now: Instant) {
        let soon = self.ended.map_or(now, |ended| ended + SPACING).max(now);
        if soon < self.due && self.hurry.withdraw_at(now) {
            self.due = soon;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a time to reckon from")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_first_attempt_after_a_connection_is_due_at_once_and_those_after_it_ever_later() {
        let now = start();
        let mut attempts = Attempts::new(7, now);
        assert_eq!(attempts.due(), now);
        attempts.end(Ended::Lost, now);
        assert_eq!(attempts.due(), now);
        let mut longest = Duration::ZERO;
        for _ in 0..100 {
            attempts.end(Ended::Lost, now);
            let wait = attempts.due() - now;
            assert!(SPACING <= wait && wait <= BACKOFF.cap(), "{wait:?}");
            longest = longest.max(wait);
        }
        assert!(Duration::from_secs(5) < longest);
        attempts.end(Ended::Served, now);
        assert_eq!(attempts.due(), now, "it was of use, so that it is as good as new");
    }

    #[test]
    fn a_call_after_a_long_outage_has_the_next_attempt_made_at_once() {
        let mut now = start();
        let mut attempts = Attempts::new(7, now);
        let outage = now + Duration::from_secs(30 * 60);
        while attempts.due() < outage {
            now = attempts.due();
            attempts.end(Ended::Failed, now);
        }
        let call = outage.min(attempts.due());
        attempts.hurry(call);
        assert!(attempts.due() <= call.max(now + SPACING));
    }

    #[test]
    fn calls_that_never_end_have_few_attempts_made_sooner() {
        let mut now = start();
        let mut attempts = Attempts::new(7, now);
        let end = now + Duration::from_secs(600);
        let mut made = 0;
        while now < end {
            attempts.hurry(now);
            if attempts.due() <= now {
                made += 1;
                attempts.end(Ended::Failed, now);
            }
            now += Duration::from_millis(10);
        }
        assert!((150..300).contains(&made), "{made}");
    }

    proptest! {
        #[test]
        fn an_attempt_is_always_due_within_the_cap(seed: u64, ends in proptest::collection::vec((0_u8..3, 0_u64..60_000, any::<bool>()), 1..60)) {
            let mut now = start();
            let mut attempts = Attempts::new(seed, now);
            for (how, wait, is_wanted) in ends {
                now += Duration::from_millis(wait);
                attempts.end([Ended::Failed, Ended::Lost, Ended::Served][usize::from(how)], now);
                prop_assert!(attempts.due() <= now + BACKOFF.cap() && now <= attempts.due());
                let before = attempts.due();
                if is_wanted {
                    attempts.hurry(now);
                    prop_assert!(attempts.due() <= before && attempts.due() <= now + BACKOFF.cap());
                }
            }
        }
    }
}
