//! Feeds the fuzzer's bytes to `targets/cache_key.rs`.
#![no_main]

#[path = "../targets/cache_key.rs"]
mod cache_key;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cache_key::run(bytes));
