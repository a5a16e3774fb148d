//! What a circuit breaker costs, beside `failsafe`, `tower-resilience-circuitbreaker` and a bare atomic load.
//!
//! `toolpost-breaker` is given the time and reads no clock. The peers read it themselves: so many reads per call as
//! counted in their sources, times what a read costs in this run, is taken off their figures before they are compared.
//!
//! With the argument `gate` only those goals are judged that a busy machine does not change.

mod memory;
mod peers;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::{Cases, Counting, Figures, Goals};
use toolpost_breaker::{
    Breaker, BreakerSettings, BreakerState, Consecutive, CountWindow, FailurePolicy, TimeWindow,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HOUR: Duration = Duration::from_secs(3_600);

/// Admits and settles, as a caller would.
#[inline(always)]
fn call<P: FailurePolicy>(breaker: &Breaker<P>, fails: bool, now: Instant) {
    match breaker.admit(now) {
        Ok(permit) if fails => permit.failure(now),
        Ok(permit) => permit.success(now),
        Err(refused) => _ = black_box(refused),
    }
}

fn healthy<P: FailurePolicy>(policy: P, now: Instant) -> Breaker<P> {
    let breaker = Breaker::new(policy, now);
    (0..1_000).for_each(|_| call(&breaker, false, now));
    breaker
}

/// Nanoseconds per operation of each of two threads that do it at once, the best of seven rounds.
fn on_two_threads(what: &str, op: impl Fn() + Sync) -> f64 {
    const N: u32 = 1_000_000;
    let round = || {
        let start = std::sync::Barrier::new(2);
        let run = || {
            start.wait();
            let began = Instant::now();
            (0..N).for_each(|_| op());
            began.elapsed().as_secs_f64() * 1e9 / f64::from(N)
        };
        std::thread::scope(|scope| {
            let threads = [scope.spawn(run), scope.spawn(run)];
            threads.map(|thread| thread.join().expect("no panic")).into_iter().fold(0.0, f64::max)
        })
    };
    let best = (0..7).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("{what:44} {best:>12.1}");
    best
}

/// A case of a time window whose calls come so close that this many are in it.
fn in_window(calls: u32, start: Instant) -> impl FnMut() {
    let span = Duration::from_secs(10);
    let breaker = Breaker::new(TimeWindow::new(span, 50), start);
    let mut now = start;
    move || {
        now += span / calls;
        call(&breaker, false, black_box(now));
    }
}

thread_local!(static TURN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });

fn main() {
    let now = Instant::now();
    let word = AtomicU64::new(1);
    let consecutive = healthy(Consecutive::new(5), now);
    let count = healthy(CountWindow::new(100, 50), now);
    let slow = healthy(CountWindow::new(100, 50).slow(Duration::from_secs(1), 80), now);
    let one_percent = healthy(CountWindow::new(100, 50), now);
    let mut nth = 0_u32;
    let open = Breaker::with_settings(Consecutive::new(1), BreakerSettings::new(now).open_time(HOUR, HOUR));
    call(&open, true, now);
    let later = now + Duration::from_millis(1_234);

    let failsafe_default = peers::failsafe_default();
    let failsafe_consecutive = peers::failsafe_consecutive(5);
    let failsafe_open = peers::failsafe_consecutive(1);
    peers::failsafe_call(&failsafe_open, true);
    let mut tower = peers::Tower::count_window();
    let mut tower_failing = peers::Tower::count_window();
    let mut tower_open = peers::Tower::count_window();
    (0..200).for_each(|_| _ = tower_open.call(true));
    let (mut nth_failsafe, mut nth_tower) = (0_u32, 0_u32);
    let mut tower_1k = peers::Tower::time_window(Duration::from_millis(1));
    let mut tower_16k = peers::Tower::time_window(Duration::from_millis(120));

    let every_hundredth = |nth: &mut u32| {
        *nth += 1;
        nth.is_multiple_of(100)
    };

    let figures = Cases::new()
        .case("a bare atomic load", || black_box(&word).load(Ordering::Acquire))
        .case("a clock read", Instant::now)
        .case("healthy, consecutive", || call(black_box(&consecutive), false, black_box(now)))
        .case("healthy, count window of 100", || call(black_box(&count), false, black_box(now)))
        .case("healthy, and slow calls counted", || call(black_box(&slow), false, black_box(later)))
        .case("healthy, time window at 1 k calls", in_window(1_000, now))
        .case("healthy, time window at 16 k calls", in_window(16_000, now))
        .case("1 % failures, count window of 100", || {
            call(black_box(&one_percent), every_hundredth(&mut nth), black_box(now))
        })
        .case("open rejection", || call(black_box(&open), false, black_box(later)))
        .case("failsafe: healthy, default", || peers::failsafe_call(black_box(&failsafe_default), false))
        .case("failsafe: healthy, consecutive", || {
            peers::failsafe_call(black_box(&failsafe_consecutive), false)
        })
        .case("failsafe: 1 % failures, consecutive", || {
            peers::failsafe_call(black_box(&failsafe_consecutive), every_hundredth(&mut nth_failsafe))
        })
        .case("failsafe: open rejection", || peers::failsafe_call(black_box(&failsafe_open), false))
        .case("tower-resilience: healthy, count window", || tower.call(false))
        .case("tower-resilience: 1 % failures", || tower_failing.call(every_hundredth(&mut nth_tower)))
        .case("tower-resilience: open rejection", || tower_open.call(false))
        .case("tower-resilience: time window, ~1 k calls", || tower_1k.call(false))
        .case("tower-resilience: time window, ~16 k calls", || tower_16k.call(false))
        .main();

    let one_of_two =
        on_two_threads("2 threads: healthy, count window of 100", || call(black_box(&count), false, now));
    on_two_threads("2 threads: 1 % failures, count window of 100", || {
        let fails = TURN.with(|turn| turn.replace(turn.get() + 1).is_multiple_of(100));
        call(black_box(&one_percent), fails, now);
    });
    on_two_threads("2 threads: healthy, failsafe's default", || {
        peers::failsafe_call(&failsafe_default, false)
    });

    let mut goals = Goals::new();
    if !std::env::args().any(|argument| argument == "gate") {
        is_fast(&mut goals, &figures, one_of_two);
    }
    goals.holds(
        "no allocation on any path",
        figures.iter().all(|(name, figures)| name.contains(':') || figures.allocations == 0.0),
    );
    // Instructions do not depend on how busy the machine is: these catch what a noisy nanosecond hides.
    for (name, most) in [
        ("healthy, consecutive", 40.0),
        ("healthy, count window of 100", 45.0),
        ("healthy, time window at 1 k calls", 215.0),
        ("healthy, time window at 16 k calls", 215.0),
        ("1 % failures, count window of 100", 215.0),
        ("open rejection", 100.0),
    ] {
        if let Some(instructions) = figures[name].instructions {
            goals.at_most(&format!("{name}: instructions"), instructions, most);
        }
    }
    behaves(&mut goals, now);
    memory::measure(&mut goals, now);
    std::process::exit(i32::from(!goals.finish()));
}

