//! One flight, its waiters, and the rule of who polls it.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::lift::{Height, Raised, raise};
use super::seats::{FIRST, Seat, Seats};
use super::{Arrival, Boarding, Landing, Lift, Map, Panicked, board, unlist};
use crate::generations::Epoch;
use crate::key::Key;
use crate::sync::{Mutex, lock};

type Load<T> = Pin<Box<dyn Future<Output = Landing<T>> + Send>>;

pub(super) struct Flight<T, L> {
    pub(super) epoch: Epoch,
    height: Mutex<Height<L>>,
    state: Mutex<State<T, L>>,
}

struct State<T, L> {
    seats: Seats<T, L>,
    /// The seat that polls the load; always one of `seats`, unless there are none.
    driver: u64,
    /// The seat whose load it is.
    leader: u64,
    engine: Engine<T>,
    /// The load has asked to be polled since its last poll began.
    woken: bool,
}

enum Engine<T> {
    /// The driver has to make a load.
    Wanted,
    /// The driver is making or polling the load, with no lock held.
    Running,
    /// The load waits to be polled.
    Parked(Load<T>),
    /// The answer, for every waiter.
    Landed(Result<T, Panicked>),
}

impl<T, L: Ord + Clone> Flight<T, L> {
    /// A flight whose first waiter is about to make its load.
    pub(super) fn new(boarding: &Boarding<L>, waker: &Waker) -> Arc<Self> {
        let urgency = boarding.urgency.clone();
        Arc::new(Self {
            epoch: boarding.epoch,
            height: Mutex::new(Height::new(urgency.clone())),
            state: Mutex::new(State {
                seats: Seats::of(Seat { waker: waker.clone(), urgency, own: None }),
                driver: FIRST,
                leader: FIRST,
                engine: Engine::Running,
                woken: false,
            }),
        })
    }
}

impl<T, L> State<T, L> {
    /// Gives up a seat; the waker to wake if somebody has to take over at once.
    fn leave(&mut self, seat: u64) -> Option<Waker> {
        self.seats.remove(seat);
        if self.driver != seat {
            return None;
        }
        let (next, heir) = self.seats.iter().next()?;
        self.driver = next;
        let urgent = match self.engine {
            Engine::Wanted => true,
            // A load that has not asked to be polled will wake its new driver itself.
            Engine::Parked(_) => self.woken,
            Engine::Running | Engine::Landed(_) => false,
        };
        urgent.then(|| heir.waker.clone())
    }
}

/// The waker of the load: it wakes whoever polls the load at that moment.
impl<T: Send, L: Send> Wake for Flight<T, L> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.woken = true;
        let driver = state.driver;
        let waker = state.seats.get_mut(driver).map(|seat| seat.waker.clone());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send, L: Send> Raised<L> for Flight<T, L> {
    fn height(&self) -> &Mutex<Height<L>> {
        &self.height
    }
}

/// Waits for a load, and polls it when it is its turn; made by [`Flights::join`](super::Flights::join).
#[must_use = "a future does nothing until it is polled"]
pub struct Join<T, L: Ord + Clone, F> {
    map: Arc<Map<T, L>>,
    key: Key,
    boarding: Boarding<L>,
    load: Option<F>,
    aboard: Option<Aboard<T, L>>,
}

struct Aboard<T, L> {
    flight: Arc<Flight<T, L>>,
    seat: u64,
}

impl<T, L: Ord + Clone, F> Join<T, L, F> {
    pub(super) fn new(map: Arc<Map<T, L>>, key: Key, boarding: Boarding<L>, load: F) -> Self {
        Self { map, key, boarding, load: Some(load), aboard: None }
    }

