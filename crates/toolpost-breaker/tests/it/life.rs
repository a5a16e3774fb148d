//! The life of a breaker: what opens it, what closes it, and who gets through.
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use toolpost_breaker::{
    Breaker, BreakerSettings, BreakerState, Breakers, Consecutive, CountWindow, FailurePolicy, TimeWindow,
    Transition,
};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// Open for 10 s, then 20, then 40, at most 60; closed again after one good probe.
fn settings(now: Instant) -> BreakerSettings {
    BreakerSettings::new(now).open_time(10 * SECOND, 60 * SECOND).without_jitter().probes(1).ramp(1)
}

fn breaker<P: FailurePolicy>(policy: P) -> (Breaker<P>, Instant) {
    let now = Instant::now();
    (Breaker::with_settings(policy, settings(now)), now)
}

fn fail<P: FailurePolicy>(breaker: &Breaker<P>, times: u32, now: Instant) {
    for _ in 0..times {
        breaker.admit(now).expect("admits").failure(now);
    }
}

fn succeed<P: FailurePolicy>(breaker: &Breaker<P>, times: u32, now: Instant) {
    for _ in 0..times {
        breaker.admit(now).expect("admits").success(now);
    }
}

#[test]
fn a_new_breaker_is_closed_and_its_snapshot_tells_all() {
    let now = Instant::now();
    let breaker = Breaker::new(CountWindow::new(100, 50), now);
    let snapshot = breaker.snapshot(now);
    assert_eq!((snapshot.state, snapshot.generation, snapshot.openings), (BreakerState::Closed, 0, 0));
    succeed(&breaker, 3, now);
    fail(&breaker, 2, now);
    let window = breaker.snapshot(now).window;
    assert_eq!((window.calls, window.failures, window.slow), (5, 2, 0));
    fail(&breaker, 5, now);
    let snapshot = breaker.snapshot(now);
    assert_eq!((snapshot.state, snapshot.openings, snapshot.window.calls), (BreakerState::Open, 1, 0));
    let left = snapshot.retry_after.expect("it is open");
    assert!(10 * SECOND <= left && left <= 30 * SECOND, "the default, with decorrelated jitter: {left:?}");
}

