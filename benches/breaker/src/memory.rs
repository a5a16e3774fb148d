//! What a million live breakers occupy.

use std::sync::Arc;
use std::time::Instant;

use harness::Goals;
use toolpost_breaker::{Breaker, BreakerSettings, Breakers, CountWindow};

const MILLION: usize = 1_000_000;

/// Measures by the resident set, so that what the allocator adds is counted too.
pub fn measure(goals: &mut Goals, now: Instant) {
    let settings = Arc::new(BreakerSettings::new(now));
    let live = |n: usize| {
        let breaker = Breaker::with_settings(CountWindow::new(100, 50), Arc::clone(&settings));
        // Every ring written, so that every page is there.
        (0..100).for_each(|call| match breaker.admit(now) {
            Ok(permit) if (n + call).is_multiple_of(50) => permit.failure(now),
            Ok(permit) => permit.success(now),
            Err(_) => unreachable!("two failures do not open it"),
        });
        breaker
    };
    let before = resident();
    let breakers: Vec<_> = (0..MILLION).map(live).collect();
    let used = resident() - before;
    assert!(breakers.iter().all(|breaker| breaker.snapshot(now).window.failures == 2));
    goals.at_most("a million live breakers at window 100: MB", used / 1e6, 160.0);
    drop(breakers);

    let before = resident();
    let by_key = Breakers::new(MILLION, settings, || CountWindow::new(100, 50));
    for key in 0..MILLION as u64 {
        by_key.ensure(&key, now).expect("room for all");
    }
    println!(
        "        (a million in a `Breakers` by a key of eight bytes: about {:.0} MB)",
        (resident() - before) / 1e6
    );
}

/// The resident set, in bytes.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.as_deref().and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4_096.0
}
