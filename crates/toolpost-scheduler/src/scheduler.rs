//! The scheduler without input or output: a queue in front of permits.

use std::time::{Duration, Instant};

use crate::discipline::{Charge, Discipline};
use crate::fair::Fair;
use crate::limit::Limit;
use crate::priority::Urgency;
use crate::queue::{Queue, QueueLimits, Taken};
use crate::refusal::{QueueError, SubmitError};
use crate::request::JobRequest;
use crate::slots::JobId;

/// Decides who runs next, and who is refused; performs nothing, and is told the time.
///
/// Call [`submit`](Scheduler::submit) for every job, then [`next`](Scheduler::next) until it returns none; do what it
/// says; call [`settle`](Scheduler::settle) when a job has ended, and `next` again.
#[derive(Debug)]
pub struct Scheduler<T, D = Fair> {
    queue: Queue<T, D>,
    limit: Limit,
    /// Never above the limit of the moment at which a permit is given.
    in_flight: usize,
}

/// What to do with the next job.
#[derive(Debug)]
#[non_exhaustive]
pub enum Next<T> {
    /// Run it; it has a permit.
    Start {
        /// Its handle, which is stale from now on.
        id: JobId,
        /// What was submitted.
        job: T,
        /// Its permit, to be settled.
        permit: PermitToken,
    },
    /// Tell its owner that it does not run.
    Refuse {
        /// Its handle, which is stale from now on.
        id: JobId,
        /// What was submitted.
        job: T,
        /// Why.
        refusal: QueueError,
    },
}

/// A permit in the hands of the caller, who gives it back by [`settle`](Scheduler::settle) or
/// [`abandon`](Scheduler::abandon); one that is dropped stays taken.
#[derive(Debug)]
#[must_use = "a permit that is not given back stays taken"]
pub struct PermitToken {
    charge: Charge,
    since: Instant,
}

impl<T> Scheduler<T> {
    /// The default discipline and bounds, in front of `limit` permits.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self::with(limit, Fair::default(), QueueLimits::default())
    }
}

impl<T, D: Discipline> Scheduler<T, D> {
    /// A discipline and bounds of the caller's choice, in front of `limit` permits.
    #[must_use]
    pub fn with(limit: Limit, discipline: D, bounds: QueueLimits) -> Self {
        let mut queue = Queue::new(discipline, bounds);
        queue.set_permits(limit.permits());
        Self { queue, limit, in_flight: 0 }
    }

    /// Lets a job in; whether it starts at once is for [`next`](Scheduler::next) to say.
    ///
    /// # Errors
    ///
    /// Hands the job back when the queue is full, or its deadline has passed or cannot be met. A job that nobody is before
    /// and a permit is free for is let in whatever the [`QueueLimits`].
    pub fn submit(&mut self, request: JobRequest, job: T, now: Instant) -> Result<JobId, SubmitError<T>> {
        // Who starts at once needs no place to wait in.
        let starts = self.queue.is_empty() && self.in_flight < self.limit.permits();
        self.queue.enter(request, job, now, usize::from(starts))
    }

    /// Replaces the limit. Where more run than it has permits, none is given until they are fewer; where it has more, call
    /// [`next`](Scheduler::next).
    pub fn set_limit(&mut self, limit: Limit) {
        self.queue.set_permits(limit.permits());
        self.limit = limit;
    }

    /// Takes the next decision, if there is one to take: a job that starts, or one that is given up.
    pub fn next(&mut self, now: Instant) -> Option<Next<T>> {
        if self.limit.permits() <= self.in_flight {
            return None;
        }
        Some(match self.queue.take(now)? {
            Taken::Run { id, job, charge } => {
                self.in_flight += 1;
                Next::Start { id, job, permit: PermitToken { charge, since: now } }
            }
            Taken::Refuse { id, job, refusal } => Next::Refuse { id, job, refusal },
        })
    }

    /// Takes a permit back, and learns what the job has cost.
    pub fn settle(&mut self, permit: PermitToken, now: Instant, cost: Duration) {
        if self.limit.is_adaptive() {
            self.limit.learn(now.saturating_duration_since(permit.since), self.in_flight);
            self.queue.set_permits(self.limit.permits());
        }
        self.queue.settle(permit.charge, cost);
        self.in_flight -= 1;
    }

    /// Takes a permit back from a job that was given up: its time is charged, but says nothing of service times.
    pub fn abandon(&mut self, permit: PermitToken, now: Instant) {
        self.queue.abandon(permit.charge, now.saturating_duration_since(permit.since));
        self.in_flight -= 1;
    }

    /// Takes a waiting job out; none when it is not waiting (any more).
    pub fn cancel(&mut self, id: JobId) -> Option<T> {
        self.queue.cancel(id)
    }

    /// Gives a waiting job another urgency; false when it is not waiting (any more).
    pub fn reprioritize(&mut self, id: JobId, urgency: Urgency) -> bool {
        self.queue.reprioritize(id, urgency)
    }

    /// Serves a waiting job as if it were this urgent, leaving it its own deadline to expire by: see [`Queue::raise`].
    pub fn raise(&mut self, id: JobId, urgency: Urgency) -> bool {
        self.queue.raise(id, urgency)
    }

    /// Takes out a job whose deadline has passed; call it until none is left.
    pub fn expire(&mut self, now: Instant) -> Option<(JobId, T)> {
        self.queue.expire(now)
    }

    /// Takes every waiting job out, in the order of service.
    pub fn clear(&mut self) -> Vec<T> {
        self.queue.clear()
    }

    /// Those that wait, to look at.
    #[must_use]
    pub const fn queue(&self) -> &Queue<T, D> {
        &self.queue
    }

    /// How many run.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many may run at once, now.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit.permits()
    }
}
