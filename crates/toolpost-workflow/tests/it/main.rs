//! What toolpost-workflow promises, seen from outside of it.

mod cases;
mod file_journal;
mod fuzz_corpus;
mod journal;
mod random;
