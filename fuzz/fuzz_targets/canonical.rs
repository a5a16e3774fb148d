//! Feeds the fuzzer's bytes to `targets/canonical.rs`.
#![no_main]

#[path = "../targets/canonical.rs"]
mod canonical;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| canonical::run(bytes));
