//! Against a naive twin, against colliding hashes, and under replacement, removal and eviction.

use std::time::Duration;

use super::*;
use crate::tags::Ties;
use crate::{Cache, Capacity, EntryOptions, Memory};

/// All recent_keys collide, within a bucket and without.
#[derive(Clone, Debug)]
struct OneBit;

impl BuildHasher for OneBit {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for OneBit {
    fn finish(&self) -> u64 {
        1
    }

    fn write(&mut self, _: &[u8]) {}
}

const PARTS: [(u64, &str, &str); 6] = [
    (0, "ada", "[1]"),
    (1, "ada", "[1]"),
    (0, "bob", "[1]"),
    (0, "ada", "[2]"),
    (0, "", "ada[1]"),
    (0, "ada[1]", ""),
];

fn raw((function, scope, arguments): (u64, &'static str, &'static str)) -> RawKey<'static> {
    RawKey { function, scope: scope.as_bytes(), arguments: arguments.as_bytes() }
}

#[test]
fn names_are_equal_when_all_their_bytes_are() {
    for len in 0..40_usize {
        let name = vec![7_u8; len];
        assert!(is_same(&name, &name.clone()));
        assert!(!is_same(&name, &vec![7; len + 1]));
        for at in 0..len {
            let mut other = name.clone();
            other[at] = 8;
            assert!(!is_same(&name, &other), "byte {at} of {len}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn equal_hashes_lead_nobody_astray() {
    let (store, generations, now) =
        (Memory::new(Capacity::entries(100)), Arc::new(Generations::new()), Instant::now());
    let (free, recent_keys) = (Ties::free(Arc::clone(&generations)), RecentKeys::new(OneBit));
    for (nth, parts) in PARTS.into_iter().enumerate() {
        let key = CacheKey::from(&[nth as u8][..]);
        let options = EntryOptions::ttl(Duration::from_secs(1));
        let windows = options.windows(now, 0.0);
        let entry = CacheEntry::new(nth, &key, windows, &options, generations.now(), &free, now);
        recent_keys.insert(raw(parts), (&key).into());
        store.put(key, Arc::new(entry)).expect("room");
    }
    let mut found = 0;
    for (nth, parts) in PARTS.into_iter().enumerate() {
        for _ in 0..2 {
            if let Ok(entry) = recent_keys.fresh(raw(parts), &store, &generations, 0, now, |_| true) {
                assert_eq!(entry.read(|entry| *entry.value()), nth);
                found += 1;
            }
        }
    }
    assert_eq!(found, 2 * WAYS, "one bucket, and the latest are in it");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn a_raw_key_is_worth_inserting_at_its_second_sighting() {
    let (cache, now) = (Cache::new(Memory::new(Capacity::entries(100))), Instant::now());
    let (key, options) = (CacheKey::from("key"), EntryOptions::ttl(Duration::from_secs(10)));
    let look = |nth: usize| cache.get_raw(raw(PARTS[nth]), now, |_| true).map(|_| ());
    assert_eq!((look(0), look(1)), (Err(Sighting::First), Err(Sighting::First)));
    assert_eq!((look(0), look(1)), (Err(Sighting::Repeated), Err(Sighting::Repeated)));
    cache.recent_keys().insert(raw(PARTS[0]), (&key).into());
    assert_eq!((look(0), look(1)), (Err(Sighting::First), Err(Sighting::Repeated)), "nothing is there");
    cache.put(&key, 1, &options, cache.epoch(), now).expect("kept");
    assert_eq!((look(0), look(1)), (Ok(()), Err(Sighting::Repeated)));
}

#[test]
fn a_link_serves_nothing_that_was_replaced_or_removed() {
    for weight in [0, 1, SMALL, SMALL + 1] {
        replace_and_remove(&EntryOptions::ttl(Duration::from_secs(10)).tagged(["tag"]).weighing(weight));
    }
}

#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn replace_and_remove(options: &EntryOptions) {
    let (cache, now) = (Cache::new(Memory::new(Capacity::entries(100))), Instant::now());
    let key = CacheKey::from("key");
    let put = |value: u32| cache.put(&key, value, options, cache.epoch(), now).expect("kept");
    let look =
        || cache.get_raw(raw(PARTS[0]), now, |_| true).ok().map(|found| found.read(|entry| *entry.value()));
    cache.recent_keys().insert(raw(PARTS[0]), (&key).into());
    assert_eq!(look(), None);
    // Whoever holds an entry does not make it live on.
    let mut held = vec![put(1)];
    assert_eq!((look(), look()), (Some(1), Some(1)));
    held.push(put(2));
    assert_eq!((look(), look()), (Some(2), Some(2)));
    cache.invalidate("tag");
    assert_eq!(look(), None);
    held.push(put(3));
    assert_eq!((look(), look()), (Some(3), Some(3)));
    cache.remove(&key);
    assert_eq!(look(), None);
    held.push(put(4));
    assert_eq!((look(), look()), (Some(4), Some(4)));
    cache.clear();
    assert_eq!(look(), None);
    held.push(put(5));
    assert_eq!((look(), look()), (Some(5), Some(5)));
    assert!(cache.get_raw(raw(PARTS[0]), now + Duration::from_secs(10), |_| true).is_err(), "expired");
    assert!(cache.get_raw(raw(PARTS[2]), now, |_| true).is_err(), "another asker");
    assert_eq!(cache.stats().fresh_hits, 10);
}

#[test]
fn what_the_store_gave_up_lives_on_only_if_it_is_small_and_until_its_next_report() {
    for (weight, held) in [(0, false), (1, true), (SMALL, true), (SMALL + 1, false)] {
        give_up(weight, held);
    }
}

#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn give_up(weight: usize, held: bool) {
    let (store, now) = (Memory::new(Capacity::entries(100)), Instant::now());
    let (generations, recent_keys) = (Arc::new(Generations::new()), RecentKeys::new(Seeded::default()));
    let free = Ties::free(Arc::clone(&generations));
    let find = |puts| {
        let found = recent_keys.fresh(raw(PARTS[0]), &store, &generations, puts, now, |_| true);
        found.is_ok()
    };
    let (key, options) = (CacheKey::from("key"), EntryOptions::ttl(Duration::from_secs(1)).weighing(weight));
    let windows = options.windows(now, 0.0);
    let entry = Arc::new(CacheEntry::new((), &key, windows, &options, generations.now(), &free, now));
    store.put(key.clone(), Arc::clone(&entry)).expect("room");
    recent_keys.insert(raw(PARTS[0]), (&key).into());
    assert!(find(0) && find(0), "{weight} bytes");
    store.remove((&key).into());
    let given_up = Arc::downgrade(&entry);
    drop(entry);
    assert_eq!((find(0), given_up.strong_count()), (held, usize::from(held)), "{weight} bytes");
    assert_eq!((find(REPORT_AFTER), given_up.strong_count()), (false, 0), "{weight} bytes");
    assert!(!find(REPORT_AFTER), "{weight} bytes");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn clearing_a_cache_releases_what_raw_keys_hold() {
    let (cache, now, value) = (Cache::new(Memory::new(Capacity::entries(100))), Instant::now(), Arc::new(()));
    let (key, options) = (CacheKey::from("key"), EntryOptions::ttl(Duration::from_secs(1)).weighing(1));
    cache.recent_keys().insert(raw(PARTS[0]), (&key).into());
    cache.put(&key, Arc::clone(&value), &options, cache.epoch(), now).expect("kept");
    assert!(cache.get_raw(raw(PARTS[0]), now, |_| true).is_ok());
    cache.clear();
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn an_entry_used_by_alias_stays_in_the_store() {
    let (cache, now) = (Cache::new(Memory::new(Capacity::entries(200))), Instant::now());
    let (options, key) = (EntryOptions::ttl(Duration::from_secs(10)), CacheKey::from("used"));
    cache.recent_keys().insert(raw(PARTS[0]), (&key).into());
    cache.put(&key, 0, &options, cache.epoch(), now).expect("kept");
    for n in 1..5_000_u64 {
        assert!(cache.get_raw(raw(PARTS[0]), now, |_| true).is_ok(), "after {n} others");
        cache.put(&CacheKey::from(&n.to_le_bytes()[..]), n, &options, cache.epoch(), now).expect("kept");
    }
}

/// The index as it would be written without regard to its cost: a list of raw keys and their keys.
#[derive(Default)]
struct Naive(Vec<(RawKey<'static>, u64)>);

impl Naive {
    fn insert(&mut self, raw: RawKey<'static>, key: u64) {
        if !self.0.iter().any(|(known, _)| *known == raw) {
            self.0.push((raw, key));
        }
    }

    fn key(&self, raw: RawKey<'_>) -> Option<u64> {
        self.0.iter().find(|(known, _)| *known == raw).map(|(_, key)| *key)
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
fn it_finds_what_a_list_of_all_raw_keys_finds_or_nothing() {
    let (cache, mut now) = (Cache::new(Memory::new(Capacity::entries(100))), Instant::now());
    let (mut naive, mut random, mut found) = (Naive::default(), 1_u64, 0);
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for _ in 0..50_000 {
        let nth = below(PARTS.len() as u64);
        let (parts, key) = (raw(PARTS[nth as usize]), CacheKey::from(&nth.to_le_bytes()[..]));
        match below(8) {
            0 => {
                cache.recent_keys().insert(parts, (&key).into());
                naive.insert(parts, nth);
            }
            1 => {
                let options = EntryOptions::ttl(Duration::from_millis(below(50))).weighing(below(2) as usize);
                let _no_time = cache.put(&key, nth, &options, cache.epoch(), now);
            }
            2 if below(4) == 0 => drop(cache.remove(&key)),
            2 => now += Duration::from_millis(1),
            _ => {
                let Ok(value) =
                    cache.get_raw(parts, now, |_| true).map(|hit| hit.read(|entry| *entry.value()))
                else {
                    continue;
                };
                assert_eq!(naive.key(parts), Some(value));
                assert!(
                    matches!(cache.peek(&key, now), crate::Lookup::Fresh(entry) if *entry.value() == value)
                );
                found += 1;
            }
        }
    }
    assert!(1_000 < found, "{found}");
}
