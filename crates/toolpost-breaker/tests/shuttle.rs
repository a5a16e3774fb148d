//! Random schedules with random cancellation:
//! `RUSTFLAGS="--cfg shuttle" cargo test -p toolpost-breaker --test shuttle --release`, and `TOOLPOST_SCHEDULES` for more.
#![cfg(shuttle)]
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use toolpost_breaker::{Breaker, BreakerSettings, BreakerState, CountWindow};

const OPEN: Duration = Duration::from_secs(10);
const PROBES: usize = 2;

fn schedules() -> usize {
    std::env::var("TOOLPOST_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000)
}

#[test]
fn nothing_leaks_and_nothing_wedges() {
    shuttle::check_random(
        || {
            let start = Instant::now();
            let settings = BreakerSettings::new(start).open_time(OPEN, OPEN).probes(PROBES as u16).ramp(1);
            let breaker =
                Arc::new(Breaker::with_settings(CountWindow::new(4, 50).min_calls(2), settings.seed(1)));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let breaker = Arc::clone(&breaker);
                    thread::spawn(move || {
                        let mut now = start;
                        for _ in 0..6 {
                            now += OPEN * thread_rng().gen_range(0..2);
                            let Ok(permit) = breaker.admit(now) else { continue };
                            match thread_rng().gen_range(0..6) {
                                0 => permit.success(now),
                                1 | 2 => permit.failure(now),
                                3 => permit.abandon(now),
                                4 => drop(permit),
                                _ => breaker.reset(now),
                            }
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(breaker.policy().is_consistent());
            // Every permit is gone: no probe may be left, and the way back must be free.
            let later = start + 100 * OPEN;
            assert_eq!(breaker.snapshot(later).probes, 0);
            for _ in 0..PROBES {
                breaker.admit(later).expect("not wedged").success(later);
            }
            assert_eq!(breaker.state(), BreakerState::Closed);
        },
        schedules(),
    );
}

#[test]
fn never_more_probes_than_allowed() {
    shuttle::check_random(
        || {
            let start = Instant::now();
            let settings = BreakerSettings::new(start).open_time(OPEN, OPEN).probes(PROBES as u16).ramp(1);
            let breaker =
                Arc::new(Breaker::with_settings(CountWindow::new(4, 50).min_calls(1), settings.seed(1)));
            breaker.admit(start).expect("closed").failure(start);
            let (now, out) = (start + OPEN, Arc::new(AtomicUsize::new(0)));
            let threads: Vec<_> = (0..5)
                .map(|_| {
                    let (breaker, out) = (Arc::clone(&breaker), Arc::clone(&out));
                    thread::spawn(move || {
                        for _ in 0..3 {
                            let Ok(permit) = breaker.admit(now) else { continue };
                            assert!(out.fetch_add(1, Ordering::SeqCst) < PROBES);
                            thread::yield_now();
                            out.fetch_sub(1, Ordering::SeqCst);
                            if thread_rng().gen_bool(0.5) { drop(permit) } else { permit.abandon(now) }
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((breaker.state(), breaker.snapshot(now).probes), (BreakerState::HalfOpen, 0));
        },
        schedules(),
    );
}
