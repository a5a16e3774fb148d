//! Which of several endpoints of one server a call goes to.
//!
//! The one that is expected to answer soonest: the latency of its recent answers times the calls that it would then have. Of many,
//! two are drawn and the better is taken. (Peak EWMA as in Twitter's Finagle, `com.twitter.finagle.loadbalancer.PeakEwma`; M.
//! Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.)
//!
//! An endpoint that keeps failing is ejected by its circuit breaker and probed again later; but never more than a share of
//! those that are connected, for when all fail the fault is likely not theirs. It takes the time as an argument.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use toolpost_breaker::{Breaker, BreakerSettings, BreakerState, Consecutive, CountWindow, OwnedPermit};

/// How long it takes until a measured latency counts for about a third.
const DECAY: Duration = Duration::from_secs(10);
/// Up to so many are all compared; of more, two are drawn.
const FEW: usize = 4;
/// The largest share of the endpoints that is ejected, in percent.
const EJECTED_MAX: usize = 50;
/// Failures in a row, and the percentage of failures in a window, that eject.
const IN_A_ROW: u32 = 5;
const WINDOW: u32 = 32;
const WINDOW_MIN: u32 = 8;
const FAILURES: u32 = 50;
/// How long an endpoint is ejected for the first time, and at most.
const OUT_FIRST: Duration = Duration::from_secs(3);
const OUT_LONGEST: Duration = Duration::from_secs(60);

/// For how long a probe is left to calls that may be repeated; then any call makes it, or where none may be repeated an endpoint
/// that works again would never be used again.
const UNPROBED: Duration = Duration::from_secs(10);

/// The latency of an endpoint that has failed before it ever answered, at least.
const UNANSWERED: Duration = Duration::from_secs(1);

type Policy = (Consecutive, CountWindow);

/// Chooses among endpoints, by their places in a list.
#[derive(Debug)]
pub(crate) struct Balancer {
    breakers: Box<[Arc<Breaker<Policy>>]>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    loads: Box<[Load]>,
    /// Those whose breakers refuse calls, in the order in which that was seen.
    refusing: Vec<usize>,
    /// Since when each was seen to be due for a probe.
    due: Box<[Option<Instant>]>,
    random: u64,
}

/// What an endpoint has to do, and how long it takes.
#[derive(Clone, Copy, Debug)]
struct Load {
    outstanding: u32,
    /// In seconds, as it was at a time; none before the first answer.
    latency: Option<(f64, Instant)>,
    /// Since when it has had calls, and answered none of them. What it was known to take fades no more until it answers: one
    /// that hangs would look ever faster.
    busy: Instant,
}

/// A call at an endpoint, until it ends. Dropped, it has ended without saying anything of the endpoint.
#[derive(Debug)]
pub(crate) struct Pick {
    balancer: Arc<Balancer>,
    endpoint: usize,
    began: Instant,
    /// None of an endpoint that is used although its breaker refuses it.
    permit: Option<OwnedPermit<Policy>>,
}

/// How a call at an endpoint ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PickEnd {
    /// It was answered, whatever the answer.
    Answered,
    /// It was not answered, and that is the endpoint's fault.
    Failed,
    /// Whoever called waits no more.
    GivenUp,
}

impl Balancer {
    pub(crate) fn new(endpoints: usize, seed: u64, now: Instant) -> Arc<Self> {
        let loads = vec![Load { outstanding: 0, latency: None, busy: now }; endpoints].into_boxed_slice();
        let due = vec![None; endpoints].into_boxed_slice();
        let state = State { loads, refusing: Vec::new(), due, random: seed };
        Arc::new(Self { breakers: breakers(endpoints, seed, now), state: Mutex::new(state) })
    }

    /// Chooses an endpoint that is ready and not among those `tried`; none if there is none. What may be probed is, by calls
    /// that may be repeated if it fails; by any call if none of those comes.
    pub(crate) fn pick(
        self: &Arc<Self>,
        is_ready: impl Fn(usize) -> bool,
        tried: &[usize],
        is_repeatable: bool,
        now: Instant,
    ) -> Option<Pick> {
        let ready: Vec<usize> = (0..self.breakers.len()).filter(|at| is_ready(*at)).collect();
        let mut state = self.state();
        let ejected = self.ejected(&mut state, &ready, now);
        let mut open: Vec<usize> =
            ready.into_iter().filter(|at| !tried.contains(at) && !ejected.contains(at)).collect();
        // What is refused and not ejected, for too many are, is used where there is nothing else.
        if open.iter().any(|at| !state.refusing.contains(at)) {
            open.retain(|at| !state.refusing.contains(at));
        }
        let is_probe =
            |at: &usize| !state.refusing.contains(at) && self.breakers[*at].state() != BreakerState::Closed;
        let is_due = |at: usize| match self.breakers[at].state() {
            BreakerState::Closed => false,
            BreakerState::Open => !state.refusing.contains(&at),
            _ => true,
        };
        let due = (0..self.breakers.len()).map(|at| is_due(at).then(|| state.due[at].unwrap_or(now)));
        let due: Box<[Option<Instant>]> = due.collect();
        let may_probe = |at: &usize| {
            is_probe(at)
                && (is_repeatable
                    || due[*at].is_some_and(|since| UNPROBED <= now.saturating_duration_since(since)))
        };
        if let Some(probe) = open.iter().copied().find(may_probe) {
            open = vec![probe];
        } else if !open.iter().all(is_probe) {
            open.retain(|at| !is_probe(at));
        }
        state.due = due;
        let endpoint = state.choose(&open, now)?;
        let load = &mut state.loads[endpoint];
        if load.outstanding == 0 {
            load.busy = now;
        }
        load.outstanding += 1;
        // Under the lock, so that of several calls that see a probe due one makes it.
        let permit = self.breakers[endpoint].admit_owned(now).ok();
        Some(Pick { balancer: Arc::clone(self), endpoint, began: now, permit })
    }

