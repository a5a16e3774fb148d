//! Every interleaving of a few threads: `RUSTFLAGS="--cfg loom" cargo test -p toolpost-retry --test loom --release`.
#![cfg(loom)]
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::time::{Duration, Instant};

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use toolpost_retry::RetryBudget;

const SECOND: Duration = Duration::from_secs(1);

/// At most so many preemptions, which `LOOM_MAX_PREEMPTIONS` overrides: each more multiplies the time by about thirty.
fn model(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(test);
}

#[test]
fn time_pays_a_budget_once() {
    model(3, || {
        let now = Instant::now();
        let budget = Arc::new(RetryBudget::new(0, 0).regained_every(SECOND, now));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let budget = Arc::clone(&budget);
                thread::spawn(move || usize::from(budget.withdraw_at(now + SECOND)))
            })
            .collect();
        let taken: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        assert_eq!(taken + budget.balance() as usize, 1);
    });
}

#[test]
fn a_budget_is_not_overdrawn() {
    model(3, || {
        let budget = Arc::new(RetryBudget::new(50, 1));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let budget = Arc::clone(&budget);
                thread::spawn(move || {
                    budget.deposit();
                    budget.withdraw()
                })
            })
            .collect();
        let callers = callers.into_iter().map(|caller| usize::from(caller.join().unwrap()));
        let taken: usize = callers.sum();
        assert!((1..=2).contains(&taken), "{taken}");
    });
}