#[test]
fn everything_about_a_breaker_can_be_chosen() {
    let now = Instant::now();
    let settings = BreakerSettings::new(now)
        .open_time(SECOND, 5 * SECOND)
        .probes(7)
        .ramp(2)
        .patience(9 * SECOND)
        .retry_after_cap(70 * SECOND)
        .seed(1);
    let shown = format!("{settings:?}");
    for part in ["probes: 7", "ramp: 2", "patience: 9s", "retry_after_cap: 70s", "longest: 5s"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn it_opens_at_the_threshold_and_not_before() {
    let (breaker, now) = breaker(Consecutive::new(5));
    fail(&breaker, 4, now);
    assert_eq!(breaker.state(), BreakerState::Closed);
    fail(&breaker, 1, now);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_success_ends_the_row() {
    let (breaker, now) = breaker(Consecutive::new(5));
    fail(&breaker, 4, now);
    succeed(&breaker, 1, now);
    fail(&breaker, 4, now);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_long_healthy_past_buys_nothing() {
    let (breaker, now) = breaker(CountWindow::new(100, 50));
    succeed(&breaker, 1_000_000, now);
    fail(&breaker, 49, now);
    assert_eq!(breaker.state(), BreakerState::Closed);
    fail(&breaker, 1, now);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn while_open_nothing_is_called() {
    let (breaker, now) = breaker(Consecutive::new(1));
    fail(&breaker, 1, now);
    let mut called = 0;
    for _ in 0..100 {
        match breaker.admit(now + SECOND) {
            Ok(permit) => {
                called += 1;
                permit.success(now + SECOND);
            }
            Err(refused) => {
                assert_eq!((refused.retry_after(), refused.state()), (9 * SECOND, BreakerState::Open));
                assert_eq!(refused.to_string(), "the breaker is open, retry after 9000 ms");
            }
        }
    }
    assert_eq!(called, 0);
}

#[test]
fn the_time_to_come_back_is_never_zero_and_always_enough() {
    for nanos in [0, 1, 999_999, 1_000_000, 1_000_001, 7_777_777] {
        let (breaker, start) = breaker(Consecutive::new(1));
        let now = start + Duration::from_nanos(nanos);
        fail(&breaker, 1, now);
        for asked in [now, now + Duration::from_nanos(9_999_999_999), now + 9 * SECOND] {
            let refused = breaker.admit(asked).expect_err("open");
            assert!(Duration::from_millis(1) <= refused.retry_after());
            assert!(breaker.peek(asked + refused.retry_after()).is_ok());
        }
    }
}

#[test]
fn after_its_time_it_is_half_open_and_a_success_closes_it() {
    let (breaker, now) = breaker(Consecutive::new(1));
    fail(&breaker, 1, now);
    assert!(breaker.admit(now + 10 * SECOND - Duration::from_millis(1)).is_err());
    let probe = breaker.admit(now + 10 * SECOND).expect("its time has come");
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    probe.success(now + 10 * SECOND);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_failed_probe_opens_it_again_and_restarts_the_time() {
    let (breaker, now) = breaker(Consecutive::new(3));
    fail(&breaker, 3, now);
    let later = now + 12 * SECOND;
    breaker.admit(later).expect("a probe").failure(later + SECOND);
    assert_eq!(breaker.state(), BreakerState::Open);
    let refused = breaker.admit(later + SECOND).expect_err("open");
    assert_eq!(refused.retry_after(), 20 * SECOND);
}

#[test]
fn a_whole_life_is_told_as_it_happens() {
    let now = Instant::now();
    let told: Arc<Mutex<Vec<Transition>>> = Arc::default();
    let listener = Arc::clone(&told);
    let settings =
        settings(now).on_transition(move |it| listener.lock().expect("one thread").push(it.clone()));
    let breaker = Breaker::with_settings(Consecutive::new(2), settings);
    succeed(&breaker, 100, now);
    assert!(told.lock().expect("one thread").is_empty(), "calls are no events");
    fail(&breaker, 2, now);
    let (second, third) = (now + 10 * SECOND, now + 30 * SECOND);
    breaker.admit(second).expect("a probe").failure(second);
    breaker.admit(third).expect("a probe").success(third);
    breaker.force_open(third);
    breaker.force_closed(third);
    breaker.reset(third);
    let told = told.lock().expect("one thread");
    let states: Vec<_> = told.iter().map(|it| (it.from, it.to, it.open_for)).collect();
    assert_eq!(
        states,
        [
            (BreakerState::Closed, BreakerState::Open, Some(10 * SECOND)),
            (BreakerState::Open, BreakerState::HalfOpen, None),
            (BreakerState::HalfOpen, BreakerState::Open, Some(20 * SECOND)),
            (BreakerState::Open, BreakerState::HalfOpen, None),
            (BreakerState::HalfOpen, BreakerState::Closed, None),
            (BreakerState::Closed, BreakerState::ForcedOpen, None),
            (BreakerState::ForcedOpen, BreakerState::ForcedClosed, None),
            (BreakerState::ForcedClosed, BreakerState::Closed, None),
        ]
    );
    assert!(told.iter().map(|it| it.generation).eq(1..=8));
    assert_eq!((told[0].at, told[4].at), (now, third));
}

#[test]
fn reset_closes_from_any_state() {
    for state in [
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::HalfOpen,
        BreakerState::ForcedOpen,
        BreakerState::ForcedClosed,
    ] {
        let (breaker, now) = breaker(Consecutive::new(2));
        match state {
            BreakerState::Open => fail(&breaker, 2, now),
            BreakerState::HalfOpen => {
                fail(&breaker, 2, now);
                std::mem::forget(breaker.admit(now + 10 * SECOND));
            }
            BreakerState::ForcedOpen => breaker.force_open(now),
            BreakerState::ForcedClosed => breaker.force_closed(now),
            _ => {}
        }
        assert_eq!(breaker.state(), state);
        breaker.reset(now);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1, now);
        assert_eq!(breaker.state(), BreakerState::Closed, "and with an empty window");
        fail(&breaker, 1, now);
        assert_eq!(breaker.snapshot(now).retry_after, Some(10 * SECOND), "and with no memory of openings");
    }
}

#[test]
fn forced_states_hold_until_reset() {
    let (breaker, now) = breaker(Consecutive::new(1));
    breaker.force_closed(now);
    fail(&breaker, 100, now);
    assert_eq!(breaker.state(), BreakerState::ForcedClosed);
    breaker.force_open(now);
    let refused = breaker.admit(now + 1_000 * SECOND).expect_err("held open");
    assert_eq!((refused.state(), refused.retry_after()), (BreakerState::ForcedOpen, 60 * SECOND));
}

#[test]
fn fifty_callers_at_once_get_exactly_the_probes_through() {
    for probes in [1, 3, 10] {
        let now = Instant::now();
        let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).probes(probes));
        fail(&breaker, 1, now);
        let later = now + 10 * SECOND;
        let admitted: usize = std::thread::scope(|scope| {
            let callers: Vec<_> =
                (0..50).map(|_| scope.spawn(|| breaker.admit(later).map(std::mem::forget).is_ok())).collect();
            callers.into_iter().map(|caller| usize::from(caller.join().expect("no panic"))).sum()
        });
        assert_eq!(admitted, usize::from(probes));
    }
}

#[test]
fn two_hundred_callers_at_the_half_open_instant() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(CountWindow::new(100, 50), settings(now).probes(5).ramp(3));
    fail(&breaker, 10, now);
    let later = now + 10 * SECOND;
    let answers: Vec<_> = (0..200).map(|_| breaker.admit(later)).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
    assert!(answers.iter().flat_map(|it| it.as_ref().err()).all(|it| it.state() == BreakerState::HalfOpen));
}

#[test]
fn a_late_success_does_not_close_and_a_late_failure_does_not_reopen() {
    let (breaker, now) = breaker(Consecutive::new(2));
    let [early_success, early_failure, other] = [(); 3].map(|()| breaker.admit(now).expect("closed"));
    fail(&breaker, 2, now);
    early_success.success(now);
    assert_eq!(breaker.state(), BreakerState::Open);
    let later = now + 10 * SECOND;
    let probe = breaker.admit(later).expect("a probe");
    early_failure.failure(later);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "the failure is older than the probe");
    probe.success(later);
    assert_eq!(breaker.state(), BreakerState::Closed);
    other.failure(later);
    fail(&breaker, 1, later);
    assert_eq!(breaker.state(), BreakerState::Closed, "the window counts one failure, not two");
}

#[test]
fn a_late_probe_counts_for_nothing() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).probes(2));
    fail(&breaker, 1, now);
    let first = now + 10 * SECOND;
    let [failing, late] = [(); 2].map(|()| breaker.admit(first).expect("a probe"));
    failing.failure(first);
    let second = first + 20 * SECOND;
    let [current, other] = [(); 2].map(|()| breaker.admit(second).expect("a probe"));
    late.failure(second);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert_eq!(breaker.snapshot(second).probes, 2);
    current.success(second);
    other.success(second);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_probe_that_is_cancelled_or_ignored_leaves_its_place() {
    let (breaker, now) = breaker(Consecutive::new(1));
    fail(&breaker, 1, now);
    let later = now + 10 * SECOND;
    drop(breaker.admit(later).expect("a probe"));
    assert_eq!((breaker.state(), breaker.snapshot(later).probes), (BreakerState::HalfOpen, 0));
    breaker.admit(later).expect("the place is free").ignore();
    assert_eq!((breaker.state(), breaker.snapshot(later).probes), (BreakerState::HalfOpen, 0));
    breaker.admit(later).expect("the place is free").abandon(later + 100 * SECOND);
    assert_eq!((breaker.state(), breaker.snapshot(later).probes), (BreakerState::HalfOpen, 0));
    breaker.admit(later).expect("the place is free").success(later);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn an_owned_permit_behaves_like_a_borrowed_one() {
    let (breaker, now) = breaker(Consecutive::new(1));
    let breaker = Arc::new(breaker);
    breaker.admit_owned(now).expect("closed").failure(now);
    let later = now + 10 * SECOND;
    let probe = breaker.admit_owned(later).expect("a probe");
    assert!(breaker.admit_owned(later).is_err());
    drop(probe);
    breaker.admit_owned(later).expect("the place is free").ignore();
    breaker.admit_owned(later).expect("the place is free").abandon(later);
    breaker.admit_owned(later).expect("the place is free").success(later);
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(Arc::strong_count(&breaker), 1);
}

#[test]
fn probes_that_never_report_do_not_wedge_it() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).patience(30 * SECOND));
    fail(&breaker, 1, now);
    let later = now + 10 * SECOND;
    let lost = breaker.admit(later).expect("a probe");
    let refused = breaker.admit(later + 29_900 * MILLI).expect_err("it is out");
    assert_eq!((refused.state(), refused.retry_after()), (BreakerState::HalfOpen, 100 * MILLI));
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let again = later + 30 * SECOND;
    assert!(breaker.peek(again).is_ok(), "whoever looks first is told the same");
    let probe = breaker.admit(again).expect("in the place of the one that was given up");
    assert!(breaker.peek(again).is_err() && breaker.admit(again).is_err(), "one, and no second");
    assert_eq!((breaker.snapshot(again).probes, breaker.snapshot(again).given_up), (1, 1));
    probe.success(again);
    assert_eq!(breaker.state(), BreakerState::Closed);
    lost.failure(again);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn who_looks_before_asking_is_let_through_once_patience_is_over() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now));
    fail(&breaker, 1, now);
    std::mem::forget(breaker.admit(now + 10 * SECOND).expect("a probe"));
    let closed = (11..86_400).find(|second| {
        let now = now + *second * SECOND;
        if breaker.peek(now).is_ok() {
            breaker.admit(now).expect("as it said").success(now);
        }
        breaker.state() == BreakerState::Closed
    });
    assert_eq!(closed, Some(70), "after the default patience of a minute");
}

