//! Feeds the fuzzer's bytes to `targets/bearer.rs`.
#![no_main]

#[path = "../targets/bearer.rs"]
mod bearer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bearer::run(bytes));
