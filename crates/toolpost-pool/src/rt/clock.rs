//! The one clock of the async front: tokio's, so that a paused clock works.

use std::future::Future;
use std::time::{Duration, Instant};

#[cfg(not(shuttle))]
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the async front")]
    tokio::time::Instant::now().into_std()
}

/// Time stands still in a model.
#[cfg(shuttle)]
pub(crate) fn now() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// What `work` comes to, if it does within `limit`.
#[cfg(not(shuttle))]
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    tokio::time::timeout(limit, work).await.ok()
}

#[cfg(shuttle)]
pub(crate) async fn within<F: Future>(_limit: Duration, work: F) -> Option<F::Output> {
    Some(work.await)
}
