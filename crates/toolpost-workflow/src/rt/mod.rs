//! Runs plans on tokio: the one part that reads a clock, waits, and spawns.

mod claim;
mod compact;
mod driver;
mod file;
mod file_error;
mod frames;
mod index;
mod journaling;
mod permits;
mod report;
mod start;
mod task;
mod view;

pub use file::{Durability, FileJournal};
pub use file_error::JournalError;
pub use index::RecordedRun;
pub use permits::StepLimit;
pub use report::{RunError, RunReport};
pub use start::{Control, Start};
pub use view::JournalView;

/// Now, on tokio's clock, so that a paused clock works.
#[expect(clippy::disallowed_methods, reason = "the front's one reading of the clock")]
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
