//! Appends records to a log on disk that loses nothing it has acknowledged, and says so when somebody else changed it.
//!
//! A log is a directory of segment files. Its one writer, [`LogWriter`], writes records in groups, each at once: a group has
//! a checksum, and a link of a hash chain over all groups before it, with a key or without one. Any number of [`LogReader`]s,
//! in other processes too, read beside it: from a sequence number, from a time, backwards, by kind, by correlation.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use toolpost_journal::{LogFilter, LogOptions, LogReader, LogWriter, NewRecord};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("audit");
//! let options = LogOptions::new().key([7; 32]).retain_for(Duration::from_secs(90 * 24 * 3600));
//! let mut log = LogWriter::open(&path, options)?;
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000); // time is an argument
//! log.append(NewRecord::new("call.started", b"{}").correlation("7f3a"), now)?;
//! log.append(NewRecord::new("call.started", b"{}").correlation("9c01"), now)?;
//! log.append(NewRecord::new("call.denied", b"{}").correlation("7f3a"), now)?;
//! let head = log.commit()?; // one write, one sync
//!
//! let mut reader = LogReader::open(&path)?;
//! reader.filter(LogFilter::new().correlation("7f3a"));
//! reader.seek_end()?;
//! let last = reader.previous_record()?.expect("there are two");
//! assert_eq!((last.seq(), last.kind()), (3, "call.denied"));
//!
//! // `head`, kept elsewhere, shows later that nothing was changed, or cut off.
//! assert_eq!(reader.verify(Some(&[7; 32]), &[head])?.head(), head);
//! # Ok::<_, toolpost_journal::LogError>(())
//! # .unwrap();
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! With the feature `tokio`, `rt::Log` is the writer for any number of tasks (group commit), and gives subscriptions.
//!
//! # What is promised
//!
//! * What was acknowledged survives what its [`Durability`] names: the process's crash, or the machine's.
//! * A group is there whole or not at all. A torn one at the end of the log is cut off when it is opened, and that is said;
//!   whatever else is not whole is an error that names file and offset, and nothing is changed.
//! * Sequence numbers count up by one, are never given twice, and neither are names of segments.
//! * After a failed write or sync the log takes no more until it is opened anew.
//!
//! A torn end is the beginning of a group: so it is where a file never grows before its bytes are there (ext4 in its default
//! mode, XFS, Btrfs, APFS, NTFS), and where zeros are in their place.
//!
//! # What the chain shows
//!
//! It shows bytes that were changed, and records that were removed, moved or put in, within the segments that are there. Without
//! a key, whoever can write the files can also write a chain anew. Whether the end was cut off shows only a [`LogHead`] that was
//! kept elsewhere. That the oldest segments are missing is how retention works.
//!
//! Not for: values that are looked up by key (an embedded database does that), logs that several machines share, or queues whose
//! entries go when they are taken.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod chain;
mod cursor;
mod error;
mod files;
mod filter;
mod format;
mod group;
mod lock;
mod options;
mod positions;
#[cfg(test)]
mod proof;
mod reader;
mod record;
mod recover;
#[cfg(feature = "tokio")]
pub mod rt;
mod scan;
mod segments;
mod verify;
mod writer;

pub use chain::LogHead;
pub use error::LogError;
pub use filter::LogFilter;
pub use options::{Durability, LogOptions};
pub use reader::LogReader;
pub use record::{LogRecord, NewRecord};
pub use verify::LogReport;
pub use writer::LogWriter;

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
