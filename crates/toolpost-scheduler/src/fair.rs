//! The default discipline: classes with guaranteed shares, over fair queueing between tenants, over deadlines.

use std::sync::Arc;
use std::time::Duration;

use crate::delay::nanos;
use crate::discipline::{Charge, Discipline, QueuedJob};
use crate::flows::{Flows, Weights};
use crate::jobs::{BY_CLASS, Jobs, List};
use crate::priority::Priority;
use crate::request::Tenant;

const CLASSES: usize = Priority::ALL.len();

/// Serves the most urgent class first, but lets no class, no tenant and no job wait without bound.
///
/// Three decisions, one inside the other:
///
/// 1. **Class.** The most urgent class that waits is served, unless a less urgent one is owed a start: a class that
///    waits gets at least its guaranteed share of the starts ([`with_shares`](Self::with_shares)). A share nobody needs is lent to the most
///    urgent, and is back with its owner at once when it waits again.
///    Shares count starts, not cost: a bound on waiting that holds whatever jobs cost can be stated in nothing else.
/// 2. **Tenant.** Within the class, start-time fair queueing by virtual time: every start charges its tenant the
///    *measured* cost (in advance, the tenant's own mean; corrected when the job settles), and the tenant that has
///    been charged least goes first. A flood of one tenant delays that tenant alone.
/// 3. **Job.** Within the tenant, the earliest deadline first; those without a deadline after all others, by arrival.
///
/// Every thirty-second start of a class goes instead to the job that has waited longest in it (and is charged to its tenant
/// all the same), so that neither deadlines nor costs can hold anybody back for ever: see [`Fair::bound`].
///
/// A full queue takes nobody's place away for someone more urgent: a job that is let in is served within the bound, and
/// under endless urgent work it would be displaced for ever. Instead each class has a thirty-second of the places to
/// itself, so that no class, however little urgent, can fill the queue against another.
///
/// Tenants have queues of their own up to a bound; beyond it the rest share hashed shards, each new job going to the
/// shorter of two. So memory is bounded, however many names a stranger invents.
///
/// Fair queueing: Goyal, Vin and Cheng, "Start-time Fair Queueing", 1996; the classes follow Kubernetes' priority and
/// fairness; the place kept free for newcomers (a tenant may queue at most four times the places still free) is the
/// dynamic threshold of Choudhury and Hahne, 1998.
///
/// A hundred jobs of one tenant are no reason for another to wait for a hundred starts:
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_scheduler::{JobRequest, Limit, Scheduler, Tenant};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
/// let now = Instant::now();
/// let mut scheduler = Scheduler::new(Limit::fixed(1)); // Fair, unless told otherwise.
/// for n in 0..100 {
///     scheduler.submit(JobRequest::new(Tenant::named("flood")), n, now).unwrap();
/// }
/// scheduler.submit(JobRequest::new(Tenant::named("victim")), 100, now).unwrap();
///
/// let mut started = Vec::new();
/// while let Some((_, job, Ok(permit))) = scheduler.next(now) {
///     started.push(job);
///     scheduler.settle(permit, now, Duration::from_millis(10));
/// }
/// assert_eq!(started.iter().position(|&job| job == 100), Some(1), "it starts second, not last");
/// ```
#[derive(Debug)]
pub struct Fair {
    classes: [Class; CLASSES],
    jobs: Jobs,
    /// By class, while it waits: the number of the start that is owed to it. Otherwise never.
    due: [u64; CLASSES],
    /// The classes that wait, a bit for each.
    waiting: u8,
    /// Starts so far, of all classes.
    starts: u64,
    /// The most jobs of one tenant that may wait in one class.
    most: usize,
    weights: Weights,
}

const NEVER: u64 = u64::MAX;

/// Tenants with a queue of their own, and queues that all others share.
const TENANTS: usize = 16_384;
const SHARDS: usize = 1_024;

#[derive(Debug)]
struct Class {
    flows: Flows,
    arrivals: List<BY_CLASS>,
    /// The class gets at least one start in so many, while it waits.
    period: u64,
    /// Its own starts so far.
    starts: u64,
}

impl Fair {
    /// Every so many starts of a class, the one that has waited longest goes first.
    const AGED: u64 = 32;

    /// How many times the places still free one tenant may queue.
    const GREED: usize = 4;

    /// Each class has one of so many places in the queue to itself.
    const PLACES: usize = 32;

    /// Guarantees 5 % of the starts to background work, 15 % to normal, 25 % to urgent and 25 % to system work; the other 30 %
    /// always go to the most urgent.
    #[must_use]
    pub fn new() -> Self {
        Self::with_shares([5, 15, 25, 25])
    }

