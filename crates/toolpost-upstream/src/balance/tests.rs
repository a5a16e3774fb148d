//! The balancer against a model that looks at everything that ever happened, and in simulated traffic.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MILLI: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "a time to reckon from")]
fn start() -> Instant {
    Instant::now()
}

fn always(_: usize) -> bool {
    true
}

/// What is known of one endpoint: everything that it did.
#[derive(Default)]
struct Known {
    out: usize,
    /// When it was seen to take how long.
    seen: Vec<(Duration, Instant)>,
    /// When it had its first call after none, or answered.
    busy: Option<Instant>,
}

impl Known {
    /// Its latency as it counts at a time, in seconds.
    fn latency(&self, now: Instant) -> Option<f64> {
        let fading = |at: Instant, now: Instant| (-(now - at).as_secs_f64() / 10.0).exp();
        let mut known: Option<(f64, Instant)> = None;
        for (took, at) in &self.seen {
            let took = took.as_secs_f64();
            let latency = match known {
                Some((latency, before)) if took < latency * fading(before, *at) => {
                    let weight = fading(before, *at);
                    latency * weight + took * (1.0 - weight)
                }
                _ => took,
            };
            known = Some((latency, *at));
        }
        known.map(|(latency, at)| latency * fading(at, now))
    }

    /// Its latency as it is reckoned with: it does not fade while nothing is answered.
    fn reckoned(&self, now: Instant) -> Option<f64> {
        self.latency(self.busy.filter(|_| 0 < self.out).unwrap_or(now))
    }

