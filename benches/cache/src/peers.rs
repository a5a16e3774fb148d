//! The peers, each used as its documentation uses it.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use ::cached::{Cached as _, LruTtlCache};
use lru::LruCache;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::{Layer as _, Service};
use tower_resilience_cache::{CacheLayer, EvictionPolicy};

use crate::now_or_never;

const CAPACITY: usize = 20_000;
const TTL: Duration = Duration::from_secs(3_600);

/// What a peer is handed out: one counter to touch, as ours.
type Shared = Arc<str>;

pub(crate) fn parse_to_vec(raw: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(raw).expect("JSON");
    serde_json::to_vec(&value).expect("a value encodes")
}

fn parse_canonical(raw: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(raw).expect("JSON");
    serde_json_canonicalizer::to_vec(&value).expect("a value encodes")
}

type BoxedTower = Box<dyn FnMut(Vec<u8>) -> Shared>;

/// Caches of answers, each with one of interest among others.
pub(crate) struct Peers {
    raw: String,
    moka_future: moka::future::Cache<Vec<u8>, Shared>,
    moka_sync: moka::sync::Cache<Vec<u8>, Shared>,
    quick: quick_cache::sync::Cache<Vec<u8>, Shared>,
    lru: Mutex<LruCache<Vec<u8>, Shared>>,
    cached: Mutex<LruTtlCache<Vec<u8>, Shared>>,
    tower: RefCell<BoxedTower>,
}

impl Peers {
    pub(crate) fn new(raw: &str, value: &str, others: u64, runtime: &Runtime) -> Self {
        let value: Shared = value.into();
        let moka_future =
            moka::future::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL).build();
        let moka_sync = moka::sync::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL).build();
        let quick = quick_cache::sync::Cache::new(CAPACITY);
        let mut lru = LruCache::new(CAPACITY.try_into().expect("not zero"));
        let mut cached = LruTtlCache::builder().max_size(CAPACITY).ttl(TTL).build().expect("both are set");
        let answer = Arc::clone(&value);
        let inner = tower::service_fn(move |_: Vec<u8>| {
            let answer = Arc::clone(&answer);
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        let layer = CacheLayer::builder()
            .max_size(CAPACITY)
            .ttl(TTL)
            .eviction_policy(EvictionPolicy::Lru)
            .key_extractor(|key: &Vec<u8>| key.clone())
            .build()
            .expect("a layer");
        let mut service = layer.layer(inner);
        let mut tower: BoxedTower = Box::new(move |key| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            now_or_never(service.call(key)).unwrap_or_else(|_| panic!("an answer"))
        });
        let keys = (0..others).map(|n| parse_to_vec(&format!(r#"{{"query":"other {n}"}}"#)));
        for key in keys.chain([parse_to_vec(raw), parse_canonical(raw)]) {
            runtime.block_on(moka_future.insert(key.clone(), Arc::clone(&value)));
            moka_sync.insert(key.clone(), Arc::clone(&value));
            quick.insert(key.clone(), Arc::clone(&value));
            lru.put(key.clone(), Arc::clone(&value));
            cached.cache_set(key.clone(), Arc::clone(&value));
            tower(key);
        }
        moka_sync.run_pending_tasks();
        runtime.block_on(moka_future.run_pending_tasks());
        let (lru, cached) = (Mutex::new(lru), Mutex::new(cached));
        Self { raw: raw.to_owned(), moka_future, moka_sync, quick, lru, cached, tower: RefCell::new(tower) }
    }

    pub(crate) fn canonical_moka_future(&self) -> Shared {
        let key = parse_canonical(&self.raw);
        now_or_never(self.moka_future.get(&key)).expect("a hit")
    }

    pub(crate) fn parsed_canonical_moka_future(&self, parsed: &Value) -> Shared {
        let key = serde_json_canonicalizer::to_vec(parsed).expect("a value encodes");
        now_or_never(self.moka_future.get(&key)).expect("a hit")
    }

    pub(crate) fn moka_sync(&self) -> Shared {
        self.moka_sync.get(&parse_to_vec(&self.raw)).expect("a hit")
    }

    pub(crate) fn quick_cache(&self) -> Shared {
        self.quick.get(&parse_to_vec(&self.raw)).expect("a hit")
    }

    pub(crate) fn lru(&self) -> Shared {
        let key = parse_to_vec(&self.raw);
        Arc::clone(self.lru.lock().expect("whole").get(&key).expect("a hit"))
    }

    pub(crate) fn cached(&self) -> Shared {
        let key = parse_to_vec(&self.raw);
        Arc::clone(self.cached.lock().expect("whole").cache_get(&key).expect("a hit"))
    }

    pub(crate) fn tower_resilience(&self) -> Shared {
        (self.tower.borrow_mut())(parse_to_vec(&self.raw))
    }
}

/// Stores alone, their keys ready.
pub(crate) struct Bare {
    key: Vec<u8>,
    quick: quick_cache::sync::Cache<Vec<u8>, Arc<u64>>,
    moka: moka::sync::Cache<Vec<u8>, Arc<u64>>,
    lru: Mutex<LruCache<Vec<u8>, Arc<u64>>>,
}

impl Bare {
    pub(crate) fn new(others: u64) -> Self {
        let quick = quick_cache::sync::Cache::new(CAPACITY);
        let moka = moka::sync::Cache::new(CAPACITY as u64);
        let mut lru = LruCache::new(CAPACITY.try_into().expect("not zero"));
        for n in 0..others {
            let key = format!("{n:>300}").into_bytes();
            quick.insert(key.clone(), Arc::new(n));
            moka.insert(key.clone(), Arc::new(n));
            lru.put(key, Arc::new(n));
        }
        moka.run_pending_tasks();
        Self { key: format!("{:>300}", others / 2).into_bytes(), quick, moka, lru: Mutex::new(lru) }
    }

    pub(crate) fn quick_cache(&self) -> u64 {
        *self.quick.get(black_box(&self.key)).expect("a hit")
    }

    pub(crate) fn moka(&self) -> u64 {
        *self.moka.get(black_box(&self.key)).expect("a hit")
    }

    pub(crate) fn lru(&self) -> u64 {
        **self.lru.lock().expect("whole").get(black_box(&self.key)).expect("a hit")
    }
}
