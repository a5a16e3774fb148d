//! What toolpost-journal promises, seen from outside of it.

mod bounds;
mod front;
mod fuzz_corpus;
mod processes;
