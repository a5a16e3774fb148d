//! The short way to an entry: by the question as it was received.
//!
//! Writing a canonical key costs more than all the rest of a hit. So the exact words of a question are
//! remembered with the key they came to and with a link to the entry found under it, which is used only
//! while nothing was put in that entry's place. A link to a large entry is weak, and keeps nothing alive
//! that the store gave up. A [small](SMALL) one is held: to share it would cost a tenth of a hit.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, Weak};
use std::time::Instant;

use crate::entry::Entry;
use crate::generations::{Generations, Place};
use crate::key::{Key, KeyRef};
use crate::lifetime::State;
use crate::store::{Seeded, Store};

/// One way of asking a question: who asks what, and the words exactly as they were received.
///
/// Aliases are equal when all their parts are. What leads to different keys must have different aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias<'a> {
    /// What is asked, by a number of the caller's choice.
    pub of: u64,
    /// Who asks, and all else that the answer depends on.
    pub asker: &'a [u8],
    /// The words.
    pub words: &'a [u8],
}

/// Words that lead to nothing fresh.
///
/// Most words are used once, and to remember them costs more than to find their key. So they are noted when they are met,
/// and are worth remembering when they are met again (the doorkeeper of Einziger, Friedman and Manes, "TinyLFU", 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Not met lately, or remembered already.
    New,
    /// Met before: [remember](crate::Cache::remember) them, once their key is found.
    Again,
}

/// Longer words are not remembered, nor those that lead to a longer key.
const LONGEST: usize = 1 << 10;
const LONGEST_KEY: usize = 1 << 11;
/// A power of two.
const BUCKETS: usize = 1 << 11;
const WAYS: usize = 4;

/// How many words are noted.
const NOTED: usize = 1 << 12;

/// An entry of at most so many bytes may outlive its place in the store, until its alias is used again or gives way. Not
/// one without a weight of its own, which may be of any size.
const SMALL: usize = 1 << 11;

/// The store counts how often an entry is used, and may give up what nobody uses: after so many new entries in it, a
/// use by alias is reported again.
const REPORT_AFTER: u64 = 16;

/// The aliases of a cache: the latest 8,192 at most, 3 KiB each with its key and 2 KiB more for a small entry, in buckets
/// that are never waited for.
#[derive(Debug)]
pub(crate) struct Aliases<V, H = Seeded> {
    /// Of each bucket, 16 bits for each alias in it, so that words nobody has asked in need no lock.
    marks: Box<[AtomicU64]>,
    /// The latest hashes of words that were not known, as 16 bits each.
    noted: Box<[AtomicU16]>,
    buckets: OnceLock<Box<[RwLock<Bucket<V>>]>>,
    hasher: H,
}

#[derive(Debug)]
pub(crate) struct Bucket<V> {
    known: Vec<Known<V>>,
    /// The one that gives way to the next.
    oldest: usize,
}

#[derive(Debug)]
struct Known<V> {
    hash: u64,
    of: u64,
    /// The asker and then the words; whoever comes next uses the buffer again.
    bytes: Vec<u8>,
    asker: usize,
    key: Key,
    place: Place,
    link: Link<V>,
    /// Of the place, from before the entry was found there.
    version: u64,
    /// How many entries the store had been given when it last heard of a use.
    reported: AtomicU64,
}

/// A fresh entry.
#[derive(Debug)]
pub(crate) enum Fresh<'a, V> {
    /// Held by the alias in this way of the bucket, and not shared: to count costs more than to look.
    Lent(RwLockReadGuard<'a, Bucket<V>>, usize),
    Shared(Arc<Entry<V>>),
}

#[derive(Debug)]
enum Link<V> {
    Held(Arc<Entry<V>>),
    Weak(Weak<Entry<V>>),
}

