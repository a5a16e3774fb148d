//! Looks up, and loads what is missing.

use std::borrow::Borrow;
use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use super::load::{Answered, Begun, FlightValue, Flown, Found, Loads, Stored, Within, found, found_in};
use super::now;
use super::outcome::{LoadContext, LoadError, LoadOptions, LoadOutcome, Loaded, Source};
use super::plan::{Awaited, Name, Plan};
use super::tasks::Tasks;
use super::tiered::{Clock, Tiered};
use crate::cache::{Cache, Lookup, PutError};
use crate::counters::Count;
use crate::entry::CacheEntry;
use crate::key::{CacheKey, KeyRef};
use crate::options::EntryOptions;
use crate::single_flight::{
    FlightOutcome, JoinOptions, Joined, Listed, Load, Make, Map, Panicked, PriorityHandle, Waiter,
};
use crate::store::{SlowStore, StoreError};

/// Loads what its cache does not have, once for all who ask for the same key at the same time.
///
/// A handle; clones share everything. `V` is a value and `E` an error, both cloned for each caller (wrap what is large in an
/// `Arc`); `L` is the urgency of a caller, see [`LoadOptions::urgency`].
///
/// ```
/// # use std::time::Duration;
/// # use toolpost_cache::{Cache, Capacity, EntryOptions, Memory};
/// use toolpost_cache::rt::{LoadOptions, LoadOutcome, ReadThrough};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let pages: ReadThrough<String, std::fmt::Error> =
///     ReadThrough::new(Cache::new(Memory::new(Capacity::entries(1_000))));
/// let load = |_| async { LoadOutcome::Keep("hello".to_owned(), EntryOptions::ttl(Duration::from_secs(60))) };
///
/// let first = pages.get("/index".into(), LoadOptions::new(), load).await?;
/// let second = pages.get("/index".into(), LoadOptions::new(), load).await?;
/// assert!(!first.source.is_hit() && second.source.is_hit());
/// // Or, where every value is good for the same time:
/// let third = pages.load_for("/index", Duration::from_secs(60), async { Ok("hello".to_owned()) }).await?;
/// assert_eq!(third, "hello");
/// # pages.drain().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadThrough<V, E, L = ()>(Arc<Inner<V, E, L>>);

struct Inner<V, E, L> {
    tiers: Tiered<Stored<V, E>>,
    flights: Map<Flown<V, E>, FlightValue<V, E>, L>,
    tasks: Tasks,
}

/// The longest key that takes no time worth telling from its look-up to the load.
const LONG: usize = 4_096;

/// What a look-up has found.
pub(super) struct Looked<V, E> {
    pub(super) lookup: Lookup<Stored<V, E>>,
    /// How many values the cache had been given before.
    pub(super) puts: u64,
}

impl<V, E, L> ReadThrough<V, E, L>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    L: Ord + Clone + Send + 'static,
{
    /// Loads what `cache` does not have.
    #[must_use]
    pub fn new(cache: Cache<Result<V, E>>) -> Self {
        Self::with(Tiered::new(cache))
    }

    /// Loads what neither `cache` nor the slow store below it has; what is found below is kept above.
    ///
    /// Times are handed to the slow store on the wall clock as it stood at this call; a clock that is set later changes
    /// nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use toolpost_cache::{Cache, Capacity, Memory};
    /// # #[cfg(feature = "disk")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use toolpost_cache::Disk;
    /// use toolpost_cache::rt::ReadThrough;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("cache");
    /// let memory = Cache::new(Memory::new(Capacity::entries(1_000)));
    /// let disk = Disk::open(path, 64 << 20)?;
    /// let pages: ReadThrough<String, std::fmt::Error> = ReadThrough::over(memory, disk);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "disk"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the front's clock")]
    pub fn over(cache: Cache<Result<V, E>>, slow: impl SlowStore<Result<V, E>>) -> Self {
        Self::with(Tiered::over(cache, slow, Clock { instant: now(), wall: SystemTime::now() }))
    }

    fn with(tiers: Tiered<Stored<V, E>>) -> Self {
        Self(Arc::new(Inner { tiers, flights: Map::default(), tasks: Tasks::default() }))
    }

    /// The cache in memory, for its counts and for synchronous invalidation.
    #[must_use]
    pub fn cache(&self) -> &Cache<Result<V, E>> {
        self.0.tiers.memory()
    }

