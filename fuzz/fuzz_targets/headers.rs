//! Feeds the fuzzer's bytes to `targets/headers.rs`.
#![no_main]

#[path = "../targets/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| headers::run(bytes));