impl<V: 'static, H: BuildHasher> Aliases<V, H> {
    pub(crate) fn new(hasher: H) -> Self {
        let marks = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        let noted = (0..NOTED).map(|_| AtomicU16::new(0)).collect();
        Self { marks, noted, buckets: OnceLock::new(), hasher }
    }

    /// The fresh entry that `alias` leads to, if it is `wanted`. `puts` counts the entries that the store has been given.
    #[inline(always)]
    pub(crate) fn fresh<'a>(
        &'a self,
        alias: Alias<'_>,
        store: &dyn Store<V>,
        generations: &Generations,
        puts: u64,
        now: Instant,
        wanted: impl Fn(&V) -> bool,
    ) -> Result<Fresh<'a, V>, Words> {
        let serves = |entry: &Entry<V>| entry.state(now) == State::Fresh && wanted(entry.value());
        let hash = self.hash(alias);
        let marked = self.marked(hash);
        if marked == 0 {
            return Err(self.meet(hash));
        }
        let Some(locked) = self.bucket(hash) else { return Err(Words::New) };
        let Ok(bucket) = locked.try_read() else { return Err(Words::New) };
        let Some((way, known)) = bucket.known_as(alias, hash, marked) else { return Err(self.meet(hash)) };
        let version = generations.version(known.place);
        if version == known.version && (!known.is_to_report(puts) || known.report(store, puts)) {
            match &known.link {
                Link::Held(entry) if serves(entry) => return Ok(Fresh::Lent(bucket, way)),
                Link::Held(_) => {}
                Link::Weak(weak) => match weak.upgrade() {
                    Some(entry) if serves(&entry) => return Ok(Fresh::Shared(entry)),
                    _ => {}
                },
            }
        }
        let key = known.key.clone();
        drop(bucket);
        let entry = linked(locked, way, &key, version, store).filter(|entry| serves(entry));
        entry.map(Fresh::Shared).ok_or(Words::New)
    }

    /// Remembers that `alias` leads to `key`, unless another thread is at the same place right now.
    pub(crate) fn remember(&self, alias: Alias<'_>, key: KeyRef<'_>) {
        if LONGEST < alias.asker.len() + alias.words.len() || LONGEST_KEY < key.as_bytes().len() {
            return;
        }
        let hash = self.hash(alias);
        let empty = || RwLock::new(Bucket { known: Vec::new(), oldest: 0 });
        self.buckets.get_or_init(|| (0..BUCKETS).map(|_| empty()).collect());
        let Some(Ok(mut bucket)) = self.bucket(hash).map(RwLock::try_write) else { return };
        if bucket.known.iter().any(|known| known.is(hash, alias)) {
            return;
        }
        let bytes = if bucket.known.len() < WAYS {
            bucket.known.reserve_exact(WAYS);
            Vec::new()
        } else {
            let oldest = bucket.oldest;
            std::mem::take(&mut bucket.known[oldest].bytes)
        };
        let known = Known::new(hash, alias, Key::from(key), bytes);
        if bucket.known.len() < WAYS {
            self.mark(hash, bucket.known.len());
            bucket.known.push(known);
        } else {
            let oldest = bucket.oldest;
            self.mark(hash, oldest);
            bucket.known[oldest] = known;
            bucket.oldest = (oldest + 1) % WAYS;
        }
    }

    /// Holds no entry any more, but where another thread is right now.
    pub(crate) fn let_go(&self) {
        for mut bucket in
            self.buckets.get().into_iter().flatten().filter_map(|locked| locked.try_write().ok())
        {
            bucket.known.iter_mut().for_each(|known| known.link = Link::NONE);
        }
    }

    /// Notes words of this hash.
    fn meet(&self, hash: u64) -> Words {
        let (noted, mark) = (&self.noted[(hash >> 32) as usize % NOTED], mark(hash) as u16);
        if noted.load(Ordering::Relaxed) == mark {
            return Words::Again;
        }
        noted.store(mark, Ordering::Relaxed);
        Words::New
    }

    /// Sets the mark of an alias of this hash that is in this way of its bucket, whose lock the caller has.
    fn mark(&self, hash: u64, way: usize) {
        let (marks, at) = (&self.marks[hash as usize % BUCKETS], 16 * way);
        let others = marks.load(Ordering::Relaxed) & !(0xFFFF << at);
        marks.store(others | mark(hash) << at, Ordering::Relaxed);
    }

    /// The ways of its bucket in which an alias of this hash may be: for each the highest of its sixteen bits.
    fn marked(&self, hash: u64) -> u64 {
        const ONES: u64 = u64::MAX / 0xFFFF;
        // Sixteen bits that are all equal leave zeros, which alone borrow (and what is above them, perhaps).
        let differ = self.marks[hash as usize % BUCKETS].load(Ordering::Relaxed) ^ (mark(hash) * ONES);
        differ.wrapping_sub(ONES) & !differ & ONES << 15
    }

    #[inline(always)]
    fn hash(&self, alias: Alias<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(alias.of ^ (alias.asker.len() as u64) << 32);
        hasher.write(alias.asker);
        hasher.write(alias.words);
        hasher.finish()
    }

    fn bucket(&self, hash: u64) -> Option<&RwLock<Bucket<V>>> {
        self.buckets.get()?.get(hash as usize % BUCKETS)
    }
}

/// Sixteen bits of a hash of which no other use is made; never zero.
const fn mark(hash: u64) -> u64 {
    hash >> 48 | 1
}