    /// Removes `key` from memory and from the slow store, and outdates every load of it; true if either had it.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written; from memory it is removed all the same.
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below perhaps.
    pub async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError> {
        self.0.tiers.remove(key).await
    }

    /// Expires every entry that carries `tag`, in memory and in the slow store; returns how many in memory carry it.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written; in memory they are expired all the same.
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below perhaps.
    pub async fn invalidate(&self, tag: &str) -> Result<usize, StoreError> {
        self.0.tiers.invalidate(tag).await
    }

    /// Removes everything from memory and from the slow store; returns how many entries there were in memory.
    ///
    /// # Errors
    ///
    /// If the slow store cannot be written; from memory everything is removed all the same.
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below perhaps.
    pub async fn clear(&self) -> Result<usize, StoreError> {
        self.0.tiers.clear().await
    }

    /// Serves the value under `key` from the cache, or loads it.
    ///
    /// The look-up happens when this is called, the rest when it is polled; a hit is ready at the first poll. A stale hit
    /// starts `load` in the background unless a refresh runs already. On a miss, one of the callers that ask at the same time
    /// has its `load` run, within its time limit.
    ///
    /// # Errors
    ///
    /// If the load failed, panicked or took too long, and no stale value may be served in its place.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time, when polled, if the load is not ready at its first poll. A stale value is
    /// served there, and not refreshed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the load to the other callers that wait for it; with the last one the
    /// load is dropped.
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one call")]
    pub fn get<F, Fut>(
        &self,
        key: KeyRef<'_>,
        options: LoadOptions<'_, L>,
        load: F,
    ) -> impl Future<Output = Result<Loaded<V>, LoadError<E>>> + Send + Unpin + use<V, E, L, F, Fut>
    where
        F: FnOnce(LoadContext<L>) -> Fut + Send + 'static,
        Fut: Future<Output = LoadOutcome<V, E>> + Send + 'static,
    {
        let now = now();
        let Looked { lookup, puts } = self.look(key, now);
        let mut awaited = match self.plan(lookup, Name::Lent(key), now, &options, load) {
            Plan::Ready(answer) => Awaited::Ready(Some(answer)),
            Plan::Join(key, join, load) => {
                let (front, limit) = (self.clone(), options.limit);
                let flight = move |priority| front.fly(priority, puts, None, limit, load);
                Awaited::Flight(Self::handed(Waiter::new(self.clone(), key, join, flight)))
            }
        };
        // No `async` block, which would have room for what it captures and again for what it awaits.
        poll_fn(move |cx| match &mut awaited {
            Awaited::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Awaited::Flight(flight) => Pin::new(flight).poll(cx),
        })
    }

    /// How many background refreshes and writes are running.
    #[must_use]
    pub fn in_background(&self) -> usize {
        self.0.tasks.running()
    }

    /// Starts nothing more in the background, and waits for what runs there.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, not what it waits for.
    pub async fn drain(&self) {
        self.0.tasks.drain().await;
    }

    pub(super) fn look(&self, key: KeyRef<'_>, now: Instant) -> Looked<V, E> {
        // The number first: what comes between the two is seen as having come.
        let puts = self.cache().puts();
        Looked { lookup: self.cache().peek(key, now), puts }
    }

    /// What follows a look-up at `now`.
    #[inline(always)]
    pub(super) fn plan<F, Fut>(
        &self,
        lookup: Lookup<Stored<V, E>>,
        key: Name<'_>,
        now: Instant,
        options: &LoadOptions<'_, L>,
        load: F,
    ) -> Plan<V, E, L, F>
    where
        F: FnOnce(LoadContext<L>) -> Fut + Send + 'static,
        Fut: Future<Output = LoadOutcome<V, E>> + Send + 'static,
    {
        self.cache().count_lookup(&lookup);
        match lookup {
            Lookup::Fresh(entry) => Plan::Ready(served(&entry, Source::Fresh)),
            Lookup::Stale(entry) => {
                if entry.claim_refresh(now, options.limit) {
                    self.refresh(key.into(), options, Arc::clone(&entry), load);
                }
                Plan::Ready(served(&entry, Source::Stale))
            }
            Lookup::StaleIfError(_) | Lookup::Miss => {
                let key = key.into();
                let join = self.join(&key, options);
                Plan::Join(key, join, load)
            }
        }
    }