// One call a second, each of which works and takes longer than patience.
#[test]
fn a_thing_that_is_slower_than_patience_recovers() {
    for (took, settings) in
        [(90, BreakerSettings::new(Instant::now())), (7_200, settings(Instant::now()).ramp(3))]
    {
        let start = Instant::now();
        let breaker = Breaker::with_settings(Consecutive::new(5), settings);
        fail(&breaker, 5, start);
        let mut under_way = std::collections::VecDeque::new();
        let closed = (0..86_400_u64).find(|second| {
            let now = start + Duration::from_secs(*second);
            while under_way.front().is_some_and(|(ends, _)| *ends <= now) {
                let (_, permit): (_, toolpost_breaker::Permit<'_, _>) = under_way.pop_front().expect("seen");
                permit.success(now);
            }
            if breaker.state() == BreakerState::Closed {
                return true;
            }
            if let Ok(permit) = breaker.admit(now) {
                under_way.push_back((now + Duration::from_secs(took), permit));
            }
            false
        });
        let closed = closed.expect("it closes");
        assert!(closed <= 60 + 3 * (took + 60), "{took} s: closed after {closed} s");
    }
}

#[test]
fn a_probe_that_was_given_up_is_heard_when_it_fails() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).patience(30 * SECOND));
    fail(&breaker, 1, now);
    let slow = breaker.admit(now + 10 * SECOND).expect("a probe");
    let other = breaker.admit(now + 40 * SECOND).expect("in its place");
    slow.failure(now + 50 * SECOND);
    assert_eq!(breaker.state(), BreakerState::Open);
    other.success(now + 50 * SECOND);
    assert_eq!(breaker.state(), BreakerState::Open, "that was before it opened");
}

