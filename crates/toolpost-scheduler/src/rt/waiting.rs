//! The future of a permit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::clock;
use super::line::{Grant, Turn, Use, Waiter};
use super::permit::{Hold, Permit};
use super::priority_handle::{Follow, PriorityHandle};
use super::sync::{Arc, lock};
use crate::priority::Urgency;
use crate::refusal::QueueError;
use crate::request::JobRequest;
use crate::slots::JobId;

/// A place in the queue, which becomes a permit.
///
/// The place was taken when the future was made, not when it is first polled. Resolves to the reason when the permit is
/// refused.
///
/// A permit that is granted is taken from then on, polled or not: a place that is kept and never polled again keeps it from
/// others. Whoever no longer waits drops it.
///
/// # Cancel safety
///
/// Dropping it gives up the place, or the permit, and leaves nothing behind.
#[must_use = "a place in the queue that is dropped is given up"]
pub struct Waiting<'g> {
    gate: Hold<'g>,
    state: State,
    follow: Option<Follow>,
}

enum State {
    Free(Option<Grant>),
    Refused(QueueError),
    Queued { waiter: Arc<Waiter>, id: JobId, timer: Timer },
    Done,
}

impl<'g> Waiting<'g> {
    pub(crate) fn enter(gate: Hold<'g>, request: JobRequest) -> Self {
        let state = Self::begin(&gate, request);
        Self { gate, state, follow: None }
    }

    fn begin(gate: &Hold<'g>, request: JobRequest) -> State {
        let deadline = request.how_urgent().deadline;
        if deadline.is_some_and(|deadline| deadline <= clock::now()) {
            return State::Refused(QueueError::Expired);
        }
        if gate.word.try_take() {
            return State::Free(gate.is_timed().then(|| Grant { charge: None, since: clock::now() }));
        }
        match gate.join(request) {
            Ok((waiter, id)) => State::Queued { waiter, id, timer: Timer::new(deadline) },
            Err(refusal) => State::Refused(refusal),
        }
    }

    /// Whether the permit has to be waited for.
    #[must_use]
    pub const fn is_queued(&self) -> bool {
        matches!(self.state, State::Queued { .. })
    }

    /// Gives the place another urgency; false when it is not waiting (any more).
    pub fn reprioritize(&mut self, urgency: Urgency) -> bool {
        let State::Queued { id, timer, .. } = &mut self.state else { return false };
        *timer = Timer::new(urgency.deadline);
        lock(&self.gate.line).queue.reprioritize(*id, urgency)
    }

    /// Lets the place be as urgent as `handle`, whenever that changes. It still ends at the deadline of its own request.
    pub fn raised_by(mut self, handle: &PriorityHandle) -> Self {
        if let State::Queued { id, .. } = self.state {
            self.follow = Some(handle.follow(self.gate.shared(), id));
        }
        self
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Grant>, QueueError>> {
        let State::Queued { waiter, .. } = &self.state else {
            return Poll::Ready(match std::mem::replace(&mut self.state, State::Done) {
                State::Free(grant) => Ok(grant),
                State::Refused(refusal) => Err(refusal),
                State::Queued { .. } | State::Done => Err(QueueError::Canceled),
            });
        };
        let mut turn = lock(&waiter.0);
        let (poll, stale) = match std::mem::replace(&mut *turn, Turn::Over) {
            Turn::Waiting(old) => {
                *turn = Turn::Waiting(Some(cx.waker().clone()));
                (Poll::Pending, old)
            }
            Turn::Granted(grant) => (Poll::Ready(Ok(Some(grant))), None),
            Turn::Refused(refusal) => (Poll::Ready(Err(refusal)), None),
            Turn::Over => (Poll::Ready(Err(QueueError::Canceled)), None),
        };
        drop(turn);
        // Dropped here because it may run code of the executor's, which must not find the lock taken.
        drop(stale);
        if poll.is_ready() {
            self.state = State::Done;
        }
        poll
    }
}

impl<'g> Future for Waiting<'g> {
    type Output = Result<Permit<'g>, QueueError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if let Poll::Ready(turn) = this.poll_turn(cx) {
                this.follow = None;
                return Poll::Ready(turn.map(|grant| Permit::new(this.gate.clone(), grant)));
            }
            let State::Queued { timer, .. } = &mut this.state else { return Poll::Pending };
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.gate.expire();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.follow = None;
        match std::mem::replace(&mut self.state, State::Done) {
            State::Free(grant) => self.gate.release(grant, Use::Never),
            State::Queued { waiter, id, .. } if !self.gate.leave(id) => {
                let turn = std::mem::replace(&mut *lock(&waiter.0), Turn::Over);
                if let Turn::Granted(grant) = turn {
                    self.gate.release(Some(grant), Use::Never);
                }
            }
            State::Queued { .. } | State::Refused(_) | State::Done => {}
        }
    }
}

impl fmt::Debug for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("queued", &self.is_queued()).finish_non_exhaustive()
    }
}

/// Fires once, at a deadline if there is one; made when first polled.
struct Timer {
    at: Option<Instant>,
    #[cfg(not(any(loom, shuttle)))]
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

#[cfg(not(any(loom, shuttle)))]
impl Timer {
    const fn new(at: Option<Instant>) -> Self {
        Self { at, sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() {
            let at = self.at.take();
            self.sleep = at.map(|at| Box::pin(tokio::time::sleep_until(at.into())));
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        let fired = sleep.as_mut().poll(cx);
        if fired.is_ready() {
            self.sleep = None;
        }
        fired
    }
}

#[cfg(any(loom, shuttle))]
impl Timer {
    const fn new(at: Option<Instant>) -> Self {
        Self { at }
    }

    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        self.at.take();
        Poll::Pending
    }
}
