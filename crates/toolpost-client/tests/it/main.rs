//! Tests of the client: against the family's own server in every revision, and against scripted servers of every kind.

mod cancelled;
mod common;
#[cfg(feature = "http")]
mod event_reader;
mod fuzz_corpus;
mod handshake;
mod hostile;
#[cfg(feature = "http")]
mod http;
mod in_memory;
mod lists;
mod questions;
#[path = "../../../../fuzz/replay.rs"]
mod replay;
mod tasks;