#[test]
fn a_probe_that_was_given_up_frees_no_place_of_another() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).patience(30 * SECOND));
    fail(&breaker, 1, now);
    let given_up = breaker.admit(now + 10 * SECOND).expect("a probe");
    let again = now + 40 * SECOND;
    let _in_its_place = breaker.admit(again).expect("a probe");
    drop(given_up);
    assert_eq!(breaker.snapshot(again).probes, 1);
    assert!(breaker.admit(again).is_err());
}

#[test]
fn a_listener_that_panics_leaves_no_place_taken() {
    let now = Instant::now();
    let settings =
        settings(now).on_transition(|it| assert!(it.to != BreakerState::HalfOpen, "a bug of the listener"));
    let breaker = Breaker::with_settings(Consecutive::new(1), settings);
    fail(&breaker, 1, now);
    let later = now + 10 * SECOND;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| breaker.admit(later).is_ok()));
    assert!(panicked.is_err());
    assert_eq!(breaker.snapshot(later).probes, 0);
    breaker.admit(later).expect("the place is free").success(later);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_transition_says_whose_it_is() {
    let now = Instant::now();
    let told: Arc<Mutex<Vec<Transition>>> = Arc::default();
    let listener = Arc::clone(&told);
    let settings =
        settings(now).on_transition(move |it| listener.lock().expect("one thread").push(it.clone()));
    let breakers =
        Breakers::new(8, settings, || Consecutive::new(1)).naming(|key: &String| key.as_str().into());
    for key in ["a", "b"] {
        fail(&breakers.ensure(key, now).expect("room"), 1, now);
    }
    let told = told.lock().expect("one thread");
    let names: Vec<_> = told.iter().map(|it| it.name.as_deref().expect("named")).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(format!("{} -> {:>6}", told[0].from, told[0].to), "closed ->   open");
    assert_eq!(breaker(Consecutive::new(1)).0.name(), None);
}

#[test]
fn what_it_did_is_counted() {
    let (breaker, now) = breaker(Consecutive::new(2));
    succeed(&breaker, 5, now);
    fail(&breaker, 2, now);
    assert!(breaker.admit(now).is_err() && breaker.peek(now).is_err() && breaker.admit(now).is_err());
    let later = now + 10 * SECOND;
    let probe = breaker.admit(later).expect("a probe");
    assert!(breaker.admit(later).is_err());
    probe.success(later);
    breaker.force_open(later);
    assert!(breaker.admit(later).is_err());
    let counts = breaker.snapshot(later);
    assert_eq!((counts.refused, counts.opened, counts.probed, counts.given_up), (5, 1, 1, 0));
}

#[test]
fn a_call_is_settled_by_its_answer() {
    let (breaker, now) = breaker(Consecutive::new(2));
    let clock = || now;
    assert_eq!(breaker.call(clock, || Ok::<_, ()>(1)), Ok(Ok(1)));
    assert_eq!(breaker.call(clock, || Err::<(), _>("no")), Ok(Err("no")));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        breaker.call(clock, || -> Result<(), ()> { panic!("a bug") })
    }));
    assert!(panicked.is_err());
    assert_eq!(breaker.state(), BreakerState::Open, "a panic is a failure too");
    let refused = breaker.call(clock, || -> Result<(), ()> { unreachable!("it is open") });
    assert_eq!(refused.expect_err("open").state(), BreakerState::Open);
}

#[test]
fn a_breaker_that_nobody_asked_for_three_years_lets_a_probe_through() {
    let (breaker, now) = breaker(Consecutive::new(1));
    fail(&breaker, 1, now);
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    for years in 1..=3 {
        assert!(breaker.peek(now + years * year).is_ok(), "{years} years");
    }
}

