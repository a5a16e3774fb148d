//! Looks up, and loads what is not there.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};

use super::answer::{Answer, LoadError, Loading, Outcome, Purpose, Request, Source};
use super::tasks::Tasks;
use crate::alias::{Alias, Fresh, Words};
use crate::cache::{Cache, Look};
use crate::counters::Count;
use crate::entry::Entry;
use crate::flight::{Arrival, Boarding, Landing, Listed, Map, Waiter};
use crate::generations::Epoch;
use crate::key::Key;
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
/// let first = pages.get(Request::new(b"/index"), load).await?;
/// let second = pages.get(Request::new(b"/index"), load).await?;
/// assert!(!first.source.is_hit() && second.source.is_hit());
/// # pages.drain().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadThrough<V, E, L = ()>(Arc<Inner<V, E, L>>);

/// What is stored: an answer, or a failure that the question would meet again.
type Stored<V, E> = Result<V, E>;

struct Inner<V, E, L> {
    tiers: Tiered<Stored<V, E>>,
    flights: Map<Loaded<V, E>, L>,
    tasks: Tasks,
}

/// What a flight carries.
type Loaded<V, E> = Result<Found<V>, LoadError<E>>;

#[derive(Clone)]
struct Found<V> {
    value: V,
    source: Source,
}

/// A question that nothing fresh was found for; see [`ReadThrough::hit`].
#[must_use = "nothing is loaded before it is asked"]
pub struct Missed<V, E>(Asked<'static, V, E>);

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

/// A question that has been looked up.
struct Asked<'a, V, E> {
    key: Name<'a>,
    look: Look<Stored<V, E>>,
    /// How many answers the cache had been given before.
    puts: u64,
    now: Instant,
}

/// What a caller waits for.
enum Plan<V, E, L: Ord + Clone, F> {
    /// Nothing; the answer is given once.
    Answer(Option<Result<Answer<V>, LoadError<E>>>),
    Join(Waiter<ReadThrough<V, E, L>, Loaded<V, E>, L, F>),
}

/// Nothing in it is pinned.
impl<V, E, L: Ord + Clone, F> Unpin for Plan<V, E, L, F> {}

/// A key, which is made when it is needed.
#[derive(Debug)]
enum Name<'a> {
    Lent(&'a [u8]),
    Own(Key),
}

