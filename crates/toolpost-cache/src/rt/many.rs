//! Answers for many questions at once, and for those that need few words.

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::outcome::{LoadContext, LoadError, LoadOptions, LoadOutcome, Loaded};
use super::read_through::ReadThrough;
use crate::key::CacheKey;
use crate::options::EntryOptions;
use crate::single_flight::{FlightOutcome, JoinOptions, Joined, SingleFlight};

impl<V, E> ReadThrough<V, E>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Answers from the cache, or from `load`, whose answer is kept for `ttl`. [`get`](Self::get) says more, and is told
    /// more.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    pub async fn load_for<K, Fut>(&self, key: &K, ttl: Duration, load: Fut) -> Result<V, LoadError<E>>
    where
        K: AsRef<[u8]> + Sync + ?Sized,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let load = move |_: LoadContext| async move {
            match load.await {
                Ok(value) => LoadOutcome::Keep(value, EntryOptions::ttl(ttl)),
                Err(error) => LoadOutcome::Fail(error),
            }
        };
        self.get(key.as_ref().into(), LoadOptions::new(), load).await.map(|answer| answer.value)
    }

    /// Answers many questions, in their order: what is there from the cache, what others load already from their loads, and
    /// all the rest from one load.
    ///
    /// `load` is given the keys that nobody else loads, and answers with an outcome for each, in their order; more or fewer
    /// count as a panic. It is called for one key alone to refresh what is stale, and where another's load came to an
    /// answer for that one only. Each answer is kept, shared and invalidated as one of [`get`](Self::get) is, so that who
    /// asks for one of them alone waits for the batch. `limit` is the time for the load.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use toolpost_cache::{Capacity, Cache, CacheKey, Memory, EntryOptions};
    /// use toolpost_cache::rt::{LoadOutcome, ReadThrough};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let lengths: ReadThrough<usize, std::fmt::Error> =
    ///     ReadThrough::new(Cache::new(Memory::new(Capacity::entries(1_000))));
    /// let minute = Duration::from_secs(60);
    /// let load = move |keys: Vec<CacheKey>| async move {
    ///     keys.iter().map(|key| LoadOutcome::Keep(key.as_bytes().len(), EntryOptions::ttl(minute))).collect()
    /// };
    /// let answers = lengths.get_many(&["a", "bb", "a"], minute, load).await;
    /// let lengths: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().value).collect();
    /// assert_eq!(lengths, [1, 2, 1]);
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the load to the other callers that wait for one of its answers; with the last one it is
    /// dropped.
    pub fn get_many<K, F, Fut>(
        &self,
        keys: &[K],
        limit: Duration,
        load: F,
    ) -> impl Future<Output = Vec<Result<Loaded<V>, LoadError<E>>>> + Send + use<V, E, K, F, Fut>
    where
        K: AsRef<[u8]>,
        F: Fn(Vec<CacheKey>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<LoadOutcome<V, E>>> + Send + 'static,
    {
        let batch = Arc::new(Batch {
            load,
            keys: Mutex::new(Vec::new()),
            sealed: Semaphore::new(0),
            loads: SingleFlight::new(),
            outcomes: OnceLock::new(),
        });
        let get = |key: &K| {
            let batch = Arc::clone(&batch);
            self.get(key.as_ref().into(), LoadOptions::new().limit(limit), move |context: LoadContext| {
                batch.one(context.key().clone())
            })
        };
        let mut gets: Vec<_> = keys.iter().map(get).map(Get::Asks).collect();
        let mut sealing = Some(Sealing(batch));
        poll_fn(move |cx| {
            let mut all = true;
            for get in &mut gets {
                if let Get::Asks(future) = get {
                    match std::pin::Pin::new(future).poll(cx) {
                        Poll::Ready(answer) => *get = Get::Has(answer),
                        Poll::Pending => all = false,
                    }
                }
            }
            // Whoever leads has said so at its first poll: the batch is complete.
            sealing.take();
            if !all {
                return Poll::Pending;
            }
            let answers = gets.drain(..).filter_map(|get| match get {
                Get::Has(answer) => Some(answer),
                Get::Asks(_) => None,
            });
            Poll::Ready(answers.collect())
        })
    }
}

enum Get<G, A> {
    Asks(G),
    Has(A),
}

/// Nothing in it is pinned.
impl<G: Unpin, A> Unpin for Get<G, A> {}

/// One load for several keys, each of which is a flight of its own.
struct Batch<F, V, E> {
    load: F,
    /// Those that nobody else loads; complete once it is sealed.
    keys: Mutex<Vec<CacheKey>>,
    /// Closed when the keys are complete.
    sealed: Semaphore,
    /// The load itself: whichever of the keys still has a waiter polls it.
    loads: SingleFlight<()>,
    /// For each key; empty if the load broke.
    outcomes: OnceLock<Vec<Place<V, E>>>,
}

/// The outcome for one key, until its flight takes it.
type Place<V, E> = Mutex<Option<LoadOutcome<V, E>>>;

/// Seals the batch when it is dropped, however that comes.
struct Sealing<F, V, E>(Arc<Batch<F, V, E>>);

impl<F, V, E> Drop for Sealing<F, V, E> {
    fn drop(&mut self) {
        // Under the lock of the keys: none comes once it is closed.
        let _keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.sealed.close();
    }
}

impl<F, Fut, V, E> Batch<F, V, E>
where
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    F: Fn(Vec<CacheKey>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<LoadOutcome<V, E>>> + Send + 'static,
{
    /// The load of one key.
    async fn one(self: Arc<Self>, key: CacheKey) -> LoadOutcome<V, E> {
        let Some(place) = self.enter(&key) else {
            let outcome = (self.load)(vec![key]).await;
            return match <[LoadOutcome<V, E>; 1]>::try_from(outcome) {
                Ok([outcome]) => outcome,
                Err(_) => broken(),
            };
        };
        // An error says that it is closed, which is what is waited for.
        let _sealed = self.sealed.acquire().await;
        if self.outcomes.get().is_none() {
            let batch = Arc::clone(&self);
            let load = move |_| async move {
                let keys = batch.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let wanted = keys.len();
                let mut outcomes = (batch.load)(keys).await;
                if outcomes.len() != wanted {
                    outcomes.clear();
                }
                let places = outcomes.into_iter().map(|outcome| Mutex::new(Some(outcome)));
                let _only_one_load = batch.outcomes.set(places.collect());
                FlightOutcome::Shared(())
            };
            let landed = self.loads.join(CacheKey::from(""), JoinOptions::any(()), load).await;
            let Ok(Joined { .. }) = landed else {
                // The keys whose turn comes later do not load again.
                let _first_to_tell = self.outcomes.set(Vec::new());
                broken()
            };
        }
        let place = self.outcomes.get().and_then(|outcomes| outcomes.get(place));
        let outcome = place.and_then(|place| place.lock().unwrap_or_else(PoisonError::into_inner).take());
        outcome.unwrap_or_else(|| broken())
    }

    /// Puts a key on the list of the batch, unless that is complete.
    fn enter(&self, key: &CacheKey) -> Option<usize> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sealed.is_closed() {
            return None;
        }
        keys.push(key.clone());
        Some(keys.len() - 1)
    }
}

/// Ends a load as its panic does, which the flight takes note of.
fn broken() -> ! {
    resume_unwind(Box::new("the load of a batch panicked, or had no outcome for a key"))
}
