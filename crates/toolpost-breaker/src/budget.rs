//! How many retries may be made, as a share of the calls that are.

use crate::sync::{AtomicU64, Ordering, update};

/// A purse of tokens: every call pays in a fraction of one, every retry takes a whole one.
///
/// So retries add at most that fraction to the load, however much fails, beside a reserve that lets a quiet caller
/// retry at all. The idea is that of Finagle's `RetryBudget`; without a clock, for what is saved is capped.
///
/// ```
/// use toolpost_breaker::RetryBudget;
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
        }
    }

    /// Pays in for one call. Retries are not calls.
    #[inline]
    pub fn deposit(&self) {
        let _full_or_paid = update(&self.saved, |saved| Some((saved + self.percent).min(self.most)));
    }

    /// Takes out one retry; `false` if there is none.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        update(&self.saved, |saved| saved.checked_sub(TOKEN)).is_some()
    }

    /// Whole retries that could be made now.
    #[must_use]
    pub fn balance(&self) -> u32 {
        (self.saved.load(Ordering::Acquire) / TOKEN) as u32
    }
}
