//! Feeds the fuzzer's bytes to `targets/redactor.rs`.
#![no_main]

#[path = "../targets/redactor.rs"]
mod redactor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| redactor::run(bytes));