/// Breakers elsewhere judge the rate when a success completes the minimum, or wait for the whole window, whatever the minimum.
#[test]
fn a_success_opens_nothing_and_the_minimum_is_enough() {
    let policies: [Box<dyn FailurePolicy>; 2] = [
        Box::new(CountWindow::new(100, 50).min_calls(3)),
        Box::new(TimeWindow::new(60 * SECOND, 50).min_calls(3)),
    ];
    for policy in policies {
        let (breaker, now) = breaker(policy);
        fail(&breaker, 2, now);
        succeed(&breaker, 1, now);
        assert_eq!(breaker.state(), BreakerState::Closed, "two of three failed, and the last call went well");
        fail(&breaker, 1, now);
        assert_eq!(breaker.state(), BreakerState::Open, "three of four, long before there are a hundred");
    }
}

/// Breakers elsewhere never forget a failure while calls keep coming, and open on the fifth of a week.
#[test]
fn one_failure_in_twenty_opens_nothing_however_long_it_goes_on() {
    let policies: [Box<dyn FailurePolicy>; 3] = [
        Box::new(Consecutive::new(5)),
        Box::new(CountWindow::new(100, 50)),
        Box::new(TimeWindow::new(60 * SECOND, 50)),
    ];
    for policy in policies {
        let (breaker, now) = breaker(policy);
        for n in 0..20_000 {
            let at = now + n * SECOND / 2;
            let permit = breaker.admit(at).expect("it never opens");
            if n % 20 == 0 { permit.failure(at) } else { permit.success(at) }
        }
    }
}

#[test]
fn after_recovery_the_window_is_empty() {
    let policies: [Box<dyn FailurePolicy>; 3] = [
        Box::new(Consecutive::new(10)),
        Box::new(CountWindow::new(20, 50)),
        Box::new(TimeWindow::new(100 * SECOND, 50)),
    ];
    for policy in policies {
        let (breaker, now) = breaker(policy);
        fail(&breaker, 10, now);
        let later = now + 10 * SECOND;
        succeed(&breaker, 1, later);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 9, later);
        assert_eq!(breaker.state(), BreakerState::Closed, "{:?}", breaker.policy());
        fail(&breaker, 1, later);
        assert_eq!(breaker.state(), BreakerState::Open, "{:?}", breaker.policy());
    }
}

#[test]
fn a_rate_needs_a_minimum_of_calls() {
    let policies: [Box<dyn FailurePolicy>; 2] = [
        Box::new(CountWindow::new(100, 50).min_calls(20)),
        Box::new(TimeWindow::new(10 * SECOND, 50).min_calls(20)),
    ];
    for policy in policies {
        let (breaker, now) = breaker(policy);
        fail(&breaker, 19, now);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1, now);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

#[test]
fn slow_calls_open_it_although_they_succeed() {
    let policies: [Box<dyn FailurePolicy>; 2] = [
        Box::new(CountWindow::new(10, 50).slow(2 * SECOND, 80)),
        Box::new(TimeWindow::new(100 * SECOND, 50).slow(2 * SECOND, 80)),
    ];
    for policy in policies {
        let (breaker, now) = breaker(policy);
        succeed(&breaker, 2, now);
        for _ in 0..7 {
            breaker.admit(now).expect("closed").success(now + 2 * SECOND);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.admit(now).expect("closed").abandon(now + 2 * SECOND);
        assert_eq!(breaker.state(), BreakerState::Open, "and one whose caller gave up counts as well");
        let later = now + 12 * SECOND;
        breaker.admit(later).expect("a probe").success(later + 2 * SECOND);
        assert_eq!(breaker.state(), BreakerState::Open, "a slow probe is a failed one");
        let again = later + 22 * SECOND;
        breaker.admit(again).expect("a probe").abandon(again + 2 * SECOND);
        assert_eq!(breaker.state(), BreakerState::Open, "also when its caller gave up");
    }
}

#[test]
fn a_quick_cancellation_counts_neither_way() {
    let (breaker, now) = breaker(CountWindow::new(10, 50).min_calls(1).slow(2 * SECOND, 1));
    for _ in 0..100 {
        breaker.admit(now).expect("closed").abandon(now + SECOND);
        breaker.admit(now).expect("closed").ignore();
    }
    assert_eq!(breaker.snapshot(now).window.calls, 0);
}

#[test]
fn each_opening_lasts_longer_up_to_the_cap() {
    let (breaker, start) = breaker(Consecutive::new(1));
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..6 {
        fail(&breaker, 1, now);
        let wait = breaker.admit(now).expect_err("open").retry_after();
        waits.push(wait.as_secs());
        now += wait;
    }
    assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
    succeed(&breaker, 1, now);
    fail(&breaker, 1, now);
    assert_eq!(breaker.admit(now).expect_err("open").retry_after(), 10 * SECOND, "closing forgives");
}

#[test]
fn jitter_is_decorrelated_seeded_and_capped() {
    let now = Instant::now();
    let waits = |seed| -> Vec<Duration> {
        let settings = Arc::new(
            BreakerSettings::new(now).open_time(10 * SECOND, 60 * SECOND).probes(1).ramp(1).seed(seed),
        );
        let breakers = [(); 2].map(|()| Breaker::with_settings(Consecutive::new(1), Arc::clone(&settings)));
        let mut waits = Vec::new();
        for breaker in breakers {
            let mut now = now;
            for _ in 0..8 {
                fail(&breaker, 1, now);
                let wait = breaker.admit(now).expect_err("open").retry_after();
                waits.push(wait);
                now += wait;
            }
        }
        waits
    };
    assert_eq!(waits(1), waits(1), "the same seed, the same waits");
    assert_ne!(waits(1), waits(2));
    assert_ne!(waits(1)[..8], waits(1)[8..], "two breakers of one seed do not move together");
    assert!(waits(1).iter().all(|wait| (10 * SECOND..=60 * SECOND + SECOND).contains(wait)));
}

#[test]
fn what_the_other_side_asks_for_is_honored_within_bounds() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).retry_after_cap(100 * SECOND));
    let wait_after = |asked| {
        breaker.reset(now);
        breaker.admit(now).expect("closed").failure_retry_after(now, asked);
        breaker.admit(now).expect_err("open").retry_after()
    };
    assert_eq!(wait_after(SECOND), 10 * SECOND, "not less than its own time");
    assert_eq!(wait_after(50 * SECOND), 50 * SECOND);
    assert_eq!(wait_after(Duration::MAX), 100 * SECOND);
}

