//! The clock of this crate: tokio's, so that a paused one works.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The seconds of Unix time now: read once from the system, and from then on by this crate's clock (which may have been
/// paused and moved, so that the system's is what it begins with).
pub(crate) fn unix() -> u64 {
    since_epoch().as_secs()
}

/// The milliseconds of Unix time now, likewise.
pub(crate) fn unix_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
fn since_epoch() -> Duration {
    static START: OnceLock<(Instant, Duration)> = OnceLock::new();
    let read = || (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let ((start, unix), now) = (START.get_or_init(read), now());
    let later = *unix + now.saturating_duration_since(*start);
    later.saturating_sub(start.saturating_duration_since(now))
}

/// Waits for `wait`.
#[expect(clippy::disallowed_methods, reason = "a server waits for its clients, and not for ever")]
pub(crate) fn sleep(wait: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(wait)
}
