//! Runs plans on tokio: the one part that reads a clock, waits, and spawns.

mod claim;
mod compact;
mod driver;
mod file;
mod file_error;
mod frames;
mod index;
mod journaling;
mod report;
mod seats;
mod start;
mod task;
mod view;

pub use file::{Durability, FileJournal};
pub use file_error::JournalError;
pub use index::RecordedRun;
pub use report::{RunError, RunReport};
pub use seats::StepLimit;
pub use start::{Control, Events, Running, Start};
pub use view::JournalView;

/// Now, on tokio's clock, so that a paused clock works.
#[expect(clippy::disallowed_methods, reason = "the front's one reading of the clock")]
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
