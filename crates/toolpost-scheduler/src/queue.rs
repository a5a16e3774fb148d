//! The bounded queue: jobs wait here in the order of a discipline, and leave it once, by one of its methods.

use std::time::{Duration, Instant};

use crate::delay::{Delay, DelayBound, nanos};
use crate::discipline::{Charge, Discipline, QueuedJob};
use crate::heap::{Heap, Positions};
use crate::priority::{Priority, Urgency};
use crate::refusal::QueueError;
use crate::request::JobRequest;
use crate::service::ServiceTime;
use crate::slots::{JobId, Slots};
use crate::stats::QueueStats;

const NO_DEADLINE: u64 = u64::MAX;

/// The shortest honest answer to "when may I ask again": zero would invite spinning.
const SOON: u64 = 1_000_000;

/// How many jobs may wait, and how long before some are shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct QueueLimits {
    capacity: usize,
    delay: Option<DelayBound>,
}

impl QueueLimits {
    /// At most `capacity` jobs wait; nothing is shed.
    ///
    /// A discipline may grant one tenant a part of that: under [`Fair`](crate::Fair) a tenant may queue, in each class, at most four
    /// times the places still free. So whoever floods, or is alone, has four fifths of the capacity (16 of 20, 820 of
    /// 1,024), and the last fifth is kept for others. However many tenants a class has, it leaves one place in 32 to each
    /// other class (32 of 1,024; none of fewer than 32): urgent work is never locked out by what is less urgent, and no
    /// job that was let in is put out again for it.
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, delay: None }
    }

    /// Sheds jobs of a queue whose waiting has been above `target` for a whole `interval` (CoDel), never system work.
    ///
    /// Under [`Fair`](crate::Fair) each tenant's delay is watched by itself, so that a flood sheds the flooder's jobs alone. A queue
    /// that has been empty since is not a standing one, and the last job of all is never shed (RFC 8289, 8290).
    pub const fn delay(mut self, target: Duration, interval: Duration) -> Self {
        self.delay = Some(DelayBound { target, interval });
        self
    }
}

impl Default for QueueLimits {
    /// 1,024 jobs.
    fn default() -> Self {
        Self::new(1_024)
    }
}

/// A bounded queue in the order of a discipline; it knows nothing of permits but how many to reckon with.
///
/// The scheduler and the gate add the permits. Every job that is let in leaves exactly once: by `take`, `cancel`,
/// `expire` or `clear`. Its time begins with the first call that names one; deadlines before that count as equal.
#[derive(Debug)]
pub(crate) struct Queue<T, D> {
    jobs: Slots<Waiting<T>>,
    discipline: D,
    deadlines: Deadlines,
    bounds: QueueLimits,
    /// By account of the discipline: the watch on its delay.
    delays: Vec<Delay>,
    service: ServiceTime,
    permits: usize,
    arrivals: u64,
    stats: QueueStats,
}

#[derive(Debug)]
struct Waiting<T> {
    job: T,
    entry: QueuedJob,
    since: u64,
    needs: Needs,
}

/// How long a job will hold its permit, as far as it says: nanoseconds, or with the highest bit set, ordinary jobs.
#[derive(Clone, Copy, Debug)]
struct Needs(u64);

/// The time of the first call is the queue's zero; and the deadlines of all that wait, the earliest first.
#[derive(Debug, Default)]
struct Deadlines {
    zero: Option<Instant>,
    /// The time named last, which is often named again: by who takes a job, and whoever submits the next.
    latest: Option<(Instant, u64)>,
    heap: Heap<(u64, u32)>,
    positions: Positions,
}

impl<T, D: Discipline> Queue<T, D> {
    /// An empty queue in the order of `discipline`, in front of one permit.
    pub(crate) fn new(discipline: D, bounds: QueueLimits) -> Self {
        Self {
            jobs: Slots::default(),
            discipline,
            deadlines: Deadlines::default(),
            bounds,
            delays: Vec::new(),
            service: ServiceTime::default(),
            permits: 1,
            arrivals: 0,
            stats: QueueStats::default(),
        }
    }

    /// Says how many permits the queue is worked off by, which the estimates of waiting reckon with.
    pub(crate) fn set_permits(&mut self, permits: usize) {
        self.permits = permits.max(1);
    }

