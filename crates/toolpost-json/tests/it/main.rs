//! What toolpost-json promises, seen from outside of it.

mod alike;
mod canonical;
mod decode;
mod differential;
mod fuzz_corpus;
mod guard;
mod json_suite;
