//! The envelope over a store: what may be served, what must be asked again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::alias::{Alias, Aliases, Fresh, Words};
use crate::counters::{Count, Counters, Stats};
use crate::entry::Entry;
use crate::generations::{Epoch, Generations, Place};
use crate::key::{Key, KeyRef};
use crate::lifetime::{State, Terms, Windows};
use crate::store::{Seeded, Store};
use crate::tags::{Tags, Ties};

/// Remembers answers of type `V` in a [`Store`], and says what each may be used for at a given time.
///
/// A handle; clones share everything. It never reads a clock, never waits, and knows nothing of how an
/// answer is made: [`Flights`](crate::Flights) asks each question once, and `rt::ReadThrough` (with the
/// `tokio` feature) joins the two.
pub struct Cache<V>(Arc<Inner<V>>);

struct Inner<V> {
    store: Box<dyn Store<V>>,
    aliases: Aliases<V>,
    generations: Arc<Generations>,
    /// Those of an entry without tags.
    free: Arc<Ties>,
    counters: Counters,
    /// Weighs an answer whose terms give it no weight.
    weigher: Option<Box<Weigher<V>>>,
    /// Counts the answers that the store was given; it spreads their jitter too.
    puts: AtomicU64,
}

type Weigher<V> = dyn Fn(&V) -> usize + Send + Sync;

/// What a look-up found.
#[derive(Debug)]
pub enum Look<V> {
    /// Serve it.
    Fresh(Arc<Entry<V>>),
    /// Serve it, and have it refreshed if [`Entry::claim_refresh`] says so.
    Stale(Arc<Entry<V>>),
    /// Ask again, and serve it if that fails.
    StaleIfError(Arc<Entry<V>>),
    /// Ask.
    Miss,
}