    /// What a waiter has got, for its caller.
    pub(super) fn handed<B, F>(
        mut waiter: Waiter<B, Flown<V, E>, FlightValue<V, E>, L, F>,
    ) -> impl Future<Output = Answered<V, E>> + Unpin + use<V, E, L, B, F>
    where
        B: Borrow<Self> + Listed<Flown<V, E>, FlightValue<V, E>, L>,
        F: Make<Flown<V, E>, L>,
    {
        poll_fn(move |cx| {
            let polled = Pin::new(&mut waiter).poll(cx);
            polled.map(|arrival| waiter.map().borrow().hand(waiter.key(), arrival))
        })
    }

    fn join(&self, key: &CacheKey, options: &LoadOptions<'_, L>) -> JoinOptions<L> {
        let since = self.cache().valid_since(key.into(), options.tags);
        JoinOptions::since(since, self.cache().epoch(), options.urgency.clone())
    }

    fn refresh<F, Fut>(
        &self,
        key: CacheKey,
        options: &LoadOptions<'_, L>,
        stale: Arc<CacheEntry<Stored<V, E>>>,
        load: F,
    ) where
        F: FnOnce(LoadContext<L>) -> Fut + Send + 'static,
        Fut: Future<Output = LoadOutcome<V, E>> + Send + 'static,
    {
        let (join, front) = (self.join(&key, options), self.clone());
        let (limit, pause) = (options.limit, options.pause);
        let flight = move |priority| -> Load<_> { Box::pin(front.run(priority, true, now(), limit, load)) };
        let waiter = Waiter::new(self.clone(), key, join, flight);
        self.0.tasks.spawn(async move {
            match waiter.await {
                Ok(Joined { value: Ok(_), .. }) => {}
                // Nobody waits for this; the next caller after the pause tries again.
                _ => stale.postpone_refresh(now(), pause),
            }
        });
    }

    /// What a flight does that somebody waits for. Before the look-up that missed, the cache had been given so many answers;
    /// `missed` is when that was, if it was just now.
    pub(super) fn fly<F, Fut>(
        &self,
        priority: PriorityHandle<L>,
        puts: u64,
        missed: Option<Instant>,
        limit: Duration,
        load: F,
    ) -> Load<Flown<V, E>>
    where
        F: FnOnce(LoadContext<L>) -> Fut + Send + 'static,
        Fut: Future<Output = LoadOutcome<V, E>> + Send + 'static,
    {
        // A slow store may know the answer, and another load may have landed since the look-up.
        if self.0.tiers.has_slow() {
            let (front, key) = (self.clone(), priority.key().clone());
            return Box::pin(async move {
                let Some(lookup) = Within::new(limit, Box::pin(front.0.tiers.get(&key, now()))).await else {
                    return Flown::Settled(Err(LoadError::TimedOut(limit)));
                };
                match found_in(&lookup) {
                    Some(found) => Flown::Settled(found),
                    None => front.run(priority, false, now(), limit, load).await,
                }
            });
        }
        if self.cache().puts() != puts
            && let Some(found) = found_in(&self.cache().peek(priority.key(), now()))
        {
            return Box::pin(ready(Flown::Settled(found)));
        }
        // Whoever looks up and finds nothing loads at once, so that one reading of the clock is enough for both.
        let is_quick = priority.is_first() && priority.key().as_bytes().len() <= LONG;
        let began = missed.filter(|_| is_quick).unwrap_or_else(now);
        Box::pin(self.run(priority, false, began, limit, load))
    }

    fn run<F, Fut>(
        &self,
        priority: PriorityHandle<L>,
        is_refresh: bool,
        began: Instant,
        limit: Duration,
        load: F,
    ) -> Loads<Fut>
    where
        F: FnOnce(LoadContext<L>) -> Fut,
    {
        let begun = Begun { is_refresh, at: began, epoch: self.cache().epoch() };
        Loads::new(load(LoadContext { is_refresh, began, priority }), limit, begun)
    }