#[test]
fn each_probe_counts_once() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).probes(3));
    fail(&breaker, 1, now);
    let later = now + 10 * SECOND;
    let [first, second, third] = [(); 3].map(|()| breaker.admit(later).expect("a probe"));
    first.success(later);
    second.success(later);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(breaker.admit(later).is_err(), "a probe that succeeded does not make room for another one");
    third.success(later);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn recovery_is_a_ramp() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).probes(4).ramp(3));
    fail(&breaker, 1, now);
    let later = now + 10 * SECOND;
    let stage = || -> Vec<_> { std::iter::from_fn(|| breaker.admit(later).ok()).take(1_000).collect() };
    for size in [4, 8, 16] {
        let probes = stage();
        assert_eq!(probes.len(), size);
        // Up to a quarter of the later stages may fail.
        let tolerated = if size == 4 { 0 } else { size / 4 };
        for (n, probe) in probes.into_iter().enumerate() {
            if n < tolerated { probe.failure(later) } else { probe.success(later) }
        }
    }
    assert_eq!(breaker.state(), BreakerState::Closed);

    breaker.reset(now);
    fail(&breaker, 1, now);
    stage().into_iter().for_each(|probe| probe.success(later));
    stage().into_iter().take(3).for_each(|probe| probe.failure(later));
    assert_eq!(breaker.state(), BreakerState::Open, "three of eight is too much");
}

#[test]
fn one_failure_among_the_first_probes_is_one_too_many() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now).probes(100).ramp(3));
    fail(&breaker, 1, now);
    breaker.admit(now + 10 * SECOND).expect("a probe").failure(now + 10 * SECOND);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_set_of_breakers_is_bounded_and_strangers_create_nothing() {
    let now = Instant::now();
    let breakers = Breakers::new(8, settings(now), || Consecutive::new(1));
    for stranger in 0..1_000 {
        assert!(breakers.get(&stranger, now).is_none());
    }
    assert!(breakers.is_empty());
    for key in 0..1_000 {
        breakers.ensure(&key, now + Duration::from_millis(key)).expect("idle ones make room");
        assert!(breakers.len() <= 8);
    }
    assert!(breakers.get(&999, now).is_some() && breakers.get(&0, now).is_none(), "the oldest went first");
}

#[test]
fn a_breaker_that_is_open_or_in_use_is_kept() {
    let now = Instant::now();
    let breakers = Breakers::new(2, settings(now), || Consecutive::new(1));
    let open = breakers.ensure(&"open", now).expect("room");
    fail(&open, 1, now);
    drop(open);
    let used = breakers.ensure(&"used", now).expect("room");
    assert!(breakers.ensure(&"third", now).is_none());
    drop(used);
    assert!(breakers.ensure(&"third", now).is_some(), "what is idle makes room");
    let open = breakers.get(&"open", now).expect("kept");
    assert_eq!(open.state(), BreakerState::Open);
    breakers.reset(now);
    assert_eq!(open.state(), BreakerState::Closed);
    assert_eq!(breakers.all().len(), 2);
}

#[test]
fn breakers_of_what_died_for_good_make_room() {
    let now = Instant::now();
    let breakers = Breakers::new(4, settings(now), || Consecutive::new(1));
    for dead in ["a", "b", "c", "d"] {
        fail(&breakers.ensure(dead, now).expect("room"), 1, now);
    }
    assert!(breakers.ensure("alive", now).is_none(), "they are still open");
    let later = now + 11 * SECOND;
    let half_open = breakers.get("a", later).expect("kept");
    drop(half_open.admit(later).expect("a probe"));
    drop(half_open);
    assert!(breakers.ensure("alive", later).is_some(), "b, c or d: nobody asked for them since");
    assert!(breakers.get("a", later).is_some());
    let held = breakers.ensure("alive", later).expect("there");
    for key in ["e", "f", "g", "h", "i"] {
        breakers.ensure(key, later).expect("room").reset(later);
    }
    assert!(Arc::ptr_eq(&held, &breakers.get("alive", later).expect("in use")));
}

