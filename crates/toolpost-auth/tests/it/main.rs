//! Tests of the crate's public behaviour.

mod common;
mod fuzz_corpus;
#[cfg(feature = "https")]
mod https;
mod introspection;
mod jwks;
mod jwt;
mod scopes;
