//! Every interleaving of a few threads: `RUSTFLAGS="--cfg loom" cargo test -p toolpost-breaker --test loom --release`.
#![cfg(loom)]
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::time::{Duration, Instant};

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use toolpost_breaker::{
    Breaker, BreakerSettings, BreakerState, Consecutive, CountWindow, FailurePolicy, TimeWindow,
};

const OPEN: Duration = Duration::from_secs(10);

fn settings(now: Instant) -> BreakerSettings {
    BreakerSettings::new(now).open_time(OPEN, OPEN).probes(1).ramp(1).seed(1)
}

/// At most so many preemptions, which `LOOM_MAX_PREEMPTIONS` overrides: each more multiplies the time by about thirty.
fn model(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(test);
}

fn report<P: FailurePolicy>(breaker: &Breaker<P>, failed: bool, now: Instant) {
    if let Ok(permit) = breaker.admit(now) {
        if failed { permit.failure(now) } else { permit.success(now) }
    }
}

// Three threads, three reports each, on a ring so small that they write the same slots.
#[test]
fn counts_are_the_sum_of_the_ring() {
    for size in [2, 3] {
        model(1, move || {
            let now = Instant::now();
            let breaker =
                Arc::new(Breaker::with_settings(CountWindow::new(size, 100).min_calls(size), settings(now)));
            let threads: Vec<_> = [[true, false, true], [false, true, false], [true, false, false]]
                .into_iter()
                .map(|calls| {
                    let breaker = Arc::clone(&breaker);
                    thread::spawn(move || calls.into_iter().for_each(|failed| report(&breaker, failed, now)))
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(breaker.policy().is_consistent());
            if breaker.state() == BreakerState::Closed {
                assert_eq!(breaker.snapshot(now).window.calls, size);
            }
        });
    }
}

// A report that was admitted before a reset races the reset and the reports after it.
#[test]
fn a_late_report_never_enters_a_new_window() {
    fn check<P: FailurePolicy>(policy: impl Fn() -> P + Send + Sync + 'static, sound: fn(&P) -> bool) {
        model(3, move || {
            let now = Instant::now();
            let breaker = std::sync::Arc::new(Breaker::with_settings(policy(), settings(now)));
            let late = breaker.admit_owned(now).unwrap();
            let late = thread::spawn(move || late.failure(now));
            breaker.reset(now);
            report(&breaker, true, now);
            late.join().unwrap();
            assert!(sound(breaker.policy()));
            assert_eq!(breaker.snapshot(now).window.failures, 1);
        });
    }
    check(|| Consecutive::new(5), |_| true);
    check(|| CountWindow::new(3, 100), CountWindow::is_consistent);
    check(|| TimeWindow::new(OPEN, 100), |_| true);
}

#[test]
fn one_probe_gets_through_and_its_place_is_never_lost() {
    model(3, || {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::with_settings(Consecutive::new(1), settings(now)));
        report(&breaker, true, now);
        let later = now + OPEN;
        let callers: Vec<_> = (0..2)
            .map(|n| {
                let breaker = Arc::clone(&breaker);
                thread::spawn(move || match breaker.admit(later) {
                    Err(_) => false,
                    // One caller gives up; the other has nothing to report either.
                    Ok(permit) if n == 0 => {
                        drop(permit);
                        true
                    }
                    Ok(permit) => {
                        permit.abandon(later);
                        true
                    }
                })
            })
            .collect();
        let admitted = callers.into_iter().map(|caller| caller.join().unwrap());
        assert!(0 < admitted.filter(|admitted| *admitted).count());
        assert_eq!(breaker.snapshot(later).probes, 0);
        breaker.admit(later).unwrap().success(later);
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn of_those_who_hold_their_probe_exactly_one_is_admitted() {
    model(3, || {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::with_settings(Consecutive::new(1), settings(now)));
        report(&breaker, true, now);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let breaker = Arc::clone(&breaker);
                thread::spawn(move || breaker.admit(now + OPEN).map(std::mem::forget).is_ok())
            })
            .collect();
        let admitted = callers.into_iter().map(|caller| caller.join().unwrap());
        assert_eq!(admitted.filter(|admitted| *admitted).count(), 1);
    });
}

// One probe is given up by whoever comes next, while it succeeds.
#[test]
fn a_probe_that_ends_as_it_is_given_up_is_heard_and_leaves_no_place_taken() {
    model(3, || {
        let now = Instant::now();
        let settings = settings(now).patience(OPEN).probes(2);
        let breaker = std::sync::Arc::new(Breaker::with_settings(Consecutive::new(1), settings));
        report(&breaker, true, now);
        let later = now + OPEN;
        let slow = breaker.admit_owned(later).unwrap();
        std::mem::forget(breaker.admit(later).unwrap());
        let slow = thread::spawn(move || slow.success(later + OPEN));
        let other = {
            let breaker = std::sync::Arc::clone(&breaker);
            thread::spawn(move || breaker.admit(later + OPEN).map(std::mem::forget).is_ok())
        };
        let mine = breaker.admit(later + OPEN).map(std::mem::forget).is_ok();
        let other = other.join().unwrap();
        slow.join().unwrap();
        // One success is heard, so that one place is left for the two, however the first is given up.
        assert!(mine | other);
        let last = later + 3 * OPEN;
        breaker.admit(last).expect("patience is over").success(last);
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}

#[test]
fn a_time_window_loses_no_report() {
    model(1, || {
        let now = Instant::now();
        let breaker =
            Arc::new(Breaker::with_settings(TimeWindow::new(OPEN, 100).min_calls(100), settings(now)));
        let threads: Vec<_> = (0..2)
            .map(|n| {
                let breaker = Arc::clone(&breaker);
                // Each in a bucket of its own, and then both in the same.
                thread::spawn(move || {
                    report(&breaker, true, now + Duration::from_secs(n));
                    report(&breaker, false, now + Duration::from_secs(3));
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let window = breaker.snapshot(now + Duration::from_secs(3)).window;
        assert_eq!((window.calls, window.failures), (4, 2));
    });
}