/// Goals in nanoseconds, and beside the peers; to be met on an idle core.
fn is_fast(goals: &mut Goals, figures: &BTreeMap<&'static str, Figures>, one_of_two: f64) {
    let ns = |name: &str| figures[name].ns;
    let clock = ns("a clock read");
    let failsafe = ns("failsafe: healthy, default") - peers::FAILSAFE_DEFAULT_READS * clock;
    let tower = ns("tower-resilience: healthy, count window") - peers::TOWER_HEALTHY_READS * clock;
    println!();
    println!("a clock read takes {clock:.1} ns now");
    println!("without their clock reads: failsafe {failsafe:.1} ns, tower-resilience {tower:.1} ns");

    let healthy = ["healthy, consecutive", "healthy, count window of 100"];
    for name in healthy {
        goals.time(name, ns(name), 3.0);
        goals.at_least(&format!("{name}: times cheaper than failsafe's default"), failsafe / ns(name), 20.0);
        goals.at_least(&format!("{name}: times cheaper than tower-resilience"), tower / ns(name), 50.0);
    }
    goals.at_least(
        "healthy, consecutive: times cheaper than failsafe's consecutive, which reads no clock",
        ns("failsafe: healthy, consecutive") / ns("healthy, consecutive"),
        20.0,
    );
    goals.time("healthy, time window at 1 k calls", ns("healthy, time window at 1 k calls"), 12.0);
    goals.time("healthy, time window at 16 k calls", ns("healthy, time window at 16 k calls"), 12.0);
    goals.at_most(
        "two threads, healthy: times what one needs",
        one_of_two / ns("healthy, count window of 100"),
        2.0,
    );
    goals.time("1 % failures", ns("1 % failures, count window of 100"), 30.0);
    goals.time("open rejection", ns("open rejection"), 5.0);
}

/// Goals that are exact, whatever the machine.
fn behaves(goals: &mut Goals, now: Instant) {
    let breaker = Breaker::new(CountWindow::new(100, 50), now);
    (0..1_000_000).for_each(|_| call(&breaker, false, now));
    let failures = (1..).find(|_| {
        call(&breaker, true, now);
        breaker.state() == BreakerState::Open
    });
    goals.holds("after a million successes it opens after exactly 50 failures", failures == Some(50));
    println!("        (tower-resilience: after {})", peers::failures_until_open(1_000_000));

    let settings = BreakerSettings::new(now).open_time(HOUR, HOUR).probes(5);
    let breaker = Breaker::with_settings(Consecutive::new(1), settings);
    call(&breaker, true, now);
    let admitted = (0..200).filter(|_| breaker.admit(now + HOUR).map(std::mem::forget).is_ok()).count();
    goals.holds("of 200 callers at the half-open instant exactly the 5 probes get through", admitted == 5);
}
