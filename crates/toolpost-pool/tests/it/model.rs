//! The pool against a list that is looked through each time, by random operations. `TOOLPOST_CASES` raises the number of
//! runs.

#![expect(clippy::disallowed_methods, reason = "any moment will do as the zero of virtual time")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use toolpost_pool::{Checkout, KeyedPool, Lease, PoolError, PoolOptions, WaitId};

const TOTAL: usize = 4;
const PER_KEY: usize = 2;
const WAITING: usize = 5;
/// Seconds. A life is shorter by less than a tenth of it, which is no whole second: of whole seconds it ends at the ninth.
const LIFE: u64 = 9;
const IDLE: u64 = 6;
const CHECK: u64 = 3;

#[derive(Clone, Debug)]
enum Op {
    Ask(u8),
    Wait(u8, Option<u64>),
    /// What is being made is made; what is asked whether it is alive is.
    Finish(usize),
    FailToConnect(usize),
    GiveBack(usize),
    GiveBackUnused(usize),
    Break(usize),
    Replace(usize),
    Cancel(usize),
    Clear,
    ClearKey(u8),
    Expire,
    Close,
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (key, some) = (|| 0..3_u8, || 0..8_usize);
    prop_oneof![
        8 => key().prop_map(Op::Ask),
        4 => (key(), prop::option::of(0..6_u64)).prop_map(|(key, deadline)| Op::Wait(key, deadline)),
        6 => some().prop_map(Op::Finish),
        2 => some().prop_map(Op::FailToConnect),
        8 => some().prop_map(Op::GiveBack),
        2 => some().prop_map(Op::GiveBackUnused),
        2 => some().prop_map(Op::Break),
        3 => some().prop_map(Op::Replace),
        1 => some().prop_map(Op::Cancel),
        1 => Just(Op::Clear),
        1 => key().prop_map(Op::ClearKey),
        2 => Just(Op::Expire),
        4 => (1..4_u64).prop_map(Op::Pass),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let closing = prop::option::weighted(0.1, 0..80_usize);
    (prop::collection::vec(op(), 1..80), closing).prop_map(|(mut ops, closing)| {
        if let Some(at) = closing {
            ops.insert(at.min(ops.len()), Op::Close);
        }
        ops
    })
}

/// A connection as the model knows it.
#[derive(Clone, Debug)]
struct Known {
    id: u64,
    key: u8,
    born: u64,
    users: u32,
    /// Neither broken nor cleared nor found to be over.
    good: bool,
    /// Others may share it.
    open: bool,
    /// Since when it is idle, and its number among those that came back.
    idle: Option<(u64, u64)>,
    /// Since when it was idle when it was taken.
    was_idle: u64,
}

#[derive(Default)]
struct Model {
    shared_by: u32,
    now: u64,
    connections: Vec<Known>,
    waiting: Vec<(u64, u8, Option<u64>)>,
    made: u64,
    came_back: u64,
    arrivals: u64,
    closed: bool,
    hits: u64,
    misses: u64,
    evictions: u64,
    timeouts: u64,
    refused: u64,
}

/// What the model says that whoever asks gets.
#[derive(Clone, Debug, PartialEq)]
enum Grant {
    /// One of these, which are alike.
    Ready(Vec<u64>, bool),
    Connect(Option<u64>),
}

impl Model {
    fn is_over(&self, known: &Known) -> bool {
        self.closed || !known.good || LIFE <= self.now - known.born
    }

    fn is_usable(&self, known: &Known) -> bool {
        known.idle.is_some_and(|(since, _)| !self.is_over(known) && self.now - since < IDLE)
    }

    fn needs_check(&self, known: &Known) -> bool {
        known.idle.is_some_and(|(since, _)| CHECK <= self.now - since)
    }

    fn of(&self, key: u8) -> impl Iterator<Item = &Known> {
        self.connections.iter().filter(move |known| known.key == key)
    }

