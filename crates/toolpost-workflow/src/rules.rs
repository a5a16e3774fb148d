//! What one run keeps to, as the plan does not say.

use std::num::NonZeroUsize;
use std::time::Instant;

use crate::policy::OnFailure;

/// What a run keeps to. The default: no limit, no deadline, failures isolated.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// How many steps may run at once.
    pub limit: Option<NonZeroUsize>,
    /// When the run ends, done or not.
    pub deadline: Option<Instant>,
    /// What a failure means where the step's own policy does not say.
    pub on_failure: OnFailure,
    /// Whether starts and ends are kept for the timeline.
    pub timed: bool,
    /// What the jitter of retries is drawn from; equal seeds give equal waits.
    pub seed: u64,
}