    /// Lets a job in, and issues the handle that names it from now on.
    ///
    /// # Errors
    ///
    /// Hands the job back when the queue is full, or its deadline has passed or cannot be met.
    #[cfg(any(test, feature = "tokio"))]
    pub(crate) fn submit(
        &mut self,
        request: JobRequest,
        job: T,
        now: Instant,
    ) -> Result<JobId, (T, QueueError)> {
        self.enter(request, job, now, 0)
    }

    /// Lets a job in as [`submit`](Self::submit) does, with so many places free at the least.
    pub(crate) fn enter(
        &mut self,
        request: JobRequest,
        job: T,
        now: Instant,
        least: usize,
    ) -> Result<JobId, (T, QueueError)> {
        self.stats.submitted += 1;
        let urgency = request.how_urgent();
        let needs = Needs::of(&request);
        self.deadlines.begin(now);
        let mut entry = QueuedJob {
            slot: 0,
            arrival: self.arrivals,
            tenant: request.tenant(),
            priority: urgency.priority,
            deadline: self.deadlines.of(urgency),
        };
        let time = self.time(&entry, now);
        let free = self.bounds.capacity.saturating_sub(self.len()).max(least);
        if let Some(refusal) = self.refusal(&entry, needs, time, free) {
            self.stats.refuse(refusal);
            return Err((job, refusal));
        }
        self.arrivals += 1;
        let id = self.jobs.insert(|slot| {
            entry.slot = slot;
            Waiting { job, entry, since: time, needs }
        });
        self.discipline.push(entry);
        self.deadlines.watch(&entry);
        Ok(id)
    }

