//! Disciplines that are one total order: first in first out, strict priority, earliest deadline, and both together.

use std::cmp::Reverse;
use std::fmt::Debug;

use crate::discipline::{Charge, Discipline, QueuedJob, Slot};
use crate::heap::{Heap, Positions};
use crate::priority::Priority;

/// First in, first out: by arrival alone, whatever the priority or deadline.
pub type Fifo = Ordered<ByArrival>;

/// Strict priority: the most urgent class first, then by arrival. The less urgent may wait for ever.
pub type StrictPriority = Ordered<ByPriority>;

/// Earliest deadline first: those without a deadline last, then by arrival, whatever the priority.
pub type EarliestDeadline = Ordered<ByDeadline>;

/// Strict priority, earliest deadline within a class, then by arrival. The less urgent may wait for ever.
pub type PriorityThenDeadline = Ordered<ByPriorityThenDeadline>;

/// A total order on entries.
pub trait Order: Debug + Default + Send {
    /// What entries are compared by; the smallest is served first.
    type Key: Ord + Copy + Debug + Send;

    /// The key of an entry; it must contain [`QueuedJob::arrival`], which alone is unique.
    fn key(entry: &QueuedJob) -> Self::Key;
}

/// The order of [`Fifo`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByArrival;

/// The order of [`StrictPriority`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByPriority;

/// The order of [`EarliestDeadline`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByDeadline;

/// The order of [`PriorityThenDeadline`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ByPriorityThenDeadline;

impl Order for ByArrival {
    type Key = u64;

    fn key(entry: &QueuedJob) -> u64 {
        entry.arrival
    }
}

impl Order for ByPriority {
    type Key = (Reverse<Priority>, u64);

    fn key(entry: &QueuedJob) -> Self::Key {
        (Reverse(entry.priority), entry.arrival)
    }
}

impl Order for ByDeadline {
    type Key = (u64, u64);

    fn key(entry: &QueuedJob) -> Self::Key {
        (entry.deadline, entry.arrival)
    }
}

impl Order for ByPriorityThenDeadline {
    type Key = (Reverse<Priority>, u64, u64);

    fn key(entry: &QueuedJob) -> Self::Key {
        (Reverse(entry.priority), entry.deadline, entry.arrival)
    }
}

/// Serves in one total order, whoever the tenant.
#[derive(Debug)]
pub struct Ordered<O: Order> {
    waiting: Heap<(O::Key, u32)>,
    positions: Positions,
}

impl<O: Order> Ordered<O> {
    /// A discipline with nobody waiting.
    #[must_use]
    pub fn new() -> Self {
        Self { waiting: Heap::default(), positions: Positions::default() }
    }
}

impl<O: Order> Default for Ordered<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O: Order> Discipline for Ordered<O> {
    fn push(&mut self, entry: QueuedJob) {
        self.waiting.push(&mut self.positions, (O::key(&entry), entry.slot.0));
    }

    fn pop(&mut self) -> Option<(Slot, Charge)> {
        let (_, slot) = self.waiting.pop(&mut self.positions)?;
        Some((Slot(slot), Charge::default()))
    }

    fn peek(&self) -> Option<Slot> {
        self.waiting.first().map(|(_, slot)| Slot(slot))
    }

    fn remove(&mut self, slot: Slot) {
        self.waiting.remove(&mut self.positions, slot.0);
    }

    fn update(&mut self, entry: QueuedJob) {
        self.waiting.change(&mut self.positions, (O::key(&entry), entry.slot.0));
    }

    fn ahead(&self, entry: &QueuedJob) -> usize {
        self.waiting.before((O::key(entry), entry.slot.0))
    }

    fn list(&self, limit: usize) -> Vec<Slot> {
        self.waiting.smallest(limit).into_iter().map(Slot).collect()
    }
}
