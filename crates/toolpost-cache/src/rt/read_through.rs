//! Looks up, and loads what is not there.

use std::borrow::Borrow;
use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::answer::{Answer, Answered, LoadError, Loading, Outcome, Purpose, Request, Source};
use super::load::{Begun, Flown, Found, Loaded, Loads, Stored, Within, found, found_in};
use super::now;
use super::plan::{Awaited, Name, Plan};
use super::tasks::Tasks;
use crate::alias::{Alias, Fresh, Words};
use crate::cache::{Cache, Look, NotKept};
use crate::counters::Count;
use crate::entry::Entry;
use crate::flight::{Arrival, Boarding, Landing, Lift, Listed, Load, Make, Map, Panicked, Started, Waiter};
use crate::key::{Key, KeyRef};
use crate::lifetime::Terms;
use crate::store::Tiered;

/// A cache that makes what it does not have, once for everyone who asks.
///
/// A handle; clones share everything. `V` is an answer and `E` a failure, both cloned for each caller
/// (wrap what is large in an `Arc`); `L` says how urgent a caller is, see [`Lift`](crate::Lift).
///
/// ```
/// # use std::time::Duration;
/// # use toolpost_cache::{Bounds, Cache, Key, Memory, Terms};
/// use toolpost_cache::rt::{Outcome, ReadThrough, Request};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let pages: ReadThrough<String, std::fmt::Error> =
///     ReadThrough::new(Cache::new(Memory::new(Bounds::entries(1_000))));
/// let load = |_| async { Outcome::Keep("hello".to_owned(), Terms::ttl(Duration::from_secs(60))) };
///
/// let first = pages.get(Request::new("/index"), load).await?;
/// let second = pages.get(Request::new("/index"), load).await?;
/// assert!(!first.source.is_hit() && second.source.is_hit());
/// // Or, where every answer is good for the same time:
/// let third = pages.load_for("/index", Duration::from_secs(60), async { Ok("hello".to_owned()) }).await?;
/// assert_eq!(third, "hello");
/// # pages.drain().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadThrough<V, E, L = ()>(Arc<Inner<V, E, L>>);

struct Inner<V, E, L> {
    tiers: Tiered<Stored<V, E>>,
    flights: Map<Flown<V, E>, Loaded<V, E>, L>,
    tasks: Tasks,
}

/// The longest key that takes no time worth telling from its look-up to the load.
const LONG: usize = 4_096;

/// A question that nothing fresh was found for; see [`ReadThrough::hit`].
#[must_use = "nothing is loaded before it is asked"]
pub struct Missed<V, E> {
    key: Key,
    looked: Looked<V, E>,
}

/// A fresh answer where it lies. As long as this is there, no words are remembered in its part of the table of them.
pub struct Hit<'a, V, E>(Fresh<'a, Stored<V, E>>);

impl<V, E> Hit<'_, V, E> {
    /// What `read` makes of the answer.
    #[inline(always)]
    pub fn read<R>(self, read: impl FnOnce(&V) -> R) -> R {
        self.0.read(|entry| match entry.value() {
            Ok(value) => read(value),
            Err(_) => unreachable!("a failure is no hit"),
        })
    }
}

/// What came of a look-up.
struct Looked<V, E> {
    look: Look<Stored<V, E>>,
    /// How many answers the cache had been given before.
    puts: u64,
}

impl<V, E, L> ReadThrough<V, E, L>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    L: Ord + Clone + Send + 'static,
{
    /// A front to a cache, or to a [`Tiered`] one.
    #[must_use]
    pub fn new(cache: impl Into<Tiered<Result<V, E>>>) -> Self {
        Self(Arc::new(Inner { tiers: cache.into(), flights: Map::default(), tasks: Tasks::default() }))
    }

    /// The cache in front, for its figures and for synchronous invalidation.
    #[must_use]
    pub fn cache(&self) -> &Cache<Result<V, E>> {
        self.0.tiers.hot()
    }

    /// The cache and the slow store below it, for invalidation in both.
    #[must_use]
    pub fn tiers(&self) -> &Tiered<Result<V, E>> {
        &self.0.tiers
    }

