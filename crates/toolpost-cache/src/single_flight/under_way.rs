//! One flight, and the rule of who polls its load.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_task::{ArcWake, waker_ref};

use super::members::{FIRST, Member, Members};
use super::priority::{MaxUrgency, Raisable};
use super::{FlightOutcome, JoinOptions, Panicked, PriorityHandle};
use crate::generations::Epoch;
use crate::key::CacheKey;
use crate::sync::{Mutex, lock};

/// A load, which comes to an `R`.
pub(crate) type Load<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// Of loads that come to an `R`, out of which a `T` is made for each waiter.
pub(crate) struct Flight<R, T, L> {
    pub(super) key: CacheKey,
    pub(super) epoch: Epoch,
    pub(super) max_urgency: Mutex<MaxUrgency<L>>,
    pub(super) state: Mutex<State<R, T, L>>,
}

pub(super) struct State<R, T, L> {
    pub(super) members: Members<T, L>,
    /// The member that polls the load; always one of `members`, unless there are none.
    pub(super) driver: u64,
    /// The member whose load it is.
    pub(super) leader: u64,
    pub(super) engine: Engine<R, T>,
    /// The load has asked to be polled since its last poll began.
    woken: bool,
}

pub(super) enum Engine<R, T> {
    /// The driver has to make a load.
    Wanted,
    /// The driver is making or polling the load, with no lock held.
    Running,
    /// The load waits to be polled.
    Parked(Load<R>),
    /// The answer, for every waiter. Boxed, since mostly there is but one, who is given it at once.
    Landed(Box<Result<T, Panicked>>),
}

/// What a waiter has to do next.
pub(super) enum Step<R, T, L> {
    Wait,
    Make(PriorityHandle<L>),
    Run(Load<R>),
    Leave(Result<T, Panicked>),
    LeaveAlone(T),
}

impl<R, T, L: Ord + Clone> Flight<R, T, L> {
    /// A flight whose first waiter is about to make its load.
    pub(super) fn new(key: CacheKey, join: &JoinOptions<L>, waker: &Waker) -> Arc<Self> {
        let urgency = join.urgency.clone();
        Arc::new(Self {
            key,
            epoch: join.epoch,
            max_urgency: Mutex::new(MaxUrgency::new(urgency.clone())),
            state: Mutex::new(State {
                members: Members::of(Member { waker: waker.clone(), urgency, own: None }),
                driver: FIRST,
                leader: FIRST,
                engine: Engine::Running,
                woken: false,
            }),
        })
    }
}

impl<R: 'static, T: Clone + Send + 'static, L: Ord + Clone + Send + 'static> Flight<R, T, L> {
    /// What the waiter in `member` has to do, being polled.
    pub(super) fn step(self: &Arc<Self>, member: u64, waker: &Waker) -> Step<R, T, L> {
        let mut state = lock(&self.state);
        let woken = state.woken;
        if let Some(member) = state.members.get_mut(member) {
            if let Some(own) = member.own.take() {
                return Step::LeaveAlone(*own);
            }
            member.waker.clone_from(waker);
        }
        if let Engine::Landed(answer) = &state.engine {
            let answer = (**answer).clone();
            state.members.remove(member);
            return Step::Leave(answer);
        }
        // Whoever is polled while the load waits for its driver takes over: the driver may never be.
        let mine = state.driver == member || (woken && matches!(state.engine, Engine::Parked(_)));
        if !mine {
            return Step::Wait;
        }
        state.driver = member;
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
                state.leader = member;
                Step::Make(PriorityHandle::latest(Arc::clone(self) as Arc<dyn Raisable<L>>))
            }
            Engine::Running | Engine::Landed(_) => Step::Wait,
        }
    }

    /// Polls the load, and parks it if it is not ready. What it held is dropped before `land` sees what it has come to.
    pub(super) fn poll(
        self: &Arc<Self>,
        mut load: Load<R>,
        land: impl FnOnce(R) -> FlightOutcome<T>,
    ) -> Result<Poll<FlightOutcome<T>>, Panicked> {
        let waker = waker_ref(self);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let ended = load.as_mut().poll(&mut Context::from_waker(&waker));
            ended.map(|ended| {
                drop(mem::replace(&mut load, Box::pin(std::future::pending())));
                land(ended)
            })
        }));
        match polled {
            Ok(Poll::Pending) => {
                lock(&self.state).engine = Engine::Parked(load);
                Ok(Poll::Pending)
            }
            Ok(ready) => Ok(ready),
            Err(_) => {
                // What a broken load does when it is dropped is its own affair.
                drop(catch_unwind(AssertUnwindSafe(|| drop(load))));
                Err(Panicked)
            }
        }
    }
}

impl<R, T, L> State<R, T, L> {
    /// Gives up a member; the waker to wake if somebody has to take over at once.
    pub(super) fn leave(&mut self, member: u64) -> Option<Waker> {
        self.members.remove(member);
        if self.driver != member {
            return None;
        }
        let (next, heir) = self.members.iter().next()?;
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
impl<R: 'static, T: Send + 'static, L: Send + 'static> ArcWake for Flight<R, T, L> {
    fn wake_by_ref(flight: &Arc<Self>) {
        let mut state = lock(&flight.state);
        state.woken = true;
        let driver = state.driver;
        let waker = state.members.get_mut(driver).map(|member| member.waker.clone());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<R, T: Send, L: Send> Raisable<L> for Flight<R, T, L> {
    fn max_urgency(&self) -> &Mutex<MaxUrgency<L>> {
        &self.max_urgency
    }

    fn key(&self) -> &CacheKey {
        &self.key
    }
}
