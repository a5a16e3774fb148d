//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::disallowed_methods, reason = "a test picks its own start of time")]

use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use toolpost_cache::{Cache, Entry, Key, Look, Store, Terms};

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

pub(crate) fn key(name: &str) -> Key {
    Key::from(name)
}

/// A cache for values that stand for themselves.
pub(crate) fn cache(store: impl Store<u64>) -> Cache<u64> {
    Cache::new(store)
}

pub(crate) fn put(cache: &Cache<u64>, name: &str, value: u64, terms: &Terms, now: Instant) {
    let _kept = cache.put(&key(name), value, terms, cache.epoch(), now);
}

/// The value that may be served at once, if any.
pub(crate) fn hit(cache: &Cache<u64>, name: &str, now: Instant) -> Option<u64> {
    match cache.look(name.as_bytes(), now) {
        Look::Fresh(entry) | Look::Stale(entry) => Some(*Entry::value(&entry)),
        Look::StaleIfError(_) | Look::Miss => None,
    }
}

/// A hash of one bit: half of all keys collide.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OneBit;

impl BuildHasher for OneBit {
    type Hasher = OneBitHasher;

    fn build_hasher(&self) -> OneBitHasher {
        OneBitHasher(0)
    }
}

#[derive(Debug)]
pub(crate) struct OneBitHasher(u8);

impl Hasher for OneBitHasher {
    fn finish(&self) -> u64 {
        u64::from(self.0 & 1)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= bytes.iter().fold(0, |all, byte| all ^ byte);
    }
}