/// Why an answer was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotKept {
    /// It weighs more than the store takes.
    Oversized,
    /// It was invalidated while it was being made.
    Outdated,
    /// Its terms let it serve for no time at all.
    NoLifetime,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// An empty cache that keeps its entries in `store`.
    #[must_use]
    pub fn new(store: impl Store<V>) -> Self {
        Self::with(store, None)
    }

    /// As [`new`](Self::new), for answers that `weigher` gives the bytes of, so that a bound in bytes holds also for those
    /// whose [terms](Terms::weighing) say none.
    ///
    /// It is asked of each answer that is kept. If it panics, so does the load, or [`put`](Self::put).
    ///
    /// ```
    /// use toolpost_cache::{Bounds, Cache, Lru};
    ///
    /// let pages: Cache<String> = Cache::weighed_by(Lru::new(Bounds::entries(1_000).bytes(1 << 20)), String::len);
    /// ```
    #[must_use]
    pub fn weighed_by(store: impl Store<V>, weigher: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        Self::with(store, Some(Box::new(weigher)))
    }

    fn with(store: impl Store<V>, weigher: Option<Box<Weigher<V>>>) -> Self {
        let generations = Arc::new(Generations::new());
        Self(Arc::new(Inner {
            store: Box::new(store),
            aliases: Aliases::new(Seeded::default()),
            free: Ties::free(Arc::clone(&generations)),
            generations,
            counters: Counters::default(),
            weigher,
            puts: AtomicU64::new(0),
        }))
    }

    /// Finds what may be served for `key` at `now`, and counts the look-up.
    ///
    /// Takes no lock that a writer holds for long, and allocates nothing.
    #[must_use]
    pub fn look<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> Look<V> {
        let look = self.peek(key, now);
        self.count_look(&look);
        look
    }

    /// As [`look`](Self::look), uncounted.
    #[must_use]
    pub fn peek<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> Look<V> {
        let key = key.into();
        let Some(entry) = self.0.store.get(key) else { return Look::Miss };
        match entry.state(now) {
            State::Fresh => Look::Fresh(entry),
            State::Stale => Look::Stale(entry),
            State::StaleIfError => Look::StaleIfError(entry),
            State::Dead => {
                self.bury(key, &entry);
                Look::Miss
            }
        }
    }

    /// Remembers that whoever asks in these very words means `key`, for [`look_as`](Self::look_as).
    ///
    /// An alias that is long (its asker and its words beyond 1 KiB together) is not remembered, and an old one gives
    /// way when there are many. Worth its while for [words met again](Words::Again).
    pub fn remember<'a>(&self, alias: Alias<'_>, key: impl Into<KeyRef<'a>>) {
        self.0.aliases.remember(alias, key.into());
    }

    /// Finds what is fresh at `now` for a question in words that were [remembered](Self::remember), and counts the
    /// hit.
    ///
    /// This finds what a [`look`](Self::look) for the key would find, and costs a fraction of writing the key. But an
    /// entry of at most 2 KiB, by a weight that its terms give it, may be found for a while after the store gave it up
    /// for others. Allocates nothing, and never waits.
    ///
    /// # Errors
    ///
    /// If it is to be asked by its key; says whether the words are worth remembering then.
    pub fn look_as(&self, alias: Alias<'_>, now: Instant) -> Result<Arc<Entry<V>>, Words> {
        self.find_as(alias, now, |_| true).map(|found| found.read(Arc::clone))
    }

    /// As [`look_as`](Self::look_as), without sharing the entry, and only if its value is `wanted`.
    #[inline(always)]
    pub(crate) fn find_as(
        &self,
        alias: Alias<'_>,
        now: Instant,
        wanted: impl Fn(&V) -> bool,
    ) -> Result<Fresh<'_, V>, Words> {
        let inner = &*self.0;
        let puts = inner.puts.load(Ordering::Relaxed);
        let found = inner.aliases.fresh(alias, &*inner.store, &inner.generations, puts, now, wanted)?;
        self.count(Count::FreshHit);
        Ok(found)
    }

    /// The moment a load begins, for [`put`](Self::put): take it before the load reads anything.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.generations.now()
    }

    /// Keeps the answer of a load that began at `epoch`.
    ///
    /// # Errors
    ///
    /// If it was not kept. What was kept under `key` before is gone too if the answer was too heavy, for it has been
    /// superseded.
    pub fn put(
        &self,
        key: &Key,
        value: V,
        terms: &Terms,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Arc<Entry<V>>, NotKept> {
        let entry = self.entry(key, value, terms, epoch, now)?;
        self.admit(key, Arc::clone(&entry), terms)?;
        Ok(entry)
    }

    /// What [`put`](Self::put) would keep.
    pub(crate) fn entry(
        &self,
        key: &Key,
        value: V,
        terms: &Terms,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Arc<Entry<V>>, NotKept> {
        let spread = spread(self.0.puts.load(Ordering::Relaxed));
        self.entry_for(key, value, terms, terms.lifetime.starting(now, spread), epoch, now)
    }

    /// As [`entry`](Self::entry), for windows of its own.
    #[inline]
    pub(crate) fn entry_for(
        &self,
        key: &Key,
        value: V,
        terms: &Terms,
        windows: Windows,
        epoch: Epoch,
        now: Instant,
    ) -> Result<Arc<Entry<V>>, NotKept> {
        if windows.state(now) == State::Dead {
            return Err(NotKept::NoLifetime);
        }
        if self.is_outdated(epoch, Generations::place(key.into()), terms) {
            return Err(NotKept::Outdated);
        }
        let mut entry = Entry::new(value, key, windows, terms, epoch, &self.0.free, now);
        if let Some(weigher) = &self.0.weigher
            && terms.weight == 0
        {
            entry.add_weight(weigher(entry.value()));
        }
        Ok(Arc::new(entry))
    }

    /// Keeps an entry that was made for this key on these terms.
    pub(crate) fn admit(&self, key: &Key, entry: Arc<Entry<V>>, terms: &Terms) -> Result<(), NotKept> {
        let inner = &*self.0;
        let (place, born) = (entry.place(), entry.born());
        let put = inner.store.put(key.clone(), entry);
        inner.generations.changed(place);
        // Afterwards: whoever sees the old number may look again.
        inner.puts.fetch_add(1, Ordering::Release);
        if put.is_err() {
            self.count(Count::Refused);
            return Err(NotKept::Oversized);
        }
        // An invalidation between the check and the store would otherwise be overtaken.
        if self.is_outdated(born, place, terms) {
            self.take_back(key, place);
            return Err(NotKept::Outdated);
        }
        Ok(())
    }

    fn is_outdated(&self, born: Epoch, place: Place, terms: &Terms) -> bool {
        // Mostly nothing at all has been invalidated since.
        born != self.epoch() && born < self.since(place, Some(terms.tags()))
    }

    #[cold]
    fn take_back(&self, key: &Key, place: Place) {
        if let Some(entry) = self.0.store.get(key.into())
            && !entry.is_current()
        {
            self.bury(key.into(), &entry);
        }
        // Whoever found it by alias in the meantime holds it, and must not find it again.
        self.0.generations.changed(place);
    }

    /// Forgets `key`, and every load of it that has begun; true if it was kept.
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

    /// Whether anything may be served for `key` at `now`, if only in case asking again fails. Not counted as a look-up;
    /// to the store it is one.
    #[must_use]
    pub fn contains<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> bool {
        !matches!(self.peek(key, now), Look::Miss)
    }

    /// Forgets the entries for which `keep` says no; returns how many.
    ///
    /// Reads every entry; `keep` is called with no lock held that a look-up waits for, and what comes meanwhile may be
    /// seen or not. Loads that have begun are not forgotten, unlike by [`remove`](Self::remove): there is no answer yet to
    /// judge. What is known in advance to go together is better [invalidated](Self::invalidate) by a tag.
    pub fn retain(&self, mut keep: impl FnMut(KeyRef<'_>, &Entry<V>) -> bool) -> usize {
        self.drop_if(Count::Invalidated, |key, entry| !keep(key, entry))
    }

    /// Drops what is of no use at `now` any more, expired or invalidated; returns how many entries that were.
    ///
    /// Such entries are dropped when they are looked for, or when the store needs room; so this is for whoever wants the
    /// memory back before. Reads every entry, and holds no look-up up.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn sweep(&self, now: Instant) -> usize {
        self.drop_if(Count::Expired, |_, entry| entry.state(now) == State::Dead)
    }

    fn drop_if(&self, cause: Count, mut goes: impl FnMut(KeyRef<'_>, &Entry<V>) -> bool) -> usize {
        let inner = &*self.0;
        let mut dropped = 0;
        inner.store.each(&mut |key, entry| {
            if goes(key, entry) && inner.store.remove_entry(key, entry) {
                // Whoever found it by alias must not find it again.
                inner.generations.changed(entry.place());
                self.count(if entry.is_current() { cause } else { Count::Invalidated });
                dropped += 1;
            }
        });
        dropped
    }

    /// Makes every answer that depends on `tag` dead, and every load of one that has begun.
    ///
    /// Costs the same whatever the number of entries. Returns how many in memory carry the tag; dead
    /// ones that nobody has found yet are counted again. A prefix of what answers were kept
    /// [within](Terms::within) is a tag like any other.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn invalidate(&self, tag: &str) -> usize {
        self.0.generations.invalidate(tag)
    }

    /// Forgets everything, and every load that has begun; returns how many entries there were.
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn clear(&self) -> usize {
        self.0.generations.clear();
        let cleared = self.0.store.clear();
        self.0.generations.changed_everywhere();
        self.0.aliases.let_go();
        self.0.counters.add(Count::Invalidated, cleared as u64);
        cleared
    }

    /// The epoch that a load of `key`, whose answer depends on `tags`, must not have begun before.
    #[must_use]
    pub fn valid_since<'a>(&self, key: impl Into<KeyRef<'a>>, tags: &Tags) -> Epoch {
        self.valid_since_of(key.into(), Some(tags))
    }

    pub(crate) fn valid_since_of(&self, key: KeyRef<'_>, tags: Option<&Tags>) -> Epoch {
        self.since(Generations::place(key), tags)
    }

    fn since(&self, place: Place, tags: Option<&Tags>) -> Epoch {
        let generations = &self.0.generations;
        let since = generations.since_at(place);
        tags.map_or(since, |tags| since.max(tags.last(generations)))
    }

    /// What it has seen, and what it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let usage = self.0.store.usage();
        let Inner { counters, .. } = &*self.0;
        Stats { entries: usage.entries, bytes: usage.bytes, evicted: usage.evicted, ..counters.stats() }
    }

    /// How many answers it has been given: as long as this stays the same, what a look-up missed is missing.
    #[cfg(feature = "tokio")]
    pub(crate) fn puts(&self) -> u64 {
        self.0.puts.load(Ordering::Acquire)
    }

    pub(crate) fn count_look(&self, look: &Look<V>) {
        self.count(match look {
            Look::Fresh(_) => Count::FreshHit,
            Look::Stale(_) => Count::StaleHit,
            Look::StaleIfError(_) | Look::Miss => Count::Miss,
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
    fn bury(&self, key: KeyRef<'_>, entry: &Arc<Entry<V>>) {
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

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oversized => "the answer is heavier than the store takes",
            Self::Outdated => "the answer was invalidated while it was being made",
            Self::NoLifetime => "the answer may serve for no time",
        })
    }
}

impl std::error::Error for NotKept {}
