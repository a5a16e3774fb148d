//! What has become of the jobs.

use crate::refusal::Refusal;

/// What has become of every job so far: `submitted` is the sum of all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Asked to be let in.
    pub submitted: u64,
    /// Waiting now.
    pub waiting: u64,
    /// Given a seat.
    pub started: u64,
    /// Refused at the door or later, because the queue was full.
    pub full: u64,
    /// Refused at the door or later, because the deadline could not be met.
    pub late: u64,
    /// Refused because the deadline had passed.
    pub expired: u64,
    /// Shed under overload.
    pub shed: u64,
    /// Canceled while waiting.
    pub canceled: u64,
}

impl Stats {
    pub(crate) const fn refuse(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Full { .. } => self.full += 1,
            Refusal::Late { .. } => self.late += 1,
            Refusal::Overloaded { .. } => self.shed += 1,
            Refusal::Expired => self.expired += 1,
            Refusal::Canceled | Refusal::Closed => self.canceled += 1,
        }
    }
}
