//! Feeds the fuzzer's bytes to `targets/client.rs`.
#![no_main]

#[path = "../targets/client.rs"]
mod client;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| client::run(bytes));
