//! The async front: a cache that makes what it does not have.

mod answer;
mod load;
mod many;
mod plan;
mod read_through;
mod tasks;

pub use answer::{Answer, Answered, LoadError, Loading, Outcome, Purpose, Request, Source};
pub use read_through::{Hit, Missed, ReadThrough};

pub use crate::flight::Started;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the front's clock, which a paused runtime holds still")]
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
