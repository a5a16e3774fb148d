//! The one clock of the async front: tokio's, so that a paused clock works.

use std::time::Instant;

#[cfg(not(any(loom, shuttle)))]
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the async front")]
    tokio::time::Instant::now().into_std()
}

/// Time stands still in a model.
#[cfg(any(loom, shuttle))]
pub(crate) fn now() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}