    fn is_better(&self, other: &Self, now: Instant) -> bool {
        match (self.reckoned(now), other.reckoned(now)) {
            (Some(one), Some(two)) => one * (self.out + 1) as f64 + 1e-12 < two * (other.out + 1) as f64,
            (None, None) => self.out < other.out,
            (None, Some(two)) => self.out == 0 && 1e-12 < two,
            (Some(_), None) => 0 < other.out,
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Pick { repeatable: bool, tried: BTreeSet<usize>, ready: BTreeSet<usize> },
    End(usize, PickEnd),
    Drop(usize),
    Pass(u64),
}

fn op(endpoints: usize) -> impl Strategy<Value = Op> {
    let some = move || prop::collection::btree_set(0..endpoints, 0..endpoints);
    let most = prop_oneof![3 => Just((0..endpoints).collect()), 1 => some()];
    let end = prop_oneof![
        3 => Just(PickEnd::Answered), 4 => Just(PickEnd::Failed), 1 => Just(PickEnd::GivenUp),
    ];
    prop_oneof![
        6 => (any::<bool>(), prop_oneof![3 => Just(BTreeSet::new()), 1 => some()], most)
            .prop_map(|(repeatable, tried, ready)| Op::Pick { repeatable, tried, ready }),
        6 => (0..8_usize, end).prop_map(|(nth, how)| Op::End(nth, how)),
        1 => (0..8_usize).prop_map(Op::Drop),
        3 => (1..4_000_u64).prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn who_is_chosen_is_the_models_choice(
        (endpoints, ops) in (1..7_usize).prop_flat_map(|n| (Just(n), prop::collection::vec(op(n), 1..120))),
        seed: u64,
    ) {
        let mut now = start();
        let balancer = Balancer::new(endpoints, seed, now);
        // The model's own breakers are told the same.
        let twins = breakers(endpoints, seed, now);
        let mut known: Vec<Known> = (0..endpoints).map(|_| Known::default()).collect();
        let mut refusing: Vec<usize> = Vec::new();
        let mut due: Vec<Option<Instant>> = vec![None; endpoints];
        let mut out: Vec<(Pick, Instant, Option<OwnedPermit<Policy>>)> = Vec::new();
        for op in ops {
            match op {
                Op::Pick { repeatable, tried, ready } => {
                    refusing.retain(|at| twins[*at].peek(now).is_err());
                    for at in 0..endpoints {
                        if twins[at].peek(now).is_err() && !refusing.contains(&at) {
                            refusing.push(at);
                        }
                    }
                    let ejected: BTreeSet<usize> =
                        refusing.iter().copied().filter(|at| ready.contains(at)).take(ready.len() / 2).collect();
                    let open = || {
                        ready.iter().copied().filter(|at| !tried.contains(at) && !ejected.contains(at))
                    };
                    let admits = |at: &usize| twins[*at].peek(now).is_ok();
                    let is_closed = |at: &usize| twins[*at].state() == BreakerState::Closed;
                    let sound: Vec<usize> = open().filter(is_closed).collect();
                    let probes: Vec<usize> = open().filter(|at| admits(at) && !is_closed(at)).collect();
                    for at in 0..endpoints {
                        let is_out = twins[at].state() == BreakerState::Open && !admits(&at);
                        due[at] = (!is_out && !is_closed(&at)).then(|| due[at].unwrap_or(now));
                    }
                    let is_long_due = |at: &&usize| due[**at].is_some_and(|since| UNPROBED <= now - since);
                    let among = match (probes.iter().find(|at| repeatable || is_long_due(at)), sound.is_empty()) {
                        (Some(first), _) => vec![*first],
                        (_, false) => sound,
                        (None, true) if !probes.is_empty() => probes,
                        (None, true) => open().collect(),
                    };
                    let tried: Vec<usize> = tried.into_iter().collect();
                    let pick = balancer.pick(|at| ready.contains(&at), &tried, repeatable, now);
                    let Some(pick) = pick else {
                        prop_assert!(among.is_empty(), "none of {among:?}");
                        continue;
                    };
                    let chosen = pick.endpoint();
                    prop_assert!(among.contains(&chosen), "{chosen} is none of {among:?}");
                    let better = among.iter().filter(|at| known[**at].is_better(&known[chosen], now)).count();
                    // Of two that were drawn it is the better; of few it is the best.
                    let worst = if among.len() <= FEW { 0 } else { among.len() - 2 };
                    prop_assert!(better <= worst, "{better} of {} are better", among.len());
                    if known[chosen].out == 0 {
                        known[chosen].busy = Some(now);
                    }
                    known[chosen].out += 1;
                    let permit = twins[chosen].admit_owned(now).ok();
                    prop_assert_eq!(permit.is_some(), pick.permit.is_some());
                    out.push((pick, now, permit));
                }
                Op::End(nth, how) if !out.is_empty() => {
                    let (pick, began, permit) = out.remove(nth % out.len());
                    let it = &mut known[pick.endpoint()];
                    it.out -= 1;
                    let took = now - began;
                    match (how, it.latency(now)) {
                        (PickEnd::Answered, _) => {
                            it.seen.push((took, now));
                            it.busy = Some(now);
                        }
                        (PickEnd::Failed | PickEnd::GivenUp, None) => it.seen.push((took.max(UNANSWERED), now)),
                        (PickEnd::GivenUp, Some(latency)) if latency < took.as_secs_f64() => {
                            it.seen.push((took, now));
                        }
                        _ => {}
                    }
                    pick.end(how, now);
                    match (permit, how) {
                        (Some(permit), PickEnd::Answered) => permit.success(now),
                        (Some(permit), PickEnd::Failed) => permit.failure(now),
                        (Some(permit), PickEnd::GivenUp) => permit.abandon(now),
                        (None, _) => {}
                    }
                }
                Op::Drop(nth) if !out.is_empty() => {
                    let (pick, ..) = out.remove(nth % out.len());
                    known[pick.endpoint()].out -= 1;
                }
                Op::End(..) | Op::Drop(_) => {}
                Op::Pass(millis) => now += MILLI * millis as u32,
            }
            let state = balancer.state();
            let outstanding = state.loads.iter().map(|load| load.outstanding as usize);
            prop_assert!(outstanding.eq(known.iter().map(|known| known.out)));
        }
    }
}

/// Calls arrive once a millisecond; each endpoint answers after its time, or fails at once. How many went where.
fn traffic(balancer: &Arc<Balancer>, times: &[Option<u32>], begin: Instant, millis: u32) -> Vec<usize> {
    let mut under_way: Vec<(Instant, Pick)> = Vec::new();
    let mut counts = vec![0; times.len()];
    for tick in 0..millis {
        let now = begin + MILLI * tick;
        let (ended, others) = under_way.into_iter().partition(|(end, _)| *end <= now);
        under_way = others;
        let ended: Vec<(Instant, Pick)> = ended;
        for (_, pick) in ended {
            pick.end(PickEnd::Answered, now);
        }
        let pick = balancer.pick(always, &[], true, now).expect("one is always there");
        counts[pick.endpoint()] += 1;
        match times[pick.endpoint()] {
            Some(time) => under_way.push((now + MILLI * time, pick)),
            None => pick.end(PickEnd::Failed, now),
        }
    }
    counts
}

#[test]
fn alike_endpoints_get_alike_parts_and_a_slow_one_less() {
    let now = start();
    let counts = traffic(&Balancer::new(3, 1, now), &[Some(10), Some(10), Some(10)], now, 10_000);
    assert!(counts.iter().all(|count| (3_000..3_700).contains(count)), "{counts:?}");
    let counts = traffic(&Balancer::new(3, 1, now), &[Some(10), Some(10), Some(200)], now, 10_000);
    assert!(counts[2] < 500 && 4_000 < counts[0] && 4_000 < counts[1], "{counts:?}");
}

#[test]
fn one_that_hangs_gets_few_calls() {
    let now = start();
    let counts = traffic(&Balancer::new(2, 1, now), &[Some(10), Some(1_000_000)], now, 10_000);
    assert!(counts[1] <= 10, "none once the other has answered: {counts:?}");
    // One that hangs after it has answered for long.
    let balancer = Balancer::new(2, 1, now);
    traffic(&balancer, &[Some(10), Some(10)], now, 1_000);
    let counts = traffic(&balancer, &[Some(10), Some(1_000_000)], now + MILLI * 1_000, 10_000);
    assert!(counts[1] < 200, "{counts:?}");
    // Nor does it look faster the longer it hangs.
    let balancer = Balancer::new(2, 1, now);
    traffic(&balancer, &[Some(10), Some(10)], now, 1_000);
    let counts = traffic(&balancer, &[Some(10), Some(1_000_000)], now + MILLI * 1_000, 60_000);
    assert!(counts[1] < 100, "{counts:?}");
}

#[test]
fn one_that_hangs_from_its_first_call_is_not_tried_first_again() {
    let now = start();
    let balancer = Balancer::new(2, 1, now);
    let hung = balancer.pick(always, &[], true, now).expect("it is ready");
    let other = balancer.pick(always, &[], true, now).expect("it is ready");
    let (hanging, answering) = (hung.endpoint(), other.endpoint());
    assert_ne!(hanging, answering);
    other.end(PickEnd::Answered, now + MILLI * 10);
    let later = now + Duration::from_secs(30);
    hung.end(PickEnd::GivenUp, later);
    for tick in 0..100 {
        let pick = balancer.pick(always, &[], true, later + MILLI * tick).expect("it is ready");
        assert_eq!(pick.endpoint(), answering);
        pick.end(PickEnd::Answered, later + MILLI * (tick + 1));
    }
}

#[test]
fn one_that_fails_is_ejected_and_comes_back_when_it_works() {
    let now = start();
    let balancer = Balancer::new(3, 1, now);
    let counts = traffic(&balancer, &[Some(10), Some(10), None], now, 20_000);
    assert!(counts[2] <= 10, "five failures, and a probe now and then: {counts:?}");
    // An ejection lasts a minute at most; then a few probes.
    let later = now + Duration::from_secs(80);
    traffic(&balancer, &[Some(10), Some(10), Some(10)], later, 1_000);
    let counts = traffic(&balancer, &[Some(10), Some(10), Some(10)], later + MILLI * 1_000, 3_000);
    assert!(500 < counts[2], "{counts:?}");
}

#[test]
fn no_more_than_half_are_ejected_and_a_lone_one_never() {
    let now = start();
    let balancer = Balancer::new(4, 1, now);
    traffic(&balancer, &[None, None, None, None], now, 1_000);
    let ejected = balancer.ejected(&mut balancer.state(), &[0, 1, 2, 3], now + MILLI * 1_000);
    assert_eq!(ejected.len(), 2, "and every call found an endpoint");
    let balancer = Balancer::new(1, 1, now);
    assert_eq!(traffic(&balancer, &[None], now, 1_000), [1_000]);
    // And of two that are connected one: what is not connected is no part of it.
    let balancer = Balancer::new(4, 1, now);
    for _ in 0..100 {
        let pick = balancer.pick(|at| at < 2, &[], true, now).expect("one is used whatever happens");
        assert!(pick.endpoint() < 2);
        pick.end(PickEnd::Failed, now);
    }
}

#[test]
fn what_may_not_be_repeated_probes_nothing_at_first_while_another_works() {
    let now = start();
    let balancer = Balancer::new(2, 1, now);
    while balancer.breakers[1].state() == BreakerState::Closed {
        let pick = balancer.pick(|at| at == 1, &[], true, now).expect("it is ready");
        pick.end(PickEnd::Failed, now);
    }
    let later = now + OUT_LONGEST;
    for _ in 0..10 {
        let pick = balancer.pick(always, &[], false, later).expect("one works");
        assert_eq!(pick.endpoint(), 0);
        pick.end(PickEnd::Answered, later);
    }
    let probe = balancer.pick(always, &[], true, later).expect("one works");
    assert_eq!(probe.endpoint(), 1, "a call that may be repeated finds out");
    let beside = balancer.pick(always, &[], true, later).expect("one works");
    assert_eq!(beside.endpoint(), 0, "one at a time");
    // Tried there in vain, it goes elsewhere.
    assert_eq!(balancer.pick(always, &[1], true, later).map(|pick| pick.endpoint()), Some(0));
    assert!(balancer.pick(always, &[0, 1], true, later).is_none());
}

/// As when a server is started again: what was in flight there has failed, all at once.
#[test]
fn where_nothing_may_be_repeated_an_endpoint_that_works_again_is_used_again() {
    let mut now = start();
    let balancer = Balancer::new(2, 1, now);
    while balancer.breakers[1].state() == BreakerState::Closed {
        balancer.pick(|at| at == 1, &[], false, now).expect("it is ready").end(PickEnd::Failed, now);
    }
    let mut counts = [0; 2];
    // Its failures make it look slow for a minute or so.
    for _ in 0..2_000 {
        now += Duration::from_millis(100);
        let pick = balancer.pick(always, &[], false, now).expect("one works");
        counts[pick.endpoint()] += 1;
        pick.end(PickEnd::Answered, now + MILLI);
    }
    assert!(500 < counts[1], "{counts:?}");
}

#[test]
fn of_many_two_are_drawn_and_none_is_overloaded() {
    let now = start();
    let balancer = Balancer::new(100, 1, now);
    for at in 0..100 {
        let pick = balancer.pick(|other| other == at, &[], true, now).expect("it is ready");
        pick.end(PickEnd::Answered, now + MILLI);
    }
    let picks: Vec<Pick> = (0..1_000).filter_map(|_| balancer.pick(always, &[], true, now + MILLI)).collect();
    let most = balancer.state().loads.iter().map(|load| load.outstanding).max();
    assert!(picks.len() == 1_000 && most.is_some_and(|most| most <= 14), "{most:?}");
}