#[test]
fn a_breaker_can_be_removed_and_found_by_a_borrowed_key() {
    let now = Instant::now();
    let breakers: Breakers<String, Consecutive> = Breakers::new(3, settings(now), || Consecutive::new(1));
    for (second, key) in ["a", "b", "c"].into_iter().enumerate() {
        breakers.ensure(key, now + second as u32 * SECOND).expect("room").force_open(now);
    }
    assert!(breakers.ensure("d", now).is_none(), "what somebody forced stays");
    let held = breakers.get("a", now).expect("there");
    assert!(Arc::ptr_eq(&held, &breakers.remove("a").expect("there")));
    assert!(breakers.get("a", now).is_none() && breakers.remove("a").is_none());
    assert_ne!(breakers.ensure("a", now).expect("room").state(), held.state(), "a new one");
    breakers.retain(|_, breaker, used| breaker.state() == BreakerState::Closed || 2 * SECOND <= used);
    let mut left: Vec<_> = breakers.all().into_iter().map(|(key, _)| key).collect();
    left.sort_unstable();
    assert_eq!(left, ["a", "c"]);
}

#[test]
fn a_healthy_call_leaves_no_trace() {
    let (breaker, now) = breaker((Consecutive::new(5), CountWindow::new(100, 50)));
    succeed(&breaker, 100, now);
    let before = format!("{breaker:?}");
    succeed(&breaker, 1_000, now);
    assert_eq!(format!("{breaker:?}"), before, "nothing was written");

    breaker.reset(now);
    succeed(&breaker, 100, now);
    let before = format!("{breaker:?}");
    succeed(&breaker, 1_000, now);
    assert_eq!(format!("{breaker:?}"), before, "nor in a later generation");
}

