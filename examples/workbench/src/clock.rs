//! The one clock.

use std::time::Instant;

/// The time, on tokio's clock so that a paused one works.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
