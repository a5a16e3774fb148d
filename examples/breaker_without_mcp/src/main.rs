//! A circuit breaker around an ordinary function: no tools, no async, no runtime.
//!
//! Run it with `cargo run -p breaker_without_mcp`. It ends at once: a breaker is told the time, so
//! this hour of weather takes no hour.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::disallowed_methods, reason = "this program owns the clock")]

use std::time::{Duration, Instant};

use toolpost_breaker::{Breaker, BreakerSettings, BreakerState, CountWindow, FailurePolicy};

const SECOND: Duration = Duration::from_secs(1);

/// What someone else wrote. From the tenth to the fortieth minute it is down.
fn temperature(elapsed: Duration) -> Result<f64, &'static str> {
    let minute = elapsed.as_secs() / 60;
    if (10..40).contains(&minute) { Err("connection refused") } else { Ok(20.0 + minute as f64 / 10.0) }
}

/// What a caller gets.
enum Answer {
    Fresh(f64),
    Failed,
    Refused,
}

/// The whole use of a breaker: ask, call, tell.
fn ask<P: FailurePolicy>(breaker: &Breaker<P>, start: Instant, now: Instant) -> Answer {
    let Ok(permit) = breaker.admit(now) else { return Answer::Refused };
    match temperature(now - start) {
        Ok(degrees) => {
            permit.success(now);
            Answer::Fresh(degrees)
        }
        Err(_) => {
            permit.failure(now);
            Answer::Failed
        }
    }
}

fn main() {
    let start = Instant::now();
    let settings =
        BreakerSettings::new(start).open_time(30 * SECOND, 300 * SECOND).probes(2).on_transition(move |it| {
            let minute = (it.at - start).as_secs_f64() / 60.0;
            let wait = it.open_for.map_or(String::new(), |wait| format!(" for {:.0} s", wait.as_secs_f64()));
            println!("minute {minute:>5.2}: {:?} -> {:?}{wait}", it.from, it.to);
        });
    // Half of the last 20 calls.
    let breaker = Breaker::with_settings(CountWindow::new(20, 50), settings);

    let (mut fresh, mut failed, mut refused, mut last) = (0, 0, 0, 0.0);
    for second in 0..3_600 {
        match ask(&breaker, start, start + second * SECOND) {
            Answer::Fresh(degrees) => {
                fresh += 1;
                last = degrees;
            }
            Answer::Failed => failed += 1,
            Answer::Refused => refused += 1,
        }
    }
    println!("{fresh} answers (the last: {last:.1} degrees), {failed} failures, {refused} refused at once");
    println!("without a breaker: 1800 callers would have waited for a failure");
    assert_eq!(breaker.state(), BreakerState::Closed);
}
