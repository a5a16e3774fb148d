//! The asynchronous front (feature `tokio`): a cache that loads what is missing.

mod hit;
mod load;
mod many;
mod outcome;
#[cfg(all(test, not(shuttle)))]
mod overtaken;
mod plan;
mod read_through;
mod tasks;
mod tiered;

pub use hit::Miss;
pub use outcome::{LoadContext, LoadError, LoadOptions, LoadOutcome, Loaded, Source};
pub use read_through::ReadThrough;
#[cfg(all(test, feature = "disk"))]
pub(crate) use tiered::{Clock, Tiered};

pub use crate::recent_keys::RawKey;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the front's clock, which a paused runtime holds still")]
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
