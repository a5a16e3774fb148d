//! The order of service: the trait that a discipline implements, and the types that its author needs.

use std::fmt::Debug;
use std::time::Duration;

use crate::priority::Priority;
use crate::request::Tenant;

/// Decides who is served next among those that wait.
///
/// One that serves whoever came last, as a cache of warm workers might:
///
/// ```
/// use std::time::Instant;
/// use toolpost_scheduler::discipline::{Charge, Discipline, QueuedJob};
/// use toolpost_scheduler::{JobRequest, Limit, QueueLimits, Scheduler, Tenant};
///
/// #[derive(Debug, Default)]
/// struct LastIn(Vec<QueuedJob>);
///
/// impl Discipline for LastIn {
///     fn push(&mut self, entry: QueuedJob) {
///         self.0.push(entry);
///     }
///     fn pop(&mut self) -> Option<(u32, Charge)> {
///         Some((self.0.pop()?.slot, Charge::default()))
///     }
///     fn peek(&self) -> Option<u32> {
///         Some(self.0.last()?.slot)
///     }
///     fn remove(&mut self, slot: u32) {
///         self.0.retain(|entry| entry.slot != slot);
///     }
///     fn update(&mut self, _entry: QueuedJob) {} // Neither priority nor deadline counts.
///     fn ahead(&self, _entry: &QueuedJob) -> usize {
///         0
///     }
///     fn list(&self, limit: usize) -> Vec<u32> {
///         self.0.iter().rev().map(|entry| entry.slot).take(limit).collect()
///     }
/// }
///
/// # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
/// let now = Instant::now();
/// let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), LastIn::default(), QueueLimits::new(10));
/// scheduler.submit(JobRequest::new(Tenant::new(1)), "first", now).unwrap();
/// scheduler.submit(JobRequest::new(Tenant::new(1)), "second", now).unwrap();
/// assert!(matches!(scheduler.next(now), Some((_, "second", Ok(_permit)))));
/// ```
///
/// A discipline holds every waiting [`QueuedJob`] exactly once, between its `push` and its `pop` or `remove`, and orders
/// them totally: [`QueuedJob::arrival`] is unique and breaks every tie. Each call costs O(log n) or less, but for `list`.
pub trait Discipline: Debug + Send {
    /// Takes in an entry whose slot it does not hold.
    fn push(&mut self, entry: QueuedJob);

    /// Takes out the entry that is served next, with what its service is charged to.
    fn pop(&mut self) -> Option<(u32, Charge)>;

    /// The entry that `pop` would take out now.
    fn peek(&self) -> Option<u32>;

    /// Takes out an entry that it holds.
    fn remove(&mut self, slot: u32);

    /// Gives an entry that it holds another priority or deadline; the arrival stays.
    fn update(&mut self, entry: QueuedJob);

    /// Estimates how many of those waiting would be served before `entry`, were it pushed now.
    fn ahead(&self, entry: &QueuedJob) -> usize;

    /// Up to `limit` waiting entries, the most urgent first, taking none out.
    fn list(&self, limit: usize) -> Vec<u32>;

    /// Learns what a popped entry cost: its measured time, or `None` when it never ran.
    fn settle(&mut self, charge: Charge, cost: Option<Duration>) {
        let _ = (charge, cost);
    }

    /// Says whether `entry` may have one of `free` places left in the queue.
    fn allows(&self, entry: &QueuedJob, free: usize) -> bool {
        let _ = entry;
        0 < free
    }
}

impl<D: Discipline + ?Sized> Discipline for Box<D> {
    fn push(&mut self, entry: QueuedJob) {
        (**self).push(entry);
    }

    fn pop(&mut self) -> Option<(u32, Charge)> {
        (**self).pop()
    }

    fn peek(&self) -> Option<u32> {
        (**self).peek()
    }

    fn remove(&mut self, slot: u32) {
        (**self).remove(slot);
    }

    fn update(&mut self, entry: QueuedJob) {
        (**self).update(entry);
    }

    fn ahead(&self, entry: &QueuedJob) -> usize {
        (**self).ahead(entry)
    }

    fn list(&self, limit: usize) -> Vec<u32> {
        (**self).list(limit)
    }

    fn settle(&mut self, charge: Charge, cost: Option<Duration>) {
        (**self).settle(charge, cost);
    }

    fn allows(&self, entry: &QueuedJob, free: usize) -> bool {
        (**self).allows(entry, free)
    }
}

/// What a discipline knows of a waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedJob {
    /// Names it while it waits: a small number, an index for a table of the discipline's own, used again once the job has
    /// left.
    pub slot: u32,
    /// Its number in order of submission: unique, growing.
    pub arrival: u64,
    /// Whose it is.
    pub tenant: Tenant,
    /// Its class.
    pub priority: Priority,
    /// Its deadline in nanoseconds on the queue's own time; `u64::MAX` for none, which sorts last.
    pub deadline: u64,
}

/// What the service of a popped entry is charged to; handed back, once, to [`Discipline::settle`].
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "a charge is settled, or its tenant is never forgotten"]
pub struct Charge {
    /// The account, by a number of the discipline's own; it also separates the queues whose delays are watched.
    pub account: u32,
    /// What was charged in advance, in nanoseconds.
    pub advance: u64,
}