    /// Takes out the job to run next; or one that is not worth running any more, with the reason.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(JobId, T, Result<Charge, QueueError>)> {
        self.deadlines.begin(now);
        let (slot, charge) = self.discipline.pop()?;
        let (id, waiting) = self.jobs.remove_at(slot)?;
        self.deadlines.forget(&waiting.entry);
        let time = self.time(&waiting.entry, now);
        match self.shed(&waiting, &charge, time) {
            Some(refusal) => {
                self.discipline.settle(charge, None);
                self.stats.refuse(refusal);
                Some((id, waiting.job, Err(refusal)))
            }
            None => {
                self.stats.started += 1;
                Some((id, waiting.job, Ok(charge)))
            }
        }
    }

    /// Learns what a job that was taken has cost: the time it held its permit.
    pub(crate) fn settle(&mut self, charge: Charge, cost: Duration) {
        self.service.learn(cost);
        self.discipline.settle(charge, Some(cost));
    }

    /// Learns that a job that was taken was given up after `cost`, which is charged but says nothing of service times.
    pub(crate) fn abandon(&mut self, charge: Charge, cost: Duration) {
        self.discipline.settle(charge, Some(cost));
    }

    /// Learns that a job that was taken never ran, and charges nothing for it.
    #[cfg(any(test, feature = "tokio"))]
    pub(crate) fn refund(&mut self, charge: Charge) {
        self.discipline.settle(charge, None);
    }

    /// Learns a service time from outside the queue.
    #[cfg(feature = "tokio")]
    pub(crate) fn learn(&mut self, cost: Duration) {
        self.service.learn(cost);
    }

    /// Takes a waiting job out; none when it is not waiting (any more).
    pub(crate) fn cancel(&mut self, id: JobId) -> Option<T> {
        let job = self.leave(id)?;
        self.stats.refuse(QueueError::Canceled);
        Some(job)
    }

    /// Takes out a job whose deadline has passed; call it until none is left.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(JobId, T)> {
        let time = self.deadlines.nanos(now);
        let (_, slot) = self.deadlines.heap.first().filter(|(deadline, _)| *deadline <= time)?;
        let id = self.jobs.handle(slot)?;
        let job = self.leave(id)?;
        self.stats.refuse(QueueError::Expired);
        Some((id, job))
    }

    /// Takes every job out, in the order of service.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let next = |queue: &mut Self| queue.peek().and_then(|id| queue.cancel(id));
        std::iter::from_fn(|| next(self)).collect()
    }

    /// Gives a waiting job another urgency; false when it is not waiting (any more).
    pub(crate) fn reprioritize(&mut self, id: JobId, urgency: Urgency) -> bool {
        let deadline = self.deadlines.of(urgency);
        let Some(waiting) = self.jobs.value_mut(id) else { return false };
        if (waiting.entry.priority, waiting.entry.deadline) == (urgency.priority, deadline) {
            return true;
        }
        let before = waiting.entry;
        waiting.entry.priority = urgency.priority;
        waiting.entry.deadline = deadline;
        let entry = waiting.entry;
        self.discipline.update(entry);
        self.deadlines.forget(&before);
        self.deadlines.watch(&entry);
        true
    }

    /// Serves a waiting job as if it were this urgent, until told otherwise; false when it is not waiting (any more).
    ///
    /// For urgency on donation (priority inheritance): unlike [`reprioritize`](Queue::reprioritize) it leaves
    /// the job its own deadline to expire by, since the result is worth something to others than the one who lends.
    pub(crate) fn raise(&mut self, id: JobId, urgency: Urgency) -> bool {
        let deadline = self.deadlines.of(urgency);
        let Some(waiting) = self.jobs.value_mut(id) else { return false };
        waiting.entry.priority = urgency.priority;
        self.discipline.update(QueuedJob { deadline, ..waiting.entry });
        true
    }

    /// A waiting job, by its handle.
    pub(crate) fn job(&self, id: JobId) -> Option<&T> {
        self.jobs.value(id).map(|waiting| &waiting.job)
    }

    /// How urgent a waiting job is now: its priority, lent or not, and its own deadline; one before the queue's first call
    /// is that of the call.
    pub(crate) fn urgency(&self, id: JobId) -> Option<Urgency> {
        let QueuedJob { priority, deadline, .. } = self.jobs.value(id)?.entry;
        let deadline = (deadline != NO_DEADLINE).then(|| self.deadlines.at(deadline)).flatten();
        Some(Urgency { priority, deadline })
    }

    /// The job that is served next.
    pub(crate) fn peek(&self) -> Option<JobId> {
        self.discipline.peek().and_then(|slot| self.jobs.handle(slot))
    }

    /// Up to `limit` waiting jobs, the most urgent first, as the discipline lists them.
    pub(crate) fn list(&self, limit: usize) -> Vec<JobId> {
        self.discipline.list(limit).into_iter().filter_map(|slot| self.jobs.handle(slot)).collect()
    }

    /// How many waiting jobs have outlived their deadline, in time proportional to that number.
    pub(crate) fn overdue(&self, now: Instant) -> usize {
        self.deadlines.heap.count_until((self.deadlines.since_zero(now), 0))
    }

    /// The earliest deadline of those that wait: when to call [`expire`](Queue::expire).
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (deadline, _) = self.deadlines.heap.first()?;
        self.deadlines.at(deadline)
    }

    /// How long a job would wait if it were submitted now, as far as measured times tell.
    pub(crate) fn estimate(&self, request: JobRequest) -> Duration {
        let urgency = request.how_urgent();
        let deadline = self.deadlines.of(urgency);
        let (tenant, priority) = (request.tenant(), urgency.priority);
        let entry = QueuedJob { slot: 0, arrival: self.arrivals, tenant, priority, deadline };
        Duration::from_nanos(self.wait(self.discipline.ahead(&entry)))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has become of every job so far.
    pub(crate) fn stats(&self) -> QueueStats {
        QueueStats { waiting: self.len() as u64, ..self.stats }
    }

    fn leave(&mut self, id: JobId) -> Option<T> {
        let waiting = self.jobs.remove(id)?;
        self.discipline.remove(waiting.entry.slot);
        self.deadlines.forget(&waiting.entry);
        Some(waiting.job)
    }

    /// The time on the queue's own clock; zero for an entry that has no deadline in a queue that bounds no delay.
    #[inline]
    fn time(&mut self, entry: &QueuedJob, now: Instant) -> u64 {
        if entry.deadline == NO_DEADLINE && self.bounds.delay.is_none() {
            0
        } else {
            self.deadlines.nanos(now)
        }
    }

    /// Why an entry is not let in.
    fn refusal(&self, entry: &QueuedJob, needs: Needs, now: u64, free: usize) -> Option<QueueError> {
        if entry.deadline <= now {
            return Some(QueueError::Expired);
        }
        if !self.discipline.allows(entry, free) {
            return Some(QueueError::Full { retry_after: soon(self.wait(1)) });
        }
        // A permit that nobody else wants is not refused for a guess at how long it will be needed.
        if entry.deadline != NO_DEADLINE && !self.is_empty() {
            let wait = self.wait(self.discipline.ahead(entry) + 1);
            let needed = wait.saturating_add(needs.time(&self.service));
            let allowed = entry.deadline - now;
            if allowed < needed {
                return Some(QueueError::Late { retry_after: soon(needed - allowed) });
            }
        }
        None
    }

    /// Why a job whose turn it is does not run.
    fn shed(&mut self, waiting: &Waiting<T>, charge: &Charge, now: u64) -> Option<QueueError> {
        let deadline = waiting.entry.deadline;
        if deadline <= now {
            return Some(QueueError::Expired);
        }
        if deadline != NO_DEADLINE && !self.is_empty() {
            let (needed, allowed) = (waiting.needs.time(&self.service), deadline - now);
            if allowed < needed {
                return Some(QueueError::Late { retry_after: soon(needed - allowed) });
            }
        }
        let bound = self.bounds.delay.as_ref()?;
        let account = charge.account as usize;
        if self.delays.len() <= account {
            self.delays.resize(account + 1, Delay::default());
        }
        let is_last = self.is_empty();
        let sheds = self.delays[account].sheds(bound, waiting.since, now, is_last);
        let retry_after = soon(self.wait(self.len()));
        (sheds && waiting.entry.priority < Priority::System).then_some(QueueError::Overloaded { retry_after })
    }

    /// The time in which that many jobs get a permit, while all permits are taken.
    fn wait(&self, jobs: usize) -> u64 {
        (self.service.mean() as f64 * jobs as f64 / self.permits as f64) as u64
    }
}

