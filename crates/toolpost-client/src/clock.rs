//! The clock of this crate: tokio's, so that a paused one works.

use std::time::{Duration, Instant};

/// Waits for `wait`.
#[expect(clippy::disallowed_methods, reason = "a client waits for its server, and not for ever")]
pub(crate) fn sleep(wait: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(wait)
}

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
