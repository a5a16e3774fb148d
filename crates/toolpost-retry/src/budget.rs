//! A bound on retries, as a share of the calls.

use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering, update};

/// Limits retries to a share of the calls: each call deposits a fraction of a token, each retry withdraws a whole one.
///
/// Retries add at most that fraction to the load, however much fails, beside a reserve that lets a quiet caller
/// retry at all. The idea is that of Finagle's `RetryBudget`; without a clock, for what is saved is capped.
///
/// A caller that makes one call an hour would take ten hours to earn a retry after an outage;
/// [`regained_every`](Self::regained_every) lets time deposit too.
///
/// ```
/// use toolpost_retry::RetryBudget;
///
/// let budget = RetryBudget::new(10, 1); // a tenth, and one in reserve
/// let retries = (0..1_000).filter(|_| { budget.deposit(); budget.withdraw() }).count();
/// assert_eq!(retries, 101);
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    /// Hundredths of a token.
    saved: AtomicU64,
    percent: u64,
    most: u64,
    regained: Option<Regained>,
}

/// What time pays in.
#[derive(Debug)]
struct Regained {
    start: Instant,
    /// Nanoseconds between two tokens.
    every: u64,
    /// How many tokens time has paid in since the start.
    paid: AtomicU64,
}

const TOKEN: u64 = 100;

impl RetryBudget {
    /// A budget of this percentage of the calls, which begins with `reserve` retries and saves up no more than those,
    /// or ten if that is more.
    ///
    /// # Panics
    ///
    /// If `percent` is over 100.
    #[must_use]
    pub fn new(percent: u32, reserve: u32) -> Self {
        assert!(percent <= 100, "a budget is at most 100 percent, not {percent}");
        Self {
            saved: AtomicU64::new(u64::from(reserve) * TOKEN),
            percent: u64::from(percent),
            most: u64::from(reserve.max(10)) * TOKEN,
            regained: None,
        }
    }

    /// Gives back a retry every so often from `now` on, however few calls there are; less than a nanosecond counts as one.
    ///
    /// What is saved stays capped, so that time alone never saves up more than the reserve (or ten).
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use toolpost_retry::RetryBudget;
    ///
    /// let now = Instant::now();
    /// let budget = RetryBudget::new(10, 1).regained_every(Duration::from_secs(1), now);
    /// assert!(budget.withdraw_at(now) && !budget.withdraw_at(now));
    /// assert!(budget.withdraw_at(now + Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub fn regained_every(mut self, every: Duration, now: Instant) -> Self {
        let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.regained = Some(Regained { start: now, every, paid: AtomicU64::new(0) });
        self
    }

    /// Deposits the share of one call. Retries are not calls.
    #[inline]
    pub fn deposit(&self) {
        let _full_or_paid = update(&self.saved, |saved| Some((saved + self.percent).min(self.most)));
    }

    /// Withdraws one retry, after depositing what [time has earned](Self::regained_every); `false` if there is none.
    #[must_use]
    pub fn withdraw_at(&self, now: Instant) -> bool {
        if let Some(tokens) = self.regained.as_ref().and_then(|regained| regained.collect(now)) {
            let paid = tokens.saturating_mul(TOKEN).min(self.most);
            let _full_or_paid = update(&self.saved, |saved| Some((saved + paid).min(self.most)));
        }
        self.withdraw()
    }

    /// Withdraws one retry of what is saved, whatever the time; `false` if there is none.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        update(&self.saved, |saved| saved.checked_sub(TOKEN)).is_some()
    }

    /// Counts the retries that could be withdrawn now.
    #[must_use]
    pub fn balance(&self) -> u32 {
        (self.saved.load(Ordering::Acquire) / TOKEN) as u32
    }
}

impl Regained {
    /// What time owes by now; nobody gets it twice.
    fn collect(&self, now: Instant) -> Option<u64> {
        let passed = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let due = passed / self.every;
        let (before, _) = update(&self.paid, |paid| (paid < due).then_some(due))?;
        Some(due - before)
    }
}
