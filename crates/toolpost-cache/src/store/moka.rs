//! The store of the `moka` crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::capacity::Shares;
use super::memory::Seeded;
use super::{Capacity, Store};
use crate::cache::PutError;
use crate::counters::CacheStats;
use crate::entry::CacheEntry;
use crate::key::{CacheKey, KeyRef};

/// Creates a store that evicts by the TinyLFU policy of the `moka` crate (feature `moka`).
///
/// Its capacity is enforced in batches, so that it may hold a little more for a moment. An entry heavier than the capacity in
/// bytes is refused.
#[must_use]
pub fn moka<V: Send + Sync + 'static>(capacity: Capacity) -> impl Store<V> {
    Moka::new(capacity)
}

struct Moka<V> {
    cache: Cache<CacheKey, Arc<CacheEntry<V>>, Seeded>,
    shares: Shares,
    evicted: Arc<AtomicU64>,
}

impl<V: Send + Sync + 'static> Moka<V> {
    fn new(capacity: Capacity) -> Self {
        let shares = Shares::of(capacity);
        let evicted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&evicted);
        let cache = Cache::builder()
            .max_capacity(shares.capacity())
            .weigher(move |_: &CacheKey, entry: &Arc<CacheEntry<V>>| {
                u32::try_from(shares.share(entry.weight())).unwrap_or(u32::MAX)
            })
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build_with_hasher(Seeded::default());
        Self { cache, shares, evicted }
    }
}

impl<V: Send + Sync + 'static> Store<V> for Moka<V> {
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<CacheEntry<V>>> {
        self.cache.get(key.as_bytes())
    }

    fn put(&self, key: CacheKey, entry: Arc<CacheEntry<V>>) -> Result<(), PutError> {
        // Moka counts a weight in 32 bits.
        if self.shares.capacity().min(u64::from(u32::MAX)) < self.shares.share(entry.weight()) {
            self.cache.invalidate(&key);
            return Err(PutError::Oversized);
        }
        self.cache.insert(key, entry);
        Ok(())
    }

    fn remove(&self, key: KeyRef<'_>) -> bool {
        self.cache.remove(key.as_bytes()).is_some()
    }

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<V>>) -> bool {
        // Between the look and the removal another entry may move in; losing it costs a miss.
        let same = self.cache.get(key.as_bytes()).is_some_and(|kept| Arc::ptr_eq(&kept, entry));
        same && self.cache.remove(key.as_bytes()).is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<CacheEntry<V>>)) {
        self.cache.iter().for_each(|(key, entry)| visit((&*key).into(), &entry));
    }

    fn clear(&self) -> usize {
        let entries = self.usage().entries;
        self.cache.invalidate_all();
        self.cache.run_pending_tasks();
        entries
    }

    /// Walks over the entries: as slow as there are many.
    fn usage(&self) -> CacheStats {
        self.cache.run_pending_tasks();
        let weights = self.cache.iter().map(|(_, entry)| entry.weight());
        let (entries, bytes) = weights.fold((0, 0), |(n, bytes), weight| (n + 1, bytes + weight));
        CacheStats::held(entries, bytes, self.evicted.load(Ordering::Relaxed))
    }
}
