//! Keeps the runs of workflows in a log on disk, so that after a crash only what is missing runs again.
//!
//! [`FileJournal`] is a [`Journal`](toolpost_workflow::Journal) in the directory of a log: each entry of a run is one record,
//! whose correlation is the run's name. [`JournalView`] shows what is in it from outside, while its owner writes.

mod file;
mod index;
mod view;

pub use file::FileJournal;
pub use index::RecordedRun;
/// The log that a journal is: its options and errors, and readers of its records.
pub use toolpost_journal as journal;
pub use view::JournalView;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
