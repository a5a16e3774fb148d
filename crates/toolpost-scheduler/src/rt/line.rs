//! Those that wait at a gate, and how permits get to them.

use std::mem;
use std::sync::atomic::AtomicBool;
use std::task::Waker;
use std::time::Instant;

#[cfg(not(any(loom, shuttle)))]
use tokio::sync::Notify;

use super::clock;
#[cfg(not(any(loom, shuttle)))]
use super::sync::AtomicU64;
use super::sync::{Arc, Mutex, Ordering, lock};
use super::word::Word;
use crate::discipline::{Charge, Discipline};
use crate::limit::Limit;
use crate::queue::Queue;
use crate::refusal::QueueError;
use crate::request::JobRequest;
use crate::slots::JobId;

/// What all handles of a gate share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) word: Word,
    pub(crate) line: Mutex<Line>,
    /// Whether permits are timed even when nobody waits. It decides what is measured, and nothing that must be in step.
    pub(crate) timed: AtomicBool,
    /// Tells those that wait for a place in the queue that one has become free.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) room: Notify,
    /// How often places have become free.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) freed: AtomicU64,
}

/// Behind the lock, which nobody holds while waking, awaiting, or running anybody else's code.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) queue: Queue<Arc<Waiter>, Box<dyn Discipline>>,
    pub(crate) limit: Limit,
    pub(crate) closed: bool,
    /// Those that want to know when all is done, by their numbers.
    pub(crate) drained: Vec<(u64, Waker)>,
    /// How many have ever wanted to know.
    pub(crate) listeners: u64,
}

impl Line {
    pub(crate) const fn next_listener(&mut self) -> u64 {
        self.listeners += 1;
        self.listeners
    }

    /// Has `waker` woken when all is done, in place of the one that this listener had, which is returned.
    pub(crate) fn listen(&mut self, listener: u64, waker: Waker) -> Option<Waker> {
        match self.drained.iter_mut().find(|(number, _)| *number == listener) {
            Some((_, known)) => Some(mem::replace(known, waker)),
            None => {
                self.drained.push((listener, waker));
                None
            }
        }
    }

    pub(crate) fn unlisten(&mut self, listener: u64) -> Option<Waker> {
        let at = self.drained.iter().position(|(number, _)| *number == listener)?;
        Some(self.drained.swap_remove(at).1)
    }
}

/// One that waits; the lock of the line is taken before this one, never after.
#[derive(Debug)]
pub(crate) struct Waiter(pub(crate) Mutex<Turn>);

#[derive(Debug)]
pub(crate) enum Turn {
    Waiting(Option<Waker>),
    Granted(Grant),
    Refused(QueueError),
    /// The future has what it waited for.
    Over,
}

/// A permit that was waited for, or is timed: since when, and at whose expense.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) charge: Option<Charge>,
    pub(crate) since: Instant,
}

/// How a permit was used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Settled,
    Abandoned,
    Never,
}

/// Wakers to call once the lock is released.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Wakes(Vec<Waker>);

impl Wakes {
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    /// Joins the queue: the waiter, and the handle by which it leaves.
    pub(crate) fn join(&self, request: JobRequest) -> Result<(Arc<Waiter>, JobId), QueueError> {
        let now = clock::now();
        let waiter = Arc::new(Waiter(Mutex::new(Turn::Waiting(None))));
        let mut line = lock(&self.line);
        if line.closed {
            return Err(QueueError::Closed);
        }
        self.word.watch();
        let joined = line.queue.submit(request, waiter.clone(), now);
        let wakes = self.serve(&mut line, now);
        drop(line);
        wakes.wake();
        joined.map(|id| (waiter, id)).map_err(|(_, refusal)| refusal)
    }

    /// Leaves the queue; false when its turn has come, or it was refused, meanwhile.
    pub(crate) fn leave(&self, id: JobId) -> bool {
        let mut line = lock(&self.line);
        let left = line.queue.cancel(id);
        let wakes = self.serve(&mut line, clock::now());
        drop(line);
        self.room(usize::from(left.is_some()));
        wakes.wake();
        left.is_some()
    }

    /// Refuses those whose deadline has passed.
    pub(crate) fn expire(&self) {
        let now = clock::now();
        let mut line = lock(&self.line);
        let mut wakes = Wakes::default();
        let mut freed = 0;
        while let Some((_, waiter)) = line.queue.expire(now) {
            freed += 1;
            waiter.turn(Turn::Refused(QueueError::Expired), &mut wakes);
        }
        wakes.0.extend(self.serve(&mut line, now).0);
        drop(line);
        self.room(freed);
        wakes.wake();
    }

