//! Waits, budgets and quantiles.
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::time::Duration;

use proptest::prelude::*;
use toolpost_retry::{Backoff, Jitter, LatencyHistogram, RetryBudget};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn waits_stay_within_their_range(
        base in 1..10_000_u64,
        cap in 1..1_000_000_u64,
        attempt in 0..200_u32,
        seed in any::<u64>(),
    ) {
        let (base, cap) = (Duration::from_micros(base), Duration::from_micros(base + cap));
        let plain = Backoff::exponential(base, cap).jitter(Jitter::None);
        let full = plain.jitter(Jitter::Full);
        let decorrelated = plain.jitter(Jitter::Decorrelated);
        prop_assert!(plain.delay(attempt, seed) <= plain.delay(attempt + 1, seed));
        prop_assert!(plain.delay(attempt, seed) <= cap);
        prop_assert!(full.delay(attempt, seed) <= plain.delay(attempt, seed));
        let wait = decorrelated.delay(attempt, seed);
        prop_assert!(base <= wait && wait <= cap);
        if 0 < attempt {
            prop_assert!(wait <= 3 * decorrelated.delay(attempt - 1, seed));
        }
        prop_assert_eq!(wait, decorrelated.delay(attempt, seed));
    }

    #[test]
    fn a_budget_is_a_share_of_the_calls(
        percent in 0..=100_u32,
        reserve in 0..20_u32,
        steps in prop::collection::vec(any::<bool>(), 0..500),
    ) {
        let budget = RetryBudget::new(percent, reserve);
        let (mut calls, mut retries) = (0, 0);
        for call in steps {
            if call {
                budget.deposit();
                calls += 1;
            } else {
                retries += u32::from(budget.withdraw());
            }
            prop_assert!(100 * retries <= 100 * reserve + percent * calls);
            prop_assert!(budget.balance() <= reserve.max(10));
        }
    }

    #[test]
    fn a_quantile_is_close_and_never_short(
        mut micros in prop::collection::vec(8..1_000_000_000_u64, 1..500),
        percent in 1..=100_u32,
    ) {
        let latency = LatencyHistogram::new();
        for micros in &micros {
            latency.record(Duration::from_micros(*micros));
        }
        micros.sort_unstable();
        let exact = micros[(micros.len() * percent as usize).div_ceil(100) - 1] as f64;
        let told = latency.quantile(percent).expect("there are calls").as_secs_f64() * 1e6;
        prop_assert!(exact <= told && told <= 1.126 * exact + 1.0, "{exact} told as {told}");
    }
}

#[test]
fn full_jitter_uses_its_whole_range() {
    let backoff = Backoff::fixed(Duration::from_secs(1)).jitter(Jitter::Full);
    let waits: Vec<_> = (0..1_000).map(|seed| backoff.delay(0, seed)).collect();
    let low = waits.iter().filter(|wait| **wait < Duration::from_millis(500)).count();
    assert!((400..600).contains(&low), "{low}");
}

#[test]
fn waits_grow_by_their_rule() {
    let (base, cap) = (Duration::from_secs(2), Duration::from_secs(7));
    let waits = |backoff: Backoff| -> Vec<_> { (0..4).map(|n| backoff.delay(n, 0).as_secs()).collect() };
    assert_eq!(waits(Backoff::fixed(base)), [2, 2, 2, 2]);
    assert_eq!(waits(Backoff::linear(base, cap)), [2, 4, 6, 7]);
    assert_eq!(waits(Backoff::exponential(base, cap).jitter(Jitter::None)), [2, 4, 7, 7]);
}

#[test]
fn what_was_long_ago_fades() {
    let latency = LatencyHistogram::new();
    for _ in 0..10_000 {
        latency.record(Duration::from_secs(1));
    }
    for _ in 0..20_000 {
        latency.record(Duration::from_millis(1));
    }
    assert!(latency.quantile(95).expect("there are calls") < Duration::from_millis(2));
}

#[test]
fn extremes_are_no_trouble() {
    let latency = LatencyHistogram::new();
    for took in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        latency.record(took);
    }
    assert_eq!(latency.recorded(), 3);
    assert!(latency.quantile(0).is_some() && latency.quantile(100).is_some());
    let huge = Backoff::exponential(Duration::MAX, Duration::MAX);
    assert!(huge.delay(u32::MAX, u64::MAX) <= Duration::MAX);
}

/// Elsewhere the wait overflows at the 32nd or the 64th attempt, before the cap is applied: a panic, or no wait at all.
#[test]
fn no_attempt_is_one_too_many() {
    let (base, cap) = (Duration::from_secs(1), Duration::from_millis(10));
    let attempts = (0..70).chain([1_000, u32::MAX - 1, u32::MAX]);
    for attempt in attempts {
        for backoff in [Backoff::fixed(cap), Backoff::linear(base, cap), Backoff::exponential(base, cap)] {
            assert_eq!(backoff.jitter(Jitter::None).delay(attempt, 1), cap, "{backoff:?} at {attempt}");
            for jitter in [Jitter::Full, Jitter::Decorrelated] {
                assert!(backoff.jitter(jitter).delay(attempt, 1) <= cap, "{backoff:?} at {attempt}");
            }
        }
    }
}

/// Elsewhere a clock that is centuries ahead, as a simulated one may be, is a panic.
#[test]
fn a_budget_outlives_its_owner() {
    let now = std::time::Instant::now();
    let later = now + Duration::from_secs(600 * 365 * 24 * 60 * 60);
    let budget = RetryBudget::new(10, 2).regained_every(Duration::from_nanos(1), now);
    assert_eq!((0..100).filter(|_| budget.withdraw_at(later)).count(), 10, "what may be saved, and no more");
}

#[test]
fn a_quiet_caller_earns_its_retries_by_the_hour() {
    let now = std::time::Instant::now();
    let second = Duration::from_secs(1);
    let budget = RetryBudget::new(10, 10).regained_every(second, now);
    let taken = |at| (0..100).filter(|_| budget.withdraw_at(at)).count();
    assert_eq!(taken(now), 10, "the reserve");
    assert_eq!(taken(now + second / 2), 0);
    assert_eq!(taken(now + 3 * second), 3);
    assert_eq!(taken(now + 2 * second), 0, "a time that was paid for");
    assert_eq!(taken(now + 3_600 * second), 10, "as much as may be saved");
    let endless = RetryBudget::new(0, 0).regained_every(Duration::ZERO, now);
    assert!(endless.withdraw_at(now + Duration::MAX.min(1_000_000 * second)));
    let never = RetryBudget::new(0, 0).regained_every(Duration::MAX, now);
    assert!(!never.withdraw_at(now + 3_600 * second));
}

/// What a caller can fill, as `docs/bounds.md` lists it, with the test that fills it.
const BOUNDS: &[(&str, fn())] = &[("retries that are saved up", bound_budget)];

#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let doc = include_str!("../../../../docs/bounds.md");
    let section =
        doc.split("\n## ").find(|section| section.starts_with("toolpost-retry\n")).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let listed: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(listed, BOUNDS.iter().map(|(what, _)| *what).collect::<Vec<_>>());
    BOUNDS.iter().for_each(|(_, fill)| fill());
}

fn bound_budget() {
    let now = std::time::Instant::now();
    let second = Duration::from_secs(1);
    let budget = RetryBudget::new(100, 20).regained_every(second, now);
    (0..10_000).for_each(|_| budget.deposit());
    assert_eq!(budget.balance(), 20);
    assert_eq!((0..100).filter(|_| budget.withdraw_at(now + 10_000 * second)).count(), 20);
}