/// What the store has under `key`. An alias in this way that leads there is linked to it from now on, unless the bucket
/// is locked. The version is from before.
#[cold]
fn linked<V: 'static>(
    locked: &RwLock<Bucket<V>>,
    way: usize,
    key: &Key,
    version: u64,
    store: &dyn Store<V>,
) -> Option<Arc<Entry<V>>> {
    let entry = store.get(key.into());
    if let Ok(mut bucket) = locked.try_write()
        && let Some(known) = bucket.known.get_mut(way).filter(|known| known.key == *key)
    {
        known.link = entry.as_ref().map_or(Link::NONE, |entry| Link::to(entry, key));
        known.version = version;
    }
    entry
}

impl<V> Fresh<'_, V> {
    #[inline(always)]
    pub(crate) fn read<R>(self, read: impl FnOnce(&Arc<Entry<V>>) -> R) -> R {
        match self {
            Self::Shared(entry) => read(&entry),
            Self::Lent(bucket, way) => match &bucket.known[way].link {
                Link::Held(entry) => read(entry),
                Link::Weak(_) => unreachable!("it was held, and is locked"),
            },
        }
    }
}

impl<V: 'static> Bucket<V> {
    /// What is known of `alias`, if it is in one of the `marked` ways.
    #[inline(always)]
    fn known_as(&self, alias: Alias<'_>, hash: u64, mut marked: u64) -> Option<(usize, &Known<V>)> {
        while marked != 0 {
            let way = marked.trailing_zeros() as usize / 16;
            match self.known.get(way) {
                Some(known) if known.is(hash, alias) => return Some((way, known)),
                _ => marked &= marked - 1,
            }
        }
        None
    }
}

impl<V> Link<V> {
    const NONE: Self = Self::Weak(Weak::new());

    fn to(entry: &Arc<Entry<V>>, key: &Key) -> Self {
        let own = entry.weight() - key.as_bytes().len();
        if (1..=SMALL).contains(&own) {
            Self::Held(Arc::clone(entry))
        } else {
            Self::Weak(Arc::downgrade(entry))
        }
    }

    fn is(&self, entry: &Arc<Entry<V>>) -> bool {
        let own = match self {
            Self::Held(own) => Arc::as_ptr(own),
            Self::Weak(own) => own.as_ptr(),
        };
        own == Arc::as_ptr(entry)
    }
}

impl<V: 'static> Known<V> {
    fn new(hash: u64, alias: Alias<'_>, key: Key, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.reserve_exact(alias.asker.len() + alias.words.len());
        bytes.extend_from_slice(alias.asker);
        bytes.extend_from_slice(alias.words);
        Self {
            hash,
            of: alias.of,
            bytes,
            asker: alias.asker.len(),
            place: Generations::place((&key).into()),
            key,
            link: Link::NONE,
            version: 0,
            reported: AtomicU64::new(0),
        }
    }

    fn is_to_report(&self, puts: u64) -> bool {
        REPORT_AFTER <= puts.wrapping_sub(self.reported.load(Ordering::Relaxed))
    }

    /// Reports a use to the store; says whether that has the entry still.
    #[cold]
    fn report(&self, store: &dyn Store<V>, puts: u64) -> bool {
        self.reported.store(puts, Ordering::Relaxed);
        store.get((&self.key).into()).is_some_and(|kept| self.link.is(&kept))
    }

    #[inline(always)]
    fn is(&self, hash: u64, alias: Alias<'_>) -> bool {
        self.hash == hash && self.of == alias.of && {
            let (asker, words) = self.bytes.split_at(self.asker);
            same_name(asker, alias.asker) && words == alias.words
        }
    }
}

