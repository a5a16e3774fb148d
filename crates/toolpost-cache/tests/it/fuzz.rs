//! The fuzz target of the key writer, over bytes that no fuzzer chose.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

#[path = "../../../../fuzz/targets/cache_key.rs"]
mod cache_key;

#[test]
fn keys_are_equal_exactly_when_values_are() {
    let hash = BuildHasherDefault::<DefaultHasher>::default();
    for case in 0..5_000_u64 {
        let length = hash.hash_one(case) % 200;
        // Few different bytes make equal parts likely.
        let alphabet = [u64::from(u8::MAX), 15, 3][case as usize % 3];
        let bytes: Vec<u8> = (0..length).map(|at| (hash.hash_one((case, at)) & alphabet) as u8).collect();
        cache_key::run(&bytes);
    }
    for number in ["0", "-0", "1", "1.0", "01", "1e5", "-9223372036854775808", "9223372036854775808", ""] {
        cache_key::run(&[&[0, 0], number.as_bytes()].concat());
    }
}
