//! Runs plans on tokio: the one part that reads a clock, waits, and spawns.

mod claim;
mod driver;
mod journaling;
mod permits;
mod report;
mod start;
mod task;

pub use claim::RunClaim;
pub use permits::StepLimit;
pub use report::{RunError, RunReport};
pub use start::{Control, Start};

/// Now, on tokio's clock, so that a paused clock works.
#[expect(clippy::disallowed_methods, reason = "the front's one reading of the clock")]
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