    /// What is asked.
    #[cfg(feature = "tokio")]
    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    /// The flight, this waiter's seat in it, and whether the flight has just begun with this waiter as its driver.
    fn aboard(&mut self, waker: &Waker) -> (Arc<Flight<T, L>>, u64, bool) {
        if let Some(Aboard { flight, seat }) = &self.aboard {
            return (Arc::clone(flight), *seat, false);
        }
        let mut map = lock(&self.map);
        let (flight, joined) = board(&mut map, &self.key, &self.boarding, waker);
        let mut seat = FIRST;
        if joined {
            // Before the map is let go: a flight that is listed has a waiter, and whoever is its last takes it off.
            let urgency = self.boarding.urgency.clone();
            seat = lock(&flight.state).seats.add(Seat { waker: waker.clone(), urgency, own: None });
        }
        drop(map);
        if joined {
            raise(&flight.height, &self.boarding.urgency);
        }
        self.aboard = Some(Aboard { flight: Arc::clone(&flight), seat });
        (flight, seat, !joined)
    }
}

/// Nothing in it is pinned: the load has a box of its own.
impl<T, L: Ord + Clone, F> Unpin for Join<T, L, F> {}

/// What a waiter has to do next.
enum Step<T> {
    Wait,
    Make,
    Run(Load<T>),
    Leave(Result<T, Panicked>),
    LeaveAlone(T),
}

impl<T, L, F, Fut> Future for Join<T, L, F>
where
    T: Clone + Send + 'static,
    L: Ord + Clone + Send + 'static,
    F: FnOnce(Lift<L>) -> Fut,
    Fut: Future<Output = Landing<T>> + Send + 'static,
{
    type Output = Result<Arrival<T>, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (flight, seat, begins) = self.aboard(cx.waker());
        let mut first = begins.then_some(Step::Make);
        loop {
            let step = first.take().unwrap_or_else(|| self.step(&flight, seat, cx.waker()));
            let mut load = match step {
                Step::Wait => return Poll::Pending,
                Step::Leave(answer) => {
                    self.aboard = None;
                    let joined = self.load.is_some();
                    return Poll::Ready(answer.map(|value| Arrival { value, joined }));
                }
                Step::LeaveAlone(value) => {
                    self.depart();
                    return Poll::Ready(Ok(Arrival { value, joined: false }));
                }
                Step::Make => match self.make(&flight) {
                    Some(load) => load,
                    None => {
                        if let Some(panicked) = self.land(&flight, seat, Err(Panicked)) {
                            return Poll::Ready(panicked);
                        }
                        continue;
                    }
                },
                Step::Run(load) => load,
            };
            let waker = Waker::from(Arc::clone(&flight));
            let polled = catch_unwind(AssertUnwindSafe(|| {
                let polled = load.as_mut().poll(&mut Context::from_waker(&waker));
                match polled {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(landing) => {
                        drop(mem::replace(&mut load, Box::pin(std::future::pending())));
                        Poll::Ready(landing)
                    }
                }
            }));
            match polled {
                Ok(Poll::Pending) => {
                    lock(&flight.state).engine = Engine::Parked(load);
                    return Poll::Pending;
                }
                Ok(Poll::Ready(Landing::Shared(value))) => {
                    if let Some(arrival) = self.land(&flight, seat, Ok(value)) {
                        return Poll::Ready(arrival);
                    }
                }
                Ok(Poll::Ready(Landing::Personal(value))) => {
                    if let Some(value) = self.land_alone(&flight, seat, value) {
                        return Poll::Ready(Ok(Arrival { value, joined: false }));
                    }
                }
                Err(_) => {
                    // What a broken load does when it is dropped is its own affair.
                    drop(catch_unwind(AssertUnwindSafe(|| drop(load))));
                    if let Some(panicked) = self.land(&flight, seat, Err(Panicked)) {
                        return Poll::Ready(panicked);
                    }
                }
            }
        }
    }
}

