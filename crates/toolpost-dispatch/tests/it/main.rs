//! What toolpost-dispatch promises, seen from outside of it.

mod accounting;
mod allocations;
mod dispatch;
mod fuzz_corpus;
mod limits;
mod offered;