    fn reuse(&self, key: u8, may_need_check: bool) -> Option<Grant> {
        let usable = self
            .of(key)
            .filter(|known| self.is_usable(known) && (may_need_check || !self.needs_check(known)));
        if let Some(last) = usable.max_by_key(|known| known.idle.map(|(_, number)| number)) {
            return Some(Grant::Ready(vec![last.id], self.needs_check(last)));
        }
        let shared = || {
            self.of(key).filter(|known| known.open && known.users < self.shared_by && !self.is_over(known))
        };
        let fewest = shared().map(|known| known.users).min()?;
        Some(Grant::Ready(
            shared().filter(|known| known.users == fewest).map(|known| known.id).collect(),
            false,
        ))
    }

    fn grant(&self, key: u8) -> Option<Grant> {
        if let Some(reused) = self.reuse(key, true) {
            return Some(reused);
        }
        let oldest = |of: Option<u8>| {
            let idle = self
                .connections
                .iter()
                .filter(|known| known.idle.is_some() && of.is_none_or(|key| known.key == key));
            idle.min_by_key(|known| known.idle.map(|(_, number)| number)).map(|known| known.id)
        };
        if PER_KEY <= self.of(key).count() {
            oldest(Some(key)).map(|id| Grant::Connect(Some(id)))
        } else if TOTAL <= self.connections.len() {
            oldest(None).map(|id| Grant::Connect(Some(id)))
        } else {
            Some(Grant::Connect(None))
        }
    }

    fn at(&mut self, id: u64) -> &mut Known {
        self.connections.iter_mut().find(|known| known.id == id).expect("the model has it")
    }

    /// The grant as it was given: with the connection that the pool chose, or the one to be made.
    fn take(&mut self, key: u8, grant: &Grant, chosen: u64) -> u64 {
        match grant {
            Grant::Ready(_, check) => {
                self.hits += 1;
                let shared = 1 < self.shared_by;
                let known = self.at(chosen);
                known.users += 1;
                if let Some((since, _)) = known.idle.take() {
                    known.was_idle = since;
                    known.open = shared && !check;
                }
                chosen
            }
            Grant::Connect(replaced) => {
                self.misses += 1;
                if let Some(replaced) = replaced {
                    let gone = self.at(*replaced).clone();
                    self.evictions += u64::from(self.is_usable(&gone));
                    self.connections.retain(|known| known.id != *replaced);
                }
                self.make(key)
            }
        }
    }

    fn make(&mut self, key: u8) -> u64 {
        self.made += 1;
        let id = self.made;
        self.connections.push(Known {
            id,
            key,
            born: self.now,
            users: 1,
            good: true,
            open: false,
            idle: None,
            was_idle: self.now,
        });
        id
    }

    fn leave(&mut self, id: u64) {
        let known = self.at(id);
        (known.good, known.open) = (false, false);
        known.users -= 1;
        if known.users == 0 {
            self.connections.retain(|known| known.id != id);
        }
    }

    /// Who of those that wait is next, and what it gets: found by looking at all of them.
    fn next(&self) -> Option<(u64, u8, Result<Grant, PoolError>)> {
        if self.closed {
            return self.waiting.first().map(|(arrival, key, _)| (*arrival, *key, Err(PoolError::Closed)));
        }
        let lapsed = self.waiting.iter().filter(|(.., by)| by.is_some_and(|by| by <= self.now));
        if let Some((arrival, key, _)) = lapsed.min_by_key(|(arrival, _, by)| (*by, *arrival)) {
            return Some((*arrival, *key, Err(PoolError::TimedOut)));
        }
        self.waiting.iter().find_map(|(arrival, key, _)| {
            let first = self.waiting.iter().find(|(_, other, _)| other == key)?.0 == *arrival;
            first.then(|| self.grant(*key)).flatten().map(|grant| (*arrival, *key, Ok(grant)))
        })
    }
}

/// Who holds a lease.
struct Holder {
    lease: Lease,
    id: u64,
    key: u8,
    connecting: bool,
    checking: bool,
}

type Pool = KeyedPool<u8, u64, u64>;

struct Test {
    pool: Pool,
    model: Model,
    start: Instant,
    holders: Vec<Holder>,
    waiting: Vec<(WaitId, u64)>,
}

impl Test {
    fn new(shared_by: u32) -> Self {
        let options = PoolOptions::new()
            .total(TOTAL)
            .per_key(PER_KEY)
            .waiting(WAITING)
            .shared_by(shared_by)
            .life(Duration::from_secs(LIFE))
            .idle_time(Duration::from_secs(IDLE))
            .check_after(Duration::from_secs(CHECK))
            .seed(7);
        Self {
            pool: KeyedPool::new(options),
            model: Model { shared_by, ..Model::default() },
            start: Instant::now(),
            holders: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.model.now)
    }

