//! Looks up, and loads what is not there.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::tasks::Tasks;
use crate::alias::Alias;
use crate::cache::{Cache, Look};
use crate::counters::Count;
use crate::entry::Entry;
use crate::flight::{Arrival, Boarding, Flights, Landing, Lift};
use crate::generations::Epoch;
use crate::key::Key;
use crate::lifetime::Terms;
use crate::store::Tiered;

/// A cache that makes what it does not have, once for everyone who asks.
///
/// A handle; clones share everything. `V` is an answer and `E` a failure, both cloned for each caller
/// (wrap what is large in an `Arc`); `L` says how urgent a caller is, see [`Lift`].
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
    flights: Flights<Result<Found<V>, LoadError<E>>, L>,
    tasks: Tasks,
}

#[derive(Clone)]
struct Found<V> {
    value: V,
    source: Source,
}

/// A question, for one caller.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Request<'a, L = ()> {
    key: &'a [u8],
    tags: &'a [Box<str>],
    limit: Duration,
    pause: Duration,
    urgency: L,
}

impl<'a> Request<'a> {
    /// A question with this key, and a minute for its load.
    pub const fn new(key: &'a [u8]) -> Self {
        let (limit, pause) = (Duration::from_secs(60), Duration::from_secs(1));
        Self { key, tags: &[], limit, pause, urgency: () }
    }
}

impl<'a, L> Request<'a, L> {
    /// Gives the load so much time; each caller leaves when it likes.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Waits so long before the next refresh, after one has failed.
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Names the tags the answer will depend on: a load overtaken by their invalidation is not joined.
    pub fn tags(self, tags: &'a [Box<str>]) -> Self {
        Self { tags, ..self }
    }

    /// Says how urgent the caller is.
    pub fn urgency<M>(self, urgency: M) -> Request<'a, M> {
        let Self { key, tags, limit, pause, .. } = self;
        Request { key, tags, limit, pause, urgency }
    }
}

/// Why a load runs, and for whom.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loading<L = ()> {
    /// Whether anyone waits for it.
    pub purpose: Purpose,
    /// How urgent its waiters are.
    pub lift: Lift<L>,
    /// The key of the question.
    pub key: Key,
}

/// Why a load runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A caller waits for the answer.
    Answer,
    /// A stale answer was served, and nobody waits: no deadline or progress of the caller applies.
    Refresh,
}

/// What a load came to, and what becomes of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome<V, E> {
    /// An answer for everyone who waits, kept on these terms.
    Keep(V, Terms),
    /// An answer for everyone who waits, not kept.
    Pass(V),
    /// A failure for everyone who waits, not kept; a stale answer may be served in its place.
    Fail(E),
    /// A failure that the same question would meet again, kept on these terms; no stale answer hides it.
    Reject(E, Terms),
    /// What belongs to the caller whose load it was: the next one asks for itself. A stale answer may be
    /// served in place of a failure.
    Personal(Result<V, E>),
    /// A failure that belongs to the caller whose load it was, and that no stale answer hides.
    Refuse(E),
}

/// An answer and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<V> {
    /// The answer.
    pub value: V,
    /// Where it came from.
    pub source: Source,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A fresh entry.
    Fresh,
    /// A stale entry; a refresh runs or has run lately.
    Stale,
    /// An entry kept in case the load failed, which it did.
    StaleOnError,
    /// This caller's load.
    Loaded,
    /// Another caller's load.
    Joined,
}

