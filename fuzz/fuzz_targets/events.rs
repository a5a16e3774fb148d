//! Feeds the fuzzer's bytes to `targets/events.rs`.
#![no_main]

#[path = "../targets/events.rs"]
mod events;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| events::run(bytes));
