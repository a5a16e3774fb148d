//! What a job says about itself when it asks to run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::priority::{Priority, Urgency};

/// Whose work it is: the unit that fairness is owed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(u64);

impl Tenant {
    /// Knows a tenant by a number of the host's own.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// Knows a tenant by a name (a user, an API key's owner), which is hashed to 64 bits.
    ///
    /// Two names that hash alike share one queue, which costs them fairness towards each other and nothing else.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }

    pub(crate) const fn id(self) -> u64 {
        self.0
    }
}

/// What a job says about itself: whose it is, how urgent, by when, and how long it may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct JobRequest {
    tenant: Tenant,
    urgency: Urgency,
    expected: Option<Duration>,
    /// One less than the cost, so that the default is one ordinary job.
    extra: u32,
}

impl JobRequest {
    /// Asks on behalf of `tenant`, with [`Priority::Normal`] and without a deadline.
    pub const fn new(tenant: Tenant) -> Self {
        Self { tenant, urgency: Urgency::new(Priority::Normal), expected: None, extra: 0 }
    }

    /// Sets the priority.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.urgency.priority = priority;
        self
    }

    /// Sets the moment after which the result is worth nothing.
    pub const fn deadline(mut self, deadline: Instant) -> Self {
        self.urgency.deadline = Some(deadline);
        self
    }

    /// Sets priority and deadline together.
    pub const fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = urgency;
        self
    }

    /// Sets how long the job is expected to hold its permit; without it the measured times of all jobs are used.
    pub const fn expected(mut self, time: Duration) -> Self {
        self.expected = Some(time);
        self
    }

    /// Sets how many ordinary jobs it costs, for a first estimate: without an [expected](Self::expected) time it is
    /// taken to hold its permit for so many times the measured one. Zero counts as one.
    pub const fn cost(mut self, jobs: u32) -> Self {
        self.extra = jobs.saturating_sub(1);
        self
    }

    /// Whose work it is.
    #[must_use]
    pub const fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// How urgent it is.
    #[must_use]
    pub const fn how_urgent(&self) -> Urgency {
        self.urgency
    }

    pub(crate) const fn expected_time(&self) -> Option<Duration> {
        self.expected
    }

    pub(crate) const fn cost_in_jobs(&self) -> u64 {
        self.extra as u64 + 1
    }
}
