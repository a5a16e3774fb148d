//! What is invalidated while something else is half done stays invalidated.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use async_trait::async_trait;

use super::tiered::{Clock, Tiered};
use crate::recent_keys::RawKey;
use crate::support::{self, hit, key, secs, start};
use crate::{
    Cache, CacheEntry, CacheKey, CacheStats, Capacity, EntryOptions, KeyRef, Lookup, Memory, PutError,
    SlowStore, Store, StoreError, StoredEntry,
};

const RAW: RawKey<'static> = RawKey { function: 0, scope: b"ann", arguments: b"{}" };

/// Has its key removed just before it keeps an entry, and asked for in known words just before it drops it again.
#[derive(Default)]
struct Overtaken {
    memory: OnceLock<Memory<u64>>,
    cache: Arc<OnceLock<Cache<u64>>>,
    found: Arc<AtomicBool>,
}

impl Overtaken {
    fn memory(&self) -> &Memory<u64> {
        self.memory.get_or_init(|| Memory::new(Capacity::entries(100)))
    }
}

impl Store<u64> for Overtaken {
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<CacheEntry<u64>>> {
        self.memory().get(key)
    }

    fn put(&self, key: CacheKey, entry: Arc<CacheEntry<u64>>) -> Result<(), PutError> {
        self.cache.get().map(|cache| cache.remove(&key));
        self.memory().put(key, entry)
    }

    fn remove(&self, key: KeyRef<'_>) -> bool {
        self.memory().remove(key)
    }

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<u64>>) -> bool {
        let found = self.cache.get().is_some_and(|cache| cache.get_raw(RAW, start(), |_| true).is_ok());
        self.found.store(found, Ordering::SeqCst);
        self.memory().remove_entry(key, entry)
    }

    fn clear(&self) -> usize {
        self.memory().clear()
    }

    fn usage(&self) -> CacheStats {
        self.memory().usage()
    }
}

#[test]
fn a_raw_key_does_not_hold_what_was_taken_back() {
    let store = Overtaken::default();
    let (own, found) = (Arc::clone(&store.cache), Arc::clone(&store.found));
    let cache = Cache::new(store);
    assert!(own.set(cache.clone()).is_ok());
    cache.recent_keys().insert(RAW, b"key".into());
    let options = EntryOptions::ttl(secs(60)).weighing(1);
    let kept = cache.put(&key("key"), 1, &options, cache.epoch(), start());
    assert_eq!(kept.map(drop), Err(PutError::Outdated));
    assert!(found.load(Ordering::SeqCst), "or there was nothing to hold");
    assert!(cache.get_raw(RAW, start(), |_| true).is_err());
}

/// Knows one answer until it has been told that it is outdated, which takes it a while.
#[derive(Clone, Default)]
struct Slow {
    lets_go: Arc<AtomicBool>,
    forgotten: Arc<AtomicBool>,
}

impl Slow {
    async fn forget(&self) -> Result<bool, StoreError> {
        std::future::poll_fn(|_| match self.lets_go.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        self.forgotten.store(true, Ordering::SeqCst);
        Ok(true)
    }
}

#[async_trait]
impl SlowStore<u64> for Slow {
    async fn get(&self, _: &CacheKey, now: SystemTime) -> Result<Option<StoredEntry<u64>>, StoreError> {
        let stored = || {
            let mut stored = StoredEntry::new(1, now, now + secs(60));
            stored.tags.push("tag".into());
            stored
        };
        Ok((!self.forgotten.load(Ordering::SeqCst)).then(stored))
    }

    async fn put(&self, _: &CacheKey, _: StoredEntry<u64>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn remove(&self, _: &CacheKey) -> Result<bool, StoreError> {
        self.forget().await
    }

    async fn invalidate(&self, _: &str) -> Result<(), StoreError> {
        self.forget().await.map(drop)
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.forget().await.map(drop)
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_is_promoted_while_it_is_invalidated_below_is_invalidated_too() {
    for way in ["remove", "invalidate", "clear", "a dropped clear"] {
        let slow = Slow::default();
        let tiers = Tiered::over(support::cache(Memory::new(Capacity::entries(100))), slow.clone(), clock());
        let key = key("key");
        let mut forgetting: Pin<Box<dyn Future<Output = bool> + '_>> = match way {
            "remove" => Box::pin(async { tiers.remove(&key).await.is_ok() }),
            "invalidate" => Box::pin(async { tiers.invalidate("tag").await.is_ok() }),
            _ => Box::pin(async { tiers.clear().await.is_ok() }),
        };
        assert!(poll(forgetting.as_mut()).is_pending(), "{way}");
        let promoted = poll(pin!(tiers.get(&key, start())));
        assert!(matches!(promoted, Poll::Ready(Lookup::Fresh(_))), "{way}");
        assert_eq!(hit(tiers.memory(), "key", start()), Some(1), "{way}");
        if way != "a dropped clear" {
            slow.lets_go.store(true, Ordering::SeqCst);
            assert_eq!(poll(forgetting.as_mut()), Poll::Ready(true), "{way}");
        }
        drop(forgetting);
        assert_eq!(hit(tiers.memory(), "key", start()), None, "{way}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test picks its own start of time")]
fn clock() -> Clock {
    Clock { instant: start(), wall: SystemTime::now() }
}
