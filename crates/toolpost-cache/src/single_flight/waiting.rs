//! The waiters of a flight, each of which polls its load when it is its turn.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::members::{FIRST, Member};
use super::priority::{Raisable, raise};
use super::under_way::{Engine, Flight, Load, State, Step};
use super::{FlightOutcome, JoinOptions, Joined, Listed, Panicked, PriorityHandle};
use crate::key::CacheKey;
use crate::sync::lock;

/// Waits for a load, and polls it when it is its turn. `M` leads to the map of the loads under way.
pub(crate) struct Waiter<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> {
    map: M,
    join: JoinOptions<L>,
    load: Option<F>,
    at: At<R, T, L>,
}

enum At<R, T, L> {
    /// Not polled yet; `None` only while it boards.
    NotPolled(Option<CacheKey>),
    /// In this member.
    Joined(Arc<Flight<R, T, L>>, u64),
    /// Not a waiter any more.
    Left(Arc<Flight<R, T, L>>),
}

impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Waiter<M, R, T, L, F> {
    pub(crate) const fn new(map: M, key: CacheKey, join: JoinOptions<L>, load: F) -> Self {
        Self { map, join, load: Some(load), at: At::NotPolled(Some(key)) }
    }

    /// Leads to the map.
    pub(crate) const fn map(&self) -> &M {
        &self.map
    }

    /// The key that is loaded.
    pub(crate) fn key(&self) -> Option<&CacheKey> {
        match &self.at {
            At::NotPolled(key) => key.as_ref(),
            At::Joined(flight, _) | At::Left(flight) => Some(&flight.key),
        }
    }

    /// Joins at the first poll; returns the handle for the load to make, if the flight begins with this waiter.
    fn enter(&mut self, waker: &Waker) -> Option<PriorityHandle<L>>
    where
        R: 'static,
        T: Send + 'static,
        L: Send + 'static,
    {
        let At::NotPolled(key) = &mut self.at else { return None };
        let key = key.take()?;
        // Before anybody can join: cloning is user code and may panic.
        let urgency = self.join.urgency.clone();
        let mut map = lock(self.map.map());
        let same = |flight: &Arc<Flight<R, T, L>>| flight.key == key;
        let (flight, joined) = match map.entry(key.hashed(), same, |flight| flight.key.hashed()) {
            Entry::Occupied(mut entry) => {
                let joined = self.join.valid_since <= entry.get().epoch;
                if !joined {
                    // Its own waiters still get its answer; nobody new does.
                    *entry.get_mut() = Flight::new(key, &self.join, waker);
                }
                (Arc::clone(entry.get()), joined)
            }
            Entry::Vacant(entry) => {
                let flight = Flight::new(key, &self.join, waker);
                (Arc::clone(entry.insert(flight).get()), false)
            }
        };
        if !joined {
            drop(map);
            let priority = PriorityHandle::first(Arc::clone(&flight) as Arc<dyn Raisable<L>>, urgency);
            self.at = At::Joined(flight, FIRST);
            return Some(priority);
        }
        // Before the map is let go: a flight that is listed has a waiter, and whoever is its last takes it off.
        let member = lock(&flight.state).members.add(Member { waker: waker.clone(), urgency, own: None });
        drop(map);
        self.at = At::Joined(flight, member);
        // From here on a panic gives up the member: the hook that a rise calls is somebody else's code.
        if let At::Joined(flight, _) = &self.at {
            raise(&flight.max_urgency, &self.join.urgency);
        }
        None
    }
}

/// Not structurally pinned: the load is boxed.
impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Unpin for Waiter<M, R, T, L, F> {}

/// How the load of one waiter is made.
pub(crate) trait Make<R, L> {
    fn make(self, priority: PriorityHandle<L>) -> Load<R>;
}

impl<R, L, F: FnOnce(PriorityHandle<L>) -> Load<R>> Make<R, L> for F {
    fn make(self, priority: PriorityHandle<L>) -> Load<R> {
        self(priority)
    }
}

