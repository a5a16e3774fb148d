//! The one clock.

#[cfg(feature = "commands")]
use std::time::Duration;
use std::time::Instant;

/// The time, on tokio's clock so that a paused one works.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits for so long.
#[cfg(feature = "commands")]
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits until then.
#[cfg(feature = "commands")]
pub(crate) async fn sleep_until(then: Instant) {
    tokio::time::sleep_until(then.into()).await;
}
