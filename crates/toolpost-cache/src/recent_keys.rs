//! An index from the raw bytes of recent requests to their keys and entries.
//!
//! Writing a canonical key costs four fifths of a hit (`bench-cache`, decision 003). So the raw bytes of a request are
//! remembered with the key they led to, and with a link to the entry found under that key, which is used only while
//! nothing was put in that entry's place. A link to a large entry is weak, and keeps nothing in memory that the store
//! evicted. A [small](SMALL) entry is held, and lent under the bucket's read lock: to count references would cost a tenth
//! of a hit.

#[cfg(test)]
mod isolation;
mod marks;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, Weak};
use std::time::Instant;

use self::marks::{Marks, mark};
use crate::entry::CacheEntry;
use crate::generations::{Generations, Place};
use crate::key::{CacheKey, KeyRef};
use crate::options::Freshness;
use crate::store::{Seeded, Store};

/// A request as it was received, by which its entry is found without writing its canonical key.
///
/// Two raw keys are equal when all their parts are. Requests with different canonical keys must have different raw keys.
/// See [`ReadThrough::hit`](crate::rt::ReadThrough::hit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawKey<'a> {
    /// Which function is called, by a number of the caller's choice.
    pub function: u64,
    /// All that the value depends on beside the arguments: the principal, say.
    pub scope: &'a [u8],
    /// The arguments, byte for byte.
    pub arguments: &'a [u8],
}

/// Whether a raw key that leads to nothing fresh has been seen before.
///
/// Most raw keys are seen once, and to insert one costs more than to write its canonical key. So one is inserted at its
/// second sighting (the doorkeeper of Einziger, Friedman and Manes, "TinyLFU", 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Not seen lately, or inserted already.
    First,
    /// Seen before: worth [inserting](RecentKeys::insert) once its key is found.
    Repeated,
}

/// Longer raw keys (scope and arguments together, in bytes) are not inserted, nor those that lead to a longer key.
const LONGEST: usize = 1 << 10;
const LONGEST_KEY: usize = 1 << 11;
/// A power of two.
const BUCKETS: usize = 1 << 11;
const WAYS: usize = marks::WAYS;

/// How many sightings are noted.
const NOTED: usize = 1 << 12;

/// An entry of at most so many bytes is held by the index, until its raw key is used again or evicted. Not one without a
/// weight of its own, which may be of any size.
const SMALL: usize = 1 << 11;

/// A store counts how often an entry is used, and evicts what nobody uses: after so many puts, a use by raw key is reported
/// to it again.
const REPORT_AFTER: u64 = 16;

/// The latest 8,192 raw keys at most, 3 KiB each with its key and 2 KiB more for a small entry, in buckets that no look-up
/// waits for.
#[derive(Debug)]
pub(crate) struct RecentKeys<V, H = Seeded> {
    /// One for each bucket, so that a raw key that is not there needs no lock.
    marks: Box<[Marks]>,
    /// The latest raw keys that were not found, as 16 bits of their hashes.
    noted: Box<[AtomicU16]>,
    buckets: OnceLock<Box<[RwLock<Bucket<V>>]>>,
    hasher: H,
}

#[derive(Debug)]
pub(crate) struct Bucket<V> {
    known: Vec<Known<V>>,
    /// The one that the next replaces.
    oldest: usize,
}

#[derive(Debug)]
struct Known<V> {
    hash: u64,
    function: u64,
    /// The scope and then the arguments; the buffer is reused by the next raw key in its place.
    bytes: Vec<u8>,
    scope: usize,
    key: CacheKey,
    place: Place,
    link: Link<V>,
    /// The version of the place, from before the entry was found there.
    version: u64,
    /// How many entries the store had been given when it last heard of a use.
    reported: AtomicU64,
}

/// A fresh entry.
#[derive(Debug)]
pub(crate) enum Fresh<'a, V> {
    /// Borrowed from this way of a bucket under its read lock, which saves counting a reference.
    Lent(RwLockReadGuard<'a, Bucket<V>>, usize),
    Shared(Arc<CacheEntry<V>>),
}

#[derive(Debug)]
enum Link<V> {
    Held(Arc<CacheEntry<V>>),
    Weak(Weak<CacheEntry<V>>),
}