    fn keep(&self, key: &CacheKey, value: Stored<V, E>, options: &EntryOptions, begun: &Begun, now: Instant) {
        // An answer that is not kept is still an answer; the figures say why it was not.
        let Ok(entry) = self.cache().entry(key, value, options, begun.epoch, now) else { return };
        if !self.0.tiers.has_slow() {
            let _: Result<(), PutError> = self.cache().admit(key, entry, options);
        } else if self.cache().admit(key, Arc::clone(&entry), options).is_ok() {
            let (tiers, key) = (self.0.tiers.clone(), key.clone());
            self.0.tasks.spawn(async move {
                // A slow store that cannot be written costs a load after the next start.
                let _: Result<(), StoreError> = tiers.write_back(&key, entry, self::now()).await;
            });
        }
    }

    fn record(&self, begun: &Begun, ended: Instant, failed: bool) {
        let (cache, took) = (self.cache(), ended.saturating_duration_since(begun.at));
        cache.count(Count::Load);
        cache.add(Count::LoadNanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if failed {
            cache.count(Count::FailedLoad);
        }
        if begun.is_refresh {
            cache.count(Count::Refresh);
        }
    }

    /// Hands the end of a load to one caller.
    fn hand(
        &self,
        key: Option<&CacheKey>,
        arrival: Result<Joined<FlightValue<V, E>>, Panicked>,
    ) -> Answered<V, E> {
        let broken = Joined { value: Err(LoadError::Panicked), joined: true };
        let Joined { value, joined } = arrival.unwrap_or(broken);
        if joined {
            self.cache().count(Count::Joined);
        }
        match value {
            Ok(Found { value, source: Source::Loaded }) if joined => {
                Ok(Loaded { value, source: Source::Joined })
            }
            Ok(Found { value, source }) => Ok(Loaded { value, source }),
            Err(rejected @ LoadError::Rejected(_)) => Err(rejected),
            Err(error) => match key.map(|key| self.cache().peek(key, now())) {
                Some(Lookup::Fresh(entry) | Lookup::Stale(entry) | Lookup::StaleIfError(entry)) => {
                    self.cache().count(Count::ErrorHit);
                    served(&entry, Source::StaleOnError).map_err(|_| error)
                }
                Some(Lookup::Miss) | None => Err(error),
            },
        }
    }
}

fn served<V: Clone, E: Clone>(entry: &CacheEntry<Stored<V, E>>, source: Source) -> Answered<V, E> {
    found(entry, source).map(|Found { value, source }| Loaded { value, source })
}

impl<V, E, L> Listed<Flown<V, E>, FlightValue<V, E>, L> for ReadThrough<V, E, L>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    L: Ord + Clone + Send + 'static,
{
    fn map(&self) -> &Map<Flown<V, E>, FlightValue<V, E>, L> {
        &self.0.flights
    }

    fn deliver(&self, key: &CacheKey, flown: Flown<V, E>) -> FlightOutcome<FlightValue<V, E>> {
        let (outcome, begun) = match flown {
            Flown::Settled(found) => return FlightOutcome::Shared(found),
            Flown::Ended(outcome, begun) => (outcome, begun),
            Flown::Late(limit, begun) => {
                self.record(&begun, now(), true);
                return FlightOutcome::Shared(Err(LoadError::TimedOut(limit)));
            }
        };
        let ended = now();
        self.record(&begun, ended, !matches!(outcome, LoadOutcome::Keep(..) | LoadOutcome::Pass(_)));
        let loaded = |value| Ok(Found { value, source: Source::Loaded });
        match outcome {
            LoadOutcome::Keep(value, options) => {
                self.keep(key, Ok(value.clone()), &options, &begun, ended);
                FlightOutcome::Shared(loaded(value))
            }
            LoadOutcome::Pass(value) => FlightOutcome::Shared(loaded(value)),
            LoadOutcome::Fail(error) => FlightOutcome::Shared(Err(LoadError::Failed(error))),
            LoadOutcome::Reject(error, options) => {
                self.keep(key, Err(error.clone()), &options, &begun, ended);
                FlightOutcome::Shared(Err(LoadError::Rejected(error)))
            }
            LoadOutcome::Personal(Ok(value)) => FlightOutcome::Personal(loaded(value)),
            LoadOutcome::Personal(Err(error)) => FlightOutcome::Personal(Err(LoadError::Failed(error))),
            LoadOutcome::Refuse(error) => FlightOutcome::Personal(Err(LoadError::Rejected(error))),
        }
    }
}

impl<V, E, L> Clone for ReadThrough<V, E, L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V, E, L> fmt::Debug for ReadThrough<V, E, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadThrough").field("tiers", &self.0.tiers).finish_non_exhaustive()
    }
}
