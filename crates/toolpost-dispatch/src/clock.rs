//! The clock of this crate: tokio's, so that a paused one works.

use std::time::Instant;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
