//! The default store: sharded, scan-resistant, in memory.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter};

use super::capacity::{Shares, UNIT};
use super::{Capacity, Store};
use crate::cache::PutError;
use crate::counters::{CacheStats, Count, Counters};
use crate::entry::CacheEntry;
use crate::key::{CacheKey, KeyRef, hash_of};

/// Stores entries in concurrent memory, in shards that each keep what is asked for often.
///
/// The eviction policy is Clock-PRO, as the `quick_cache` crate has it: one pass over many keys does not push out
/// the ones in use. The hash is keyed anew in each process. An entry heavier than about
/// 15/16 of a shard is refused; there are at most [`SHARDS`](Self::SHARDS) shards, fewer in a small store.
pub struct Memory<V> {
    cache: Cache<Held, Arc<CacheEntry<V>>, Shares, AsIs, Tally>,
    /// A hash of the caller's own; none for the hash that keys come with.
    hasher: Option<Box<OwnHash>>,
    shares: Shares,
    /// The share of the heaviest entry that is taken.
    heaviest: u64,
    tally: Tally,
}

type OwnHash = dyn Fn(&[u8]) -> u64 + Send + Sync;

impl<V> Memory<V> {
    /// At most so many shards.
    pub const SHARDS: usize = 16;

    /// Creates an empty store of this capacity.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self::hashing_by(capacity, None)
    }

    /// Creates an empty store that hashes key bytes by `hash`, which decides speed and never what is found.
    #[must_use]
    pub fn with_hasher(capacity: Capacity, hash: impl Fn(&[u8]) -> u64 + Send + Sync + 'static) -> Self {
        Self::hashing_by(capacity, Some(Box::new(hash)))
    }

    fn hashing_by(bounds: Capacity, hasher: Option<Box<OwnHash>>) -> Self {
        let shares = Shares::of(bounds);
        let (shards, fits) = shares.shards(Self::SHARDS as u64);
        // What enters a shard must fit into its hot part: also the one entry of a store for one.
        let capacity = if (fits as f64 * HOT) < UNIT as f64 { fits + fits / 16 } else { fits };
        let options = OptionsBuilder::new()
            .shards(shards as usize)
            .weight_capacity(capacity * shards)
            .estimated_items_capacity(bounds.max_entries().get())
            .hot_allocation(HOT)
            .build()
            .unwrap_or_else(|_| unreachable!("both capacities are given"));
        let tally = Tally::default();
        let cache = Cache::with_options(options, shares, AsIs, tally.clone());
        let heaviest = ((cache.shard_capacity() as f64 * HOT) as u64).min(fits);
        Self { cache, hasher, shares, heaviest: heaviest.max(1), tally }
    }

    fn sought<'a>(&self, key: KeyRef<'a>) -> Sought<'a> {
        Sought { hash: self.hash(key), key: key.as_bytes() }
    }

    fn held(&self, key: CacheKey) -> Held {
        Held { hash: self.hash((&key).into()), key }
    }

    fn hash(&self, key: KeyRef<'_>) -> u64 {
        self.hasher.as_ref().map_or(key.hashed(), |hash| hash(key.as_bytes()))
    }
}

/// The part of a shard that entries in use may take; what enters a shard must fit into it.
const HOT: f64 = 0.97;

impl<V: Send + Sync + 'static> Store<V> for Memory<V> {
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<CacheEntry<V>>> {
        self.cache.get(&self.sought(key))
    }

    fn put(&self, key: CacheKey, entry: Arc<CacheEntry<V>>) -> Result<(), PutError> {
        let weight = entry.weight();
        if self.heaviest < self.shares.share(weight) {
            self.remove((&key).into());
            return Err(PutError::Oversized);
        }
        // What it replaces keeps its place, so that a refreshed entry stays as popular as it was.
        let mut freed = Freed { written: key.hashed(), ..Freed::default() };
        self.cache.insert_with_lifecycle(self.held(key), entry, &mut freed);
        self.tally.change(weight, &freed);
        Ok(())
    }

    fn remove(&self, key: KeyRef<'_>) -> bool {
        let removed = self.cache.remove(&self.sought(key));
        self.tally.drop_one(removed.as_ref())
    }

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<V>>) -> bool {
        let removed = self.cache.remove_if(&self.sought(key), |kept| Arc::ptr_eq(kept, entry));
        self.tally.drop_one(removed.as_ref())
    }

    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<CacheEntry<V>>)) {
        self.cache.iter().for_each(|(held, entry)| visit((&held.key).into(), &entry));
    }

    fn clear(&self) -> usize {
        self.cache.drain().inspect(|(_, entry)| self.tally.shrink(entry.weight())).count()
    }

    fn usage(&self) -> CacheStats {
        let bytes = usize::try_from(self.tally.0.sum(Count::Bytes).cast_signed()).unwrap_or(0);
        CacheStats::held(self.cache.len(), bytes, self.tally.0.sum(Count::Evicted))
    }
}

