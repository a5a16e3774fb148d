//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::disallowed_methods, reason = "a test picks its own start of time")]

use std::time::{Duration, Instant};

use toolpost_cache::{Cache, CacheEntry, CacheKey, EntryOptions, Lookup, Store};

/// A start of time for one test.
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Cases for a property: `modest` in an ordinary run, more where the environment says so.
pub(crate) fn cases(modest: u32) -> u32 {
    std::env::var("TOOLPOST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(modest)
}

pub(crate) fn key(name: &str) -> CacheKey {
    CacheKey::from(name)
}

/// A cache for values that stand for themselves.
pub(crate) fn cache(store: impl Store<u64>) -> Cache<u64> {
    Cache::new(store)
}

pub(crate) fn put(cache: &Cache<u64>, name: &str, value: u64, options: &EntryOptions, now: Instant) {
    let _kept = cache.put(&key(name), value, options, cache.epoch(), now);
}

/// The value that may be served at once, if any.
pub(crate) fn hit(cache: &Cache<u64>, name: &str, now: Instant) -> Option<u64> {
    match cache.get(name.as_bytes(), now) {
        Lookup::Fresh(entry) | Lookup::Stale(entry) => Some(*CacheEntry::value(&entry)),
        Lookup::StaleIfError(_) | Lookup::Miss => None,
    }
}

/// A hash of one bit: half of all keys collide.
pub(crate) fn one_bit(bytes: &[u8]) -> u64 {
    u64::from(bytes.iter().fold(0, |all, byte| all ^ byte) & 1)
}
