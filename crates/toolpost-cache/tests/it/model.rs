//! Stores, envelope and tags against models that are too simple to be wrong.

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use support::{cache, cases, key, one_bit, start};
use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, KeyWriter, Lookup, Lru, Memory};

#[derive(Clone, Debug)]
enum Op {
    Put {
        key: u8,
        ttl: u64,
        stale: u64,
        on_error: u64,
        tags: Vec<u8>,
        weight: u16,
    },
    /// Puts what began to load so many operations ago.
    PutLate {
        key: u8,
        ago: usize,
        tags: Vec<u8>,
    },
    Lookup {
        key: u8,
    },
    Remove {
        key: u8,
    },
    Invalidate {
        tag: u8,
    },
    Clear,
    Wait {
        seconds: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let tags = || prop::collection::vec(0..4_u8, 0..3);
    prop_oneof![
        6 => (0..8_u8, 0..10_u64, 0..5_u64, 0..8_u64, tags(), 0..2_000_u16)
            .prop_map(|(key, ttl, stale, on_error, tags, weight)| Op::Put { key, ttl, stale, on_error, tags, weight }),
        2 => (0..8_u8, 0..6_usize, tags()).prop_map(|(key, ago, tags)| Op::PutLate { key, ago, tags }),
        8 => (0..8_u8).prop_map(|key| Op::Lookup { key }),
        1 => (0..8_u8).prop_map(|key| Op::Remove { key }),
        2 => (0..4_u8).prop_map(|tag| Op::Invalidate { tag }),
        1 => Just(Op::Clear),
        4 => (0..4_u64).prop_map(|seconds| Op::Wait { seconds }),
    ]
}

#[derive(Clone, Debug)]
struct Kept {
    value: u64,
    fresh: u64,
    stale: u64,
    of_use: u64,
    born: usize,
    tags: Vec<u8>,
}

/// What would be served if nothing were ever evicted: a look may find this, or less.
#[derive(Default)]
struct Model {
    kept: BTreeMap<u8, Kept>,
    /// The operation that last invalidated each tag, each key, and everything.
    tags: BTreeMap<u8, usize>,
    keys: BTreeMap<u8, usize>,
    cleared: usize,
}

impl Model {
    fn outdated(&self, key: u8, born: usize, tags: &[u8]) -> bool {
        let last = |map: &BTreeMap<u8, usize>, at: &u8| map.get(at).copied().unwrap_or(0);
        let tagged = tags.iter().map(|tag| last(&self.tags, tag)).max().unwrap_or(0);
        born < tagged.max(last(&self.keys, &key)).max(self.cleared)
    }
}

/// Runs the operations on a cache that may evict, or (`exact`) may not need to.
fn check(cache: &Cache<u64>, ops: &[Op], exact: bool) -> Result<(), TestCaseError> {
    let began = start();
    let mut model = Model::default();
    let mut now = 0;
    let mut epochs = vec![cache.epoch()];
    for (at, op) in ops.iter().enumerate() {
        // The value is the number of the operation: no two are alike.
        let (step, value) = (at + 1, at as u64);
        let instant = began + Duration::from_secs(now);
        match op {
            Op::Put { key: k, ttl, stale, on_error, tags, weight } => {
                let lifetime = EntryOptions::ttl(Duration::from_secs(*ttl))
                    .stale(Duration::from_secs(*stale))
                    .stale_if_error(Duration::from_secs(*on_error));
                let options = lifetime.tagged(tags.iter().map(u8::to_string)).weighing((*weight).into());
                let kept = cache.put(&key(&k.to_string()), value, &options, cache.epoch(), instant);
                let (fresh, of_use) = (now + ttl, now + ttl + (*stale).max(*on_error));
                if now < of_use {
                    prop_assert!(kept.is_ok());
                    let stale = fresh + stale;
                    model
                        .kept
                        .insert(*k, Kept { value, fresh, stale, of_use, born: step, tags: tags.clone() });
                }
            }
            Op::PutLate { key: k, ago, tags } => {
                let born = at.saturating_sub(*ago);
                let options =
                    EntryOptions::ttl(Duration::from_secs(5)).tagged(tags.iter().map(u8::to_string));
                let kept = cache.put(&key(&k.to_string()), value, &options, epochs[born], instant);
                // Removals of other keys may count against it, real ones must.
                let outdated = model.outdated(*k, born + 1, tags);
                prop_assert!(!outdated || kept.is_err());
                if kept.is_ok() {
                    let (fresh, tags) = (now + 5, tags.clone());
                    let kept = Kept { value, fresh, stale: fresh, of_use: fresh, born: born + 1, tags };
                    model.kept.insert(*k, kept);
                }
            }
            Op::Lookup { key: k } => {
                let alive = |kept: &&Kept| !model.outdated(*k, kept.born, &kept.tags);
                let expected = model.kept.get(k).filter(alive);
                match (cache.get(k.to_string().as_bytes(), instant), expected) {
                    (Lookup::Fresh(entry), Some(kept)) => {
                        prop_assert!(*entry.value() == kept.value && now < kept.fresh);
                    }
                    (Lookup::Stale(entry), Some(kept)) => {
                        prop_assert!(*entry.value() == kept.value && kept.fresh <= now && now < kept.stale);
                    }
                    (Lookup::StaleIfError(entry), Some(kept)) => {
                        prop_assert!(*entry.value() == kept.value && kept.stale <= now && now < kept.of_use);
                    }
                    (Lookup::Miss, None) => {}
                    (Lookup::Miss, Some(kept)) => prop_assert!(!exact || kept.of_use <= now),
                    (found, None) => prop_assert!(false, "{found:?} where nothing may be served"),
                }
            }
            Op::Remove { key: k } => {
                cache.remove(k.to_string().as_bytes());
                model.kept.remove(k);
                model.keys.insert(*k, step + 1);
            }
            Op::Invalidate { tag } => {
                cache.invalidate(&tag.to_string());
                model.tags.insert(*tag, step + 1);
            }
            Op::Clear => {
                cache.clear();
                model.kept.clear();
                model.cleared = step + 1;
            }
            Op::Wait { seconds } => now += seconds,
        }
        epochs.push(cache.epoch());
    }
    cache.clear();
    prop_assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(150)))]

    #[test]
    fn a_roomy_cache_serves_exactly_what_it_should(ops in prop::collection::vec(op(), 1..80)) {
        check(&cache(Memory::new(Capacity::entries(1_000))), &ops, true)?;
        check(&cache(Memory::with_hasher(Capacity::entries(1_000), one_bit)), &ops, true)?;
        check(&cache(Lru::new(Capacity::entries(1_000))), &ops, true)?;
    }

    #[test]
    fn a_tight_cache_never_serves_what_it_should_not(ops in prop::collection::vec(op(), 1..80)) {
        let bounds = Capacity::entries(4).bytes(4_000);
        check(&cache(Memory::new(bounds)), &ops, false)?;
        check(&cache(Lru::new(bounds)), &ops, false)?;
        check(&cache(Lru::first_in_first_out(bounds)), &ops, false)?;
    }

    #[test]
    fn lru_gives_up_what_a_list_would(ops in prop::collection::vec((0..12_u8, any::<bool>()), 1..120), touch: bool) {
        let store = if touch { Lru::new(Capacity::entries(5)) } else { Lru::first_in_first_out(Capacity::entries(5)) };
        let (cache, now) = (cache(store), start());
        let mut list: Vec<u8> = Vec::new();
        for (k, write) in ops {
            let name = k.to_string();
            let at = list.iter().position(|kept| *kept == k);
            if write {
                support::put(&cache, &name, k.into(), &EntryOptions::ttl(Duration::from_secs(1)), now);
                at.map(|at| list.remove(at));
                list.push(k);
                if 5 < list.len() {
                    list.remove(0);
                }
            } else {
                prop_assert_eq!(support::hit(&cache, &name, now).is_some(), at.is_some());
                if touch && let Some(at) = at {
                    let k = list.remove(at);
                    list.push(k);
                }
            }
        }
    }

    #[test]
    fn both_bounds_hold_after_every_put(
        puts in prop::collection::vec((0..40_u8, 0..3_000_usize), 1..150),
        entries in 1..40_usize,
        bytes in 500..10_000_usize,
    ) {
        let bounds = Capacity::entries(entries).bytes(bytes);
        for cache in [cache(Memory::new(bounds)), cache(Lru::new(bounds))] {
            let now = start();
            for (k, weight) in &puts {
                let options = EntryOptions::ttl(Duration::from_secs(1)).weighing(*weight);
                support::put(&cache, &k.to_string(), 0, &options, now);
                let stats = cache.stats();
                prop_assert!(stats.entries <= entries && stats.bytes <= bytes, "{stats:?}");
            }
        }
    }
}