    /// Takes what the pool gave, which has to be what the model says.
    fn granted(&mut self, key: u8, checkout: Checkout<u64>, grant: &Grant) -> Result<(), TestCaseError> {
        let (lease, chosen, checking) = match (checkout, grant) {
            (Checkout::Ready { lease, connection, check }, Grant::Ready(any, expected)) => {
                prop_assert!(any.contains(&connection), "{connection} is none of {any:?}");
                prop_assert_eq!(check, *expected);
                (lease, connection, check)
            }
            (Checkout::Connect { lease, replaced }, Grant::Connect(expected)) => {
                prop_assert_eq!(replaced, *expected);
                (lease, 0, false)
            }
            (checkout, grant) => return Err(TestCaseError::fail(format!("{checkout:?}, not {grant:?}"))),
        };
        let id = self.model.take(key, grant, chosen);
        self.holders.push(Holder { lease, id, key, connecting: chosen == 0, checking });
        Ok(())
    }

    fn holder(&mut self, nth: usize, which: impl Fn(&Holder) -> bool) -> Option<Holder> {
        let found: Vec<usize> = (0..self.holders.len()).filter(|at| which(&self.holders[*at])).collect();
        let at = *found.get(nth % found.len().max(1))?;
        Some(self.holders.remove(at))
    }

    fn put_back(&mut self, nth: usize, used: bool) -> Result<(), TestCaseError> {
        let Some(Holder { lease, id, .. }) =
            self.holder(nth, |holder| !holder.connecting && (used || !holder.checking))
        else {
            return Ok(());
        };
        let now = self.now();
        let refused = if used {
            self.pool.give_back(lease, id, now).err()
        } else {
            self.model.hits = self.model.hits.saturating_sub(1);
            self.pool.give_back_unused(lease, id, now).err()
        };
        let known = self.model.at(id).clone();
        prop_assert_eq!(refused.is_some(), self.model.is_over(&known));
        if let Some((lease, connection)) = refused {
            prop_assert_eq!(connection, id);
            self.pool.release(lease);
            self.model.leave(id);
        } else if 1 < known.users {
            self.model.at(id).users -= 1;
        } else {
            self.model.came_back += 1;
            let since = if used { self.model.now } else { known.was_idle };
            let number = self.model.came_back;
            let known = self.model.at(id);
            (known.users, known.open, known.idle) = (0, false, Some((since, number)));
        }
        Ok(())
    }

    fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let now = self.now();
        match op {
            Op::Ask(key) => {
                let waits = self.model.waiting.iter().any(|(_, other, _)| other == key);
                let expected = if waits || self.model.closed { None } else { self.model.grant(*key) };
                match (self.pool.try_acquire(key, now), expected) {
                    (Some(checkout), Some(grant)) => self.granted(*key, checkout, &grant)?,
                    (None, None) => {}
                    (given, expected) => prop_assert!(false, "{given:?}, not {expected:?}"),
                }
            }
            Op::Wait(key, within) => {
                let by = within.map(|within| self.model.now + within);
                let deadline = by.map(|by| self.start + Duration::from_secs(by));
                self.model.arrivals += 1;
                let arrival = self.model.arrivals;
                let waiting = self.model.waiting.len();
                let expected = if self.model.closed {
                    self.model.refused += 1;
                    Some(PoolError::Closed)
                } else if *within == Some(0) {
                    self.model.timeouts += 1;
                    Some(PoolError::TimedOut)
                } else if waiting == WAITING {
                    self.model.refused += 1;
                    Some(PoolError::Full { waiting })
                } else {
                    self.model.waiting.push((arrival, *key, by));
                    None
                };
                match self.pool.wait(key, arrival, deadline, now) {
                    Ok(id) => {
                        prop_assert_eq!(expected, None);
                        prop_assert_eq!(self.pool.waiter_mut(id).copied(), Some(arrival));
                        self.waiting.push((id, arrival));
                    }
                    Err((waiter, refusal)) => {
                        prop_assert_eq!(waiter, arrival);
                        prop_assert_eq!(Some(refusal), expected);
                    }
                }
            }
            Op::Finish(nth) => {
                if let Some(mut holder) = self.holder(*nth, |holder| holder.connecting || holder.checking) {
                    self.pool.connected(&holder.lease, &holder.id, now);
                    let known = self.model.at(holder.id).clone();
                    let open = 1 < self.model.shared_by && !self.model.is_over(&known);
                    self.model.at(holder.id).open = open;
                    (holder.connecting, holder.checking) = (false, false);
                    self.holders.push(holder);
                }
            }
            Op::FailToConnect(nth) => {
                if let Some(holder) = self.holder(*nth, |holder| holder.connecting) {
                    self.pool.release(holder.lease);
                    self.model.leave(holder.id);
                }
            }
            Op::GiveBack(nth) => self.put_back(*nth, true)?,
            Op::GiveBackUnused(nth) => self.put_back(*nth, false)?,
            Op::Break(nth) => {
                if let Some(holder) = self.holder(*nth, |holder| !holder.connecting) {
                    let kept = self.pool.mark_broken(&holder.lease);
                    prop_assert!(kept.is_none_or(|kept| kept == holder.id));
                    self.pool.release(holder.lease);
                    self.model.leave(holder.id);
                }
            }
            Op::Replace(nth) => {
                if let Some(holder) = self.holder(*nth, |holder| !holder.connecting) {
                    let (id, key) = (holder.id, holder.key);
                    let _kept = self.pool.mark_broken(&holder.lease);
                    let replaced = self.pool.replace(holder.lease, now);
                    self.model.hits = self.model.hits.saturating_sub(1);
                    let known = self.model.at(id);
                    (known.good, known.open) = (false, false);
                    let expected = match (known.users, self.model.closed) {
                        (1, false) => self.model.reuse(key, false).or(Some(Grant::Connect(None))),
                        _ => None,
                    };
                    self.model.leave(id);
                    match (replaced, expected) {
                        (Some(checkout), Some(grant)) => self.granted(key, checkout, &grant)?,
                        (None, None) => {}
                        (given, expected) => prop_assert!(false, "{given:?}, not {expected:?}"),
                    }
                }
            }
            Op::Cancel(nth) => {
                if !self.waiting.is_empty() {
                    let (id, arrival) = self.waiting.remove(nth % self.waiting.len());
                    prop_assert_eq!(self.pool.cancel(id), Some(arrival));
                    prop_assert_eq!(self.pool.cancel(id), None);
                    self.model.waiting.retain(|(other, ..)| *other != arrival);
                }
            }
            Op::Clear => {
                let idle = self.pool.clear(now);
                prop_assert_eq!(
                    idle,
                    self.model.connections.iter().filter(|known| known.idle.is_some()).count()
                );
                self.model.connections.iter_mut().for_each(|known| known.good = false);
            }
            Op::ClearKey(key) => {
                let idle = self.pool.clear_key(key, now);
                prop_assert_eq!(idle, self.model.of(*key).filter(|known| known.idle.is_some()).count());
                let of_key = |known: &&mut Known| known.key == *key;
                self.model.connections.iter_mut().filter(of_key).for_each(|known| known.good = false);
            }
            Op::Expire => self.expire()?,
            Op::Close => {
                self.pool.close(now);
                self.model.closed = true;
            }
            Op::Pass(seconds) => self.model.now += seconds,
        }
        self.serve()
    }

