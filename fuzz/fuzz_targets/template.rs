//! Feeds the fuzzer's bytes to `targets/template.rs`.
#![no_main]

#[path = "../targets/template.rs"]
mod template;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| template::run(bytes));
