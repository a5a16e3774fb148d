//! Every policy, driven by random callers at random times, beside a model that a reader can check by eye.
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use toolpost_breaker::{
    Breaker, BreakerSettings, BreakerState, Consecutive, CountWindow, FailurePolicy, Permit, TimeWindow,
};

const BASE: u64 = 100;
const CAP: u64 = 350;
const PATIENCE: u64 = 500;
const PROBES: u64 = 2;
const RAMP: u64 = 2;
const SLOW: u64 = 20;
const SPAN: u64 = 200;

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Wait(u64),
    Success(usize),
    Failure(usize),
    FailureRetryAfter(usize, u64),
    Ignore(usize),
    Abandon(usize),
    ForceOpen,
    ForceClosed,
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>();
    prop_oneof![
        12 => Just(Step::Admit),
        3 => (0..30_u64).prop_map(Step::Wait),
        1 => (0..400_u64).prop_map(Step::Wait),
        6 => which.prop_map(Step::Success),
        6 => which.prop_map(Step::Failure),
        1 => (which, 0..600_u64).prop_map(|(which, after)| Step::FailureRetryAfter(which, after)),
        1 => which.prop_map(Step::Ignore),
        2 => which.prop_map(Step::Abandon),
        1 => prop_oneof![
            1 => Just(Step::ForceOpen),
            1 => Just(Step::ForceClosed),
            4 => Just(Step::Reset),
        ],
    ]
}

/// What a policy remembers: the calls since the generation began, as (when, failed, slow).
type Calls = VecDeque<(u64, bool, bool)>;

/// Which policy, and when its model opens.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Consecutive(u32),
    Count { size: usize, min: usize, percent: usize, slow: Option<usize> },
    Time { min: usize, percent: usize, slow: Option<usize> },
}

impl Kind {
    fn slow_after(self) -> Option<u64> {
        match self {
            Self::Consecutive(_) => None,
            Self::Count { slow, .. } | Self::Time { slow, .. } => slow.map(|_| SLOW),
        }
    }

    fn judges(self, calls: &Calls, now: u64) -> bool {
        let rate = |window: Vec<&(u64, bool, bool)>, min: usize, percent: usize, slow: Option<usize>| {
            let failed = window.iter().filter(|call| call.1).count();
            let slows = window.iter().filter(|call| call.2).count();
            min <= window.len()
                && ((0 < failed && percent * window.len() <= failed * 100)
                    || slow.is_some_and(|slow| 0 < slows && slow * window.len() <= slows * 100))
        };
        match self {
            Self::Consecutive(most) => most as usize <= calls.iter().rev().take_while(|call| call.1).count(),
            Self::Count { size, min, percent, slow } => {
                rate(calls.iter().rev().take(size).collect(), min, percent, slow)
            }
            Self::Time { min, percent, slow } => {
                let width = SPAN / 10;
                let recent = calls.iter().filter(|call| now / width < call.0 / width + 10).collect();
                rate(recent, min, percent, slow)
            }
        }
    }
}

#[derive(Debug)]
enum Phase {
    Closed(Calls),
    Open { until: u64 },
    HalfOpen { stage: u64, out: u64, won: u64, lost: u64, last: u64 },
    ForcedOpen,
    ForcedClosed,
}

struct Model {
    kind: Kind,
    phase: Phase,
    generation: u64,
    attempt: u32,
}

#[derive(Clone, Copy)]
struct Ticket {
    generation: u64,
    attempt: u32,
    admitted: u64,
}

impl Model {
    fn go(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    fn open(&mut self, attempt: u32, now: u64, asked: u64) {
        self.attempt = attempt.min(15);
        let own = (BASE << attempt.min(10)).min(CAP);
        self.go(Phase::Open { until: now + own.max(asked) });
    }

    fn admit(&mut self, now: u64) -> Result<Ticket, u64> {
        match &mut self.phase {
            Phase::Closed(_) | Phase::ForcedClosed => {}
            Phase::Open { until } if now < *until => return Err(*until - now),
            Phase::Open { .. } => self.go(Phase::HalfOpen { stage: 0, out: 1, won: 0, lost: 0, last: now }),
            Phase::HalfOpen { stage, out, won, lost, last } => {
                if *out + *won + *lost < PROBES << *stage {
                    *out += 1;
                    *last = now;
                } else if now - *last < PATIENCE {
                    // Probes have as long as one open time; whoever waits is let in at the latest when patience ends.
                    return Err(BASE.min(PATIENCE - (now - *last)));
                } else {
                    (*out, *last) = (1, now);
                    self.attempt = 15.min(self.attempt + 1);
                }
            }
            Phase::ForcedOpen => return Err(CAP),
        }
        Ok(Ticket { generation: self.generation, attempt: self.attempt, admitted: now })
    }

    /// Settles a call; `failed` is `None` for one that was abandoned.
    fn settle(&mut self, ticket: Ticket, failed: Option<bool>, now: u64, asked: u64) {
        if ticket.generation != self.generation {
            return;
        }
        let slow = self.kind.slow_after().is_some_and(|after| after <= now - ticket.admitted);
        match &mut self.phase {
            Phase::Closed(calls) => {
                if failed.is_none() && !slow {
                    return;
                }
                let failed = failed.unwrap_or(false);
                let matters = !matches!(self.kind, Kind::Consecutive(_)) || !slow || failed;
                if matters {
                    calls.push_back((now, failed, slow));
                }
                if (failed || slow) && self.kind.judges(calls, now) {
                    self.open(0, now, asked);
                }
            }
            Phase::HalfOpen { stage, out, won, lost, .. } => {
                if ticket.attempt == self.attempt {
                    *out = out.saturating_sub(1);
                }
                match failed {
                    None if !slow => return,
                    Some(false) if !slow => *won += 1,
                    _ => *lost += 1,
                }
                let size = PROBES << *stage;
                if (if *stage == 0 { 0 } else { size / 4 }) < *lost {
                    self.open(self.attempt + 1, now, asked);
                } else if size == *won + *lost {
                    (*won, *lost) = (0, 0);
                    *stage += 1;
                    if *stage == RAMP {
                        self.go(Phase::Closed(Calls::new()));
                    }
                }
            }
            Phase::Open { .. } | Phase::ForcedOpen | Phase::ForcedClosed => {}
        }
    }

    fn ignore(&mut self, ticket: Ticket) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase
            && (ticket.generation, ticket.attempt) == (self.generation, self.attempt)
        {
            *out = out.saturating_sub(1);
        }
    }

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
            Phase::ForcedClosed => BreakerState::ForcedClosed,
        }
    }
}