impl From<Name<'_>> for Key {
    fn from(name: Name<'_>) -> Self {
        match name {
            Name::Lent(bytes) => bytes.into(),
            Name::Own(key) => key,
        }
    }
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
    /// # Cancel safety
    ///
    /// Dropping the future leaves the load to the other callers that wait for it; with the last one the
    /// load is dropped.
    #[expect(clippy::needless_pass_by_value, reason = "a request is made for one call")]
    pub fn get<F, Fut>(
        &self,
        request: Request<'_, L>,
        load: F,
    ) -> impl Future<Output = Result<Answer<V>, LoadError<E>>> + Send + Unpin + use<V, E, L, F, Fut>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let (puts, now) = (self.cache().puts(), now());
        let look = self.cache().peek(request.key, now);
        self.answer(Asked { key: Name::Lent(request.key), look, puts, now }, &request, load)
    }

    /// A fresh answer, if there is one; else what [`ask`](Self::ask) goes on from, and the look-up is not counted yet.
    ///
    /// For a caller that would rather not make a load before it needs one. `now` is the time on tokio's clock, as a
    /// standard instant.
    ///
    /// # Errors
    ///
    /// If nothing fresh is there.
    pub fn hit(&self, key: &[u8], now: Instant) -> Result<Hit<'_, V, E>, Missed<V, E>> {
        let puts = self.cache().puts();
        let look = match self.cache().peek(key, now) {
            Look::Fresh(entry) if entry.value().is_ok() => {
                self.cache().count(Count::FreshHit);
                return Ok(Hit(Fresh::Shared(entry)));
            }
            look => look,
        };
        Err(Missed(Asked { key: Name::Own(Key::from(key)), look, puts, now }))
    }

    /// As [`get`](Self::get), after a [`hit`](Self::hit) that was none; the key of the request does not matter.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    #[expect(clippy::needless_pass_by_value, reason = "a request is made for one call")]
    pub fn ask<F, Fut>(
        &self,
        missed: Missed<V, E>,
        request: Request<'_, L>,
        load: F,
    ) -> impl Future<Output = Result<Answer<V>, LoadError<E>>> + Send + Unpin + use<V, E, L, F, Fut>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        self.answer(missed.0, &request, load)
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

    /// What follows a look-up.
    #[inline]
    fn answer<F, Fut>(
        &self,
        asked: Asked<'_, V, E>,
        request: &Request<'_, L>,
        load: F,
    ) -> impl Future<Output = Result<Answer<V>, LoadError<E>>> + Send + Unpin + use<V, E, L, F, Fut>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let Asked { key, look, puts, now } = asked;
        self.cache().count_look(&look);
        let mut plan = match look {
            Look::Fresh(entry) => Plan::Answer(Some(served(&entry, Source::Fresh))),
            Look::Stale(entry) => {
                if entry.claim_refresh(now, request.limit) {
                    self.refresh(key.into(), request, Arc::clone(&entry), load);
                }
                Plan::Answer(Some(served(&entry, Source::Stale)))
            }
            Look::StaleIfError(_) | Look::Miss => {
                let key = key.into();
                let boarding = self.boarding(&key, request);
                let (front, limit, loaded) = (self.clone(), request.limit, key.clone());
                let flight = move |lift| {
                    front.fly(
                        loaded,
                        Loading { purpose: Purpose::Answer, lift },
                        Some((puts, now)),
                        limit,
                        load,
                    )
                };
                Plan::Join(Waiter::new(self.clone(), key, boarding, flight))
            }
        };
        // No `async` block, which would have room for what it captures and again for what it awaits.
        poll_fn(move |cx| match &mut plan {
            Plan::Answer(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            },
            Plan::Join(waiter) => Pin::new(&mut *waiter).poll(cx).map(|arrival| {
                let arrival = arrival.unwrap_or(Arrival { value: Err(LoadError::Panicked), joined: true });
                waiter.map().land(waiter.key(), arrival)
            }),
        })
    }

    fn boarding(&self, key: &Key, request: &Request<'_, L>) -> Boarding<L> {
        let since = self.cache().valid_since_of(key, request.tags);
        Boarding::since(since, self.cache().epoch(), request.urgency.clone())
    }

    fn refresh<F, Fut>(&self, key: Key, request: &Request<'_, L>, stale: Arc<Entry<Stored<V, E>>>, load: F)
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let boarding = self.boarding(&key, request);
        let (front, limit, loaded) = (self.clone(), request.limit, key.clone());
        let flight =
            move |lift| front.fly(loaded, Loading { purpose: Purpose::Refresh, lift }, None, limit, load);
        let join = Waiter::new(self.clone(), key, boarding, flight);
        let pause = request.pause;
        self.0.tasks.spawn(async move {
            match join.await {
                Ok(Arrival { value: Ok(_), .. }) => {}
                // Nobody waits for this; the next caller after the pause tries again.
                _ => stale.postpone_refresh(now(), pause),
            }
        });
    }

    /// What runs as the load, boxed by its flight. `missed` says how many answers the cache had been given before the
    /// look-up that missed, and when that was; a load that nobody waits for has had none.
    async fn fly<F, Fut>(
        self,
        key: Key,
        loading: Loading<L>,
        missed: Option<(u64, Instant)>,
        limit: Duration,
        load: F,
    ) -> Landing<Loaded<V, E>>
    where
        F: FnOnce(Loading<L>) -> Fut,
        Fut: Future<Output = Outcome<V, E>>,
    {
        let purpose = loading.purpose;
        // Another load may have landed since the look-up, and a slow store may know the answer.
        if let Some((puts, _)) = missed
            && (self.0.tiers.has_slow() || self.cache().puts() != puts)
        {
            let look = match self.0.tiers.has_slow() {
                // Boxed, so that a load has no room for it that has nothing to look through.
                true => match within(limit, Box::pin(self.0.tiers.look(&key, now())).as_mut()).await {
                    Some(look) => look,
                    None => return Landing::Shared(Err(LoadError::TimedOut(limit))),
                },
                false => self.cache().peek(key.as_bytes(), now()),
            };
            match look {
                Look::Fresh(entry) => return Landing::Shared(found(&entry, Source::Fresh)),
                Look::Stale(entry) => return Landing::Shared(found(&entry, Source::Stale)),
                Look::StaleIfError(_) | Look::Miss => {}
            }
        }
        // Whoever looks up and finds nothing loads at once, so that one reading of the clock is enough for both.
        let began = missed.filter(|_| loading.lift.is_first()).map_or_else(now, |(_, at)| at);
        let epoch = self.cache().epoch();
        let outcome = within(limit, pin!(load(loading))).await;
        let ended = now();
        let failed = !matches!(outcome, Some(Outcome::Keep(..) | Outcome::Pass(_)));
        self.record(purpose, ended.saturating_duration_since(began), failed);
        let loaded = |value| Ok(Found { value, source: Source::Loaded });
        match outcome {
            Some(Outcome::Keep(value, terms)) => {
                self.keep(key, Ok(value.clone()), &terms, epoch, ended);
                Landing::Shared(loaded(value))
            }
            Some(Outcome::Pass(value)) => Landing::Shared(loaded(value)),
            Some(Outcome::Fail(error)) => Landing::Shared(Err(LoadError::Failed(error))),
            Some(Outcome::Reject(error, terms)) => {
                self.keep(key, Err(error.clone()), &terms, epoch, ended);
                Landing::Shared(Err(LoadError::Rejected(error)))
            }
            Some(Outcome::Personal(Ok(value))) => Landing::Personal(loaded(value)),
            Some(Outcome::Personal(Err(error))) => Landing::Personal(Err(LoadError::Failed(error))),
            Some(Outcome::Refuse(error)) => Landing::Personal(Err(LoadError::Rejected(error))),
            None => Landing::Shared(Err(LoadError::TimedOut(limit))),
        }
    }

    fn keep(&self, key: Key, value: Stored<V, E>, terms: &Terms, epoch: Epoch, now: Instant) {
        // An answer that is not kept is still an answer; the figures say why it was not.
        let Ok(entry) = self.cache().put(&key, value, terms, epoch, now) else { return };
        if self.0.tiers.has_slow() {
            let tiers = self.0.tiers.clone();
            self.0.tasks.spawn(async move {
                // A slow store that cannot be written costs a load after the next start.
                let _: io::Result<()> = tiers.spill(&key, &entry, self::now()).await;
            });
        }
    }

    fn record(&self, purpose: Purpose, took: Duration, failed: bool) {
        let cache = self.cache();
        cache.count(Count::Load);
        cache.add(Count::LoadNanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if failed {
            cache.count(Count::FailedLoad);
        }
        if purpose == Purpose::Refresh {
            cache.count(Count::Refresh);
        }
    }

    /// Hands a landed load to one caller.
    fn land(&self, key: Option<&Key>, arrival: Arrival<Loaded<V, E>>) -> Result<Answer<V>, LoadError<E>> {
        let Arrival { value, joined } = arrival;
        if joined {
            self.cache().count(Count::Joined);
        }
        match value {
            Ok(Found { value, source: Source::Loaded }) if joined => {
                Ok(Answer { value, source: Source::Joined })
            }
            Ok(Found { value, source }) => Ok(Answer { value, source }),
            Err(rejected @ LoadError::Rejected(_)) => Err(rejected),
            Err(error) => match key.map(|key| self.cache().peek(key.as_bytes(), now())) {
                Some(Look::Fresh(entry) | Look::Stale(entry) | Look::StaleIfError(entry)) => {
                    self.cache().count(Count::ErrorHit);
                    served(&entry, Source::StaleOnError).map_err(|_| error)
                }
                Some(Look::Miss) | None => Err(error),
            },
        }
    }
}

