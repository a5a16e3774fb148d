//! Feeds the fuzzer's bytes to `targets/schema.rs`.
#![no_main]

#[path = "../targets/schema.rs"]
mod schema;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schema::run(bytes));