fn settings(start: Instant) -> BreakerSettings {
    let millis = Duration::from_millis;
    BreakerSettings::new(start)
        .open_time(millis(BASE), millis(CAP))
        .without_jitter()
        .probes(PROBES as u16)
        .ramp(RAMP as u8)
        .patience(millis(PATIENCE))
}

fn check<P: FailurePolicy>(kind: Kind, policy: P, steps: &[Step], sound: impl Fn(&P) -> bool) {
    let start = Instant::now();
    let millis = Duration::from_millis;
    let breaker = Breaker::with_settings(policy, settings(start));
    let mut model = Model { kind, phase: Phase::Closed(Calls::new()), generation: 0, attempt: 0 };
    let mut held: Vec<(Permit<'_, P>, Ticket)> = Vec::new();
    let mut elapsed = 0;
    for step in steps {
        let now = start + millis(elapsed);
        let mut take = |which: &usize| (!held.is_empty()).then(|| held.swap_remove(which % held.len()));
        match step {
            Step::Admit => {
                let (expected, peeked) = (model.admit(elapsed), breaker.peek(now).is_ok());
                match (breaker.admit(now), expected) {
                    (Ok(permit), Ok(ticket)) => {
                        assert!(peeked);
                        held.push((permit, ticket));
                    }
                    (Err(refused), Err(wait)) => {
                        assert!(!peeked);
                        assert_eq!(refused.retry_after(), millis(wait));
                    }
                    (actual, expected) => {
                        panic!("admitted: {}, expected: {}", actual.is_ok(), expected.is_ok())
                    }
                }
            }
            Step::Wait(wait) => elapsed += wait,
            Step::Success(which) => {
                if let Some((permit, ticket)) = take(which) {
                    permit.success(now);
                    model.settle(ticket, Some(false), elapsed, 0);
                }
            }
            Step::Failure(which) => {
                if let Some((permit, ticket)) = take(which) {
                    permit.failure(now);
                    model.settle(ticket, Some(true), elapsed, 0);
                }
            }
            Step::FailureRetryAfter(which, after) => {
                if let Some((permit, ticket)) = take(which) {
                    permit.failure_retry_after(now, millis(*after));
                    model.settle(ticket, Some(true), elapsed, *after);
                }
            }
            Step::Ignore(which) => {
                if let Some((permit, ticket)) = take(which) {
                    permit.ignore();
                    model.ignore(ticket);
                }
            }
            Step::Abandon(which) => {
                if let Some((permit, ticket)) = take(which) {
                    permit.abandon(now);
                    model.settle(ticket, None, elapsed, 0);
                }
            }
            Step::ForceOpen => {
                breaker.force_open(now);
                model.attempt = 0;
                model.go(Phase::ForcedOpen);
            }
            Step::ForceClosed => {
                breaker.force_closed(now);
                model.attempt = 0;
                model.go(Phase::ForcedClosed);
            }
            Step::Reset => {
                breaker.reset(now);
                model.attempt = 0;
                model.go(Phase::Closed(Calls::new()));
            }
        }
        assert!(sound(breaker.policy()), "counts are the sum of the ring after {step:?}");
        assert_eq!(breaker.state(), model.state(), "after {step:?}");
        let snapshot = breaker.snapshot(start + millis(elapsed));
        assert_eq!(u64::from(snapshot.generation), model.generation);
        if let Phase::HalfOpen { out, .. } = model.phase {
            assert_eq!(u64::from(snapshot.probes), out);
        }
        if let (Phase::Closed(calls), Kind::Count { size, .. }) = (&model.phase, kind) {
            let window: Vec<_> = calls.iter().rev().take(size).collect();
            let tally = snapshot.window;
            assert_eq!(tally.calls as usize, window.len());
            assert_eq!(tally.failures as usize, window.iter().filter(|call| call.1).count());
            assert_eq!(tally.slow as usize, window.iter().filter(|call| call.2).count());
        }
    }
}

fn config() -> ProptestConfig {
    let cases = std::env::var("TOOLPOST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// How long it takes until the breaker is closed, from when the thing works on: one call each `gap`, each of which ends
/// well after `took`. Those that were held then never report.
fn recovers<P: FailurePolicy>(policy: P, steps: &[Step], took: u64, gap: u64, looks: bool) {
    let start = Instant::now();
    let (breaker, mut elapsed) = drive(policy, start, steps);
    let began = elapsed;
    let mut under_way = VecDeque::new();
    // The longest open time that may be left, and for each stage: patience, calls one after the other, and their end.
    let most = 600 + RAMP * (PATIENCE + took + 2 * gap * (PROBES << RAMP));
    while breaker.state() != BreakerState::Closed {
        assert!(elapsed - began <= most, "{:?} after {} ms", breaker.snapshot(start), elapsed - began);
        let now = start + Duration::from_millis(elapsed);
        while under_way.front().is_some_and(|(end, _)| *end <= elapsed) {
            let (_, permit): (u64, Permit<'_, P>) = under_way.pop_front().expect("seen");
            permit.success(now);
        }
        if !looks || breaker.peek(now).is_ok() {
            let admitted = breaker.admit(now);
            assert!(!looks || admitted.is_ok(), "what peek says holds");
            if let Ok(permit) = admitted {
                under_way.push_back((elapsed + took, permit));
            }
        }
        elapsed += gap;
    }
    under_way.into_iter().for_each(|(_, permit)| permit.ignore());
}

/// A breaker after these steps, not forced, with its time; the permits that are held then are lost.
fn drive<P: FailurePolicy>(policy: P, start: Instant, steps: &[Step]) -> (Breaker<P>, u64) {
    let breaker = Breaker::with_settings(policy, settings(start));
    let mut held = Vec::new();
    let mut elapsed = 0;
    for step in steps {
        let now = start + Duration::from_millis(elapsed);
        let mut take =
            |which: usize| (!held.is_empty()).then(|| held.swap_remove(which % held.len())).into_iter();
        match *step {
            Step::Wait(millis) => elapsed += millis,
            Step::Admit => held.extend(breaker.admit(now)),
            Step::Success(which) => take(which).for_each(|permit: Permit<'_, P>| permit.success(now)),
            Step::Failure(which) => take(which).for_each(|permit| permit.failure(now)),
            Step::FailureRetryAfter(which, after) => {
                take(which).for_each(|permit| permit.failure_retry_after(now, Duration::from_millis(after)));
            }
            Step::Ignore(which) => take(which).for_each(Permit::ignore),
            Step::Abandon(which) => take(which).for_each(|permit| permit.abandon(now)),
            // Whoever forces it knows what they do.
            Step::ForceOpen | Step::ForceClosed => {}
            Step::Reset => breaker.reset(now),
        }
    }
    held.into_iter().for_each(std::mem::forget);
    (breaker, elapsed)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn consecutive_is_its_model(most in 1..6_u32, steps in prop::collection::vec(step(), 0..400)) {
        check(Kind::Consecutive(most), Consecutive::new(most), &steps, |_| true);
    }

    #[test]
    fn a_count_window_is_its_model(
        size in 1..50_usize,
        min in 1..20_usize,
        percent in 1..=100_usize,
        slow in prop::option::of(1..=100_usize),
        steps in prop::collection::vec(step(), 0..600),
    ) {
        let min = min.min(size);
        let mut policy = CountWindow::new(size as u32, percent as u32).min_calls(min as u32);
        if let Some(percent) = slow {
            policy = policy.slow(Duration::from_millis(SLOW), percent as u32);
        }
        check(Kind::Count { size, min, percent, slow }, policy, &steps, CountWindow::is_consistent);
    }

    #[test]
    fn a_time_window_is_its_model(
        min in 1..20_usize,
        percent in 1..=100_usize,
        slow in prop::option::of(1..=100_usize),
        steps in prop::collection::vec(step(), 0..600),
    ) {
        let mut policy = TimeWindow::new(Duration::from_millis(SPAN), percent as u32).min_calls(min as u32);
        if let Some(percent) = slow {
            policy = policy.slow(Duration::from_millis(SLOW), percent as u32);
        }
        check(Kind::Time { min, percent, slow }, policy, &steps, |_| true);
    }

    // Whatever came before: once the thing works and is asked, the breaker closes.
    #[test]
    fn what_works_again_closes_it(
        steps in prop::collection::vec(step(), 0..400),
        took in prop_oneof![0..PATIENCE, 0..20 * PATIENCE],
        gap in 1..60_u64,
        looks in any::<bool>(),
    ) {
        recovers(Consecutive::new(2), &steps, took, gap, looks);
        recovers(CountWindow::new(10, 50).min_calls(3), &steps, took, gap, looks);
    }
}
