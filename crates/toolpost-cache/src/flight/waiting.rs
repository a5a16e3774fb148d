//! The waiters of a flight, each of which polls its load when it is its turn.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::lift::{Raised, raise};
use super::seats::{FIRST, Seat};
use super::under_way::{Engine, Flight, Load, State, Step};
use super::{Arrival, Boarding, Landing, Lift, Listed, Panicked};
use crate::key::Key;
use crate::sync::lock;

/// Waits for a load, and polls it when it is its turn. `M` leads to the map of the loads under way.
pub(crate) struct Waiter<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> {
    map: M,
    boarding: Boarding<L>,
    load: Option<F>,
    at: At<R, T, L>,
}

enum At<R, T, L> {
    /// Not polled yet; `None` only while it boards.
    Gate(Option<Key>),
    /// In this seat.
    Aboard(Arc<Flight<R, T, L>>, u64),
    /// Not a waiter any more.
    Left(Arc<Flight<R, T, L>>),
}

impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Waiter<M, R, T, L, F> {
    /// A waiter that is given its load at its [first poll](Self::start).
    pub(crate) const fn new(map: M, key: Key, boarding: Boarding<L>) -> Self {
        Self { map, boarding, load: None, at: At::Gate(Some(key)) }
    }

    /// A waiter that has its load before it is polled.
    pub(crate) fn laden(mut self, load: F) -> Self {
        self.load = Some(load);
        self
    }

    /// What leads to the map.
    #[cfg(feature = "tokio")]
    pub(crate) const fn map(&self) -> &M {
        &self.map
    }

    /// What is asked.
    #[cfg(feature = "tokio")]
    pub(crate) fn key(&self) -> Option<&Key> {
        match &self.at {
            At::Gate(key) => key.as_ref(),
            At::Aboard(flight, _) | At::Left(flight) => Some(&flight.key),
        }
    }

    /// Takes a seat, unless there was one; the lift of the load to make, if the flight begins with this waiter.
    fn board(&mut self, waker: &Waker) -> Option<Lift<L>>
    where
        R: 'static,
        T: Send + 'static,
        L: Send + 'static,
    {
        let At::Gate(key) = &mut self.at else { return None };
        let key = key.take()?;
        // Before anybody can join: it is somebody else's code, and may panic.
        let urgency = self.boarding.urgency.clone();
        let mut map = lock(self.map.map());
        let same = |flight: &Arc<Flight<R, T, L>>| flight.key == key;
        let (flight, joined) = match map.entry(key.hashed(), same, |flight| flight.key.hashed()) {
            Entry::Occupied(mut entry) => {
                let joined = self.boarding.valid_since <= entry.get().epoch;
                if !joined {
                    // Its own waiters still get its answer; nobody new does.
                    *entry.get_mut() = Flight::new(key, &self.boarding, waker);
                }
                (Arc::clone(entry.get()), joined)
            }
            Entry::Vacant(entry) => {
                let flight = Flight::new(key, &self.boarding, waker);
                (Arc::clone(entry.insert(flight).get()), false)
            }
        };
        if !joined {
            drop(map);
            let lift = Lift::first(Arc::clone(&flight) as Arc<dyn Raised<L>>, urgency);
            self.at = At::Aboard(flight, FIRST);
            return Some(lift);
        }
        // Before the map is let go: a flight that is listed has a waiter, and whoever is its last takes it off.
        let seat = lock(&flight.state).seats.add(Seat { waker: waker.clone(), urgency, own: None });
        drop(map);
        self.at = At::Aboard(flight, seat);
        // From here on a panic gives up the seat: the hook that a rise calls is somebody else's code.
        if let At::Aboard(flight, _) = &self.at {
            raise(&flight.height, &self.boarding.urgency);
        }
        None
    }
}

/// Nothing in it is pinned: the load has a box of its own.
impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Unpin for Waiter<M, R, T, L, F> {}

/// How the load of one waiter is made.
pub(crate) trait Make<R, L> {
    fn make(self, lift: Lift<L>) -> Load<R>;
}

impl<R, L, F: FnOnce(Lift<L>) -> Load<R>> Make<R, L> for F {
    fn make(self, lift: Lift<L>) -> Load<R> {
        self(lift)
    }
}

/// Makes a load that still has to be boxed.
pub(super) struct Boxing<F>(pub(super) F);