impl Needs {
    const IN_JOBS: u64 = 1 << 63;

    fn of(request: &JobRequest) -> Self {
        match request.expected_time() {
            Some(time) => Self(nanos(time).min(Self::IN_JOBS - 1)),
            None => Self(request.cost_in_jobs() | Self::IN_JOBS),
        }
    }

    fn time(self, service: &ServiceTime) -> u64 {
        match self.0 & Self::IN_JOBS {
            0 => self.0,
            _ => service.most().saturating_mul(self.0 ^ Self::IN_JOBS),
        }
    }
}

fn soon(nanos: u64) -> Duration {
    Duration::from_nanos(nanos.max(SOON))
}

impl Deadlines {
    /// Starts the queue's own time, if it has not begun.
    #[inline]
    fn begin(&mut self, now: Instant) -> Instant {
        *self.zero.get_or_insert(now)
    }

    fn nanos(&mut self, at: Instant) -> u64 {
        if let Some((latest, nanos)) = self.latest
            && latest == at
        {
            return nanos;
        }
        // After 584 years time stands still, one short of no deadline at all.
        let nanos = nanos(at.saturating_duration_since(self.begin(at))).min(NO_DEADLINE - 1);
        self.latest = Some((at, nanos));
        nanos
    }

    fn since_zero(&self, at: Instant) -> u64 {
        self.zero.map_or(0, |zero| nanos(at.saturating_duration_since(zero)))
    }

    fn of(&self, urgency: Urgency) -> u64 {
        urgency.deadline.map_or(NO_DEADLINE, |at| self.since_zero(at).min(NO_DEADLINE - 1))
    }

    #[inline]
    fn watch(&mut self, entry: &QueuedJob) {
        if entry.deadline != NO_DEADLINE {
            self.heap.push(&mut self.positions, (entry.deadline, entry.slot));
        }
    }

    #[inline]
    fn forget(&mut self, entry: &QueuedJob) {
        if entry.deadline != NO_DEADLINE {
            self.heap.remove(&mut self.positions, entry.slot);
        }
    }

    fn at(&self, deadline: u64) -> Option<Instant> {
        self.zero?.checked_add(Duration::from_nanos(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fair::Fair;
    use crate::request::Tenant;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn what_never_ran_is_charged_to_nobody() {
        let now = Instant::now();
        let of = |tenant| JobRequest::new(Tenant::new(tenant));
        let mut queue = Queue::new(Fair::default(), QueueLimits::default());
        queue.submit(of(1), 0, now).unwrap();
        let Some((_, 0, Ok(charge))) = queue.take(now) else { panic!("the first is taken") };
        queue.refund(charge);
        queue.submit(of(1), 1, now).unwrap();
        queue.submit(of(2), 2, now).unwrap();
        assert!(matches!(queue.take(now), Some((_, 1, Ok(_)))), "no dearer than who has had nothing");
    }
}
