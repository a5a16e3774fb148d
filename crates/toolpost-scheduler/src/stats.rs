//! What has become of the jobs.

use crate::refusal::QueueError;

/// What has become of every job so far: `submitted` is the sum of all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Asked to be let in.
    pub submitted: u64,
    /// Waiting now.
    pub waiting: u64,
    /// Given a permit.
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

impl QueueStats {
    pub(crate) const fn refuse(&mut self, refusal: QueueError) {
        match refusal {
            QueueError::Full { .. } => self.full += 1,
            QueueError::Late { .. } => self.late += 1,
            QueueError::Overloaded { .. } => self.shed += 1,
            QueueError::Expired => self.expired += 1,
            QueueError::Canceled | QueueError::Closed => self.canceled += 1,
        }
    }
}
