//! The named cases every cache has to get right.

use crate::support;

use std::time::Duration;
#[cfg(feature = "tokio")]
use std::time::Instant;

use support::{cache, hit, key, put, secs, start};
#[cfg(feature = "tokio")]
use toolpost_cache::rt::{RawKey, ReadThrough};
use toolpost_cache::{
    Cache, CacheKey, Capacity, EntryOptions, KeyWriter, Lookup, Lru, Memory, PutError, Store,
};

fn stores(bounds: Capacity) -> Vec<(&'static str, Cache<u64>)> {
    vec![
        ("memory", cache(Memory::new(bounds))),
        ("lru", cache(Lru::new(bounds))),
        ("first in, first out", cache(Lru::first_in_first_out(bounds))),
        #[cfg(feature = "moka")]
        ("moka", cache(toolpost_cache::moka(bounds))),
    ]
}

fn minute() -> EntryOptions {
    EntryOptions::ttl(secs(60))
}

#[test]
fn what_is_put_is_there_until_it_is_removed_or_cleared() {
    for (store, cache) in stores(Capacity::entries(100)) {
        let now = start();
        for n in 0..10 {
            put(&cache, &n.to_string(), n, &minute(), now);
        }
        assert_eq!(hit(&cache, "3", now), Some(3), "{store}");
        assert!(cache.remove(b"3"), "{store}");
        assert!(!cache.remove(b"3"), "{store}");
        assert_eq!(hit(&cache, "3", now), None, "{store}");
        assert_eq!(cache.clear(), 9, "{store}");
        assert_eq!(cache.stats().entries, 0, "{store}");
        assert_eq!(hit(&cache, "4", now), None, "{store}");
    }
}

#[test]
fn other_arguments_are_another_question_and_their_order_is_not() {
    let question = |pairs: &[(&str, &str)]| {
        let mut writer = KeyWriter::new();
        writer.text("search").open_object();
        for (name, value) in pairs {
            writer.name(name).text(value);
        }
        writer.close();
        writer.key()
    };
    assert_eq!(question(&[("a", "1"), ("b", "2")]), question(&[("b", "2"), ("a", "1")]));
    assert_ne!(question(&[("a", "1"), ("b", "2")]), question(&[("a", "2"), ("b", "1")]));
    assert_ne!(question(&[("a", "1")]), question(&[("a", "1"), ("b", "")]));
}

#[test]
fn an_entry_lives_exactly_as_long_as_its_terms_say() {
    for (store, cache) in stores(Capacity::entries(100)) {
        let now = start();
        put(&cache, "short", 1, &EntryOptions::ttl(secs(1)), now);
        put(&cache, "long", 2, &minute(), now);
        put(&cache, "none", 3, &EntryOptions::ttl(Duration::ZERO), now);
        let just_before = now + secs(1) - Duration::from_nanos(1);
        assert_eq!(hit(&cache, "short", just_before), Some(1), "{store}");
        assert_eq!(hit(&cache, "short", now + secs(1)), None, "{store}");
        assert_eq!(hit(&cache, "long", now + secs(1)), Some(2), "{store}");
        assert_eq!(hit(&cache, "none", now), None, "{store}");
        assert_eq!(cache.stats().expired, 1, "{store}");
    }
}

#[test]
fn jitter_only_ever_shortens() {
    let cache = cache(Memory::new(Capacity::entries(1_000)));
    let now = start();
    let options = EntryOptions::ttl(secs(100)).jitter(0.1);
    for n in 0..200 {
        put(&cache, &n.to_string(), n, &options, now);
    }
    let alive = |at| (0..200).filter(|n| hit(&cache, &n.to_string(), now + at).is_some()).count();
    assert_eq!(alive(secs(90)), 200);
    let half = alive(secs(95));
    assert!((80..=120).contains(&half), "{half} of 200 alive in the middle of the jitter");
    assert_eq!(alive(secs(100)), 0);
}