/// Whether two slices, mostly of some eight to sixteen bytes, are equal.
#[inline(always)]
fn same_name(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), one.last_chunk::<8>(), other.first_chunk(), other.last_chunk()) {
        // Both ends together are the whole.
        (Some(first), Some(last), Some(others_first), Some(others_last)) if one.len() <= 16 => {
            first == others_first && last == others_last
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tags::Ties;
    use crate::{Bounds, Cache, Memory, Terms};

    /// All aliases collide, within a bucket and without.
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

    fn alias((of, asker, words): (u64, &'static str, &'static str)) -> Alias<'static> {
        Alias { of, asker: asker.as_bytes(), words: words.as_bytes() }
    }

    #[test]
    fn names_are_equal_when_all_their_bytes_are() {
        for len in 0..40_usize {
            let name = vec![7_u8; len];
            assert!(same_name(&name, &name.clone()));
            assert!(!same_name(&name, &vec![7; len + 1]));
            for at in 0..len {
                let mut other = name.clone();
                other[at] = 8;
                assert!(!same_name(&name, &other), "byte {at} of {len}");
            }
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn equal_hashes_lead_nobody_astray() {
        let (store, generations, now) =
            (Memory::new(Bounds::entries(100)), Arc::new(Generations::new()), Instant::now());
        let (free, aliases) = (Ties::free(Arc::clone(&generations)), Aliases::new(OneBit));
        for (nth, parts) in PARTS.into_iter().enumerate() {
            let key = Key::from(&[nth as u8][..]);
            let terms = Terms::ttl(Duration::from_secs(1));
            let windows = terms.lifetime.starting(now, 0.0);
            let entry = Entry::new(nth, &key, windows, &terms, generations.now(), &free, now);
            aliases.remember(alias(parts), (&key).into());
            store.put(key, Arc::new(entry)).expect("room");
        }
        let mut found = 0;
        for (nth, parts) in PARTS.into_iter().enumerate() {
            for _ in 0..2 {
                if let Ok(entry) = aliases.fresh(alias(parts), &store, &generations, 0, now, |_| true) {
                    assert_eq!(entry.read(|entry| *entry.value()), nth);
                    found += 1;
                }
            }
        }
        assert_eq!(found, 2 * WAYS, "one bucket, and the latest are in it");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn words_are_worth_remembering_when_they_are_met_again() {
        let (cache, now) = (Cache::new(Memory::new(Bounds::entries(100))), Instant::now());
        let (key, terms) = (Key::from("key"), Terms::ttl(Duration::from_secs(10)));
        let look = |nth: usize| cache.look_as(alias(PARTS[nth]), now).map(|_| ());
        assert_eq!((look(0), look(1)), (Err(Words::New), Err(Words::New)));
        assert_eq!((look(0), look(1)), (Err(Words::Again), Err(Words::Again)));
        cache.remember(alias(PARTS[0]), &key);
        assert_eq!((look(0), look(1)), (Err(Words::New), Err(Words::Again)), "nothing is there");
        cache.put(&key, 1, &terms, cache.epoch(), now).expect("kept");
        assert_eq!((look(0), look(1)), (Ok(()), Err(Words::Again)));
    }

    #[test]
    fn a_link_serves_nothing_that_was_replaced_or_removed() {
        for weight in [0, 1, SMALL, SMALL + 1] {
            replace_and_remove(&Terms::ttl(Duration::from_secs(10)).tagged(["tag"]).weighing(weight));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn replace_and_remove(terms: &Terms) {
        let (cache, now) = (Cache::new(Memory::new(Bounds::entries(100))), Instant::now());
        let key = Key::from("key");
        let put = |value: u32| cache.put(&key, value, terms, cache.epoch(), now).expect("kept");
        let look = || cache.look_as(alias(PARTS[0]), now).ok().map(|entry| *entry.value());
        cache.remember(alias(PARTS[0]), &key);
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
        assert!(cache.look_as(alias(PARTS[0]), now + Duration::from_secs(10)).is_err(), "expired");
        assert!(cache.look_as(alias(PARTS[2]), now).is_err(), "another asker");
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
        let (store, now) = (Memory::new(Bounds::entries(100)), Instant::now());
        let (generations, aliases) = (Arc::new(Generations::new()), Aliases::new(Seeded::default()));
        let free = Ties::free(Arc::clone(&generations));
        let find = |puts| {
            let found = aliases.fresh(alias(PARTS[0]), &store, &generations, puts, now, |_| true);
            found.is_ok()
        };
        let (key, terms) = (Key::from("key"), Terms::ttl(Duration::from_secs(1)).weighing(weight));
        let windows = terms.lifetime.starting(now, 0.0);
        let entry = Arc::new(Entry::new((), &key, windows, &terms, generations.now(), &free, now));
        store.put(key.clone(), Arc::clone(&entry)).expect("room");
        aliases.remember(alias(PARTS[0]), (&key).into());
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
    fn clearing_a_cache_lets_go_of_what_aliases_hold() {
        let (cache, now, value) =
            (Cache::new(Memory::new(Bounds::entries(100))), Instant::now(), Arc::new(()));
        let (key, terms) = (Key::from("key"), Terms::ttl(Duration::from_secs(1)).weighing(1));
        cache.remember(alias(PARTS[0]), &key);
        cache.put(&key, Arc::clone(&value), &terms, cache.epoch(), now).expect("kept");
        assert!(cache.look_as(alias(PARTS[0]), now).is_ok());
        cache.clear();
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn an_entry_used_by_alias_stays_in_the_store() {
        let (cache, now) = (Cache::new(Memory::new(Bounds::entries(200))), Instant::now());
        let (terms, key) = (Terms::ttl(Duration::from_secs(10)), Key::from("used"));
        cache.remember(alias(PARTS[0]), &key);
        cache.put(&key, 0, &terms, cache.epoch(), now).expect("kept");
        for n in 1..5_000_u64 {
            assert!(cache.look_as(alias(PARTS[0]), now).is_ok(), "after {n} others");
            cache.put(&Key::from(&n.to_le_bytes()[..]), n, &terms, cache.epoch(), now).expect("kept");
        }
    }
}
