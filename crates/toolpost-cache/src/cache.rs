//! The cache over a store: what may be served, and what must be loaded again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::counters::{CacheStats, Count, Counters};
use crate::entry::CacheEntry;
use crate::generations::{Epoch, Generations, Place};
use crate::key::{CacheKey, KeyRef};
use crate::options::{EntryOptions, Freshness, Windows};
#[cfg(feature = "tokio")]
use crate::recent_keys::{Fresh, RawKey, RecentKeys, Sighting};
#[cfg(feature = "tokio")]
use crate::store::Seeded;
use crate::store::Store;
use crate::tags::{Tags, Ties};

/// Caches values of type `V` in a [`Store`], with fresh and stale windows and invalidation by tag.
///
/// A handle; clones share everything. It never reads a clock and never waits: `rt::ReadThrough` (feature `tokio`) loads
/// what is not there.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, Lookup, Memory};
///
/// let cache: Cache<u32> = Cache::new(Memory::new(Capacity::entries(1_000)));
/// let (key, now) = (CacheKey::from("answer"), Instant::now());
///
/// let epoch = cache.epoch(); // before the value is read from wherever it comes
/// cache.put(&key, 42, &EntryOptions::ttl(Duration::from_secs(60)), epoch, now)?;
/// assert!(matches!(cache.get(&key, now), Lookup::Fresh(entry) if *entry.value() == 42));
/// assert!(matches!(cache.get(&key, now + Duration::from_secs(60)), Lookup::Miss));
/// # Ok::<(), toolpost_cache::PutError>(())
/// ```
pub struct Cache<V>(Arc<Inner<V>>);

struct Inner<V> {
    store: Box<dyn Store<V>>,
    #[cfg(feature = "tokio")]
    recent_keys: RecentKeys<V>,
    generations: Arc<Generations>,
    /// Those of an entry without tags.
    free: Arc<Ties>,
    counters: Counters,
    /// Weighs an answer whose options give it no weight.
    weigher: Option<Box<Weigher<V>>>,
    /// Counts the answers that the store was given; it spreads their jitter too.
    puts: AtomicU64,
}

type Weigher<V> = dyn Fn(&V) -> usize + Send + Sync;

/// The result of a look-up.
#[derive(Debug)]
pub enum Lookup<V> {
    /// Serve it.
    Fresh(Arc<CacheEntry<V>>),
    /// Serve it, and refresh it if [`CacheEntry::claim_refresh`] says so.
    Stale(Arc<CacheEntry<V>>),
    /// Load again, and serve this if that fails.
    StaleIfError(Arc<CacheEntry<V>>),
    /// Load.
    Miss,
}