impl<V: 'static, H: BuildHasher> RecentKeys<V, H> {
    pub(crate) fn new(hasher: H) -> Self {
        let marks = (0..BUCKETS).map(|_| Marks::default()).collect();
        let noted = (0..NOTED).map(|_| AtomicU16::new(0)).collect();
        Self { marks, noted, buckets: OnceLock::new(), hasher }
    }

    /// The fresh entry that `raw` leads to, if its value is `wanted`. `puts` counts the entries that the store has been given.
    #[inline(always)]
    pub(crate) fn fresh<'a>(
        &'a self,
        raw: RawKey<'_>,
        store: &dyn Store<V>,
        generations: &Generations,
        puts: u64,
        now: Instant,
        wanted: impl Fn(&V) -> bool,
    ) -> Result<Fresh<'a, V>, Sighting> {
        let serves = |entry: &CacheEntry<V>| entry.state(now) == Freshness::Fresh && wanted(entry.value());
        let hash = self.hash(raw);
        let marked = self.marks(hash).matching(hash);
        if marked == 0 {
            return Err(self.note_sighting(hash));
        }
        let Some(locked) = self.bucket(hash) else { return Err(Sighting::First) };
        let Ok(bucket) = locked.try_read() else { return Err(Sighting::First) };
        let Some((way, known)) = bucket.known_as(raw, hash, marked) else {
            return Err(self.note_sighting(hash));
        };
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
        entry.map(Fresh::Shared).ok_or(Sighting::First)
    }

    /// Inserts that `raw` leads to `key`, unless another thread has its bucket locked, or it is too long.
    pub(crate) fn insert(&self, raw: RawKey<'_>, key: KeyRef<'_>) {
        if LONGEST < raw.scope.len() + raw.arguments.len() || LONGEST_KEY < key.as_bytes().len() {
            return;
        }
        let hash = self.hash(raw);
        let empty = || RwLock::new(Bucket { known: Vec::new(), oldest: 0 });
        self.buckets.get_or_init(|| (0..BUCKETS).map(|_| empty()).collect());
        let Some(Ok(mut bucket)) = self.bucket(hash).map(RwLock::try_write) else { return };
        if bucket.known.iter().any(|known| known.is(hash, raw)) {
            return;
        }
        let bytes = if bucket.known.len() < WAYS {
            bucket.known.reserve_exact(WAYS);
            Vec::new()
        } else {
            let oldest = bucket.oldest;
            std::mem::take(&mut bucket.known[oldest].bytes)
        };
        let known = Known::new(hash, raw, CacheKey::from(key), bytes);
        if bucket.known.len() < WAYS {
            self.marks(hash).set(bucket.known.len(), hash);
            bucket.known.push(known);
        } else {
            let oldest = bucket.oldest;
            self.marks(hash).set(oldest, hash);
            bucket.known[oldest] = known;
            bucket.oldest = (oldest + 1) % WAYS;
        }
    }

    /// Releases the entries it holds, but where another thread has a bucket locked.
    pub(crate) fn clear_entries(&self) {
        for mut bucket in
            self.buckets.get().into_iter().flatten().filter_map(|locked| locked.try_write().ok())
        {
            bucket.known.iter_mut().for_each(|known| known.link = Link::NONE);
        }
    }

    /// Notes a raw key of this hash.
    fn note_sighting(&self, hash: u64) -> Sighting {
        let (noted, mark) = (&self.noted[(hash >> 32) as usize % NOTED], mark(hash));
        if noted.load(Ordering::Relaxed) == mark {
            return Sighting::Repeated;
        }
        noted.store(mark, Ordering::Relaxed);
        Sighting::First
    }

    fn marks(&self, hash: u64) -> &Marks {
        &self.marks[hash as usize % BUCKETS]
    }

    #[inline(always)]
    fn hash(&self, raw: RawKey<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(raw.function ^ (raw.scope.len() as u64) << 32);
        hasher.write(raw.scope);
        hasher.write(raw.arguments);
        hasher.finish()
    }

    fn bucket(&self, hash: u64) -> Option<&RwLock<Bucket<V>>> {
        self.buckets.get()?.get(hash as usize % BUCKETS)
    }
}

/// What the store has under `key`. A raw key in this way that leads there is linked to it from now on, unless the bucket
/// is locked. `version` is from before.
#[cold]
fn linked<V: 'static>(
    locked: &RwLock<Bucket<V>>,
    way: usize,
    key: &CacheKey,
    version: u64,
    store: &dyn Store<V>,
) -> Option<Arc<CacheEntry<V>>> {
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
    pub(crate) fn read<R>(self, read: impl FnOnce(&Arc<CacheEntry<V>>) -> R) -> R {
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
    /// Finds `raw` in one of the `marked` ways.
    #[inline(always)]
    fn known_as(&self, raw: RawKey<'_>, hash: u64, mut marked: u64) -> Option<(usize, &Known<V>)> {
        while marked != 0 {
            let way = marks::first(marked);
            match self.known.get(way) {
                Some(known) if known.is(hash, raw) => return Some((way, known)),
                _ => marked = marks::without_first(marked),
            }
        }
        None
    }
}

impl<V> Link<V> {
    const NONE: Self = Self::Weak(Weak::new());

    fn to(entry: &Arc<CacheEntry<V>>, key: &CacheKey) -> Self {
        let own = entry.weight() - key.as_bytes().len();
        if (1..=SMALL).contains(&own) {
            Self::Held(Arc::clone(entry))
        } else {
            Self::Weak(Arc::downgrade(entry))
        }
    }

    fn is(&self, entry: &Arc<CacheEntry<V>>) -> bool {
        let own = match self {
            Self::Held(own) => Arc::as_ptr(own),
            Self::Weak(own) => own.as_ptr(),
        };
        own == Arc::as_ptr(entry)
    }
}

impl<V: 'static> Known<V> {
    fn new(hash: u64, raw: RawKey<'_>, key: CacheKey, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.reserve_exact(raw.scope.len() + raw.arguments.len());
        bytes.extend_from_slice(raw.scope);
        bytes.extend_from_slice(raw.arguments);
        Self {
            hash,
            function: raw.function,
            bytes,
            scope: raw.scope.len(),
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
    fn is(&self, hash: u64, raw: RawKey<'_>) -> bool {
        self.hash == hash && self.function == raw.function && {
            let (scope, arguments) = self.bytes.split_at(self.scope);
            is_same(scope, raw.scope) && arguments == raw.arguments
        }
    }
}

/// Whether two slices, mostly of some eight to sixteen bytes, are equal.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
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
