//! The scheduler without input or output: a queue in front of permits.

use std::time::{Duration, Instant};

use crate::discipline::{Charge, Discipline};
use crate::fair::Fair;
use crate::limit::Limit;
use crate::priority::Urgency;
use crate::queue::{Queue, QueueLimits};
use crate::refusal::QueueError;
use crate::request::JobRequest;
use crate::slots::JobId;
use crate::stats::QueueStats;

/// Decides who runs next, and who is refused; performs nothing, and is told the time.
///
/// Call [`submit`](Scheduler::submit) for every job, then [`next`](Scheduler::next) until it returns none; do what it
/// says; call [`settle`](Scheduler::settle) when a job has ended, and `next` again. Every job that is let in leaves exactly
/// once: by `next`, `cancel`, `expire` or `clear`. Time begins with the first call that names one; deadlines before that
/// count as equal.
///
/// What comes too late is refused, not run:
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_scheduler::{JobRequest, Limit, QueueError, Scheduler, Tenant};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
/// let now = Instant::now();
/// let second = Duration::from_secs(1);
/// let mut scheduler = Scheduler::new(Limit::fixed(1));
/// let alice = JobRequest::new(Tenant::named("alice"));
/// scheduler.submit(alice, "long", now).unwrap();
/// let Some((_, "long", Ok(permit))) = scheduler.next(now) else { panic!("it is the first") };
/// scheduler.submit(alice.deadline(now + second), "short", now).unwrap();
///
/// let later = now + 2 * second;
/// scheduler.settle(permit, later, 2 * second);
/// let Some((_, job, Err(refusal))) = scheduler.next(later) else { panic!("its deadline has passed") };
/// assert_eq!((job, refusal), ("short", QueueError::Expired));
/// ```
#[derive(Debug)]
pub struct Scheduler<T, D = Fair> {
    queue: Queue<T, D>,
    limit: Limit,
    /// Never above the limit of the moment at which a permit is given.
    in_flight: usize,
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
    /// Begins with nobody waiting for `limit` permits, served by [`Fair`], within the default [`QueueLimits`].
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self::with_discipline(limit, Fair::default(), QueueLimits::default())
    }
}

impl<T, D: Discipline> Scheduler<T, D> {
    /// Begins with nobody waiting for `limit` permits, served in the order of `discipline`.
    #[must_use]
    pub fn with_discipline(limit: Limit, discipline: D, bounds: QueueLimits) -> Self {
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
    pub fn submit(&mut self, request: JobRequest, job: T, now: Instant) -> Result<JobId, (T, QueueError)> {
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

    /// Takes the next decision, if there is one to take: a job with its permit, to be run; or one that is given up, with the
    /// reason, for its owner to be told. Its handle is stale from now on.
    pub fn next(&mut self, now: Instant) -> Option<(JobId, T, Result<PermitToken, QueueError>)> {
        if self.limit.permits() <= self.in_flight {
            return None;
        }
        let (id, job, charge) = self.queue.take(now)?;
        self.in_flight += usize::from(charge.is_ok());
        Some((id, job, charge.map(|charge| PermitToken { charge, since: now })))
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

    /// Serves a waiting job as if it were this urgent, until told otherwise; false when it is not waiting (any more).
    ///
    /// For urgency on donation (priority inheritance): unlike [`reprioritize`](Self::reprioritize) it leaves the job its own
    /// deadline to expire by, since the result is worth something to others than the one who lends.
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

    /// A waiting job, by its handle.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&T> {
        self.queue.job(id)
    }

    /// How urgent a waiting job is now: its priority, lent or not, and its own deadline; one before the scheduler's first call
    /// is that of the call.
    #[must_use]
    pub fn urgency(&self, id: JobId) -> Option<Urgency> {
        self.queue.urgency(id)
    }

    /// The job that is served next.
    #[must_use]
    pub fn peek(&self) -> Option<JobId> {
        self.queue.peek()
    }

    /// Up to `limit` waiting jobs, the most urgent first, as the discipline lists them.
    #[must_use]
    pub fn list(&self, limit: usize) -> Vec<JobId> {
        self.queue.list(limit)
    }

    /// How many waiting jobs have outlived their deadline, in time proportional to that number.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> usize {
        self.queue.overdue(now)
    }

    /// The earliest deadline of those that wait: when to call [`expire`](Self::expire).
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.queue.next_deadline()
    }

    /// How long a job would wait if it were submitted now and no permit were free, as far as measured times tell.
    #[must_use]
    pub fn estimate(&self, request: JobRequest) -> Duration {
        self.queue.estimate(request)
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What has become of every job so far.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.queue.stats()
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
