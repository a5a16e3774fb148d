//! What a stranger's document may do, and what it may not.

mod compiling;
mod durable;
mod examples;
mod fuzz_corpus;
mod killed;
mod mutations;
mod running;
mod schema;
mod support;
mod templates;