    /// Answers from the cache, or from a load.
    ///
    /// The look-up happens when this is called, the rest when it is polled; a hit is ready at the first
    /// poll. A stale hit starts `load` in the background unless a refresh runs already. On a miss, one of
    /// the callers that ask at the same time has its `load` run, under the request's time limit.
    ///
    /// # Errors
    ///
    /// If the load failed, panicked or took too long, and no stale answer may be served in its place.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time, when polled, if the load is not ready at its first poll. A stale answer is
    /// served there, and not refreshed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the load to the other callers that wait for it; with the last one the
    /// load is dropped.
    #[expect(clippy::needless_pass_by_value, reason = "a request is made for one call")]
    pub fn get<F, Fut>(
        &self,
        request: Request<'_, L>,
        load: F,
    ) -> impl Future<Output = Answered<V, E>> + Send + Unpin + use<V, E, L, F, Fut>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let (now, key) = (now(), KeyRef::from(request.key));
        let Looked { look, puts } = self.look(key, now);
        let mut awaited = match self.plan(look, Name::Lent(key), now, &request, load) {
            Plan::Answer(answer) => Awaited::Answer(Some(answer)),
            Plan::Board(key, boarding, load) => {
                let (front, limit) = (self.clone(), request.limit);
                let flight = move |lift| front.fly(lift, puts, None, limit, load);
                Awaited::Flight(Self::handed(Waiter::new(self.clone(), key, boarding).laden(flight)))
            }
        };
        // No `async` block, which would have room for what it captures and again for what it awaits.
        poll_fn(move |cx| match &mut awaited {
            Awaited::Answer(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Awaited::Flight(flight) => Pin::new(flight).poll(cx),
        })
    }

