//! A fast store over a slow one.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SlowStore;
use crate::cache::{Cache, Look};
use crate::entry::Entry;
use crate::key::Key;
use crate::lifetime::{Lifetime, Terms};

/// A [`Cache`] in front of a [`SlowStore`]: what is found below is kept above.
///
/// Without a slow store it is just the cache. Failures of the slow store are misses.
pub struct Tiered<V> {
    hot: Cache<V>,
    slow: Option<Arc<dyn SlowStore<V>>>,
}

impl<V: Send + Sync + 'static> Tiered<V> {
    /// `hot` over `slow`.
    #[must_use]
    pub fn new(hot: Cache<V>, slow: impl SlowStore<V>) -> Self {
        Self { hot, slow: Some(Arc::new(slow)) }
    }

    /// The cache in front: all that a look-up without waiting can reach.
    #[must_use]
    pub const fn hot(&self) -> &Cache<V> {
        &self.hot
    }

    /// Whether there is anything below the cache.
    #[must_use]
    pub const fn has_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// Finds what is kept for `key`, above or else below, and promotes what it finds below.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; what was found may have been promoted.
    pub async fn look(&self, key: &Key, now: Instant) -> Look<V> {
        let look = self.hot.peek(key, now);
        match (&look, &self.slow) {
            (Look::Miss, Some(slow)) => {
                // Before the read, so that what is invalidated during it is not promoted.
                let epoch = self.hot.epoch();
                let Ok(Some(found)) = slow.get(key, now).await else { return look };
                let terms =
                    Terms::new(Lifetime::new(Duration::ZERO)).weighing(found.weight).with_tags(found.tags);
                let promoted = self
                    .hot
                    .entry_for(key, found.value, &terms, found.windows, epoch, now)
                    .and_then(|entry| self.hot.admit(key, entry, &terms));
                match promoted {
                    Ok(()) => self.hot.peek(key, now),
                    Err(_) => look,
                }
            }
            _ => look,
        }
    }

    /// Writes an entry, which the cache in front already keeps, to the slow store.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop the entry may be kept or not.
    pub async fn spill(&self, key: &Key, entry: &Arc<Entry<V>>, now: Instant) -> io::Result<()> {
        match &self.slow {
            Some(slow) => slow.put(key, entry, now).await,
            None => Ok(()),
        }
    }

    /// Forgets `key` in both; true if either had it.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written; above it is forgotten all the same.
    ///
    /// # Cancel safety
    ///
    /// Above it is forgotten as soon as this is called and polled; below perhaps.
    pub async fn remove(&self, key: &Key) -> io::Result<bool> {
        let above = self.hot.remove(key);
        let Some(slow) = &self.slow else { return Ok(above) };
        let _again = Again(|| self.hot.remove(key));
        Ok(slow.remove(key).await? | above)
    }

    /// Makes every answer that depends on `tag` dead, in both.
    ///
    /// Returns how many in memory carry the tag.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written; above they are dead all the same.
    ///
    /// # Cancel safety
    ///
    /// Above they are dead as soon as this is called and polled; below perhaps.
    pub async fn invalidate(&self, tag: &str) -> io::Result<usize> {
        let above = self.hot.invalidate(tag);
        let Some(slow) = &self.slow else { return Ok(above) };
        let _again = Again(|| self.hot.invalidate(tag));
        slow.invalidate(tag).await.map(|()| above)
    }

    /// Forgets everything, in both; returns how many entries there were in memory.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written; above everything is forgotten all the same.
    ///
    /// # Cancel safety
    ///
    /// Above it is done as soon as this is called and polled; below perhaps.
    pub async fn clear(&self) -> io::Result<usize> {
        let above = self.hot.clear();
        let Some(slow) = &self.slow else { return Ok(above) };
        let _again = Again(|| self.hot.clear());
        slow.clear().await.map(|()| above)
    }
}

/// Does it when it is dropped: what was promoted while the slow store was being written had been read before.
struct Again<T, F: Fn() -> T>(F);

impl<T, F: Fn() -> T> Drop for Again<T, F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<V> From<Cache<V>> for Tiered<V> {
    fn from(hot: Cache<V>) -> Self {
        Self { hot, slow: None }
    }
}

impl<V> Clone for Tiered<V> {
    fn clone(&self) -> Self {
        Self { hot: self.hot.clone(), slow: self.slow.clone() }
    }
}

impl<V> fmt::Debug for Tiered<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered").field("hot", &self.hot).field("slow", &self.slow.is_some()).finish()
    }
}