#[test]
fn a_touch_saves_from_lru_and_not_from_first_in_first_out() {
    let bounds = Capacity::entries(2);
    for (store, touched) in [(Lru::new(bounds), true), (Lru::first_in_first_out(bounds), false)] {
        let (cache, now) = (cache(store), start());
        put(&cache, "a", 1, &minute(), now);
        put(&cache, "b", 2, &minute(), now);
        assert_eq!(hit(&cache, "a", now), Some(1));
        put(&cache, "c", 3, &minute(), now);
        assert_eq!(hit(&cache, "a", now).is_some(), touched);
        assert_eq!(hit(&cache, "b", now).is_some(), !touched);
        assert_eq!(cache.stats().evicted, 1);
    }
}

#[test]
fn a_scan_does_not_push_out_the_hot_keys() {
    let (cache, now) = (cache(Memory::new(Capacity::entries(100))), start());
    for _ in 0..5 {
        for n in 0..20 {
            let name = format!("hot {n}");
            if hit(&cache, &name, now).is_none() {
                put(&cache, &name, n, &minute(), now);
            }
        }
    }
    for n in 0..1_000 {
        put(&cache, &format!("passing {n}"), n, &minute(), now);
    }
    let kept = (0..20).filter(|n| hit(&cache, &format!("hot {n}"), now).is_some()).count();
    assert_eq!(kept, 20);
}

#[test]
fn bounds_hold_and_the_tally_returns_to_zero() {
    for (store, cache) in stores(Capacity::entries(50).bytes(10_000)) {
        let now = start();
        for n in 0..500_u64 {
            put(&cache, &n.to_string(), n, &minute().weighing((n * 7 % 400) as usize), now);
            if store != "moka" || n % 50 == 49 {
                let stats = cache.stats();
                assert!(stats.entries <= 50, "{store}: {} entries", stats.entries);
                assert!(stats.bytes <= 10_000, "{store}: {} bytes", stats.bytes);
            }
        }
        cache.clear();
        assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0), "{store}");
    }
}

#[test]
fn an_oversized_answer_is_refused_and_nothing_gives_way() {
    for (store, cache) in stores(Capacity::entries(1_000).bytes(100_000)) {
        let now = start();
        for n in 0..10 {
            put(&cache, &n.to_string(), n, &minute().weighing(100), now);
        }
        let before = cache.stats();
        let options = minute().weighing(200_000);
        let refused = cache.put(&key("huge"), 1, &options, cache.epoch(), now);
        assert_eq!(refused.err(), Some(PutError::Oversized), "{store}");
        let after = cache.stats();
        assert_eq!((after.entries, after.bytes, after.evicted), (10, before.bytes, 0), "{store}");
        assert_eq!(after.refused, 1, "{store}");
        assert!((0..10).all(|n| hit(&cache, &n.to_string(), now) == Some(n)), "{store}");
    }
}

#[test]
fn the_hit_rate_is_told_once_there_is_one() {
    let (cache, now) = (cache(Memory::new(Capacity::entries(10))), start());
    assert_eq!(cache.stats().hit_rate(), None);
    assert_eq!(hit(&cache, "a", now), None);
    put(&cache, "a", 1, &minute(), now);
    assert_eq!(hit(&cache, "a", now), Some(1));
    assert_eq!(hit(&cache, "a", now), Some(1));
    assert_eq!(cache.stats().hit_rate(), Some(2.0 / 3.0));
}

#[test]
fn the_absence_of_a_value_is_an_answer() {
    let cache: Cache<Option<u64>> = Cache::new(Memory::new(Capacity::entries(10)));
    let now = start();
    let kept = cache.put(&key("nobody"), None, &minute(), cache.epoch(), now);
    assert!(kept.is_ok());
    assert!(matches!(cache.get(b"nobody", now), Lookup::Fresh(entry) if entry.value().is_none()));
}