impl Source {
    /// Whether the answer was there before the question.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale | Self::StaleOnError)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The load failed, now or (where that was kept) before.
    Failed(E),
    /// The load failed in a way that a stale answer must not hide.
    Rejected(E),
    /// The load panicked.
    Panicked,
    /// The load took longer than its limit, which was this.
    TimedOut(Duration),
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
        Self(Arc::new(Inner { tiers: cache.into(), flights: Flights::new(), tasks: Tasks::default() }))
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
    ) -> impl Future<Output = Result<Answer<V>, LoadError<E>>> + Send + use<V, E, L, F, Fut>
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let (puts, now) = (self.cache().puts(), now());
        let plan = match self.cache().look(request.key, now) {
            Look::Fresh(entry) => Err(served(&entry, Source::Fresh)),
            Look::Stale(entry) => {
                if entry.claim_refresh(now, request.limit) {
                    self.refresh(&request, Arc::clone(&entry), load);
                }
                Err(served(&entry, Source::Stale))
            }
            Look::StaleIfError(_) | Look::Miss => {
                let key = Key::from(request.key);
                let boarding = self.boarding(&request);
                let (front, limit, loaded) = (self.clone(), request.limit, key.clone());
                let flight = move |lift| {
                    let loading = Loading { purpose: Purpose::Answer, lift, key: loaded };
                    front.fly(loading, Some(puts), limit, load)
                };
                Ok((self.clone(), self.0.flights.join(key.clone(), boarding, flight), key))
            }
        };
        async move {
            let (front, join, key) = match plan {
                Ok(waiting) => waiting,
                Err(answer) => return answer,
            };
            let arrival = join.await;
            front.land(&key, arrival.unwrap_or(Arrival { value: Err(LoadError::Panicked), joined: true }))
        }
    }

    /// A fresh answer, if there is one; then, and only then, the look-up is counted.
    ///
    /// For a caller that would rather not make a load before it needs one: [`get`](Self::get) does the rest. `now` is
    /// the time on tokio's clock, as a standard instant.
    #[must_use]
    pub fn hit(&self, key: &[u8], now: Instant) -> Option<V> {
        let Look::Fresh(entry) = self.cache().peek(key, now) else { return None };
        let value = entry.value().as_ref().ok()?;
        self.cache().count(Count::FreshHit);
        Some(value.clone())
    }

    /// As [`hit`](Self::hit), by words that were [remembered](Cache::remember).
    #[must_use]
    pub fn hit_as(&self, alias: Alias<'_>, now: Instant) -> Option<V> {
        let entry = self.cache().look_as(alias, now)?;
        entry.value().as_ref().ok().cloned()
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

    fn boarding(&self, request: &Request<'_, L>) -> Boarding<L> {
        let since = self.cache().valid_since(request.key, request.tags);
        Boarding::since(since, self.cache().epoch(), request.urgency.clone())
    }

    fn refresh<F, Fut>(&self, request: &Request<'_, L>, stale: Arc<Entry<Stored<V, E>>>, load: F)
    where
        F: FnOnce(Loading<L>) -> Fut + Send + 'static,
        Fut: Future<Output = Outcome<V, E>> + Send + 'static,
    {
        let key = Key::from(request.key);
        let (front, limit, loaded) = (self.clone(), request.limit, key.clone());
        let flight = move |lift| {
            front.fly(Loading { purpose: Purpose::Refresh, lift, key: loaded }, None, limit, load)
        };
        let join = self.0.flights.join(key, self.boarding(request), flight);
        let pause = request.pause;
        self.0.tasks.spawn(async move {
            match join.await {
                Ok(Arrival { value: Ok(_), .. }) => {}
                // Nobody waits for this; the next caller after the pause tries again.
                _ => stale.postpone_refresh(now(), pause),
            }
        });
    }

    /// What runs as the load, boxed by its flight. `puts` is from before the look-up that missed, if there was one.
    async fn fly<F, Fut>(
        self,
        loading: Loading<L>,
        puts: Option<u64>,
        limit: Duration,
        load: F,
    ) -> Landing<Result<Found<V>, LoadError<E>>>
    where
        F: FnOnce(Loading<L>) -> Fut,
        Fut: Future<Output = Outcome<V, E>>,
    {
        let (purpose, key) = (loading.purpose, loading.key.clone());
        // Another load may have landed since the look-up, and a slow store may know the answer.
        if let Some(puts) = puts
            && (self.0.tiers.has_slow() || self.cache().puts() != puts)
        {
            match self.0.tiers.look(&key, now()).await {
                Look::Fresh(entry) => return Landing::Shared(found(&entry, Source::Fresh)),
                Look::Stale(entry) => return Landing::Shared(found(&entry, Source::Stale)),
                Look::StaleIfError(_) | Look::Miss => {}
            }
        }
        let (epoch, began) = (self.cache().epoch(), now());
        let outcome = within(limit, began, pin!(load(loading))).await;
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
    fn land(
        &self,
        key: &Key,
        arrival: Arrival<Result<Found<V>, LoadError<E>>>,
    ) -> Result<Answer<V>, LoadError<E>> {
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
            Err(error) => match self.cache().peek(key.as_bytes(), now()) {
                Look::Fresh(entry) | Look::Stale(entry) | Look::StaleIfError(entry) => {
                    self.cache().count(Count::ErrorHit);
                    served(&entry, Source::StaleOnError).map_err(|_| error)
                }
                Look::Miss => Err(error),
            },
        }
    }
}

fn found<V: Clone, E: Clone>(entry: &Entry<Stored<V, E>>, source: Source) -> Result<Found<V>, LoadError<E>> {
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

/// The output of `work`, unless it takes longer than `limit` from `began` on. What ends at its first poll has no timer.
async fn within<F: Future>(limit: Duration, began: Instant, mut work: Pin<&mut F>) -> Option<F::Output> {
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            timer.set(began.checked_add(limit).map(|end| tokio::time::sleep_until(end.into())));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "the front's clock, which a paused runtime holds still")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
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

impl<E> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the load failed"),
            Self::Rejected(_) => f.write_str("the load was rejected"),
            Self::Panicked => f.write_str("the load panicked"),
            Self::TimedOut(limit) => write!(f, "the load took longer than {limit:?}"),
        }
    }
}

impl<E: Error + 'static> Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) | Self::Rejected(error) => Some(error),
            Self::Panicked | Self::TimedOut(_) => None,
        }
    }
}
