//! The clocks of the front.

use std::time::{Instant, SystemTime};

/// The time of a record.
#[expect(clippy::disallowed_methods, reason = "the front's one reading of the wall clock")]
pub(super) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// For how long a write took, and when a sync is due: of a thread that blocks, for which tokio's clock is none.
#[expect(clippy::disallowed_methods, reason = "the front's one reading of the monotonic clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}
