//! The short way to an entry: by the question as it was received.
//!
//! Writing a canonical key costs more than all the rest of a hit. So the exact words of a question are
//! remembered with the key they came to and with a weak link to the entry found under it. The link keeps
//! nothing alive that the store gave up, and is used only while nothing was put in that entry's place.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock, Weak};
use std::time::Instant;

use crate::entry::Entry;
use crate::generations::{Generations, Place};
use crate::key::Key;
use crate::lifetime::State;
use crate::store::{Seeded, Store};

/// One way of asking a question: who asks what, and the words exactly as they were received.
///
/// Aliases are equal when all their parts are. What leads to different keys must have different aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias<'a> {
    /// What is asked, by a number of the caller's choice.
    pub of: u64,
    /// Who asks, and all else that the answer depends on.
    pub asker: &'a [u8],
    /// The words.
    pub words: &'a [u8],
}

/// Longer words are not remembered.
const LONGEST: usize = 1 << 10;
/// A power of two.
const BUCKETS: usize = 1 << 11;
const WAYS: usize = 4;

/// The store counts how often an entry is used, and may give up what nobody uses: after so many new entries in it, a
/// use by alias is reported again.
const REPORT_AFTER: u64 = 16;

/// The aliases of a cache: the latest 8,192 at most, 2 KiB each, in buckets that are never waited for.
#[derive(Debug)]
pub(crate) struct Aliases<V, H = Seeded> {
    buckets: OnceLock<Box<[RwLock<Bucket<V>>]>>,
    hasher: H,
}

#[derive(Debug)]
struct Bucket<V> {
    known: Vec<Known<V>>,
    /// The one that gives way to the next.
    oldest: usize,
}

#[derive(Debug)]
struct Known<V> {
    hash: u64,
    of: u64,
    /// The asker and then the words; whoever comes next uses the buffer again.
    bytes: Vec<u8>,
    asker: usize,
    key: Key,
    place: Place,
    entry: Weak<Entry<V>>,
    /// Of the place, from before the entry was found there.
    version: u64,
    /// How many entries the store had been given when it last heard of a use.
    reported: AtomicU64,
}

impl<V: 'static, H: BuildHasher> Aliases<V, H> {
    pub(crate) const fn new(hasher: H) -> Self {
        Self { buckets: OnceLock::new(), hasher }
    }

    /// The fresh entry that `alias` leads to. `puts` counts the entries that the store has been given.
    pub(crate) fn fresh(
        &self,
        alias: Alias<'_>,
        store: &dyn Store<V>,
        generations: &Generations,
        puts: u64,
        now: Instant,
    ) -> Option<Arc<Entry<V>>> {
        let hash = self.hash(alias);
        let locked = self.bucket(hash)?;
        let bucket = locked.try_read().ok()?;
        let (way, known) = bucket.known.iter().enumerate().find(|(_, known)| known.is(hash, alias))?;
        let version = generations.version(known.place);
        if version == known.version
            && let Some(entry) = known.entry.upgrade()
            && entry.state(now) == State::Fresh
        {
            if REPORT_AFTER <= puts.wrapping_sub(known.reported.load(Ordering::Relaxed)) {
                known.reported.store(puts, Ordering::Relaxed);
                let _told = store.get(known.key.as_bytes());
            }
            return Some(entry);
        }
        let key = known.key.clone();
        drop(bucket);
        let entry = store.get(key.as_bytes()).filter(|entry| entry.state(now) == State::Fresh)?;
        if let Ok(mut bucket) = locked.try_write()
            && let Some(known) = bucket.known.get_mut(way).filter(|known| known.is(hash, alias))
        {
            known.entry = Arc::downgrade(&entry);
            known.version = version;
        }
        Some(entry)
    }

    /// Remembers that `alias` leads to `key`, unless another thread is at the same place right now.
    pub(crate) fn remember(&self, alias: Alias<'_>, key: &[u8]) {
        if LONGEST < alias.asker.len() + alias.words.len() {
            return;
        }
        let hash = self.hash(alias);
        let empty = || RwLock::new(Bucket { known: Vec::new(), oldest: 0 });
        self.buckets.get_or_init(|| (0..BUCKETS).map(|_| empty()).collect());
        let Some(Ok(mut bucket)) = self.bucket(hash).map(RwLock::try_write) else { return };
        if bucket.known.iter().any(|known| known.is(hash, alias)) {
            return;
        }
        let bytes = if bucket.known.len() < WAYS {
            bucket.known.reserve_exact(WAYS);
            Vec::new()
        } else {
            let oldest = bucket.oldest;
            std::mem::take(&mut bucket.known[oldest].bytes)
        };
        let known = Known::new(hash, alias, Key::from(key), bytes);
        if bucket.known.len() < WAYS {
            bucket.known.push(known);
        } else {
            let oldest = bucket.oldest;
            bucket.known[oldest] = known;
            bucket.oldest = (oldest + 1) % WAYS;
        }
    }

    fn hash(&self, alias: Alias<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(alias.of ^ (alias.asker.len() as u64) << 32);
        hasher.write(alias.asker);
        hasher.write(alias.words);
        hasher.finish()
    }

    fn bucket(&self, hash: u64) -> Option<&RwLock<Bucket<V>>> {
        self.buckets.get()?.get(hash as usize % BUCKETS)
    }
}

impl<V> Known<V> {
    fn new(hash: u64, alias: Alias<'_>, key: Key, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.extend_from_slice(alias.asker);
        bytes.extend_from_slice(alias.words);
        Self {
            hash,
            of: alias.of,
            bytes,
            asker: alias.asker.len(),
            place: Generations::place_of(&key),
            key,
            entry: Weak::new(),
            version: 0,
            reported: AtomicU64::new(0),
        }
    }

