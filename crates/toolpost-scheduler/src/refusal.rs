//! Why a job does not run, and when asking again makes sense.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a job was not let in, or left the queue without running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue is full, or the part of it that this tenant or class may take: see [`QueueLimits::new`](crate::QueueLimits::new).
    Full {
        /// When a place is expected to be free.
        retry_after: Duration,
    },
    /// The job could not end by its deadline, as far as measured times tell.
    Late {
        /// When the queue is expected to be short enough for the time that the job allows itself.
        retry_after: Duration,
    },
    /// It was shed, because jobs have been waiting too long for too long.
    Overloaded {
        /// When the queue is expected to be worked off.
        retry_after: Duration,
    },
    /// Its deadline passed.
    Expired,
    /// It was canceled by its owner, or by whoever cleared the queue.
    Canceled,
    /// No more work is taken.
    Closed,
}

impl QueueError {
    /// When asking again makes sense; none when it does not.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Full { retry_after } | Self::Late { retry_after } | Self::Overloaded { retry_after } => {
                Some(retry_after)
            }
            Self::Expired | Self::Canceled | Self::Closed => None,
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full { .. } => "the queue is full",
            Self::Late { .. } => "the deadline cannot be met",
            Self::Overloaded { .. } => "shed under overload",
            Self::Expired => "the deadline passed while waiting",
            Self::Canceled => "canceled while waiting",
            Self::Closed => "no more work is taken",
        })?;
        match self.retry_after() {
            Some(after) => write!(f, "; retry after {} ms", after.as_millis().max(1)),
            None => Ok(()),
        }
    }
}

impl Error for QueueError {}
