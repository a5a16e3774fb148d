//! The clock of this crate: tokio's, so that a paused one works.

use std::time::Duration;
#[cfg(feature = "http")]
use std::time::Instant;

/// Waits for `wait`.
#[expect(clippy::disallowed_methods, reason = "a client waits for its server, and not for ever")]
pub(crate) fn sleep(wait: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(wait)
}

/// The time now.
#[cfg(feature = "http")]
#[expect(clippy::disallowed_methods, reason = "connections that are kept grow old")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
