//! Nobody is ever served the answer to another: many operations, a hash of one bit, several principals.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::RawKey;
use crate::support::{one_bit, start};
use crate::{Cache, Capacity, EntryOptions, KeyWriter, Lookup, Memory};

const PRINCIPALS: u64 = 5;
const TOOLS: u64 = 3;
const ARGUMENTS: u64 = 7;

/// A stream of numbers that is the same in every run (SplitMix64).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Who asks which tool what.
type Question = (u64, u64, u64);

/// Runs `operations`; returns how many looks found anything, and how many of those somebody else's.
fn run(operations: u64, write: impl Fn(&mut KeyWriter, Question)) -> (u64, u64) {
    run_as(operations, write, |(principal, tool, arguments), ask| {
        let (scope, bytes) = (principal.to_le_bytes(), arguments.to_le_bytes());
        ask(RawKey { function: tool, scope: &scope, arguments: &bytes });
    })
}

/// As [`run`], with recent_keys of one's own.
fn run_as(
    operations: u64,
    write: impl Fn(&mut KeyWriter, Question),
    raw: impl Fn(Question, &mut dyn FnMut(RawKey<'_>)),
) -> (u64, u64) {
    let cache: Cache<Question> = Cache::new(Memory::with_hasher(Capacity::entries(64), one_bit));
    let mut stream = Stream(1);
    let mut now = start();
    let (mut hits, mut foreign) = (0, 0);
    // What has been removed or invalidated and not been put since.
    let mut gone = HashSet::new();
    for _ in 0..operations {
        let question = (stream.below(PRINCIPALS), stream.below(TOOLS), stream.below(ARGUMENTS));
        KeyWriter::with(|writer| {
            write(writer, question);
            match stream.below(16) {
                0..=3 => raw(question, &mut |raw| {
                    if let Ok(entry) = cache.get_raw(raw, now, |_| true) {
                        let entry = entry.read(Arc::clone);
                        hits += 1;
                        let by_key = cache.peek(writer.bytes(), now);
                        // What the store gave up for others may still be held by the raw.
                        let same = match by_key {
                            Lookup::Fresh(kept) => Arc::ptr_eq(&kept, &entry),
                            _ => !gone.contains(&question),
                        };
                        foreign += u64::from(*entry.value() != question || !same);
                    }
                }),
                4..=9 => match cache.get(writer.bytes(), now) {
                    Lookup::Fresh(entry) | Lookup::Stale(entry) | Lookup::StaleIfError(entry) => {
                        hits += 1;
                        foreign += u64::from(*entry.value() != question);
                    }
                    Lookup::Miss => {}
                },
                10..=13 => {
                    let lifetime = EntryOptions::ttl(Duration::from_secs(stream.below(20)))
                        .stale(Duration::from_secs(5));
                    let options = lifetime.tagged([question.1.to_string()]);
                    // Weightless entries are never held by an raw.
                    let options = options.weighing(stream.below(2) as usize);
                    let key = writer.key();
                    raw(question, &mut |raw| cache.recent_keys().insert(raw, (&key).into()));
                    if cache.put(&key, question, &options, cache.epoch(), now).is_ok() {
                        gone.remove(&question);
                    }
                }
                14 => now += Duration::from_millis(stream.below(1_000)),
                _ if stream.below(8) == 0 => {
                    cache.invalidate(&question.1.to_string());
                    let all = (0..PRINCIPALS)
                        .flat_map(|who| (0..ARGUMENTS).map(move |what| (who, question.1, what)));
                    gone.extend(all);
                }
                _ => {
                    cache.remove(writer.bytes());
                    gone.insert(question);
                }
            }
        });
    }
    (hits, foreign)
}

/// A million, or as many as the environment says.
fn operations() -> u64 {
    std::env::var("TOOLPOST_OPERATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000)
}

/// Enough to catch what is wrong in every other hit.
const CONTROL: u64 = 50_000;

#[test]
fn no_hit_crosses_a_scope() {
    let (hits, foreign) = run(operations(), |writer, (principal, tool, arguments)| {
        writer.text(&tool.to_string()).text(&principal.to_string()).uint(arguments);
    });
    assert!(operations() / 20 < hits, "{hits} hits");
    assert_eq!(foreign, 0);
}

#[test]
fn the_same_run_catches_a_key_that_leaves_the_principal_out() {
    let (hits, foreign) = run(CONTROL, |writer, (_, tool, arguments)| {
        writer.text(&tool.to_string()).uint(arguments);
    });
    assert!(hits / 2 < foreign, "{foreign} of {hits}");
}

#[test]
fn the_same_run_catches_a_key_whose_fields_run_together() {
    let (hits, foreign) = run(CONTROL, |writer, (principal, tool, arguments)| {
        // Ten principals would do it in the wild: tool 1 of principal 12 is tool 11 of principal 2.
        let together = principal + tool + arguments;
        writer.uint(together);
    });
    assert!(hits / 2 < foreign, "{foreign} of {hits}");
}

#[test]
fn the_same_run_catches_an_alias_that_leaves_the_principal_out() {
    let (hits, foreign) = run_as(
        CONTROL,
        |writer, (principal, tool, arguments)| {
            writer.uint(principal).uint(tool).uint(arguments);
        },
        |(_, tool, arguments), ask| {
            ask(RawKey { function: tool, scope: b"", arguments: &arguments.to_le_bytes() })
        },
    );
    assert!(0 < foreign && foreign < hits, "{foreign} of {hits}");
}