/// A key with the hash it is kept by, so that the table moves it without reading it.
#[derive(Clone, PartialEq, Eq)]
struct Held {
    hash: u64,
    key: CacheKey,
}

/// A key that is looked for.
struct Sought<'a> {
    hash: u64,
    key: &'a [u8],
}

impl Hash for Held {
    fn hash<S: Hasher>(&self, state: &mut S) {
        state.write_u64(self.hash);
    }
}

impl Hash for Sought<'_> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Held> for Sought<'_> {
    fn equivalent(&self, held: &Held) -> bool {
        self.hash == held.hash && self.key == held.key.as_bytes()
    }
}

/// Takes what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs;

/// The hash, once it has been written.
#[derive(Debug)]
struct Written(u64);

impl BuildHasher for AsIs {
    type Hasher = Written;

    fn build_hasher(&self) -> Written {
        Written(0)
    }
}

impl Hasher for Written {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Nobody writes anything but a hash; this is right for all else too, if slow.
        self.0 = hash_of(bytes) ^ self.0.rotate_left(1);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A fast hash with a key of its own in each process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seeded(DefaultHashBuilder);

impl BuildHasher for Seeded {
    type Hasher = <DefaultHashBuilder as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

impl<V> Weighter<Held, Arc<CacheEntry<V>>> for Shares {
    fn weight(&self, _: &Held, entry: &Arc<CacheEntry<V>>) -> u64 {
        self.share(entry.weight())
    }
}

/// Counts the bytes held and the entries given up.
#[derive(Clone, Debug, Default)]
struct Tally(Arc<Counters>);

impl Tally {
    /// So many bytes have come in, and something may have been given up for them.
    fn change<V>(&self, bytes: usize, freed: &Freed<V>) {
        self.0.add(Count::Bytes, (bytes as u64).wrapping_sub(freed.bytes as u64));
        self.0.add(Count::Evicted, freed.evicted);
    }

    fn shrink(&self, bytes: usize) {
        self.0.add(Count::Bytes, (bytes as u64).wrapping_neg());
    }

    fn drop_one<V>(&self, removed: Option<&(Held, Arc<CacheEntry<V>>)>) -> bool {
        if let Some((_, entry)) = removed {
            self.shrink(entry.weight());
        }
        removed.is_some()
    }
}

/// Entries given up, which are freed after the shard's lock is.
#[derive(Debug)]
struct Freed<V> {
    /// The hash of the key that is written: what was under it is not evicted but replaced.
    written: u64,
    /// The weight of them all.
    bytes: usize,
    /// Those that were not replaced.
    evicted: u64,
    /// Mostly there is one, if any.
    first: Option<(CacheKey, Arc<CacheEntry<V>>)>,
    others: Vec<(CacheKey, Arc<CacheEntry<V>>)>,
}

impl<V> Default for Freed<V> {
    fn default() -> Self {
        Self { written: 0, bytes: 0, evicted: 0, first: None, others: Vec::new() }
    }
}

impl<V> Lifecycle<Held, Arc<CacheEntry<V>>> for Tally {
    type RequestState = Freed<V>;

    fn on_evict(&self, freed: &mut Freed<V>, held: Held, entry: Arc<CacheEntry<V>>) {
        freed.bytes = freed.bytes.wrapping_add(entry.weight());
        freed.evicted += u64::from(freed.written != held.key.hashed());
        match &mut freed.first {
            None => freed.first = Some((held.key, entry)),
            Some(_) => freed.others.push((held.key, entry)),
        }
    }
}

impl<V> fmt::Debug for Memory<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("shares", &self.shares)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}
