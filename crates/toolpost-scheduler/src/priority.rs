//! How urgent work is: the one order of priorities, and what a waiter lends.

use std::cmp::{max, min};
use std::time::Instant;

/// How urgent a job is; the greater value goes first.
///
/// There are no bare numbers whose direction has to be guessed: `Background < Normal < Urgent < System`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Work that nobody is waiting for: warming, cleaning, indexing.
    Background,
    /// An ordinary call.
    #[default]
    Normal,
    /// A call somebody is watching.
    Urgent,
    /// The runtime's own work: health checks, draining, releasing what others wait for.
    System,
}

impl Priority {
    /// Every priority, the least urgent first.
    pub const ALL: [Self; 4] = [Self::Background, Self::Normal, Self::Urgent, Self::System];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// A priority and a deadline taken together: what one job has, and what a waiter lends to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Urgency {
    /// The class the job is served in.
    pub priority: Priority,
    /// The moment after which the result is worth nothing; none sorts after every deadline.
    pub deadline: Option<Instant>,
}

impl Urgency {
    /// An urgency of this priority, without a deadline.
    #[must_use]
    pub const fn new(priority: Priority) -> Self {
        Self { priority, deadline: None }
    }

    /// Sets the moment after which the result is worth nothing.
    #[must_use]
    pub const fn with_deadline(self, deadline: Instant) -> Self {
        Self { priority: self.priority, deadline: Some(deadline) }
    }

    /// Takes the more urgent of each part: the higher priority and the earlier deadline. It never lowers either.
    #[must_use]
    pub fn raised_by(self, other: Self) -> Self {
        let deadline = match (self.deadline, other.deadline) {
            (Some(mine), Some(theirs)) => Some(min(mine, theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        Self { priority: max(self.priority, other.priority), deadline }
    }
}
