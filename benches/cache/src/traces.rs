//! Which entries a store keeps: hit ratios on a trace that repeats itself, and on one that also scans.

use std::time::{Duration, Instant};

use harness::Goals;
use lru::LruCache;
use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, Lookup, Lru, Memory, Store};

const REQUESTS: usize = 1_000_000;
const KEYS: usize = 100_000;
const CAPACITY: usize = 5_000;

/// The hit ratios of one trace, in percent.
struct Ratios {
    trace: &'static str,
    ours: f64,
    moka: f64,
    quick: f64,
}

pub(crate) struct Traces([Ratios; 2]);

impl Traces {
    pub(crate) fn judge(&self, goals: &mut Goals) {
        for Ratios { trace, ours, moka, quick } in &self.0 {
            let behind = moka.max(*quick) - ours;
            goals.at_most(
                &format!("percentage points behind the best of moka and quick_cache, {trace}"),
                behind,
                0.5,
            );
        }
    }
}

pub(crate) fn run() -> Traces {
    Traces([replay("zipf", &zipf()), replay("zipf and scans", &scans())])
}

fn replay(trace: &'static str, keys: &[u32]) -> Ratios {
    let ours = percent(keys, &mut ours(Memory::new(Capacity::entries(CAPACITY))));
    let exact = percent(keys, &mut ours_exact());
    let moka = moka::sync::Cache::new(CAPACITY as u64);
    let mut since = 0;
    let moka = percent(keys, &mut |key| {
        since += 1;
        if since % 64 == 0 {
            moka.run_pending_tasks();
        }
        let hit = moka.get(&key).is_some();
        if !hit {
            moka.insert(key, ());
        }
        hit
    });
    let quick = quick_cache::sync::Cache::new(CAPACITY);
    let quick = percent(keys, &mut |key| {
        let hit = quick.get(&key).is_some();
        if !hit {
            quick.insert(key, ());
        }
        hit
    });
    let mut lru = LruCache::new(CAPACITY.try_into().expect("not zero"));
    let lru = percent(keys, &mut |key| {
        let hit = lru.get(&key).is_some();
        if !hit {
            lru.put(key, ());
        }
        hit
    });
    println!(
        "hit ratio, {trace}: ours {ours:.2} %, moka {moka:.2}, quick_cache {quick:.2}, lru {lru:.2}, ours exact {exact:.2}"
    );
    Ratios { trace, ours, moka, quick }
}

fn ours(store: impl Store<()>) -> impl FnMut(u32) -> bool {
    let cache: Cache<()> = Cache::new(store);
    let (now, options) = (Instant::now(), EntryOptions::ttl(Duration::from_secs(60)));
    move |key| {
        let key = key.to_le_bytes();
        let hit = matches!(cache.get(&key, now), Lookup::Fresh(_));
        if !hit {
            cache.put(&CacheKey::from(&key[..]), (), &options, cache.epoch(), now).expect("kept");
        }
        hit
    }
}

fn ours_exact() -> impl FnMut(u32) -> bool {
    ours(Lru::new(Capacity::entries(CAPACITY)))
}

fn percent(keys: &[u32], ask: &mut dyn FnMut(u32) -> bool) -> f64 {
    let hits = keys.iter().filter(|key| ask(**key)).count();
    100.0 * hits as f64 / keys.len() as f64
}

/// Numbers that are the same in every run (SplitMix64).
struct Stream(u64);

impl Stream {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// CacheKey `n` is asked for with a weight of `1 / n^0.9`.
fn zipf() -> Vec<u32> {
    let mut sum = 0.0;
    let up_to: Vec<f64> = (1..=KEYS)
        .map(|n| {
            sum += (n as f64).powf(-0.9);
            sum
        })
        .collect();
    let mut stream = Stream(1);
    let draw = |_| {
        let at = stream.unit() * sum;
        up_to.partition_point(|weight| *weight < at) as u32
    };
    (0..REQUESTS).map(draw).collect()
}

/// The same, with a scan of 20,000 keys asked for once after each 20,000 requests.
fn scans() -> Vec<u32> {
    let mut next = KEYS as u32;
    let mut keys = Vec::with_capacity(2 * REQUESTS);
    for part in zipf().chunks(20_000) {
        keys.extend_from_slice(part);
        keys.extend(next..next + 20_000);
        next += 20_000;
    }
    keys
}
