//! What toolpost-process promises, seen from outside of it, with real programs.
#![cfg(target_os = "linux")]

mod bounds;
mod command;
mod common;
mod fuzz_corpus;
mod git;
mod hostile;
mod killed;
mod shims;
mod storm;
mod supervised;
mod warm;
