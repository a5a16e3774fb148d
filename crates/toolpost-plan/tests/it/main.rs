//! What a stranger's document may do, and what it may not.

mod compiling;
mod examples;
mod fuzz_corpus;
mod mutations;
mod running;
mod schema;
mod support;
mod templates;
