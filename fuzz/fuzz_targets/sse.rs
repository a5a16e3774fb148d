//! Feeds the fuzzer's bytes to `targets/sse.rs`.
#![no_main]

#[path = "../targets/sse.rs"]
mod sse;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sse::run(bytes));