    /// A fresh answer, if there is one; else what [`start`](Self::start) goes on from, and the look-up is not counted yet.
    ///
    /// For a caller that would rather not make a load before it needs one. `now` is the time on tokio's clock, as a
    /// standard instant.
    ///
    /// # Errors
    ///
    /// If nothing fresh is there.
    pub fn hit<'a>(&self, key: impl Into<KeyRef<'a>>, now: Instant) -> Result<Hit<'_, V, E>, Missed<V, E>> {
        let key = key.into();
        match self.look(key, now) {
            Looked { look: Look::Fresh(entry), .. } if entry.value().is_ok() => {
                self.cache().count(Count::FreshHit);
                Ok(Hit(Fresh::Shared(entry)))
            }
            looked => Err(Missed { key: key.into(), looked }),
        }
    }

    /// The first poll of what [`get`](Self::get) does, right after a [`hit`](Self::hit) at `now` that was none; the key of
    /// the request does not matter.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get), in this call or when polled.
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    #[expect(clippy::needless_pass_by_value, reason = "a request is made for one call")]
    pub fn start<'a, F, Fut>(
        &'a self,
        missed: Missed<V, E>,
        now: Instant,
        request: Request<'_, L>,
        load: F,
        cx: &mut Context<'_>,
    ) -> Started<Answered<V, E>, impl Future<Output = Answered<V, E>> + Send + Unpin + use<'a, V, E, L, F, Fut>>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let Missed { key, looked: Looked { look, puts } } = missed;
        let (key, boarding, load) = match self.plan(look, Name::Own(key), now, &request, load) {
            Plan::Answer(answer) => return Started::Ended(answer),
            Plan::Board(key, boarding, load) => (key, boarding, load),
        };
        let (limit, mut waiter) = (request.limit, Waiter::new(self, key, boarding));
        match waiter.start(move |lift| self.fly(lift, puts, Some(now), limit, load), cx) {
            Poll::Ready(arrival) => Started::Ended(self.hand(waiter.key(), arrival)),
            Poll::Pending => Started::Waits(Self::handed(waiter)),
        }
    }

    /// As [`hit`](Self::hit), by words that were [remembered](Cache::remember).
    ///
    /// # Errors
    ///
    /// If it is to be asked by its key; says whether the words are worth remembering then.
    #[inline(always)]
    pub fn hit_as(&self, alias: Alias<'_>, now: Instant) -> Result<Hit<'_, V, E>, Words> {
        self.cache().find_as(alias, now, Result::is_ok).map(Hit)
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

    fn look(&self, key: KeyRef<'_>, now: Instant) -> Looked<V, E> {
        // The number first: what comes between the two is seen as having come.
        let puts = self.cache().puts();
        Looked { look: self.cache().peek(key, now), puts }
    }

    /// What follows a look-up at `now`.
    #[inline(always)]
    fn plan<F, Fut>(
        &self,
        look: Look<Stored<V, E>>,
        key: Name<'_>,
        now: Instant,
        request: &Request<'_, L>,
        load: F,
    ) -> Plan<V, E, L, F>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        self.cache().count_look(&look);
        match look {
            Look::Fresh(entry) => Plan::Answer(served(&entry, Source::Fresh)),
            Look::Stale(entry) => {
                if entry.claim_refresh(now, request.limit) {
                    self.refresh(key.into(), request, Arc::clone(&entry), load);
                }
                Plan::Answer(served(&entry, Source::Stale))
            }
            Look::StaleIfError(_) | Look::Miss => {
                let key = key.into();
                let boarding = self.boarding(&key, request);
                Plan::Board(key, boarding, load)
            }
        }
    }

    /// What a waiter has got, for its caller.
    fn handed<B, F>(
        mut waiter: Waiter<B, Flown<V, E>, Loaded<V, E>, L, F>,
    ) -> impl Future<Output = Answered<V, E>> + Unpin + use<V, E, L, B, F>
    where
        B: Borrow<Self> + Listed<Flown<V, E>, Loaded<V, E>, L>,
        F: Make<Flown<V, E>, L>,
    {
        poll_fn(move |cx| {
            let polled = Pin::new(&mut waiter).poll(cx);
            polled.map(|arrival| waiter.map().borrow().hand(waiter.key(), arrival))
        })
    }

    fn boarding(&self, key: &Key, request: &Request<'_, L>) -> Boarding<L> {
        let since = self.cache().valid_since_of(key.into(), request.tags);
        Boarding::since(since, self.cache().epoch(), request.urgency.clone())
    }

    fn refresh<F, Fut>(&self, key: Key, request: &Request<'_, L>, stale: Arc<Entry<Stored<V, E>>>, load: F)
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let (boarding, front) = (self.boarding(&key, request), self.clone());
        let (limit, pause) = (request.limit, request.pause);
        let flight =
            move |lift| -> Load<_> { Box::pin(front.load(lift, Purpose::Refresh, now(), limit, load)) };
        let join = Waiter::new(self.clone(), key, boarding).laden(flight);
        self.0.tasks.spawn(async move {
            match join.await {
                Ok(Arrival { value: Ok(_), .. }) => {}
                // Nobody waits for this; the next caller after the pause tries again.
                _ => stale.postpone_refresh(now(), pause),
            }
        });
    }

    /// What a flight does that somebody waits for. Before the look-up that missed, the cache had been given so many answers;
    /// `missed` is when that was, if it was just now.
    fn fly<F, Fut>(
        &self,
        lift: Lift<L>,
        puts: u64,
        missed: Option<Instant>,
        limit: Duration,
        load: F,
    ) -> Load<Flown<V, E>>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        // A slow store may know the answer, and another load may have landed since the look-up.
        if self.0.tiers.has_slow() {
            let (front, key) = (self.clone(), lift.key().clone());
            return Box::pin(async move {
                let Some(look) = Within::new(limit, Box::pin(front.0.tiers.look(&key, now()))).await else {
                    return Flown::Settled(Err(LoadError::TimedOut(limit)));
                };
                match found_in(&look) {
                    Some(found) => Flown::Settled(found),
                    None => front.load(lift, Purpose::Answer, now(), limit, load).await,
                }
            });
        }
        if self.cache().puts() != puts
            && let Some(found) = found_in(&self.cache().peek(lift.key(), now()))
        {
            return Box::pin(ready(Flown::Settled(found)));
        }
        // Whoever looks up and finds nothing loads at once, so that one reading of the clock is enough for both.
        let is_quick = lift.is_first() && lift.key().as_bytes().len() <= LONG;
        let began = missed.filter(|_| is_quick).unwrap_or_else(now);
        Box::pin(self.load(lift, Purpose::Answer, began, limit, load))
    }

    fn load<F, Fut>(
        &self,
        lift: Lift<L>,
        purpose: Purpose,
        began: Instant,
        limit: Duration,
        load: F,
    ) -> Loads<Fut>
    where
        F: FnOnce(Loading<L>) -> Fut,
    {
        let begun = Begun { purpose, at: began, epoch: self.cache().epoch() };
        Loads::new(load(Loading { purpose, began, lift }), limit, begun)
    }

    fn keep(&self, key: &Key, value: Stored<V, E>, terms: &Terms, begun: &Begun, now: Instant) {
        // An answer that is not kept is still an answer; the figures say why it was not.
        let Ok(entry) = self.cache().entry(key, value, terms, begun.epoch, now) else { return };
        if !self.0.tiers.has_slow() {
            let _: Result<(), NotKept> = self.cache().admit(key, entry, terms);
        } else if self.cache().admit(key, Arc::clone(&entry), terms).is_ok() {
            let (tiers, key) = (self.0.tiers.clone(), key.clone());
            self.0.tasks.spawn(async move {
                // A slow store that cannot be written costs a load after the next start.
                let _: io::Result<()> = tiers.spill(&key, &entry, self::now()).await;
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
        if begun.purpose == Purpose::Refresh {
            cache.count(Count::Refresh);
        }
    }

    /// Hands a landed load to one caller.
    fn hand(&self, key: Option<&Key>, arrival: Result<Arrival<Loaded<V, E>>, Panicked>) -> Answered<V, E> {
        let broken = Arrival { value: Err(LoadError::Panicked), joined: true };
        let Arrival { value, joined } = arrival.unwrap_or(broken);
        if joined {
            self.cache().count(Count::Joined);
        }
        match value {
            Ok(Found { value, source: Source::Loaded }) if joined => {
                Ok(Answer { value, source: Source::Joined })
            }
            Ok(Found { value, source }) => Ok(Answer { value, source }),
            Err(rejected @ LoadError::Rejected(_)) => Err(rejected),
            Err(error) => match key.map(|key| self.cache().peek(key, now())) {
                Some(Look::Fresh(entry) | Look::Stale(entry) | Look::StaleIfError(entry)) => {
                    self.cache().count(Count::ErrorHit);
                    served(&entry, Source::StaleOnError).map_err(|_| error)
                }
                Some(Look::Miss) | None => Err(error),
            },
        }
    }
}

fn served<V: Clone, E: Clone>(entry: &Entry<Stored<V, E>>, source: Source) -> Answered<V, E> {
    found(entry, source).map(|Found { value, source }| Answer { value, source })
}

impl<V, E, L> Listed<Flown<V, E>, Loaded<V, E>, L> for ReadThrough<V, E, L>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    L: Ord + Clone + Send + 'static,
{
    fn map(&self) -> &Map<Flown<V, E>, Loaded<V, E>, L> {
        &self.0.flights
    }

    fn land(&self, key: &Key, flown: Flown<V, E>) -> Landing<Loaded<V, E>> {
        let (outcome, begun) = match flown {
            Flown::Settled(found) => return Landing::Shared(found),
            Flown::Ended(outcome, begun) => (outcome, begun),
            Flown::Late(limit, begun) => {
                self.record(&begun, now(), true);
                return Landing::Shared(Err(LoadError::TimedOut(limit)));
            }
        };
        let ended = now();
        self.record(&begun, ended, !matches!(outcome, Outcome::Keep(..) | Outcome::Pass(_)));
        let loaded = |value| Ok(Found { value, source: Source::Loaded });
        match outcome {
            Outcome::Keep(value, terms) => {
                self.keep(key, Ok(value.clone()), &terms, &begun, ended);
                Landing::Shared(loaded(value))
            }
            Outcome::Pass(value) => Landing::Shared(loaded(value)),
            Outcome::Fail(error) => Landing::Shared(Err(LoadError::Failed(error))),
            Outcome::Reject(error, terms) => {
                self.keep(key, Err(error.clone()), &terms, &begun, ended);
                Landing::Shared(Err(LoadError::Rejected(error)))
            }
            Outcome::Personal(Ok(value)) => Landing::Personal(loaded(value)),
            Outcome::Personal(Err(error)) => Landing::Personal(Err(LoadError::Failed(error))),
            Outcome::Refuse(error) => Landing::Personal(Err(LoadError::Rejected(error))),
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

impl<V, E> fmt::Debug for Hit<'_, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit").finish_non_exhaustive()
    }
}

impl<V, E> fmt::Debug for Missed<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Missed").field(&self.key).finish()
    }
}
