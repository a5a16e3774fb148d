//! Feeds the fuzzer's bytes to `targets/cursor.rs`.
#![no_main]

#[path = "../targets/cursor.rs"]
mod cursor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cursor::run(bytes));
