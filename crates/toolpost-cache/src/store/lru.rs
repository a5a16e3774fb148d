//! A store with an exact order, behind one lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{Capacity, Store};
use crate::cache::PutError;
use crate::counters::CacheStats;
use crate::entry::CacheEntry;
use crate::key::{CacheKey, KeyRef};

/// Stores entries in memory and evicts exactly the one least recently used, or the oldest.
///
/// One lock guards it, and the order is part of its promise; [`Memory`](super::Memory) is faster and
/// keeps the right entries more often. An entry heavier than the bound in bytes is refused.
pub struct Lru<V> {
    kept: Mutex<Kept<V>>,
    capacity: Capacity,
    touch: bool,
}

struct Kept<V> {
    entries: LruCache<CacheKey, Arc<CacheEntry<V>>>,
    /// The weight of `entries` together.
    bytes: usize,
    evicted: u64,
}

impl<V> Lru<V> {
    /// Creates an empty store that evicts the entry used least recently.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let kept = Kept { entries: LruCache::unbounded(), bytes: 0, evicted: 0 };
        Self { kept: Mutex::new(kept), capacity, touch: true }
    }

    /// Creates an empty store that evicts the entry stored longest ago, however much it is used.
    #[must_use]
    pub fn first_in_first_out(capacity: Capacity) -> Self {
        Self { touch: false, ..Self::new(capacity) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<V>> {
        // Nothing panics between the changes to the entries and to their tally.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Send + Sync + 'static> Store<V> for Lru<V> {
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<CacheEntry<V>>> {
        let mut kept = self.kept();
        let found =
            if self.touch { kept.entries.get(key.as_bytes()) } else { kept.entries.peek(key.as_bytes()) };
        found.map(Arc::clone)
    }

    fn put(&self, key: CacheKey, entry: Arc<CacheEntry<V>>) -> Result<(), PutError> {
        let mut freed = Vec::new();
        let mut kept = self.kept();
        if let Some(old) = kept.entries.pop(&key) {
            kept.bytes -= old.weight();
            freed.push(old);
        }
        if self.capacity.max_bytes() < entry.weight() {
            return Err(PutError::Oversized);
        }
        while self.capacity.max_entries().get() <= kept.entries.len()
            || self.capacity.max_bytes() - entry.weight() < kept.bytes
        {
            let Some((_, last)) = kept.entries.pop_lru() else { break };
            kept.bytes -= last.weight();
            kept.evicted += 1;
            freed.push(last);
        }
        kept.bytes += entry.weight();
        kept.entries.put(key, entry);
        drop(kept);
        drop(freed);
        Ok(())
    }

    fn remove(&self, key: KeyRef<'_>) -> bool {
        let mut kept = self.kept();
        let removed = kept.entries.pop(key.as_bytes());
        kept.bytes -= removed.as_ref().map_or(0, |entry| entry.weight());
        drop(kept);
        removed.is_some()
    }

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<V>>) -> bool {
        let mut kept = self.kept();
        let same = kept.entries.peek(key.as_bytes()).is_some_and(|kept| Arc::ptr_eq(kept, entry));
        if same && let Some(removed) = kept.entries.pop(key.as_bytes()) {
            kept.bytes -= removed.weight();
        }
        same
    }

    /// Copies what it holds first, so that nothing is visited under its lock.
    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<CacheEntry<V>>)) {
        let kept = self.kept();
        let entries: Vec<_> =
            kept.entries.iter().map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect();
        drop(kept);
        entries.iter().for_each(|(key, entry)| visit(key.into(), entry));
    }

    fn clear(&self) -> usize {
        let mut kept = self.kept();
        kept.bytes = 0;
        let cleared = std::mem::replace(&mut kept.entries, LruCache::unbounded());
        drop(kept);
        cleared.len()
    }

    fn usage(&self) -> CacheStats {
        let kept = self.kept();
        CacheStats::held(kept.entries.len(), kept.bytes, kept.evicted)
    }
}

impl<V> fmt::Debug for Lru<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lru")
            .field("capacity", &self.capacity)
            .field("touch", &self.touch)
            .finish_non_exhaustive()
    }
}
