//! Feeds the fuzzer's bytes to `targets/guard.rs`.
#![no_main]

#[path = "../targets/guard.rs"]
mod guard;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guard::run(bytes));