impl<R, L, F, Fut> Make<R, L> for Boxing<F>
where
    F: FnOnce(Lift<L>) -> Fut,
    Fut: Future<Output = R> + Send + 'static,
{
    fn make(self, lift: Lift<L>) -> Load<R> {
        Box::pin((self.0)(lift))
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
    type Output = Result<Arrival<T>, Panicked>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let own = this.board(cx.waker()).map(|lift| (this.load.take(), lift));
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
    /// The first poll of a waiter without a load: mostly that is made at once, and needs no room in the waiter.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn start(&mut self, load: F, cx: &mut Context<'_>) -> Poll<Result<Arrival<T>, Panicked>> {
        match self.board(cx.waker()) {
            Some(lift) => self.go_on(Some((Some(load), lift)), cx),
            None => {
                self.load = Some(load);
                self.go_on(None, cx)
            }
        }
    }

    /// Does what there is to do; `own` is what this waiter's load is made of, if that begins now.
    #[inline]
    fn go_on(
        &mut self,
        mut own: Option<(Option<F>, Lift<L>)>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arrival<T>, Panicked>> {
        loop {
            let At::Aboard(flight, seat) = &self.at else { return Poll::Pending };
            let made = match own.take() {
                Some((load, lift)) => load.and_then(|load| make(load, lift)),
                None => match flight.step(*seat, cx.waker()) {
                    Step::Wait => return Poll::Pending,
                    Step::Leave(answer) => {
                        self.leave();
                        return Poll::Ready(self.arrival(answer));
                    }
                    Step::LeaveAlone(value) => {
                        self.depart();
                        return Poll::Ready(Ok(Arrival { value, joined: false }));
                    }
                    Step::Make(lift) => self.load.take().and_then(|load| make(load, lift)),
                    Step::Run(load) => Some(load),
                },
            };
            let land = |ended| self.map.land(&flight.key, ended);
            let landed = match made.map_or(Err(Panicked), |load| flight.poll(load, land)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Landing::Shared(value))) => self.land(Ok(value)),
                Ok(Poll::Ready(Landing::Personal(value))) => self.land_alone(value),
                Err(panicked) => self.land(Err(panicked)),
            };
            if let Some(arrival) = landed {
                return Poll::Ready(arrival);
            }
        }
    }
}

/// A load, unless making it panics.
fn make<R, L>(load: impl Make<R, L>, lift: Lift<L>) -> Option<Load<R>> {
    catch_unwind(AssertUnwindSafe(|| load.make(lift))).ok()
}

impl<M, R, T, L, F> Waiter<M, R, T, L, F>
where
    M: Listed<R, T, L>,
    T: Clone,
    L: Ord + Clone,
{
    /// Gives the answer to every waiter: at once to this one, if nobody else waits.
    fn land(&mut self, answer: Result<T, Panicked>) -> Option<Result<Arrival<T>, Panicked>> {
        let At::Aboard(flight, seat) = &self.at else { return None };
        let mut map = lock(self.map.map());
        unlist(&mut map, flight);
        if Arc::strong_count(flight) == 1 {
            // Nobody else knows of it, nor ever will.
            drop(map);
            self.leave();
            return Some(self.arrival(answer));
        }
        let mut state = lock(&flight.state);
        if state.seats.is_alone(*seat) {
            // Nobody can come any more either.
            state.seats.remove(*seat);
            drop(state);
            drop(map);
            self.leave();
            return Some(self.arrival(answer));
        }
        state.engine = Engine::Landed(Box::new(answer));
        let own = state.driver;
        let others = state.seats.iter().filter(|(seat, _)| *seat != own);
        let wakers: Vec<Waker> = others.map(|(_, seat)| seat.waker.clone()).collect();
        drop(state);
        drop(map);
        wake_all(wakers);
        None
    }

    /// Gives the answer to its owner, who may be this waiter, and has the next one ask for itself.
    fn land_alone(&mut self, value: T) -> Option<Result<Arrival<T>, Panicked>> {
        let At::Aboard(flight, seat) = &self.at else { return None };
        // First, as everywhere: who joins now either is one of the others, or finds the flight gone.
        let mut map = lock(self.map.map());
        let mut state = lock(&flight.state);
        state.engine = Engine::Wanted;
        let others = state.seats.iter().filter(|(other, _)| *other != state.leader);
        if let Some(most) = others.map(|(_, seat)| seat.urgency.clone()).max() {
            lock(&flight.height).restart(most);
        }
        let leader = state.leader;
        if leader == *seat {
            let (heir, _) = give_up(&mut map, flight, &mut state, *seat);
            drop(state);
            drop(map);
            self.leave();
            heir.into_iter().for_each(Waker::wake);
            return Some(Ok(Arrival { value, joined: false }));
        }
        drop(map);
        // The owner may have left, and then the answer is nobody's.
        let owner = state.seats.get_mut(leader).map(|owner| {
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
    fn arrival(&self, answer: Result<T, Panicked>) -> Result<Arrival<T>, Panicked> {
        answer.map(|value| Arrival { value, joined: self.load.is_some() })
    }
}

impl<M: Listed<R, T, L>, R, T, L: Ord + Clone, F> Waiter<M, R, T, L, F> {
    /// Says that this waiter has no seat any more.
    fn leave(&mut self) {
        self.at = match mem::replace(&mut self.at, At::Gate(None)) {
            At::Aboard(flight, _) => At::Left(flight),
            at => at,
        };
    }

    /// Leaves the flight, if aboard: somebody else takes over, or the load is dropped.
    fn depart(&mut self) {
        let At::Aboard(flight, seat) = &self.at else { return };
        let mut map = lock(self.map.map());
        let mut state = lock(&flight.state);
        let (heir, abandoned) = give_up(&mut map, flight, &mut state, *seat);
        drop(state);
        drop(map);
        self.leave();
        if let Some(heir) = heir {
            heir.wake();
        }
        // Last, with no lock held: it is somebody else's code.
        drop(abandoned);
    }
}

/// Gives up a seat, and takes the flight off the map with the last one: whom to wake, and what to drop once no lock is held.
fn give_up<R, T, L>(
    map: &mut HashTable<Arc<Flight<R, T, L>>>,
    flight: &Arc<Flight<R, T, L>>,
    state: &mut State<R, T, L>,
    seat: u64,
) -> (Option<Waker>, Option<Engine<R, T>>) {
    let heir = state.leave(seat);
    if !state.seats.is_empty() {
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
        self.depart();
    }
}
