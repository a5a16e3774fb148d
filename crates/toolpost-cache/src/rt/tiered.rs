//! A cache in memory over a slow store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::cache::{Cache, Lookup};
use crate::entry::CacheEntry;
use crate::key::CacheKey;
use crate::options::{EntryOptions, Windows};
use crate::store::{SlowStore, StoreError, StoredEntry};

/// A [`Cache`] above a [`SlowStore`], if there is one: what is found below is kept above. Failures of the slow store are
/// misses.
pub(crate) struct Tiered<V> {
    memory: Cache<V>,
    slow: Option<(Arc<dyn SlowStore<V>>, Clock)>,
}

/// One moment on both clocks, by which the other moments are converted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) instant: Instant,
    pub(crate) wall: SystemTime,
}

impl<V: Clone + Send + Sync + 'static> Tiered<V> {
    pub(crate) const fn new(memory: Cache<V>) -> Self {
        Self { memory, slow: None }
    }

    pub(crate) fn over(memory: Cache<V>, slow: impl SlowStore<V>, clock: Clock) -> Self {
        slow.attach(&memory);
        Self { memory, slow: Some((Arc::new(slow), clock)) }
    }

    pub(crate) const fn memory(&self) -> &Cache<V> {
        &self.memory
    }

    pub(crate) const fn has_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// Finds what is stored under `key`, above or else below, and keeps above what it finds below.
    pub(crate) async fn get(&self, key: &CacheKey, now: Instant) -> Lookup<V> {
        let found = self.memory.peek(key, now);
        let (Lookup::Miss, Some((slow, clock))) = (&found, &self.slow) else { return found };
        // Before the read, so that what is invalidated during it is not kept above.
        let epoch = self.memory.epoch();
        let wall = clock.wall(now);
        let Ok(Some(stored)) = slow.get(key, wall).await else { return found };
        if !stored.is_alive(wall) {
            return found;
        }
        let at = |wall| clock.instant(wall, now);
        let windows = Windows::new(at(stored.fresh_until), at(stored.stale_until), at(stored.error_until));
        let options = EntryOptions::ttl(Duration::ZERO).weighing(stored.weight).tagged(stored.tags);
        let kept = self
            .memory
            .entry_for(key, stored.value, &options, windows, epoch, now)
            .and_then(|entry| self.memory.admit(key, entry, &options));
        if kept.is_ok() { self.memory.peek(key, now) } else { found }
    }

    /// Writes an entry that is kept above to the slow store.
    pub(crate) async fn write_back(
        &self,
        key: &CacheKey,
        entry: Arc<CacheEntry<V>>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let Some((slow, clock)) = &self.slow else { return Ok(()) };
        let windows = entry.windows();
        let wall = |at| clock.wall(at);
        let mut stored = StoredEntry::new(entry.value().clone(), wall(now), wall(windows.fresh_until));
        stored.stale_until = wall(windows.stale_until);
        stored.error_until = wall(windows.error_until);
        stored.weight = entry.weight().saturating_sub(key.as_bytes().len());
        stored.tags = entry.tags().map(Into::into).collect();
        slow.put(key, stored.with_source(entry)).await
    }

    /// Removes `key` from both; true if either had it.
    pub(crate) async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError> {
        let above = self.memory.remove(key);
        let Some((slow, _)) = &self.slow else { return Ok(above) };
        let _again = OnDrop(|| self.memory.remove(key));
        Ok(slow.remove(key).await? | above)
    }

    /// Invalidates `tag` in both; returns how many entries in memory carry it.
    pub(crate) async fn invalidate(&self, tag: &str) -> Result<usize, StoreError> {
        let above = self.memory.invalidate(tag);
        let Some((slow, _)) = &self.slow else { return Ok(above) };
        let _again = OnDrop(|| self.memory.invalidate(tag));
        slow.invalidate(tag).await.map(|()| above)
    }

    /// Removes everything from both; returns how many entries there were in memory.
    pub(crate) async fn clear(&self) -> Result<usize, StoreError> {
        let above = self.memory.clear();
        let Some((slow, _)) = &self.slow else { return Ok(above) };
        let _again = OnDrop(|| self.memory.clear());
        slow.clear().await.map(|()| above)
    }
}

impl Clock {
    fn wall(&self, at: Instant) -> SystemTime {
        match at.checked_duration_since(self.instant) {
            // Further than the wall clock reaches: as far as anybody plans.
            Some(after) => self.wall.checked_add(after).unwrap_or(self.wall + CENTURY),
            None => self.wall.checked_sub(self.instant.duration_since(at)).unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    /// The moment of `wall`, if it is after `now`; else `now`.
    fn instant(&self, wall: SystemTime, now: Instant) -> Instant {
        let left = wall.duration_since(self.wall(now)).unwrap_or(Duration::ZERO);
        now.checked_add(left).unwrap_or_else(|| now + CENTURY)
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Repeats an invalidation when it is dropped: what was read from the slow store while that was being written may have
/// been kept above.
struct OnDrop<T, F: Fn() -> T>(F);

impl<T, F: Fn() -> T> Drop for OnDrop<T, F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<V> Clone for Tiered<V> {
    fn clone(&self) -> Self {
        Self { memory: self.memory.clone(), slow: self.slow.clone() }
    }
}

impl<V> fmt::Debug for Tiered<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered").field("memory", &self.memory).field("slow", &self.slow.is_some()).finish()
    }
}