    /// Guarantees each class a share of the starts while it waits: `percent` of them, the least urgent class first, as in
    /// [`Priority::ALL`].
    ///
    /// What the guarantees leave over, and what a class does not need, goes to the most urgent that waits.
    ///
    /// # Panics
    ///
    /// When a share is zero (such a class could wait for ever), or when together they exceed one hundred.
    #[must_use]
    pub fn with_shares(percent: [u8; CLASSES]) -> Self {
        assert!(percent.iter().all(|&share| 0 < share), "a class without a share could starve");
        assert!(
            percent.iter().map(|&share| u32::from(share)).sum::<u32>() <= 100,
            "shares add up to more than the whole"
        );
        let class = |priority: Priority| Class {
            flows: Flows::new(TENANTS, SHARDS),
            arrivals: List::default(),
            period: 100_u64.div_ceil(u64::from(percent[priority.index()])),
            starts: 0,
        };
        Self {
            classes: Priority::ALL.map(class),
            jobs: Jobs::default(),
            due: [NEVER; CLASSES],
            waiting: 0,
            starts: 0,
            most: usize::MAX,
            weights: Weights(None),
        }
    }

    /// Gives up to `exact` tenants a queue of their own in each class, and all others `shards` shared ones; 16,384 and 1,024
    /// if never said.
    ///
    /// # Panics
    ///
    /// When `shards` is zero, or both together exceed 16,777,215.
    #[must_use]
    pub fn tenants(mut self, exact: usize, shards: usize) -> Self {
        assert!(0 < shards, "tenants beyond the exact ones need a shard");
        assert!(exact.saturating_add(shards) <= Flows::MAX, "queues are numbered by 24 bits");
        for class in &mut self.classes {
            class.flows = Flows::new(exact, shards);
            class.flows.set_weights(self.weights.clone());
        }
        self
    }

    /// Gives tenants unequal shares: one of weight 3 gets three times the permit time of one of weight 1, while both wait.
    ///
    /// `weight` is asked when a tenant comes that has no queue of its own yet, and must not panic; zero counts as one.
    /// Another answer holds for tenants that come later, and for one that was gone long enough to be forgotten. Tenants
    /// that share a shard weigh one together. How long a job will wait ([`Scheduler::estimate`](crate::Scheduler::estimate)) is
    /// estimated as if all weighed the same.
    ///
    /// ```
    /// use toolpost_scheduler::{Fair, Tenant};
    ///
    /// let paid = Tenant::named("a customer who pays");
    /// let fair = Fair::new().weighted(move |tenant| if tenant == paid { 4 } else { 1 });
    /// ```
    #[must_use]
    pub fn weighted(mut self, weight: impl Fn(Tenant) -> u32 + Send + Sync + 'static) -> Self {
        self.weights = Weights(Some(Arc::new(weight)));
        for class in &mut self.classes {
            class.flows.set_weights(self.weights.clone());
        }
        self
    }

    /// Lets at most so many jobs of one tenant wait in each class, however much of the queue is free; zero counts as one.
    ///
    /// A cap on how many of its jobs *run* is not the queue's to give: permits that are free are given without asking whose
    /// job it is.
    #[must_use]
    pub fn cap(mut self, jobs: usize) -> Self {
        self.most = jobs.max(1);
        self
    }

    /// Tells how many starts can go by at most until a job starts which found `older` jobs waiting in its class.
    ///
    /// `(period + 3) * 32 * (older + 1)`, where `period` is `100 / share` rounded up: a class that waits is owed its
    /// next start after `period` starts, at most the three other classes are owed one before it, and every 32nd
    /// start of the class goes to its oldest job. Since a permit that frees is given away at once while anybody waits,
    /// with `n` permits and no job longer than `t` that many starts take at most that many times `t`, divided by `n`.
    ///
    /// ```
    /// use toolpost_scheduler::{Fair, Priority};
    ///
    /// assert_eq!(Fair::new().bound(Priority::Background, 0), (20 + 3) * 32);
    /// ```
    #[must_use]
    pub const fn bound(&self, priority: Priority, older: u64) -> u64 {
        (self.classes[priority.index()].period + CLASSES as u64 - 1) * Self::AGED * (older + 1)
    }

    /// Chooses the class of the next start: one that is owed it, else the most urgent that waits.
    fn class(&self) -> Option<usize> {
        let most_urgent = self.waiting.checked_ilog2()? as usize;
        if self.waiting.is_power_of_two() {
            return Some(most_urgent);
        }
        let mut first = CLASSES - 1;
        for class in (0..CLASSES - 1).rev() {
            if self.due[class] < self.due[first] {
                first = class;
            }
        }
        Some(if self.due[first] <= self.starts + 1 { first } else { most_urgent })
    }

