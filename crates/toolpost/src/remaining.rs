//! What a drain leaves.

use std::error::Error;
use std::fmt;

/// What had not ended when the grace of a [drain](crate::Runtime::drain) was over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Remaining {
    /// Calls that have not ended.
    pub calls: usize,
    /// How many wait for a permit, calls and refreshes alike; of everyone, where the gate is shared.
    pub queued: usize,
    /// Refreshes of expired results, behind calls that were answered.
    pub refreshes: usize,
    /// Threads with calls that cannot be stopped, whether or not anyone waits for them.
    pub threads: usize,
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, queued, refreshes, threads } = self;
        write!(
            f,
            "{calls} calls, {refreshes} refreshes and {threads} threads had not ended; {queued} waited for a permit"
        )
    }
}

impl Error for Remaining {}