#[test]
fn what_a_caller_does_to_its_answer_does_not_reach_the_cache() {
    let cache: Cache<Vec<u64>> = Cache::new(Memory::new(Capacity::entries(10)));
    let now = start();
    let kept = cache.put(&key("list"), vec![1, 2], &minute(), cache.epoch(), now);
    let mut mine = kept.map(|entry| entry.value().clone()).unwrap_or_default();
    mine.push(3);
    assert!(matches!(cache.get(b"list", now), Lookup::Fresh(entry) if entry.value() == &[1, 2]));
}

#[test]
fn keys_do_not_run_together() {
    let question = |write: &dyn Fn(&mut KeyWriter)| {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        writer.key()
    };
    let one_by_name = question(&|w| {
        w.text("a").open_object().name("x").number("1").close();
    });
    let all = [
        one_by_name,
        question(&|w| {
            w.text("a:{\"x\": 1}");
        }),
        question(&|w| {
            w.text("a").open_object().name("x").text("1").close();
        }),
        question(&|w| {
            w.text("a").open_object().name("x").number("1.0").close();
        }),
        question(&|w| {
            w.text("a").open_array().text("x").number("1").close();
        }),
        question(&|w| {
            w.text("ab").text("c");
        }),
        question(&|w| {
            w.text("a").text("bc");
        }),
        question(&|w| {
            w.text("a").blob(b"bc");
        }),
        question(&|w| {
            w.text("null");
        }),
        question(&|w| {
            w.null();
        }),
        question(&|w| {
            w.int(0);
        }),
        question(&|w| {
            w.float(0.0);
        }),
        question(&|w| {
            w.bool(false);
        }),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b), "{a:?}");
    }
}

#[test]
fn two_principals_never_share() {
    let (cache, now) = (cache(Memory::with_hasher(Capacity::entries(10), support::one_bit)), start());
    let question = |principal: &str| KeyWriter::with(|w| w.text("balance").text(principal).null().key());
    let kept = cache.put(&question("ann"), 1, &minute(), cache.epoch(), now);
    assert!(kept.is_ok());
    assert!(matches!(cache.get(question("bob").as_bytes(), now), Lookup::Miss));
}

#[test]
fn tags_count_what_carries_them_and_an_unknown_one_does_nothing() {
    for (store, cache) in stores(Capacity::entries(100)) {
        let now = start();
        put(&cache, "a", 1, &minute().tagged(["users"]).tagged(["all"]), now);
        put(&cache, "b", 2, &minute().tagged(["orders", "all"]), now);
        put(&cache, "c", 3, &minute(), now);
        assert_eq!(cache.invalidate("unknown"), 0, "{store}");
        assert_eq!(hit(&cache, "a", now), Some(1), "{store}");
        assert_eq!(cache.invalidate("users"), 1, "{store}");
        assert_eq!(hit(&cache, "a", now), None, "{store}");
        assert_eq!(hit(&cache, "b", now), Some(2), "{store}");
        put(&cache, "a", 4, &minute().tagged(["users", "all"]), now);
        let carried = cache.invalidate("all");
        // Moka frees what was removed from it later.
        assert!(carried == 2 || store == "moka" && 2 < carried, "{store}: {carried}");
        assert_eq!((hit(&cache, "a", now), hit(&cache, "b", now)), (None, None), "{store}");
        assert_eq!(hit(&cache, "c", now), Some(3), "{store}");
        // Each dead entry is counted once, by whatever number of tags it died.
        assert_eq!(cache.stats().invalidated, 3, "{store}");
    }
}

