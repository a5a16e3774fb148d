//! The clock of this crate: tokio's, so that a paused one works.

use std::time::Instant;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the task that keeps a server connected, and calls, read it")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until then; for ever without a time.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