/// Makes a load that still has to be boxed.
pub(super) struct Boxing<F>(pub(super) F);

impl<R, L, F, Fut> Make<R, L> for Boxing<F>
where
    F: FnOnce(PriorityHandle<L>) -> Fut,
    Fut: Future<Output = R> + Send + 'static,
{
    fn make(self, priority: PriorityHandle<L>) -> Load<R> {
        Box::pin((self.0)(priority))
    }
}

impl<M, R, T, L, F> Future for Waiter<M, R, T, L, F>
where
    M: Listed<R, T, L>,
    R: 'static,
    T: Clone + Send + 'static,
    L: Ord + Clone + Send + 'static,
    F: Make<R, L>,
{
    type Output = Result<Joined<T>, Panicked>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let own = this.enter(cx.waker());
        this.go_on(own, cx)
    }
}

impl<M, R, T, L, F> Waiter<M, R, T, L, F>
where
    M: Listed<R, T, L>,
    R: 'static,
    T: Clone + Send + 'static,
    L: Ord + Clone + Send + 'static,
    F: Make<R, L>,
{
    /// Does what there is to do; `own` is for this waiter's load, if that begins now.
    #[inline]
    fn go_on(
        &mut self,
        mut own: Option<PriorityHandle<L>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Joined<T>, Panicked>> {
        loop {
            let At::Joined(flight, member) = &self.at else { return Poll::Pending };
            let made = match own.take() {
                Some(priority) => self.load.take().and_then(|load| make(load, priority)),
                None => match flight.step(*member, cx.waker()) {
                    Step::Wait => return Poll::Pending,
                    Step::Leave(answer) => {
                        self.leave();
                        return Poll::Ready(self.arrival(answer));
                    }
                    Step::LeaveAlone(value) => {
                        self.abandon();
                        return Poll::Ready(Ok(Joined { value, joined: false }));
                    }
                    Step::Make(priority) => self.load.take().and_then(|load| make(load, priority)),
                    Step::Run(load) => Some(load),
                },
            };
            let deliver = |ended| self.map.deliver(&flight.key, ended);
            let delivered = match made.map_or(Err(Panicked), |load| flight.poll(load, deliver)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(FlightOutcome::Shared(value))) => self.deliver(Ok(value)),
                Ok(Poll::Ready(FlightOutcome::Personal(value))) => self.deliver_unshared(value),
                Err(panicked) => self.deliver(Err(panicked)),
            };
            if let Some(arrival) = delivered {
                return Poll::Ready(arrival);
            }
        }
    }
}

/// A load, unless making it panics.
fn make<R, L>(load: impl Make<R, L>, priority: PriorityHandle<L>) -> Option<Load<R>> {
    catch_unwind(AssertUnwindSafe(|| load.make(priority))).ok()
}