fn found<V: Clone, E: Clone>(entry: &Entry<Stored<V, E>>, source: Source) -> Loaded<V, E> {
    match entry.value() {
        Ok(value) => Ok(Found { value: value.clone(), source }),
        Err(error) => Err(LoadError::Rejected(error.clone())),
    }
}

fn served<V: Clone, E: Clone>(
    entry: &Entry<Stored<V, E>>,
    source: Source,
) -> Result<Answer<V>, LoadError<E>> {
    found(entry, source).map(|Found { value, source }| Answer { value, source })
}

/// The output of `work`, unless it takes longer than `limit` after its first poll. What ends there has no timer.
async fn within<F: Future>(limit: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
    // Time passes also for work that uses up what tokio lets a task do in one go.
    let mut timer = None::<Pin<Box<Unconstrained<Sleep>>>>;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            timer = now().checked_add(limit).map(|end| Box::pin(unconstrained(sleep_until(end.into()))));
        }
        match &mut timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "the front's clock, which a paused runtime holds still")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<V, E, L> Listed<Loaded<V, E>, L> for ReadThrough<V, E, L> {
    fn map(&self) -> &Map<Loaded<V, E>, L> {
        &self.0.flights
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
        f.debug_tuple("Missed").field(&self.0.key).finish()
    }
}