#[test]
fn a_prefix_takes_with_it_all_that_lies_below() {
    let paths = ["db/users/7", "db/users/8", "db/users", "db/userspace", "db", "files/db/users"];
    let left = |prefix: &str| -> Vec<&str> {
        let (cache, now) = (cache(Memory::new(Capacity::entries(100))), start());
        let began = cache.epoch();
        for path in paths {
            put(&cache, path, 1, &minute().within(path), now);
        }
        let below = paths.iter().filter(|path| format!("{path}/").starts_with(&format!("{prefix}/"))).count();
        assert_eq!(cache.invalidate(prefix), below, "{prefix}");
        for path in paths {
            // What began before is as dead as what was there.
            let late = cache.put(&key("late"), 1, &minute().within(path), began, now);
            assert_eq!(late.is_ok(), hit(&cache, path, now).is_some(), "{path} after {prefix}");
        }
        paths.into_iter().filter(|path| hit(&cache, path, now).is_some()).collect()
    };
    assert_eq!(left("db/users/7"), ["db/users/8", "db/users", "db/userspace", "db", "files/db/users"]);
    assert_eq!(left("db/users"), ["db/userspace", "db", "files/db/users"]);
    assert_eq!(left("db"), ["files/db/users"]);
    assert_eq!(left("d"), paths);
    assert_eq!(left("users"), paths);
}