    /// Everything that is over goes, and nothing else.
    fn expire(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        while let Some((lease, id)) = self.pool.expire(now) {
            let known = self.model.at(id).clone();
            prop_assert!(known.idle.is_some() && !self.model.is_usable(&known), "{known:?}");
            self.pool.release(lease);
            self.model.connections.retain(|known| known.id != id);
        }
        let model = &self.model;
        prop_assert!(model.connections.iter().all(|known| known.idle.is_none() || model.is_usable(known)));
        Ok(())
    }

    /// The line moves as the model says, until nobody in it can be served.
    fn serve(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        loop {
            let expected = self.model.next();
            let Some((id, arrival, decision)) = self.pool.next(now) else {
                prop_assert!(expected.is_none(), "nobody is served, rather than {expected:?}");
                return Ok(());
            };
            let Some((first, key, expected)) = expected else {
                return Err(TestCaseError::fail(format!("{arrival} is served, rather than nobody")));
            };
            prop_assert_eq!(arrival, first);
            self.waiting.retain(|(other, _)| *other != id);
            self.model.waiting.retain(|(other, ..)| *other != arrival);
            match (decision, expected) {
                (Ok(checkout), Ok(grant)) => self.granted(key, checkout, &grant)?,
                (Err(refusal), Err(expected)) => {
                    prop_assert_eq!(&refusal, &expected);
                    match refusal {
                        PoolError::TimedOut => self.model.timeouts += 1,
                        _ => self.model.refused += 1,
                    }
                }
                (decision, expected) => prop_assert!(false, "{decision:?}, not {expected:?}"),
            }
        }
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let (stats, model) = (self.pool.stats(), &self.model);
        let idle = model.connections.iter().filter(|known| known.idle.is_some()).count();
        prop_assert_eq!((stats.idle, stats.in_use), (idle, model.connections.len() - idle));
        prop_assert_eq!(stats.waiting, model.waiting.len());
        prop_assert_eq!((stats.hits, stats.misses), (model.hits, model.misses));
        prop_assert_eq!((stats.evictions, stats.timeouts), (model.evictions, model.timeouts));
        prop_assert_eq!(stats.refused, model.refused);
        prop_assert!(model.connections.len() <= TOTAL);
        prop_assert!((0..3).all(|key| model.of(key).count() <= PER_KEY));
        Ok(())
    }

    /// Everyone leaves: every slot comes back.
    fn end(mut self) -> Result<(), TestCaseError> {
        while let Some((id, _)) = self.waiting.pop() {
            self.pool.cancel(id);
        }
        self.model.waiting.clear();
        while let Some(holder) = self.holders.pop() {
            let _kept = self.pool.mark_broken(&holder.lease);
            self.pool.release(holder.lease);
            self.model.leave(holder.id);
        }
        self.compare()?;
        self.pool.clear(self.now());
        self.model.connections.iter_mut().for_each(|known| known.good = false);
        self.expire()?;
        let stats = self.pool.stats();
        prop_assert_eq!((stats.idle, stats.in_use, stats.waiting), (0, 0, 0));
        prop_assert_eq!(self.pool.next_timeout(), None);
        Ok(())
    }
}

fn check(shared_by: u32, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut test = Test::new(shared_by);
    for op in ops {
        test.step(op)?;
        test.compare()?;
    }
    test.end()
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("TOOLPOST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_pool_of_connections_for_one_is_the_model(ops in ops()) {
        check(1, &ops)?;
    }

    #[test]
    fn a_pool_of_connections_for_three_is_the_model(ops in ops()) {
        check(3, &ops)?;
    }
}
