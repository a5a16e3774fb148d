//! Feeds the fuzzer's bytes to `targets/request_state.rs`.
#![no_main]

#[path = "../targets/request_state.rs"]
mod request_state;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request_state::run(bytes));
