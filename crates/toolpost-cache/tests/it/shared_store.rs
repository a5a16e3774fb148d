//! A slow store that two processes share, as a stranger writes one: what one invalidates the other serves no more.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use toolpost_cache::rt::{LoadOptions, LoadOutcome, ReadThrough, Source};
use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, Memory, SlowStore, StoreError, StoredEntry};

type Kept = Result<u64, &'static str>;
type Front = ReadThrough<u64, &'static str>;

/// One server, which knows the caches above it.
#[derive(Clone, Default)]
struct Shared {
    entries: Arc<Mutex<HashMap<CacheKey, StoredEntry<Kept>>>>,
    above: Arc<Mutex<Vec<Cache<Kept>>>>,
}

#[async_trait]
impl SlowStore<Kept> for Shared {
    async fn get(&self, key: &CacheKey, now: SystemTime) -> Result<Option<StoredEntry<Kept>>, StoreError> {
        Ok(self.entries.lock().unwrap().get(key).filter(|entry| entry.is_alive(now)).cloned())
    }

    async fn put(&self, key: &CacheKey, entry: StoredEntry<Kept>) -> Result<(), StoreError> {
        if entry.is_current() {
            self.entries.lock().unwrap().insert(key.clone(), entry);
        }
        Ok(())
    }

    async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError> {
        let removed = self.entries.lock().unwrap().remove(key).is_some();
        self.tell(|cache| usize::from(cache.remove(key)));
        Ok(removed)
    }

    async fn invalidate(&self, tag: &str) -> Result<(), StoreError> {
        self.entries.lock().unwrap().retain(|_, entry| entry.tags.iter().all(|of| **of != *tag));
        self.tell(|cache| cache.invalidate(tag));
        Ok(())
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.entries.lock().unwrap().clear();
        self.tell(|cache| cache.clear());
        Ok(())
    }

    fn attach(&self, memory: &Cache<Kept>) {
        self.above.lock().unwrap().push(memory.clone());
    }
}

impl Shared {
    /// Does to the caches above what was done here.
    fn tell(&self, change: impl Fn(&Cache<Kept>) -> usize) {
        for cache in &*self.above.lock().unwrap() {
            let _how_many = change(cache);
        }
    }
}

async fn ask(front: &Front, loads: &Arc<AtomicU64>) -> (u64, Source) {
    let loads = Arc::clone(loads);
    let options = EntryOptions::ttl(Duration::from_secs(60)).tagged(["prices"]);
    let load = move |_| async move { LoadOutcome::Keep(1 + loads.fetch_add(1, Ordering::SeqCst), options) };
    let loaded = front.get("steel".into(), LoadOptions::new(), load).await.unwrap();
    // What is written behind is written.
    while 0 < front.in_background() {
        tokio::task::yield_now().await;
    }
    (loaded.value, loaded.source)
}

#[tokio::test(start_paused = true)]
async fn what_one_process_invalidates_the_other_serves_no_more() {
    let (shared, loads) = (Shared::default(), Arc::new(AtomicU64::new(0)));
    let process = || Front::over(Cache::new(Memory::new(Capacity::entries(10))), shared.clone());
    let (one, other) = (process(), process());
    for (round, way) in (1..).zip(["remove", "invalidate", "clear"]) {
        assert_eq!(ask(&one, &loads).await, (round, Source::Loaded), "{way}");
        assert_eq!(ask(&other, &loads).await, (round, Source::Fresh), "{way}: found below, and kept above");
        assert_eq!(ask(&other, &loads).await, (round, Source::Fresh), "{way}");
        match way {
            "remove" => assert!(one.remove(&"steel".into()).await.unwrap()),
            "invalidate" => assert_eq!(one.invalidate("prices").await.unwrap(), 1),
            _ => assert_eq!(one.clear().await.unwrap(), 1),
        }
        // The store alone has told the other.
        assert!(other.cache().stats().entries == 0 || way == "invalidate", "{way}");
    }
    assert_eq!(ask(&other, &loads).await, (4, Source::Loaded));
    // The clock of the other is a little ahead: until the first's own has come that far, what it wrote is from the future.
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ask(&one, &loads).await, (4, Source::Fresh), "what the other has loaded");
}
