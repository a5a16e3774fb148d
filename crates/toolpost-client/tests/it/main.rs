//! Tests of the client: against the family's own server in every revision, and against scripted servers of every kind.

mod cancelled;
mod common;
mod fuzz_corpus;
mod handshake;
mod hostile;
mod in_memory;
mod lists;
mod questions;
mod tasks;
