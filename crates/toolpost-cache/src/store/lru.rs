//! A store with an exact order, behind one lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::{Bounds, Oversized, Store, Usage};
use crate::entry::Entry;
use crate::key::{Key, KeyRef};

/// Keeps entries in memory and gives up exactly the one least recently used, or the oldest.
///
/// One lock guards it, and the order is part of its promise; [`Memory`](super::Memory) is faster and
/// keeps the right entries more often. An entry heavier than the bound in bytes is refused.
pub struct Lru<V> {
    kept: Mutex<Kept<V>>,
    bounds: Bounds,
    touch: bool,
}

struct Kept<V> {
    entries: LruCache<Key, Arc<Entry<V>>>,
    /// The weight of `entries` together.
    bytes: usize,
    evicted: u64,
}

impl<V> Lru<V> {
    /// Gives up the entry that was used least recently.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let kept = Kept { entries: LruCache::unbounded(), bytes: 0, evicted: 0 };
        Self { kept: Mutex::new(kept), bounds, touch: true }
    }

    /// Gives up the entry that has been kept longest, however much it is used.
    #[must_use]
    pub fn first_in_first_out(bounds: Bounds) -> Self {
        Self { touch: false, ..Self::new(bounds) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<V>> {
        // Nothing panics between the changes to the entries and to their tally.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Send + Sync + 'static> Store<V> for Lru<V> {
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry<V>>> {
        let mut kept = self.kept();
        let found =
            if self.touch { kept.entries.get(key.as_bytes()) } else { kept.entries.peek(key.as_bytes()) };
        found.map(Arc::clone)
    }

    fn put(&self, key: Key, entry: Arc<Entry<V>>) -> Result<(), Oversized> {
        let mut freed = Vec::new();
        let mut kept = self.kept();
        if let Some(old) = kept.entries.pop(&key) {
            kept.bytes -= old.weight();
            freed.push(old);
        }
        if self.bounds.max_bytes() < entry.weight() {
            return Err(Oversized);
        }
        while self.bounds.max_entries().get() <= kept.entries.len()
            || self.bounds.max_bytes() - entry.weight() < kept.bytes
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

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<Entry<V>>) -> bool {
        let mut kept = self.kept();
        let same = kept.entries.peek(key.as_bytes()).is_some_and(|kept| Arc::ptr_eq(kept, entry));
        if same && let Some(removed) = kept.entries.pop(key.as_bytes()) {
            kept.bytes -= removed.weight();
        }
        same
    }

    /// Copies what it holds first, so that nothing is visited under its lock.
    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<Entry<V>>)) {
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

    fn usage(&self) -> Usage {
        let kept = self.kept();
        Usage::new(kept.entries.len(), kept.bytes, kept.evicted)
    }
}

impl<V> fmt::Debug for Lru<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lru")
            .field("bounds", &self.bounds)
            .field("touch", &self.touch)
            .finish_non_exhaustive()
    }
}