    /// How many of the free places are kept for other classes than this one.
    fn kept(&self, class: usize, free: usize) -> usize {
        let jobs = |class: &Class| class.arrivals.len();
        let own = (free + self.classes.iter().map(jobs).sum::<usize>()) / Self::PLACES;
        if jobs(&self.classes[class]) < own || own * (CLASSES - 1) < free {
            return 0;
        }
        let others = (0..CLASSES).filter(|&other| other != class);
        others.map(|other| own.saturating_sub(jobs(&self.classes[other]))).sum()
    }

    /// Says that a job of the class has left, and what the class is owed next.
    fn left(&mut self, class: usize, due: u64) {
        self.due[class] = due;
        if self.classes[class].arrivals.is_empty() {
            self.due[class] = NEVER;
            self.waiting &= !(1 << class);
        }
    }
}

impl Default for Fair {
    fn default() -> Self {
        Self::new()
    }
}

impl Class {
    fn is_aged_start(&self) -> bool {
        (self.starts + 1).is_multiple_of(Fair::AGED)
    }
}

impl Discipline for Fair {
    fn push(&mut self, entry: QueuedJob) {
        let (slot, index) = (entry.slot, entry.priority.index());
        let class = &mut self.classes[index];
        if class.arrivals.is_empty() {
            self.due[index] = self.starts + class.period;
            self.waiting |= 1 << index;
        }
        self.jobs.enter(&entry);
        class.arrivals.push(&mut self.jobs, slot);
        let flow = class.flows.push(&mut self.jobs, &entry);
        self.jobs.set_account(slot, account(index, flow));
    }

    fn pop(&mut self) -> Option<(u32, Charge)> {
        let index = self.class()?;
        let class = &mut self.classes[index];
        let aged = class.arrivals.first().filter(|_| class.is_aged_start());
        let (slot, flow, advance) = match aged {
            Some(slot) => {
                let (_, flow) = parts(self.jobs.account(slot));
                (slot, flow, class.flows.take(&mut self.jobs, flow, slot))
            }
            None => class.flows.pop(&mut self.jobs)?,
        };
        class.arrivals.remove(&mut self.jobs, slot);
        class.starts += 1;
        self.starts += 1;
        let due = self.starts + class.period;
        self.left(index, due);
        Some((slot, Charge { account: account(index, flow), advance }))
    }

    fn peek(&self) -> Option<u32> {
        let class = &self.classes[self.class()?];
        let aged = class.arrivals.first().filter(|_| class.is_aged_start());
        aged.or_else(|| class.flows.peek(&self.jobs))
    }

    fn remove(&mut self, slot: u32) {
        let (index, flow) = parts(self.jobs.account(slot));
        let class = &mut self.classes[index];
        class.arrivals.remove(&mut self.jobs, slot);
        class.flows.remove(&mut self.jobs, flow, slot);
        self.left(index, self.due[index]);
    }

    fn update(&mut self, entry: QueuedJob) {
        let (index, flow) = parts(self.jobs.account(entry.slot));
        if index == entry.priority.index() {
            self.classes[index].flows.change(&mut self.jobs, flow, &entry);
        } else {
            self.remove(entry.slot);
            self.push(entry);
        }
    }

    fn ahead(&self, entry: &QueuedJob) -> usize {
        let class = &self.classes[entry.priority.index()];
        let inside = class.flows.ahead(entry);
        let above: usize =
            self.classes[entry.priority.index() + 1..].iter().map(|class| class.arrivals.len()).sum();
        let at_least_its_share = (inside + 1).saturating_mul(class.period as usize);
        (inside + above).min(at_least_its_share)
    }

    fn list(&self, limit: usize) -> Vec<u32> {
        let classes = self.classes.iter().rev();
        classes.flat_map(|class| class.arrivals.iter(&self.jobs)).take(limit).collect()
    }

    fn settle(&mut self, charge: Charge, cost: Option<Duration>) {
        let (class, flow) = parts(charge.account);
        self.classes[class].flows.settle(flow, charge.advance, cost.map(nanos));
    }

    fn allows(&self, entry: &QueuedJob, free: usize) -> bool {
        let Class { flows, arrivals, .. } = &self.classes[entry.priority.index()];
        let most = free.saturating_mul(Self::GREED).min(self.most);
        // A class with fewer jobs than that has no tenant with more, and the tenant need not be looked up.
        self.kept(entry.priority.index(), free) < free
            && (arrivals.len() < most || flows.queued(entry.tenant) < most)
    }
}

/// One number for a class and a flow in it.
const fn account(class: usize, flow: u32) -> u32 {
    flow * CLASSES as u32 + class as u32
}

const fn parts(account: u32) -> (usize, u32) {
    (account as usize % CLASSES, account / CLASSES as u32)
}
