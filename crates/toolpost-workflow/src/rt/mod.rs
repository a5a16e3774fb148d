//! Runs plans on tokio: the one part that reads a clock, waits, and spawns.

mod claim;
#[cfg(feature = "file-journal")]
mod compact;
#[cfg(feature = "file-journal")]
mod directory;
mod driver;
#[cfg(feature = "file-journal")]
mod file;
#[cfg(feature = "file-journal")]
mod file_error;
#[cfg(feature = "file-journal")]
mod frames;
#[cfg(feature = "file-journal")]
mod index;
mod journaling;
#[cfg(feature = "file-journal")]
mod lock;
mod permits;
mod report;
mod start;
mod task;
#[cfg(feature = "file-journal")]
mod view;

#[cfg(feature = "file-journal")]
pub use file::{Durability, FileJournal};
#[cfg(feature = "file-journal")]
pub use file_error::JournalError;
#[cfg(feature = "file-journal")]
pub use index::RecordedRun;
pub use permits::StepLimit;
pub use report::{RunError, RunReport};
pub use start::{Control, Start};
#[cfg(feature = "file-journal")]
pub use view::JournalView;

/// Now, on tokio's clock, so that a paused clock works.
#[expect(clippy::disallowed_methods, reason = "the front's one reading of the clock")]
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
