//! Disciplines that are one total order: first in first out, strict priority, earliest deadline, and both together.

use std::cmp::Reverse;

use crate::discipline::{Charge, Discipline, QueuedJob};
use crate::heap::{Heap, Positions};
use crate::priority::Priority;

/// Serves all tenants in one total order: by arrival, by priority, by deadline, or by priority and then deadline.
///
/// ```
/// use std::time::Instant;
/// use toolpost_scheduler::{JobRequest, Limit, Ordered, Priority, QueueLimits, Scheduler, Tenant};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
/// let now = Instant::now();
/// let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::new(10));
/// let alice = JobRequest::new(Tenant::named("alice"));
/// scheduler.submit(alice.priority(Priority::Background), "first", now).unwrap();
/// scheduler.submit(alice.priority(Priority::Urgent), "second", now).unwrap();
/// assert!(matches!(scheduler.next(now), Some((_, "first", Ok(_permit)))));
/// ```
#[derive(Debug)]
pub struct Ordered {
    by_priority: bool,
    by_deadline: bool,
    waiting: Heap<(Key, u32)>,
    positions: Positions,
}

/// Priority and deadline, alike for all where they do not count, and the arrival, which alone is unique.
type Key = (Reverse<Priority>, u64, u64);

impl Ordered {
    /// First in, first out: by arrival alone, whatever the priority or deadline.
    #[must_use]
    pub fn fifo() -> Self {
        Self::from_keys(false, false)
    }

    /// Strict priority: the most urgent class first, then by arrival. The less urgent may wait for ever.
    #[must_use]
    pub fn strict_priority() -> Self {
        Self::from_keys(true, false)
    }

    /// Earliest deadline first: jobs without a deadline last, then by arrival, whatever the priority.
    #[must_use]
    pub fn earliest_deadline() -> Self {
        Self::from_keys(false, true)
    }

    /// Strict priority, earliest deadline within a class, then by arrival. The less urgent may wait for ever.
    #[must_use]
    pub fn priority_then_deadline() -> Self {
        Self::from_keys(true, true)
    }

    fn from_keys(by_priority: bool, by_deadline: bool) -> Self {
        Self { by_priority, by_deadline, waiting: Heap::default(), positions: Positions::default() }
    }

    fn key(&self, job: &QueuedJob) -> (Key, u32) {
        let priority = if self.by_priority { job.priority } else { Priority::Normal };
        let deadline = if self.by_deadline { job.deadline } else { 0 };
        ((Reverse(priority), deadline, job.arrival), job.slot)
    }
}

impl Discipline for Ordered {
    fn push(&mut self, job: QueuedJob) {
        let key = self.key(&job);
        self.waiting.push(&mut self.positions, key);
    }

    fn pop(&mut self) -> Option<(u32, Charge)> {
        let (_, slot) = self.waiting.pop(&mut self.positions)?;
        Some((slot, Charge::default()))
    }

    fn peek(&self) -> Option<u32> {
        self.waiting.first().map(|(_, slot)| slot)
    }

    fn remove(&mut self, slot: u32) {
        self.waiting.remove(&mut self.positions, slot);
    }

    fn update(&mut self, job: QueuedJob) {
        let key = self.key(&job);
        self.waiting.change(&mut self.positions, key);
    }

    fn ahead(&self, job: &QueuedJob) -> usize {
        self.waiting.before(self.key(job))
    }

    fn list(&self, limit: usize) -> Vec<u32> {
        self.waiting.smallest(limit)
    }
}