impl<T, L, F, Fut> Join<T, L, F>
where
    T: Clone + Send + 'static,
    L: Ord + Clone + Send + 'static,
    F: FnOnce(Lift<L>) -> Fut,
    Fut: Future<Output = Landing<T>> + Send + 'static,
{
    fn step(&self, flight: &Flight<T, L>, seat: u64, waker: &Waker) -> Step<T> {
        let mut state = lock(&flight.state);
        let woken = state.woken;
        if let Some(seat) = state.seats.get_mut(seat) {
            if let Some(own) = seat.own.take() {
                return Step::LeaveAlone(own);
            }
            seat.waker.clone_from(waker);
        }
        if let Engine::Landed(answer) = &state.engine {
            let answer = answer.clone();
            state.seats.remove(seat);
            return Step::Leave(answer);
        }
        // Whoever is polled while the load waits for its driver takes over: the driver may never be.
        let mine = state.driver == seat || (woken && matches!(state.engine, Engine::Parked(_)));
        if !mine {
            return Step::Wait;
        }
        state.driver = seat;
        match mem::replace(&mut state.engine, Engine::Running) {
            Engine::Parked(load) if woken => {
                state.woken = false;
                Step::Run(load)
            }
            Engine::Parked(load) => {
                state.engine = Engine::Parked(load);
                Step::Wait
            }
            Engine::Wanted => {
                state.woken = false;
                state.leader = seat;
                Step::Make
            }
            Engine::Running | Engine::Landed(_) => Step::Wait,
        }
    }

    fn make(&mut self, flight: &Arc<Flight<T, L>>) -> Option<Load<T>> {
        let lift = Lift::new(Arc::clone(flight) as Arc<dyn Raised<L>>);
        let load = self.load.take()?;
        catch_unwind(AssertUnwindSafe(|| -> Load<T> { Box::pin(load(lift)) })).ok()
    }

    /// Gives the answer to every waiter: at once to this one, if nobody else waits.
    fn land(
        &mut self,
        flight: &Arc<Flight<T, L>>,
        seat: u64,
        answer: Result<T, Panicked>,
    ) -> Option<Result<Arrival<T>, Panicked>> {
        let mut map = lock(&self.map);
        unlist(&mut map, &self.key, flight);
        let mut state = lock(&flight.state);
        if state.seats.is_alone(seat) {
            // Nobody can come any more either.
            state.seats.remove(seat);
            drop(state);
            drop(map);
            self.aboard = None;
            let joined = self.load.is_some();
            return Some(answer.map(|value| Arrival { value, joined }));
        }
        state.engine = Engine::Landed(answer);
        let own = state.driver;
        let others = state.seats.iter().filter(|(seat, _)| *seat != own);
        let wakers: Vec<Waker> = others.map(|(_, seat)| seat.waker.clone()).collect();
        drop(state);
        drop(map);
        wakers.into_iter().for_each(Waker::wake);
        None
    }

    /// Gives the answer to its owner, who may be this waiter, and has the next one ask for itself.
    fn land_alone(&mut self, flight: &Flight<T, L>, seat: u64, value: T) -> Option<T> {
        let mut state = lock(&flight.state);
        state.engine = Engine::Wanted;
        let others = state.seats.iter().filter(|(other, _)| *other != state.leader);
        if let Some(most) = others.map(|(_, seat)| seat.urgency.clone()).max() {
            lock(&flight.height).restart(most);
        }
        let leader = state.leader;
        if leader == seat {
            drop(state);
            self.depart();
            return Some(value);
        }
        // The owner may have left, and then the answer is nobody's.
        let owner = state.seats.get_mut(leader).map(|owner| {
            owner.own = Some(value);
            owner.waker.clone()
        });
        drop(state);
        if let Some(owner) = owner {
            owner.wake();
        }
        None
    }
}

impl<T, L: Ord + Clone, F> Join<T, L, F> {
    /// Leaves the flight, if aboard: somebody else takes over, or the load is dropped.
    fn depart(&mut self) {
        let Some(Aboard { flight, seat }) = self.aboard.take() else { return };
        let mut map = lock(&self.map);
        let mut state = lock(&flight.state);
        let heir = state.leave(seat);
        let mut abandoned = None;
        if state.seats.is_empty() {
            unlist(&mut map, &self.key, &flight);
            abandoned = Some(mem::replace(&mut state.engine, Engine::Wanted));
        }
        drop(state);
        drop(map);
        if let Some(heir) = heir {
            heir.wake();
        }
        // Last, with no lock held: it is somebody else's code.
        drop(abandoned);
    }
}

impl<T, L: Ord + Clone, F> Drop for Join<T, L, F> {
    fn drop(&mut self) {
        self.depart();
    }
}

impl<T, L: Ord + Clone, F> fmt::Debug for Join<T, L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("key", &self.key)
            .field("aboard", &self.aboard.is_some())
            .finish_non_exhaustive()
    }
}
