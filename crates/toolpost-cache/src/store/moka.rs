//! The store of the `moka` crate.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::bounds::Shares;
use super::memory::Seeded;
use super::{Bounds, Oversized, Store, Usage};
use crate::entry::Entry;
use crate::key::{Key, KeyRef};

/// Keeps entries in memory by the TinyLFU policy of the `moka` crate.
///
/// Its bounds are enforced in batches, so that it may hold a little more for a moment. An entry
/// heavier than the bound in bytes is refused.
pub struct Moka<V> {
    cache: Cache<Key, Arc<Entry<V>>, Seeded>,
    shares: Shares,
    evicted: Arc<AtomicU64>,
}

impl<V: Send + Sync + 'static> Moka<V> {
    /// An empty store with these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let shares = Shares::of(bounds);
        let evicted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&evicted);
        let cache = Cache::builder()
            .max_capacity(shares.capacity())
            .weigher(move |_: &Key, entry: &Arc<Entry<V>>| {
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
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry<V>>> {
        self.cache.get(key.as_bytes())
    }

    fn put(&self, key: Key, entry: Arc<Entry<V>>) -> Result<(), Oversized> {
        // Moka counts a weight in 32 bits.
        if self.shares.capacity().min(u64::from(u32::MAX)) < self.shares.share(entry.weight()) {
            self.cache.invalidate(&key);
            return Err(Oversized);
        }
        self.cache.insert(key, entry);
        Ok(())
    }

    fn remove(&self, key: KeyRef<'_>) -> bool {
        self.cache.remove(key.as_bytes()).is_some()
    }

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<Entry<V>>) -> bool {
        // Between the look and the removal another entry may move in; losing it costs a miss.
        let same = self.cache.get(key.as_bytes()).is_some_and(|kept| Arc::ptr_eq(&kept, entry));
        same && self.cache.remove(key.as_bytes()).is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<Entry<V>>)) {
        self.cache.iter().for_each(|(key, entry)| visit((&*key).into(), &entry));
    }

    fn clear(&self) -> usize {
        let entries = self.usage().entries;
        self.cache.invalidate_all();
        self.cache.run_pending_tasks();
        entries
    }

    /// Walks over the entries: as slow as there are many.
    fn usage(&self) -> Usage {
        self.cache.run_pending_tasks();
        let weights = self.cache.iter().map(|(_, entry)| entry.weight());
        let (entries, bytes) = weights.fold((0, 0), |(n, bytes), weight| (n + 1, bytes + weight));
        Usage::new(entries, bytes, self.evicted.load(Ordering::Relaxed))
    }
}

impl<V> fmt::Debug for Moka<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moka").field("shares", &self.shares).finish_non_exhaustive()
    }
}