/// Why a value was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError {
    /// It weighs more than the store takes.
    Oversized,
    /// It was invalidated while it was being loaded.
    Outdated,
    /// Its options keep it for no time at all.
    NoLifetime,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Creates an empty cache that keeps its entries in `store`.
    #[must_use]
    pub fn new(store: impl Store<V>) -> Self {
        Self::with(store, None)
    }

    /// Creates an empty cache whose `weigher` gives the bytes of each value whose [options](EntryOptions::weighing) say none,
    /// so that a capacity in bytes holds for all.
    ///
    /// If the weigher panics, so does the load, or [`put`](Self::put).
    ///
    /// ```
    /// use toolpost_cache::{Capacity, Cache, Lru};
    ///
    /// let pages: Cache<String> = Cache::weighed_by(Lru::new(Capacity::entries(1_000).bytes(1 << 20)), String::len);
    /// ```
    #[must_use]
    pub fn weighed_by(store: impl Store<V>, weigher: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        Self::with(store, Some(Box::new(weigher)))
    }

    fn with(store: impl Store<V>, weigher: Option<Box<Weigher<V>>>) -> Self {
        let generations = Arc::new(Generations::new());
        Self(Arc::new(Inner {
            store: Box::new(store),
            #[cfg(feature = "tokio")]
            recent_keys: RecentKeys::new(Seeded::default()),
            free: Ties::free(Arc::clone(&generations)),
            generations,
            counters: Counters::default(),
            weigher,
            puts: AtomicU64::new(0),
        }))
    }

    /// Looks up what may be served for `key` at `now`, and counts a hit or a miss.
    ///
    /// Takes no lock that a writer holds for long, and allocates nothing.
    #[must_use]
    pub fn get<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> Lookup<V> {
        let found = self.peek(key, now);
        self.count_lookup(&found);
        found
    }

    /// Looks up as [`get`](Self::get) does, uncounted.
    #[must_use]
    pub fn peek<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> Lookup<V> {
        let key = key.into();
        let Some(entry) = self.0.store.get(key) else { return Lookup::Miss };
        match entry.state(now) {
            Freshness::Fresh => Lookup::Fresh(entry),
            Freshness::Stale => Lookup::Stale(entry),
            Freshness::StaleIfError => Lookup::StaleIfError(entry),
            Freshness::Expired => {
                self.drop_expired(key, &entry);
                Lookup::Miss
            }
        }
    }

    /// The index from raw bytes to keys.
    #[cfg(feature = "tokio")]
    pub(crate) fn recent_keys(&self) -> &RecentKeys<V> {
        &self.0.recent_keys
    }

    /// The fresh entry that raw bytes lead to, if its value is `wanted`; counts the hit.
    #[cfg(feature = "tokio")]
    #[inline(always)]
    pub(crate) fn get_raw(
        &self,
        raw: RawKey<'_>,
        now: Instant,
        wanted: impl Fn(&V) -> bool,
    ) -> Result<Fresh<'_, V>, Sighting> {
        let inner = &*self.0;
        let puts = inner.puts.load(Ordering::Relaxed);
        let found = inner.recent_keys.fresh(raw, &*inner.store, &inner.generations, puts, now, wanted)?;
        self.count(Count::FreshHit);
        Ok(found)
    }

    /// The epoch at which a load begins, for [`put`](Self::put): take it before the load reads anything.
    ///
    /// What was invalidated since then is not stored, for the load may have read it before it changed:
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use toolpost_cache::{Cache, CacheKey, Capacity, EntryOptions, Memory, PutError};
    ///
    /// let cache: Cache<u32> = Cache::new(Memory::new(Capacity::entries(100)));
    /// let options = EntryOptions::ttl(Duration::from_secs(60)).tagged(["prices"]);
    ///
    /// let epoch = cache.epoch();
    /// let price = 1_250; // read from a database, say, in which it changes right afterwards:
    /// cache.invalidate("prices");
    ///
    /// let stored = cache.put(&CacheKey::from("lathe"), price, &options, epoch, Instant::now());
    /// assert_eq!(stored.unwrap_err(), PutError::Outdated);
    /// ```
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.generations.now()
    }

    /// Stores the value of a load that began at `epoch`, with times counted from `now`; returns the entry as it is kept.
    ///
    /// # Errors
    ///
    /// If the value was not stored: [`Outdated`](PutError::Outdated), [`NoLifetime`](PutError::NoLifetime), or
    /// [`Oversized`](PutError::Oversized); then what was under `key` before is gone too, for it has been superseded.
    pub fn put(
        &self,
        key: &CacheKey,
        value: V,
        options: &EntryOptions,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Arc<CacheEntry<V>>, PutError> {
        let entry = self.entry(key, value, options, epoch, now)?;
        self.admit(key, Arc::clone(&entry), options)?;
        Ok(entry)
    }

    /// What [`put`](Self::put) would keep.
    pub(crate) fn entry(
        &self,
        key: &CacheKey,
        value: V,
        options: &EntryOptions,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Arc<CacheEntry<V>>, PutError> {
        let spread = spread(self.0.puts.load(Ordering::Relaxed));
        self.entry_for(key, value, options, options.windows(now, spread), epoch, now)
    }

    /// As [`entry`](Self::entry), for windows of its own.
    #[inline]
    pub(crate) fn entry_for(
        &self,
        key: &CacheKey,
        value: V,
        options: &EntryOptions,
        windows: Windows,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Arc<CacheEntry<V>>, PutError> {
        if windows.state(now) == Freshness::Expired {
            return Err(PutError::NoLifetime);
        }
        if self.is_outdated(epoch, Generations::place(key.into()), options) {
            return Err(PutError::Outdated);
        }
        let mut entry = CacheEntry::new(value, key, windows, options, epoch, &self.0.free, now);
        if let Some(weigher) = &self.0.weigher
            && options.weight == 0
        {
            entry.add_weight(weigher(entry.value()));
        }
        Ok(Arc::new(entry))
    }

    /// Keeps an entry that was made for this key on these options.
    pub(crate) fn admit(
        &self,
        key: &CacheKey,
        entry: Arc<CacheEntry<V>>,
        options: &EntryOptions,
    ) -> Result<(), PutError> {
        let inner = &*self.0;
        let (place, born) = (entry.place(), entry.born());
        let put = inner.store.put(key.clone(), entry);
        inner.generations.changed(place);
        // Afterwards: whoever sees the old number may look again.
        inner.puts.fetch_add(1, Ordering::Release);
        if put.is_err() {
            self.count(Count::Refused);
            return Err(PutError::Oversized);
        }
        // An invalidation between the check and the store would otherwise be overtaken.
        if self.is_outdated(born, place, options) {
            self.undo_put(key, place);
            return Err(PutError::Outdated);
        }
        Ok(())
    }

    fn is_outdated(&self, born: Epoch, place: Place, options: &EntryOptions) -> bool {
        // Mostly nothing at all has been invalidated since.
        born != self.epoch() && born < self.since(place, Some(options.tags()))
    }

    #[cold]
    fn undo_put(&self, key: &CacheKey, place: Place) {
        if let Some(entry) = self.0.store.get(key.into())
            && !entry.is_current()
        {
            self.drop_expired(key.into(), &entry);
        }
        // Whoever found it by raw in the meantime holds it, and must not find it again.
        self.0.generations.changed(place);
    }

    /// Removes `key`, and outdates every load of it that has begun; true if it was there.
    pub fn remove<'a>(&self, key: impl Into<KeyRef<'a>>) -> bool {
        let key = key.into();
        self.0.generations.remove(key);
        let removed = self.0.store.remove(key);
        self.0.generations.changed(Generations::place(key));
        if removed {
            self.count(Count::Invalidated);
        }
        removed
    }

    /// Whether anything may be served for `key` at `now`, if only in case loading it again fails. Not counted as a look-up;
    /// to the store it is one.
    #[must_use]
    pub fn contains<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> bool {
        !matches!(self.peek(key, now), Lookup::Miss)
    }

    /// Removes the entries for which `keep` returns false; returns how many.
    ///
    /// Reads every entry; `keep` is called with no lock held that a look-up waits for, and what comes meanwhile may be
    /// seen or not. Loads that have begun are not outdated, unlike by [`remove`](Self::remove). What is known in advance to
    /// go together is better [invalidated](Self::invalidate) by a tag.
    pub fn retain(&self, mut keep: impl FnMut(KeyRef<'_>, &CacheEntry<V>) -> bool) -> usize {
        self.drop_if(Count::Invalidated, |key, entry| !keep(key, entry))
    }

    /// Removes the entries that are expired or invalidated at `now`; returns how many.
    ///
    /// They are removed anyway when they are looked up, or when the store needs room: this frees their memory before that.
    /// Reads every entry, and delays no look-up.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn sweep(&self, now: Instant) -> usize {
        self.drop_if(Count::Expired, |_, entry| entry.state(now) == Freshness::Expired)
    }

    fn drop_if(&self, cause: Count, mut goes: impl FnMut(KeyRef<'_>, &CacheEntry<V>) -> bool) -> usize {
        let inner = &*self.0;
        let mut dropped = 0;
        inner.store.each(&mut |key, entry| {
            if goes(key, entry) && inner.store.remove_entry(key, entry) {
                // Whoever found it by raw must not find it again.
                inner.generations.changed(entry.place());
                self.count(if entry.is_current() { cause } else { Count::Invalidated });
                dropped += 1;
            }
        });
        dropped
    }

    /// Expires every entry that carries `tag`, and outdates every load of one that has begun.
    ///
    /// Costs the same whatever the number of entries. Returns how many in memory carry the tag; expired ones that nobody has
    /// found yet are counted again. A prefix of the path that entries are [within](EntryOptions::within) is a tag like any
    /// other.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn invalidate(&self, tag: &str) -> usize {
        self.0.generations.invalidate(tag)
    }

    /// Removes everything, and outdates every load that has begun; returns how many entries there were.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn clear(&self) -> usize {
        self.0.generations.clear();
        let cleared = self.0.store.clear();
        self.0.generations.changed_everywhere();
        #[cfg(feature = "tokio")]
        self.0.recent_keys.clear_entries();
        self.0.counters.add(Count::Invalidated, cleared as u64);
        cleared
    }

    /// The epoch that a load of `key`, whose value will carry `tags`, must not have begun before.
    #[cfg(feature = "tokio")]
    pub(crate) fn valid_since(&self, key: KeyRef<'_>, tags: Option<&Tags>) -> Epoch {
        self.since(Generations::place(key), tags)
    }

    fn since(&self, place: Place, tags: Option<&Tags>) -> Epoch {
        let generations = &self.0.generations;
        let since = generations.since_at(place);
        tags.map_or(since, |tags| since.max(tags.last(generations)))
    }

    /// Counts of hits, misses, loads and evictions, and what it holds.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let usage = self.0.store.usage();
        let Inner { counters, .. } = &*self.0;
        CacheStats { entries: usage.entries, bytes: usage.bytes, evicted: usage.evicted, ..counters.stats() }
    }

    /// How many answers it has been given: as long as this stays the same, what a look-up missed is missing.
    #[cfg(feature = "tokio")]
    pub(crate) fn puts(&self) -> u64 {
        self.0.puts.load(Ordering::Acquire)
    }

    pub(crate) fn count_lookup(&self, found: &Lookup<V>) {
        self.count(match found {
            Lookup::Fresh(_) => Count::FreshHit,
            Lookup::Stale(_) => Count::StaleHit,
            Lookup::StaleIfError(_) | Lookup::Miss => Count::Miss,
        });
    }

    pub(crate) fn count(&self, count: Count) {
        self.0.counters.one(count);
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn add(&self, count: Count, by: u64) {
        self.0.counters.add(count, by);
    }

    /// Drops an entry found dead, and counts the cause once.
    fn drop_expired(&self, key: KeyRef<'_>, entry: &Arc<CacheEntry<V>>) {
        if self.0.store.remove_entry(key, entry) {
            self.count(if entry.is_current() { Count::Expired } else { Count::Invalidated });
        }
    }
}

/// Spreads consecutive numbers evenly over `0.0..1.0` (multiples of the golden ratio).
fn spread(n: u64) -> f64 {
    (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1_u64 << 53) as f64
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("counters", &self.0.counters.stats()).finish_non_exhaustive()
    }
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oversized => "the value is heavier than the store takes",
            Self::Outdated => "the value was invalidated while it was being loaded",
            Self::NoLifetime => "the value is kept for no time",
        })
    }
}

impl std::error::Error for PutError {}
