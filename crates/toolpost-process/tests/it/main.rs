//! What toolpost-process promises, seen from outside of it, with real programs.
#![cfg(unix)]

mod common;
mod killed;
mod supervised;
