//! A store below the caches of several runtimes: what one forgets the others serve no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use dashmap::DashMap;
use toolpost::cache::{Cache, CacheKey, SlowStore, StoreError, StoredEntry};
use toolpost::tool::{Output, ToolError};

type Kept = Result<Output, ToolError>;

/// One store, to be given to `ResultCache::with_slow_store` in each runtime.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    entries: Arc<DashMap<CacheKey, StoredEntry<Kept>>>,
    above: Arc<Mutex<Vec<Cache<Kept>>>>,
}

impl Shared {
    fn tell(&self, change: impl Fn(&Cache<Kept>) -> usize) -> usize {
        self.above.lock().unwrap_or_else(PoisonError::into_inner).iter().map(change).sum()
    }
}

#[async_trait]
impl SlowStore<Kept> for Shared {
    async fn get(&self, key: &CacheKey, now: SystemTime) -> Result<Option<StoredEntry<Kept>>, StoreError> {
        Ok(self.entries.get(key).map(|entry| entry.clone()).filter(|entry| entry.is_alive(now)))
    }

    async fn put(&self, key: &CacheKey, entry: StoredEntry<Kept>) -> Result<(), StoreError> {
        if entry.is_current() {
            self.entries.insert(key.clone(), entry);
        }
        Ok(())
    }

    async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError> {
        let below = self.entries.remove(key).is_some();
        Ok(0 < self.tell(|cache| usize::from(cache.remove(key))) || below)
    }

    async fn invalidate(&self, tag: &str) -> Result<(), StoreError> {
        self.entries.retain(|_, entry| entry.tags.iter().all(|of| **of != *tag));
        self.tell(|cache| cache.invalidate(tag));
        Ok(())
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.entries.clear();
        self.tell(Cache::clear);
        Ok(())
    }

    fn attach(&self, memory: &Cache<Kept>) {
        self.above.lock().unwrap_or_else(PoisonError::into_inner).push(memory.clone());
    }
}
