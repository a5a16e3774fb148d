//! Feeds the fuzzer's bytes to `targets/tool_strings.rs`.
#![no_main]

#[path = "../targets/tool_strings.rs"]
mod tool_strings;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tool_strings::run(bytes));