#[test]
fn a_path_is_a_tag_for_each_of_its_levels() {
    let (cache, now) = (cache(Memory::new(Capacity::entries(10))), start());
    let tags = |path: &str| {
        let options = minute().tagged(["own"]).within(path);
        let entry = cache.put(&key("k"), 1, &options, cache.epoch(), now).expect("kept");
        entry.tags().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(tags("db/users/7"), "own db db/users db/users/7");
    assert_eq!(tags("db"), "own db");
    assert_eq!(tags("/é//b"), "own /é /é/ /é//b");
    assert_eq!(tags(""), "own");
    assert_eq!(tags("own/own"), "own own/own");
}

#[test]
fn a_load_overtaken_by_an_invalidation_is_not_kept() {
    type Invalidate = fn(&Cache<u64>);
    let ways: [Invalidate; 3] = [
        |cache| {
            cache.invalidate("tag");
        },
        |cache| {
            cache.remove(b"key");
        },
        |cache| {
            cache.clear();
        },
    ];
    for way in ways {
        let (cache, now) = (cache(Memory::new(Capacity::entries(10))), start());
        let began = cache.epoch();
        way(&cache);
        let options = minute().tagged(["tag"]);
        let late = cache.put(&key("key"), 1, &options, began, now);
        assert_eq!(late.err(), Some(PutError::Outdated));
        assert_eq!(hit(&cache, "key", now), None);
        put(&cache, "key", 2, &options, now);
        assert_eq!(hit(&cache, "key", now), Some(2));
    }
}

#[test]
fn windows_follow_one_another() {
    let (cache, now) = (cache(Memory::new(Capacity::entries(10))), start());
    let options = EntryOptions::ttl(secs(10)).stale(secs(5)).stale_if_error(secs(20));
    put(&cache, "a", 1, &options, now);
    let look = |at: u64| cache.get(b"a", now + secs(at));
    assert!(matches!(look(9), Lookup::Fresh(_)));
    assert!(matches!(look(10), Lookup::Stale(_)));
    assert!(matches!(look(14), Lookup::Stale(_)));
    assert!(matches!(look(15), Lookup::StaleIfError(_)));
    assert!(matches!(look(29), Lookup::StaleIfError(_)));
    assert!(matches!(look(30), Lookup::Miss));
    assert_eq!(cache.stats().entries, 0);
}

#[test]
fn one_caller_claims_a_refresh_at_a_time() {
    let (cache, now) = (cache(Memory::new(Capacity::entries(10))), start());
    let options = EntryOptions::ttl(secs(10)).stale(secs(50));
    put(&cache, "a", 1, &options, now);
    let Lookup::Stale(entry) = cache.get(b"a", now + secs(10)) else { panic!("stale") };
    assert!(entry.claim_refresh(now + secs(10), secs(5)));
    assert!(!entry.claim_refresh(now + secs(14), secs(5)));
    // Whoever claimed it has vanished.
    assert!(entry.claim_refresh(now + secs(15), secs(5)));
    entry.postpone_refresh(now + secs(16), secs(1));
    assert!(!entry.claim_refresh(now + secs(16), secs(5)));
    assert!(entry.claim_refresh(now + secs(17), secs(5)));
}

#[test]
fn a_refreshed_entry_keeps_its_place_in_memory() {
    let store = Memory::new(Capacity::entries(32).bytes(32_000));
    let usage = || Store::<u64>::usage(&store);
    assert_eq!(usage().entries, 0);
    let (cache, now) = (cache(store), start());
    for weight in [100, 90, 110, 900, 10] {
        put(&cache, "a", 1, &minute().weighing(weight), now);
        assert_eq!((cache.stats().entries, cache.stats().bytes), (1, weight + 1));
        assert_eq!(hit(&cache, "a", now), Some(1));
    }
}

#[test]
fn a_store_for_one_keeps_one() {
    let now = start();
    for entries in [0, 1] {
        let bounds = Capacity::entries(entries);
        let stores: [Box<dyn Fn(Capacity) -> Cache<u64>>; 2] =
            [Box::new(|bounds| cache(Memory::new(bounds))), Box::new(|bounds| cache(Lru::new(bounds)))];
        for store in stores {
            let kept = store(bounds);
            for name in ["a", "b", "c"] {
                kept.put(&key(name), 1, &EntryOptions::ttl(secs(60)), kept.epoch(), now)
                    .expect("it is no heavier than any");
                assert_eq!(kept.stats().entries, 1);
            }
            // And of a weight that fits exactly, none that does not.
            let kept = store(bounds.bytes(1_000));
            let of = |bytes| EntryOptions::ttl(secs(60)).weighing(bytes);
            assert!(kept.put(&key("a"), 1, &of(999), kept.epoch(), now).is_ok());
            assert!(kept.put(&key("a"), 1, &of(1_000), kept.epoch(), now).is_err());
        }
    }
}

#[test]
fn what_is_kept_can_be_asked_for_searched_and_swept() {
    let now = start();
    let stores = [cache(Memory::new(Capacity::entries(1_000))), cache(Lru::new(Capacity::entries(1_000)))];
    for kept in stores {
        for n in 0..100_u64 {
            put(
                &kept,
                &format!("k{n}"),
                n,
                &EntryOptions::ttl(secs(n + 1)).tagged([format!("t{}", n % 2)]),
                now,
            );
        }
        assert!(
            kept.contains("k7", now) && !kept.contains("k7", now + secs(8)) && !kept.contains("nothing", now)
        );
        assert_eq!(kept.stats().fresh_hits + kept.stats().misses, 0, "that was no look-up");
        let later = now + secs(50);
        assert_eq!(kept.sweep(later), 49, "k7 was found dead before");
        assert_eq!((kept.stats().entries, kept.sweep(later)), (50, 0));
        kept.invalidate("t0");
        assert_eq!(kept.sweep(later), 25);
        assert_eq!(kept.retain(|key, entry| key.as_bytes() != b"k99" && *entry.value() != 97), 2);
        assert_eq!(
            (kept.stats().entries, hit(&kept, "k97", later), hit(&kept, "k95", later)),
            (23, None, Some(95))
        );
        let stats = kept.stats();
        assert_eq!((stats.expired, stats.invalidated), (50, 27));
    }
}

#[test]
fn a_weigher_holds_the_bound_for_answers_that_say_no_weight() {
    let now = start();
    let kept: Cache<String> =
        Cache::weighed_by(Lru::new(Capacity::entries(1_000).bytes(10_000)), String::len);
    for n in 0..100 {
        let name = CacheKey::from(format!("{n:03}"));
        let _kept = kept.put(&name, "x".repeat(997), &EntryOptions::ttl(secs(60)), kept.epoch(), now);
        assert!(kept.stats().bytes <= 10_000);
    }
    assert_eq!(kept.stats().entries, 10);
    let own =
        kept.put(&key("own"), String::new(), &EntryOptions::ttl(secs(60)).weighing(497), kept.epoch(), now);
    assert_eq!(own.expect("it fits").weight(), 500, "options that say a weight are believed");
}

#[test]
fn a_key_is_a_key_however_it_is_spelled() {
    let (now, owned) = (start(), "key".to_owned());
    let kept = cache(Lru::new(Capacity::entries(10)));
    put(&kept, &owned, 1, &EntryOptions::ttl(secs(60)), now);
    let finds = |look: Lookup<u64>| matches!(look, Lookup::Fresh(_));
    assert!(finds(kept.get(&owned, now)) && finds(kept.get("key", now)) && finds(kept.get(b"key", now)));
    assert!(
        finds(kept.get(&owned.clone().into_bytes(), now)) && finds(kept.get(&CacheKey::from(&owned), now))
    );
    assert_eq!(CacheKey::from(owned), CacheKey::from("key"));
}

#[cfg(feature = "tokio")]
/// What callers can fill, as `docs/bounds.md` lists it, with the test that fills it.
const BOUNDS: &[(&str, fn())] = &[
    ("entries of a store", bound_entries),
    ("bytes of a store", bound_bytes),
    ("raw keys that are remembered", bound_raw_keys),
    ("length of a raw key that is remembered", bound_raw_length),
];

#[cfg(feature = "tokio")]
#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let doc = include_str!("../../../../docs/bounds.md");
    let section =
        doc.split("\n## ").find(|section| section.starts_with("toolpost-cache\n")).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let listed: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(listed, BOUNDS.iter().map(|(what, _)| *what).collect::<Vec<_>>());
    BOUNDS.iter().for_each(|(_, fill)| fill());
}