/// JSON in miniature.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Blob(Vec<u8>),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3..4_i64).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        prop_oneof![Just(0.0), Just(1.0), Just(-1.5), any::<f64>().prop_filter("finite", |f| f.is_finite())]
            .prop_map(Value::Float),
        "[ab\u{0}]{0,3}".prop_map(Value::Text),
        prop::collection::vec(0..16_u8, 0..4).prop_map(Value::Blob),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[ab]{0,2}", inner, 0..30).prop_map(Value::Object),
        ]
    })
}

/// Writes `value`, its members in the order that `seed` shuffles them into.
fn write(writer: &mut KeyWriter, value: &Value, seed: u64) {
    match value {
        Value::Null => drop(writer.null()),
        Value::Bool(value) => drop(writer.bool(*value)),
        Value::Int(value) if seed & 1 == 0 => drop(writer.int(*value)),
        Value::Int(value) => drop(writer.number(&value.to_string())),
        Value::Float(value) if seed & 1 == 0 => drop(writer.float(*value)),
        Value::Float(value) => drop(writer.number(&format!("{value:?}"))),
        Value::Text(value) => drop(writer.text(value)),
        Value::Blob(value) => drop(writer.blob(value)),
        Value::Array(values) => {
            writer.open_array();
            values.iter().for_each(|value| write(writer, value, seed));
            writer.close();
        }
        Value::Object(members) => {
            writer.open_object();
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| {
                name.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31) ^ u64::from(byte))
            });
            for (name, value) in members {
                writer.name(name);
                write(writer, value, seed);
            }
            writer.close();
        }
    }
}

fn drop<T>(_: T) {}

fn written(value: &Value, seed: u64) -> CacheKey {
    let mut writer = KeyWriter::new();
    write(&mut writer, value, seed);
    writer.key()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(100)))]

    #[test]
    fn keys_are_equal_exactly_when_values_are(a in value(), b in value(), seed: u64) {
        prop_assert_eq!(written(&a, 0), written(&a, seed));
        // `-0.0` keeps a key of its own, though it equals `0.0`.
        prop_assert_eq!(a == b && format!("{a:?}") == format!("{b:?}"), written(&a, 0) == written(&b, seed));
    }

    #[test]
    fn keys_are_told_apart_in_any_company(values in prop::collection::vec(value(), 2..12)) {
        let distinct: BTreeSet<String> = values.iter().map(|value| format!("{value:?}")).collect();
        let keys: BTreeSet<CacheKey> = values.iter().map(|value| written(value, 0)).collect();
        prop_assert_eq!(distinct.len(), keys.len());
        // Neither does a sequence share its bytes with another way to cut it.
        let mut writer = KeyWriter::new();
        values.iter().for_each(|value| write(&mut writer, value, 0));
        prop_assert_ne!(writer.key(), written(&Value::Array(values), 0));
    }
}