    /// Refuses all that wait, and says how many they were.
    pub(crate) fn clear(&self) -> usize {
        let mut line = lock(&self.line);
        let mut wakes = Wakes::default();
        let cleared = line.queue.clear();
        for waiter in &cleared {
            waiter.turn(Turn::Refused(QueueError::Canceled), &mut wakes);
        }
        wakes.0.extend(self.serve(&mut line, clock::now()).0);
        drop(line);
        self.room(cleared.len());
        wakes.wake();
        cleared.len()
    }

    /// Takes a permit back.
    #[inline]
    pub(crate) fn release(&self, grant: Option<Grant>, how: Use) {
        match grant {
            Some(grant) => self.release_timed(grant, how),
            None if self.word.give_back() => self.attend(),
            None => {}
        }
    }

    fn release_timed(&self, Grant { charge, since }: Grant, how: Use) {
        let now = clock::now();
        let cost = now.saturating_duration_since(since);
        let mut line = lock(&self.line);
        if let Use::Settled = how {
            line.limit.learn(cost, self.word.taken());
            let permits = line.limit.permits();
            line.queue.set_permits(permits);
            if permits != self.word.limit() {
                self.word.set_limit(permits);
            }
        }
        match (charge, how) {
            (Some(charge), Use::Settled) => line.queue.settle(charge, cost),
            (Some(charge), Use::Abandoned) => line.queue.abandon(charge, cost),
            (Some(charge), Use::Never) => line.queue.refund(charge),
            (None, Use::Settled) => line.queue.learn(cost),
            (None, Use::Abandoned | Use::Never) => {}
        }
        self.word.give_back();
        let wakes = self.serve(&mut line, now);
        drop(line);
        wakes.wake();
    }

    /// Whether permits are timed even when nobody waits.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// Replaces the limit, and gives the permits that there are now.
    pub(crate) fn set_limit(&self, limit: Limit) {
        let mut line = lock(&self.line);
        self.timed.store(limit.is_adaptive(), Ordering::Relaxed);
        line.queue.set_permits(limit.permits());
        self.word.set_limit(limit.permits());
        line.limit = limit;
        let wakes = self.serve(&mut line, clock::now());
        drop(line);
        wakes.wake();
    }

    /// Gives free permits to those that wait.
    pub(crate) fn attend(&self) {
        let mut line = lock(&self.line);
        let wakes = self.serve(&mut line, clock::now());
        drop(line);
        wakes.wake();
    }

    /// Gives free permits to those whose turn it is; stops watching when there is nothing to watch for.
    fn serve(&self, line: &mut Line, now: Instant) -> Wakes {
        let mut wakes = Wakes::default();
        let mut freed = 0;
        while !line.queue.is_empty() && self.word.try_take_watched() {
            freed += 1;
            match line.queue.take(now) {
                Some((_, job, Ok(charge))) => {
                    job.turn(Turn::Granted(Grant { charge: Some(charge), since: now }), &mut wakes);
                }
                Some((_, job, Err(refusal))) => {
                    self.word.give_back();
                    job.turn(Turn::Refused(refusal), &mut wakes);
                }
                None => {
                    self.word.give_back();
                    break;
                }
            }
        }
        if line.queue.is_empty() && self.word.taken() == 0 {
            wakes.0.extend(line.drained.drain(..).map(|(_, waker)| waker));
        }
        self.rest(line);
        self.room(freed);
        wakes
    }

    /// Stops watching when there is nothing to watch for.
    pub(crate) fn rest(&self, line: &Line) {
        if line.queue.is_empty() && !line.closed && line.drained.is_empty() {
            self.word.unwatch();
        }
    }

    #[cfg(not(any(loom, shuttle)))]
    fn room(&self, freed: usize) {
        self.freed.fetch_add(freed as u64, Ordering::AcqRel);
        for _ in 0..freed {
            self.room.notify_one();
        }
    }

    #[cfg(any(loom, shuttle))]
    fn room(&self, _freed: usize) {}
}

impl Waiter {
    fn turn(&self, turn: Turn, wakes: &mut Wakes) {
        if let Turn::Waiting(Some(waker)) = mem::replace(&mut *lock(&self.0), turn) {
            wakes.0.push(waker);
        }
    }
}