impl<M, R, T, L, F> Waiter<M, R, T, L, F>
where
    M: Listed<R, T, L>,
    T: Clone,
    L: Ord + Clone,
{
    /// Gives the answer to every waiter: at once to this one, if nobody else waits.
    fn deliver(&mut self, answer: Result<T, Panicked>) -> Option<Result<Joined<T>, Panicked>> {
        let At::Joined(flight, member) = &self.at else { return None };
        let mut map = lock(self.map.map());
        unlist(&mut map, flight);
        if Arc::strong_count(flight) == 1 {
            // Nobody else knows of it, nor ever will.
            drop(map);
            self.leave();
            return Some(self.arrival(answer));
        }
        let mut state = lock(&flight.state);
        if state.members.is_alone(*member) {
            // Nobody can come any more either.
            state.members.remove(*member);
            drop(state);
            drop(map);
            self.leave();
            return Some(self.arrival(answer));
        }
        state.engine = Engine::Landed(Box::new(answer));
        let own = state.driver;
        let others = state.members.iter().filter(|(member, _)| *member != own);
        let wakers: Vec<Waker> = others.map(|(_, member)| member.waker.clone()).collect();
        drop(state);
        drop(map);
        wake_all(wakers);
        None
    }

    /// Gives the answer to its owner, who may be this waiter, and has the next one ask for itself.
    fn deliver_unshared(&mut self, value: T) -> Option<Result<Joined<T>, Panicked>> {
        let At::Joined(flight, member) = &self.at else { return None };
        // First, as everywhere: who joins now either is one of the others, or finds the flight gone.
        let mut map = lock(self.map.map());
        let mut state = lock(&flight.state);
        state.engine = Engine::Wanted;
        let others = state.members.iter().filter(|(other, _)| *other != state.leader);
        if let Some(most) = others.map(|(_, member)| member.urgency.clone()).max() {
            lock(&flight.max_urgency).restart(most);
        }
        let leader = state.leader;
        if leader == *member {
            let (heir, _) = give_up(&mut map, flight, &mut state, *member);
            drop(state);
            drop(map);
            self.leave();
            heir.into_iter().for_each(Waker::wake);
            return Some(Ok(Joined { value, joined: false }));
        }
        drop(map);
        // The owner may have left, and then the answer is nobody's.
        let owner = state.members.get_mut(leader).map(|owner| {
            owner.own = Some(Box::new(value));
            owner.waker.clone()
        });
        drop(state);
        if let Some(owner) = owner {
            owner.wake();
        }
        None
    }

    /// What this waiter has got; its own load is what it has no more.
    fn arrival(&self, answer: Result<T, Panicked>) -> Result<Joined<T>, Panicked> {
        answer.map(|value| Joined { value, joined: self.load.is_some() })
    }
}

impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Waiter<M, R, T, L, F> {
    /// Says that this waiter has no member any more.
    fn leave(&mut self) {
        self.at = match mem::replace(&mut self.at, At::NotPolled(None)) {
            At::Joined(flight, _) => At::Left(flight),
            at => at,
        };
    }

    /// Leaves the flight, if aboard: somebody else takes over, or the load is dropped.
    fn abandon(&mut self) {
        let At::Joined(flight, member) = &self.at else { return };
        let mut map = lock(self.map.map());
        let mut state = lock(&flight.state);
        let (heir, abandoned) = give_up(&mut map, flight, &mut state, *member);
        drop(state);
        drop(map);
        self.leave();
        if let Some(heir) = heir {
            heir.wake();
        }
        // Last, with no lock held: dropping a load is user code.
        drop(abandoned);
    }
}

/// Gives up a member, and takes the flight off the map with the last one: whom to wake, and what to drop once no lock is held.
fn give_up<R, T, L>(
    map: &mut HashTable<Arc<Flight<R, T, L>>>,
    flight: &Arc<Flight<R, T, L>>,
    state: &mut State<R, T, L>,
    member: u64,
) -> (Option<Waker>, Option<Engine<R, T>>) {
    let heir = state.leave(member);
    if !state.members.is_empty() {
        return (heir, None);
    }
    unlist(map, flight);
    (heir, Some(mem::replace(&mut state.engine, Engine::Wanted)))
}

/// Wakes all of them, also if one panics: wakers are somebody else's code. The first panic goes on when all are woken.
fn wake_all(wakers: Vec<Waker>) {
    let mut panic = None;
    for waker in wakers {
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            panic.get_or_insert(another);
        }
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Takes a flight off the map, unless another has taken its place.
fn unlist<R, T, L>(map: &mut HashTable<Arc<Flight<R, T, L>>>, flight: &Arc<Flight<R, T, L>>) {
    if let Ok(entry) = map.find_entry(flight.key.hashed(), |listed| Arc::ptr_eq(listed, flight)) {
        entry.remove();
    }
}

impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Drop for Waiter<M, R, T, L, F> {
    fn drop(&mut self) {
        self.abandon();
    }
}