    fn is(&self, hash: u64, alias: Alias<'_>) -> bool {
        self.hash == hash && self.of == alias.of && {
            let (asker, words) = self.bytes.split_at(self.asker);
            same_name(asker, alias.asker) && words == alias.words
        }
    }
}

/// Whether two slices, mostly of some eight to sixteen bytes, are equal.
#[inline(always)]
fn same_name(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), one.last_chunk::<8>(), other.first_chunk(), other.last_chunk()) {
        // Both ends together are the whole.
        (Some(first), Some(last), Some(others_first), Some(others_last)) if one.len() <= 16 => {
            first == others_first && last == others_last
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Bounds, Cache, Memory, Terms};

    /// All aliases collide, within a bucket and without.
    #[derive(Clone, Debug)]
    struct OneBit;

    impl BuildHasher for OneBit {
        type Hasher = Self;

        fn build_hasher(&self) -> Self {
            Self
        }
    }

    impl Hasher for OneBit {
        fn finish(&self) -> u64 {
            1
        }

        fn write(&mut self, _: &[u8]) {}
    }

    const PARTS: [(u64, &str, &str); 6] = [
        (0, "ada", "[1]"),
        (1, "ada", "[1]"),
        (0, "bob", "[1]"),
        (0, "ada", "[2]"),
        (0, "", "ada[1]"),
        (0, "ada[1]", ""),
    ];

    fn alias((of, asker, words): (u64, &'static str, &'static str)) -> Alias<'static> {
        Alias { of, asker: asker.as_bytes(), words: words.as_bytes() }
    }

    #[test]
    fn names_are_equal_when_all_their_bytes_are() {
        for len in 0..40_usize {
            let name = vec![7_u8; len];
            assert!(same_name(&name, &name.clone()));
            assert!(!same_name(&name, &vec![7; len + 1]));
            for at in 0..len {
                let mut other = name.clone();
                other[at] = 8;
                assert!(!same_name(&name, &other), "byte {at} of {len}");
            }
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn equal_hashes_lead_nobody_astray() {
        let (store, generations, now) =
            (Memory::new(Bounds::entries(100)), Generations::new(), Instant::now());
        let (generations, aliases) = (Arc::new(generations), Aliases::new(OneBit));
        for (nth, parts) in PARTS.into_iter().enumerate() {
            let key = Key::from(&[nth as u8][..]);
            let terms = Terms::ttl(Duration::from_secs(1));
            let windows = terms.lifetime.starting(now, 0.0);
            let entry = Entry::new(nth, &key, windows, &terms, generations.now(), &generations, now);
            store.put(&key, &Arc::new(entry)).expect("room");
            aliases.remember(alias(parts), key.as_bytes());
        }
        let mut found = 0;
        for (nth, parts) in PARTS.into_iter().enumerate() {
            for _ in 0..2 {
                if let Some(entry) = aliases.fresh(alias(parts), &store, &generations, 0, now) {
                    assert_eq!(*entry.value(), nth);
                    found += 1;
                }
            }
        }
        assert_eq!(found, 2 * WAYS, "one bucket, and the latest are in it");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn a_link_serves_nothing_that_was_replaced_removed_or_given_up() {
        let (cache, now) = (Cache::new(Memory::new(Bounds::entries(100))), Instant::now());
        let (key, terms) = (Key::from("key"), Terms::ttl(Duration::from_secs(10)).tagged(["tag"]));
        let put = |value: u32| cache.put(&key, value, &terms, cache.epoch(), now).expect("kept");
        let look = || cache.look_as(alias(PARTS[0]), now).map(|entry| *entry.value());
        cache.remember(alias(PARTS[0]), key.as_bytes());
        assert_eq!(look(), None);
        // Whoever holds an entry does not make it live on.
        let mut held = vec![put(1)];
        assert_eq!((look(), look()), (Some(1), Some(1)));
        held.push(put(2));
        assert_eq!((look(), look()), (Some(2), Some(2)));
        cache.invalidate("tag");
        assert_eq!(look(), None);
        held.push(put(3));
        assert_eq!((look(), look()), (Some(3), Some(3)));
        cache.remove(key.as_bytes());
        assert_eq!(look(), None);
        held.push(put(4));
        assert_eq!((look(), look()), (Some(4), Some(4)));
        cache.clear();
        assert_eq!(look(), None);
        held.push(put(5));
        assert_eq!((look(), look()), (Some(5), Some(5)));
        assert!(cache.look_as(alias(PARTS[0]), now + Duration::from_secs(10)).is_none(), "expired");
        assert!(cache.look_as(alias(PARTS[2]), now).is_none(), "another asker");
        assert_eq!(cache.stats().fresh_hits, 10);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn an_entry_used_by_alias_stays_in_the_store() {
        let (cache, now) = (Cache::new(Memory::new(Bounds::entries(200))), Instant::now());
        let (terms, key) = (Terms::ttl(Duration::from_secs(10)), Key::from("used"));
        cache.remember(alias(PARTS[0]), key.as_bytes());
        cache.put(&key, 0, &terms, cache.epoch(), now).expect("kept");
        for n in 1..5_000_u64 {
            assert!(cache.look_as(alias(PARTS[0]), now).is_some(), "after {n} others");
            cache.put(&Key::from(&n.to_le_bytes()[..]), n, &terms, cache.epoch(), now).expect("kept");
        }
    }
}