    /// Those that are left alone: of those whose breakers refuse calls the first, as many as may.
    fn ejected(&self, state: &mut State, ready: &[usize], now: Instant) -> Vec<usize> {
        let refuses = |at: &usize| self.breakers[*at].peek(now).is_err();
        state.refusing.retain(refuses);
        let newly = (0..self.breakers.len()).filter(|at| !state.refusing.contains(at) && refuses(at));
        let newly: Vec<usize> = newly.collect();
        state.refusing.extend(newly);
        let most = ready.len() * EJECTED_MAX / 100;
        state.refusing.iter().copied().filter(|at| ready.contains(at)).take(most).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn breakers(endpoints: usize, seed: u64, now: Instant) -> Box<[Arc<Breaker<Policy>>]> {
    let settings = BreakerSettings::new(now).open_time(OUT_FIRST, OUT_LONGEST).probes(1).ramp(2).seed(seed);
    let settings = Arc::new(settings);
    let policy = || (Consecutive::new(IN_A_ROW), CountWindow::new(WINDOW, FAILURES).min_calls(WINDOW_MIN));
    (0..endpoints).map(|_| Arc::new(Breaker::with_settings(policy(), Arc::clone(&settings)))).collect()
}

impl State {
    fn choose(&mut self, open: &[usize], now: Instant) -> Option<usize> {
        if open.len() <= FEW {
            // Of those that are alike, not always the first.
            let turn = self.draw(open.len());
            let rotated = open.iter().skip(turn).chain(open.iter().take(turn));
            return rotated
                .copied()
                .min_by(|one, other| self.cost(*one, now).total_cmp(&self.cost(*other, now)));
        }
        let first = self.draw(open.len());
        let second = (first + 1 + self.draw(open.len() - 1)) % open.len();
        let (first, second) = (open[first], open[second]);
        Some(if self.cost(second, now) < self.cost(first, now) { second } else { first })
    }

    /// How soon a call more is expected to be answered, compared with others.
    fn cost(&self, endpoint: usize, now: Instant) -> f64 {
        self.loads[endpoint].cost(now)
    }

    /// A number below `end`, which is not zero; zero if it is.
    fn draw(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // The output function of SplitMix64 (Steele, Lea and Flood, 2014).
        let z = self.random;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * end as u128) >> 64) as usize
    }
}

impl Load {
    fn cost(&self, now: Instant) -> f64 {
        match self.latency {
            Some((latency, at)) => {
                let until = if self.outstanding == 0 { now } else { self.busy };
                latency * weight(at, until) * f64::from(self.outstanding + 1)
            }
            // Tried at once, by one call: until that is answered it is as bad as can be.
            None if self.outstanding == 0 => 0.0,
            None => 1e100 * f64::from(self.outstanding),
        }
    }

    /// A longer latency counts at once, a shorter one little by little.
    fn observe(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let latency = match self.latency {
            Some((known, at)) if took < known * weight(at, now) => {
                let weight = weight(at, now);
                known * weight + took * (1.0 - weight)
            }
            _ => took,
        };
        self.latency = Some((latency, now));
    }
}

/// How much of what was known `at` a time still counts.
fn weight(at: Instant, now: Instant) -> f64 {
    (-now.saturating_duration_since(at).as_secs_f64() / DECAY.as_secs_f64()).exp()
}

impl Pick {
    pub(crate) const fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// Says how the call ended.
    pub(crate) fn end(mut self, how: PickEnd, now: Instant) {
        let took = now.saturating_duration_since(self.began);
        let mut state = self.balancer.state();
        let load = &mut state.loads[self.endpoint];
        match how {
            PickEnd::Answered => {
                load.observe(took, now);
                load.busy = now;
            }
            // It would have taken at least so long.
            PickEnd::GivenUp
                if load.latency.is_some_and(|(known, at)| known * weight(at, now) < took.as_secs_f64()) =>
            {
                load.observe(took, now);
            }
            // Who fails fast is not fast; nor is it to be tried first, by call after call, for never having answered.
            PickEnd::Failed | PickEnd::GivenUp if load.latency.is_none() => {
                load.observe(took.max(UNANSWERED), now)
            }
            PickEnd::Failed | PickEnd::GivenUp => {}
        }
        drop(state);
        match (self.permit.take(), how) {
            (Some(permit), PickEnd::Answered) => permit.success(now),
            (Some(permit), PickEnd::Failed) => permit.failure(now),
            (Some(permit), PickEnd::GivenUp) => permit.abandon(now),
            (None, _) => {}
        }
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.balancer.state().loads[self.endpoint].outstanding -= 1;
    }
}

#[cfg(test)]
mod tests;
