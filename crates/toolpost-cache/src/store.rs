//! Where entries are kept.

mod capacity;
mod codec;
#[cfg(feature = "disk")]
mod disk;
mod lru;
mod memory;
#[cfg(feature = "moka")]
mod moka;
mod slow;

use std::sync::Arc;

pub use capacity::Capacity;
pub use codec::Codec;
#[cfg(feature = "disk")]
pub use disk::Disk;
pub use lru::Lru;
pub use memory::Memory;
pub(crate) use memory::Seeded;
#[cfg(feature = "moka")]
pub use moka::moka;
pub use slow::{SlowStore, StoreError, StoredEntry};

use crate::cache::PutError;
use crate::counters::CacheStats;
use crate::entry::CacheEntry;
use crate::key::{CacheKey, KeyRef};

/// Keeps entries in memory within a capacity, and decides which to evict.
///
/// Synchronous, because every look-up goes through it; a store that has to wait is a [`SlowStore`]. It never judges an
/// entry's age: the [`Cache`](crate::Cache) does.
///
/// A store of your own, which keeps the `most` entries that came first:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use std::time::{Duration, Instant};
/// use toolpost_cache::{
///     Cache, CacheEntry, CacheKey, CacheStats, EntryOptions, KeyRef, Lookup, PutError, Store,
/// };
///
/// struct First<V> {
///     entries: Mutex<HashMap<CacheKey, Arc<CacheEntry<V>>>>,
///     most: usize,
/// }
///
/// impl<V: Send + Sync + 'static> Store<V> for First<V> {
///     fn get(&self, key: KeyRef<'_>) -> Option<Arc<CacheEntry<V>>> {
///         self.entries.lock().unwrap().get(key.as_bytes()).cloned()
///     }
///
///     fn put(&self, key: CacheKey, entry: Arc<CacheEntry<V>>) -> Result<(), PutError> {
///         let mut entries = self.entries.lock().unwrap();
///         entries.remove(key.as_bytes());
///         if entries.len() == self.most {
///             return Err(PutError::Oversized);
///         }
///         entries.insert(key, entry);
///         Ok(())
///     }
///
///     fn remove(&self, key: KeyRef<'_>) -> bool {
///         self.entries.lock().unwrap().remove(key.as_bytes()).is_some()
///     }
///
///     fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<V>>) -> bool {
///         let mut entries = self.entries.lock().unwrap();
///         let is_there = entries.get(key.as_bytes()).is_some_and(|kept| Arc::ptr_eq(kept, entry));
///         is_there && entries.remove(key.as_bytes()).is_some()
///     }
///
///     fn clear(&self) -> usize {
///         self.entries.lock().unwrap().drain().count()
///     }
///
///     fn usage(&self) -> CacheStats {
///         CacheStats::held(self.entries.lock().unwrap().len(), 0, 0)
///     }
/// }
///
/// let cache: Cache<u32> = Cache::new(First { entries: Mutex::default(), most: 1 });
/// let (options, now) = (EntryOptions::ttl(Duration::from_secs(60)), Instant::now());
/// cache.put(&CacheKey::from("a"), 1, &options, cache.epoch(), now)?;
/// assert!(cache.put(&CacheKey::from("b"), 2, &options, cache.epoch(), now).is_err());
/// assert!(matches!(cache.get("a", now), Lookup::Fresh(_)));
/// # Ok::<(), PutError>(())
/// ```
pub trait Store<V>: Send + Sync + 'static {
    /// The entry under exactly these bytes.
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<CacheEntry<V>>>;

    /// Stores `entry` in place of what was under `key`, evicting others as the capacity demands.
    ///
    /// # Errors
    ///
    /// [`PutError::Oversized`] if the entry is too heavy ever to be kept; then only what was under `key` is gone.
    fn put(&self, key: CacheKey, entry: Arc<CacheEntry<V>>) -> Result<(), PutError>;

    /// Removes what is under `key`; true if something was.
    fn remove(&self, key: KeyRef<'_>) -> bool;

    /// Removes `entry` if it is what is under `key`; true if it was.
    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<V>>) -> bool;

    /// Visits the entries, in no order, holding no lock that a look-up waits for meanwhile; what is put or removed at the
    /// same time is visited or not.
    ///
    /// By default none: a store that cannot list what it holds is neither swept nor searched.
    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<CacheEntry<V>>)) {
        let _ = visit;
    }

    /// Removes everything; returns how many entries there were.
    fn clear(&self) -> usize;

    /// What it holds now, and how many entries it has evicted so far: [`CacheStats::held`].
    fn usage(&self) -> CacheStats;
}