#[test]
fn the_time_is_asked_for_only_if_it_matters() {
    fn reads<P: FailurePolicy>(policy: P, open: bool) -> u32 {
        let (breaker, now) = breaker(policy);
        if open {
            breaker.force_open(now);
        }
        let reads = std::cell::Cell::new(0);
        let clock = || {
            reads.set(reads.get() + 1);
            now
        };
        if let Ok(permit) = breaker.admit_with(clock) {
            permit.success_with(clock);
        }
        reads.get()
    }
    assert_eq!(reads(Consecutive::new(1), false), 0);
    assert_eq!(reads(CountWindow::new(10, 50), false), 0);
    assert_eq!(reads(CountWindow::new(10, 50).slow(SECOND, 50), false), 2);
    assert_eq!(reads(TimeWindow::new(SECOND, 50), false), 2);
    assert_eq!(reads((Consecutive::new(1), TimeWindow::new(SECOND, 50)), false), 2);
    assert_eq!(reads(Consecutive::new(1), true), 1);

    // And it matters that a probe succeeds.
    let (breaker, now) = breaker(Consecutive::new(1));
    breaker.admit_with(|| now).expect("closed").failure(now);
    let later = now + 10 * SECOND;
    breaker.admit_with(|| later).expect("a probe").success_with(|| later);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_pair_of_policies_opens_when_either_would() {
    let policy = || (Consecutive::new(3), CountWindow::new(10, 50));
    let (row, now) = breaker(policy());
    fail(&row, 3, now);
    assert_eq!(row.state(), BreakerState::Open);
    let (rate, now) = breaker(policy());
    for _ in 0..5 {
        succeed(&rate, 1, now);
        fail(&rate, 1, now);
    }
    assert_eq!(rate.state(), BreakerState::Open);
}

#[test]
fn a_time_window_forgets() {
    let (breaker, now) = breaker(TimeWindow::new(10 * SECOND, 50));
    fail(&breaker, 9, now);
    assert_eq!(breaker.snapshot(now + 9 * SECOND).window.failures, 9);
    assert_eq!(breaker.snapshot(now + 10 * SECOND).window.failures, 0);
    fail(&breaker, 9, now + 10 * SECOND);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_time_window_remembers_nothing_after_any_idle_time() {
    let span = Duration::from_millis(100);
    for idle in [1_u64 << 20, 10 << 31, (10 << 31) + 70, (10 << 32) + 100, 1 << 36] {
        let (breaker, now) = breaker(TimeWindow::new(span, 50));
        fail(&breaker, 9, now);
        let later = now + Duration::from_millis(idle);
        fail(&breaker, 9, later);
        assert_eq!(breaker.snapshot(later).window.failures, 9, "after {idle} ms");
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

#[test]
fn a_report_with_an_old_time_erases_nothing_newer() {
    let (breaker, now) = breaker(TimeWindow::new(10 * SECOND, 50));
    let late = breaker.admit(now).expect("closed");
    let later = now + 10 * SECOND;
    fail(&breaker, 5, later);
    // Its tick shares a bucket with the current one.
    late.failure(now);
    assert_eq!(breaker.snapshot(later).window.failures, 5);
}

/// Resets by the clock, as an operator's script does them, on a breaker that nobody calls.
#[test]
fn no_number_of_resets_deadens_it() {
    let policies: [Box<dyn FailurePolicy>; 3] = [
        Box::new(Consecutive::new(10)),
        Box::new(CountWindow::new(20, 50)),
        Box::new(TimeWindow::new(100 * SECOND, 50)),
    ];
    for policy in policies {
        let (breaker, now) = breaker(policy);
        for resets in [1, 127, 128, 255, (1 << 19) - 1, (1 << 19) + 1] {
            fail(&breaker, 3, now);
            (0..resets).for_each(|_| breaker.reset(now));
            fail(&breaker, 9, now);
            assert_eq!(breaker.state(), BreakerState::Closed, "{resets} resets, {:?}", breaker.policy());
            fail(&breaker, 1, now);
            assert_eq!(breaker.state(), BreakerState::Open, "{resets} resets, {:?}", breaker.policy());
            breaker.reset(now);
        }
    }
}

#[test]
#[should_panic = "at least one failure"]
fn a_policy_that_could_never_be_content_is_refused() {
    let _ = Consecutive::new(0);
}

#[test]
#[should_panic = "1 to 100 percent"]
fn a_rate_over_everything_is_refused() {
    let _ = CountWindow::new(10, 101);
}

/// What a caller, or what is called, can fill, as `docs/bounds.md` lists it, with the test that fills it.
const BOUNDS: &[(&str, fn())] = &[
    ("breakers of a set", bound_breakers),
    ("probes under way while half-open", bound_probes),
    ("wait for probes that do not end", bound_patience),
    ("open time that grows", bound_open_time),
    ("open time that is asked for", bound_asked),
    ("calls of a count window", bound_count_window),
];

#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let doc = include_str!("../../../../docs/bounds.md");
    let section =
        doc.split("\n## ").find(|section| section.starts_with("toolpost-breaker\n")).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let listed: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(listed, BOUNDS.iter().map(|(what, _)| *what).collect::<Vec<_>>());
    BOUNDS.iter().for_each(|(_, fill)| fill());
}

fn bound_breakers() {
    let now = Instant::now();
    let breakers = Breakers::new(8, settings(now), || Consecutive::new(1));
    let held: Vec<_> = (0..8).map(|key| breakers.ensure(&key, now).expect("room")).collect();
    assert!(breakers.ensure(&8, now).is_none(), "all are in use");
    drop(held);
    for key in 0..10_000 {
        breakers.ensure(&key, now).expect("idle ones make room");
    }
    assert!(breakers.len() <= 8);
}

fn bound_probes() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), BreakerSettings::new(now).probes(3));
    fail(&breaker, 1, now);
    let later = now + 60 * SECOND;
    let probes: Vec<_> = (0..1_000).filter_map(|_| breaker.admit(later).ok()).collect();
    assert_eq!((probes.len(), breaker.snapshot(later).probes), (3, 3));
    probes.into_iter().for_each(|probe| probe.success(later));
    assert_eq!((0..1_000).filter_map(|_| breaker.admit(later).ok()).collect::<Vec<_>>().len(), 6);
}

fn bound_patience() {
    let now = Instant::now();
    let breaker = Breaker::with_settings(Consecutive::new(1), settings(now));
    fail(&breaker, 1, now);
    let later = now + 10 * SECOND;
    std::mem::forget(breaker.admit(later).expect("a probe"));
    assert!(breaker.peek(later + 59 * SECOND).is_err() && breaker.peek(later + 60 * SECOND).is_ok());
}

fn bound_open_time() {
    let (breaker, mut now) = breaker(Consecutive::new(1));
    for _ in 0..1_000 {
        breaker.admit(now).expect("a probe").failure(now);
        let left = breaker.snapshot(now).retry_after.expect("open");
        assert!(left <= 60 * SECOND, "{left:?}");
        now += left;
    }
}

fn bound_asked() {
    let (breaker, now) = breaker(Consecutive::new(1));
    breaker.admit(now).expect("closed").failure_retry_after(now, Duration::MAX);
    assert_eq!(breaker.snapshot(now).retry_after, Some(3_600 * SECOND));
}

fn bound_count_window() {
    let (breaker, now) = breaker(CountWindow::new(10, 100));
    for call in 0..1_000 {
        let permit = breaker.admit(now).expect("closed");
        if call % 2 == 0 { permit.failure(now) } else { permit.success(now) }
    }
    assert_eq!(breaker.snapshot(now).window.calls, 10);
    assert!(std::panic::catch_unwind(|| CountWindow::new(1_000_000, 50)).is_err());
}
