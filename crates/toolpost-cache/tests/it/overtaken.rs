//! What is invalidated while something else is half done stays invalidated.

use crate::support;

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use async_trait::async_trait;
use support::{hit, key, secs, start};
use toolpost_cache::{
    Alias, Bounds, Cache, Entry, Key, KeyRef, Look, Memory, NotKept, Oversized, Recalled, SlowStore, Store,
    Terms, Tiered, Usage, Windows,
};

const ALIAS: Alias<'static> = Alias { of: 0, asker: b"ann", words: b"{}" };

/// Has its key removed just before it keeps an entry, and asked for in known words just before it drops it again.
#[derive(Default)]
struct Overtaken {
    memory: OnceLock<Memory<u64>>,
    cache: Arc<OnceLock<Cache<u64>>>,
    found: Arc<AtomicBool>,
}

impl Overtaken {
    fn memory(&self) -> &Memory<u64> {
        self.memory.get_or_init(|| Memory::new(Bounds::entries(100)))
    }
}

impl Store<u64> for Overtaken {
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry<u64>>> {
        self.memory().get(key)
    }

    fn put(&self, key: Key, entry: Arc<Entry<u64>>) -> Result<(), Oversized> {
        self.cache.get().map(|cache| cache.remove(&key));
        self.memory().put(key, entry)
    }

    fn remove(&self, key: KeyRef<'_>) -> bool {
        self.memory().remove(key)
    }

    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<Entry<u64>>) -> bool {
        let found = self.cache.get().is_some_and(|cache| cache.look_as(ALIAS, start()).is_ok());
        self.found.store(found, Ordering::SeqCst);
        self.memory().remove_entry(key, entry)
    }

    fn clear(&self) -> usize {
        self.memory().clear()
    }

    fn usage(&self) -> Usage {
        self.memory().usage()
    }
}

#[test]
fn an_alias_does_not_hold_what_was_taken_back() {
    let store = Overtaken::default();
    let (own, found) = (Arc::clone(&store.cache), Arc::clone(&store.found));
    let cache = Cache::new(store);
    assert!(own.set(cache.clone()).is_ok());
    cache.remember(ALIAS, b"key");
    let terms = Terms::ttl(secs(60)).weighing(1);
    let kept = cache.put(&key("key"), 1, &terms, cache.epoch(), start());
    assert_eq!(kept.map(drop), Err(NotKept::Outdated));
    assert!(found.load(Ordering::SeqCst), "or there was nothing to hold");
    assert!(cache.look_as(ALIAS, start()).is_err());
}

/// Knows one answer until it has been told that it is outdated, which takes it a while.
#[derive(Clone, Default)]
struct Slow {
    lets_go: Arc<AtomicBool>,
    forgotten: Arc<AtomicBool>,
}

impl Slow {
    async fn forget(&self) -> io::Result<bool> {
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
    async fn get(&self, _: &Key, now: Instant) -> io::Result<Option<Recalled<u64>>> {
        let until = now + secs(60);
        let recalled =
            || Recalled::new(1, Windows::new(until, until, until), 1, ["tag"].into_iter().collect());
        Ok((!self.forgotten.load(Ordering::SeqCst)).then(recalled))
    }

    async fn put(&self, _: &Key, _: &Arc<Entry<u64>>, _: Instant) -> io::Result<()> {
        Ok(())
    }

    async fn remove(&self, _: &Key) -> io::Result<bool> {
        self.forget().await
    }

    async fn invalidate(&self, _: &str) -> io::Result<()> {
        self.forget().await.map(drop)
    }

    async fn clear(&self) -> io::Result<()> {
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
        let tiers = Tiered::new(support::cache(Memory::new(Bounds::entries(100))), slow.clone());
        let key = key("key");
        let mut forgetting: Pin<Box<dyn Future<Output = bool> + '_>> = match way {
            "remove" => Box::pin(async { tiers.remove(&key).await.is_ok() }),
            "invalidate" => Box::pin(async { tiers.invalidate("tag").await.is_ok() }),
            _ => Box::pin(async { tiers.clear().await.is_ok() }),
        };
        assert!(poll(forgetting.as_mut()).is_pending(), "{way}");
        let promoted = poll(pin!(tiers.look(&key, start())));
        assert!(matches!(promoted, Poll::Ready(Look::Fresh(_))), "{way}");
        assert_eq!(hit(tiers.hot(), "key", start()), Some(1), "{way}");
        if way != "a dropped clear" {
            slow.lets_go.store(true, Ordering::SeqCst);
            assert_eq!(poll(forgetting.as_mut()), Poll::Ready(true), "{way}");
        }
        drop(forgetting);
        assert_eq!(hit(tiers.hot(), "key", start()), None, "{way}");
    }
}