#[cfg(feature = "tokio")]
fn bound_entries() {
    for (store, cache) in stores(Capacity::entries(100)) {
        let now = start();
        (0..10_000).for_each(|n| put(&cache, &n.to_string(), n, &minute(), now));
        assert!(cache.stats().entries <= 100, "{store}");
    }
}

#[cfg(feature = "tokio")]
fn bound_bytes() {
    for (store, cache) in stores(Capacity::entries(1_000).bytes(100_000)) {
        let now = start();
        (0..10_000).for_each(|n| put(&cache, &n.to_string(), n, &minute().weighing(1_000), now));
        assert!(cache.stats().bytes <= 100_000, "{store}");
    }
}

#[cfg(feature = "tokio")]
/// Reads by raw key, and says whether the canonical key had to be written for it.
fn has_to_write(front: &ReadThrough<u64, ()>, name: &str, now: Instant) -> bool {
    let raw = RawKey { function: 1, scope: b"", arguments: name.as_bytes() };
    let mut written = false;
    let found = front.hit(
        raw,
        now,
        |key| {
            written = true;
            key.text("k");
        },
        |_| (),
    );
    assert!(found.is_ok());
    written
}

#[cfg(feature = "tokio")]
fn filled() -> (ReadThrough<u64, ()>, Instant) {
    let (now, front) = (start(), ReadThrough::new(Cache::new(Memory::new(Capacity::entries(10)))));
    let (key, cache) = (KeyWriter::new().text("k").key(), front.cache());
    cache.put(&key, Ok(1), &minute(), cache.epoch(), now).expect("kept");
    (front, now)
}

#[cfg(feature = "tokio")]
fn bound_raw_keys() {
    let (front, now) = filled();
    let names: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    for name in &names {
        // The second sighting inserts it.
        for _ in 0..2 {
            has_to_write(&front, name, now);
        }
    }
    let known = names.iter().filter(|name| !has_to_write(&front, name, now)).count();
    assert!((1..=8_192).contains(&known), "{known}");
}

#[cfg(feature = "tokio")]
fn bound_raw_length() {
    let (front, now) = filled();
    for (length, known) in [(1 << 10, true), ((1 << 10) + 1, false)] {
        let name = "x".repeat(length);
        assert!(has_to_write(&front, &name, now) && has_to_write(&front, &name, now), "{length} bytes");
        assert_eq!(!has_to_write(&front, &name, now), known, "{length} bytes");
    }
}
