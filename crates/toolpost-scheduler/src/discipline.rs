//! The order of service: the trait that a discipline implements, and the types that its author needs.

use std::fmt::Debug;
use std::time::Duration;

use crate::priority::Priority;
use crate::request::Tenant;

/// Decides who is served next among those that wait.
///
/// A discipline holds every waiting [`QueuedJob`] exactly once, between its `push` and its `pop` or `remove`, and orders
/// them totally: [`QueuedJob::arrival`] is unique and breaks every tie. Each call costs O(log n) or less, but for `list`.
pub trait Discipline: Debug + Send {
    /// Takes in an entry whose slot it does not hold.
    fn push(&mut self, entry: QueuedJob);

    /// Takes out the entry that is served next, with what its service is charged to.
    fn pop(&mut self) -> Option<(Slot, Charge)>;

    /// The entry that `pop` would take out now.
    fn peek(&self) -> Option<Slot>;

    /// Takes out an entry that it holds.
    fn remove(&mut self, slot: Slot);

    /// Gives an entry that it holds another priority or deadline; the arrival stays.
    fn update(&mut self, entry: QueuedJob);

    /// Estimates how many of those waiting would be served before `entry`, were it pushed now.
    fn ahead(&self, entry: &QueuedJob) -> usize;

    /// Up to `limit` waiting entries, the most urgent first, taking none out.
    fn list(&self, limit: usize) -> Vec<Slot>;

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

    fn pop(&mut self) -> Option<(Slot, Charge)> {
        (**self).pop()
    }

    fn peek(&self) -> Option<Slot> {
        (**self).peek()
    }

    fn remove(&mut self, slot: Slot) {
        (**self).remove(slot);
    }

    fn update(&mut self, entry: QueuedJob) {
        (**self).update(entry);
    }

    fn ahead(&self, entry: &QueuedJob) -> usize {
        (**self).ahead(entry)
    }

    fn list(&self, limit: usize) -> Vec<Slot> {
        (**self).list(limit)
    }

    fn settle(&mut self, charge: Charge, cost: Option<Duration>) {
        (**self).settle(charge, cost);
    }

    fn allows(&self, entry: &QueuedJob, free: usize) -> bool {
        (**self).allows(entry, free)
    }
}

/// Where a waiting entry sits: a small number, used again once the entry has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// An index for a table of the discipline's own.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a discipline knows of a waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedJob {
    /// Where it sits.
    pub slot: Slot,
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
