//! Remembers the results of tools.

mod forget;
mod outcome;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};
use toolpost_cache::rt::{LoadContext, LoadError, LoadOptions, Loaded, Miss, ReadThrough};
use toolpost_cache::{Cache, CacheStats, Capacity, EntryOptions, Memory, SlowStore, StoreError};
use toolpost_tool::{CachePolicy, Call, Output, Policy, Priority, ResultFlag, Tool, ToolError, ToolSpec};

use self::outcome::{Running, into_result};
use super::Layer;
use super::cache_keys::CacheKeys;
use crate::clock;
use crate::inheritance::Flight;

/// The results that tools have given, for as many tools as share it.
///
/// A handle; clones share everything. It is never asked before a call is authorized, for it lies inside the runtime
/// that authorizes, and it tells callers apart by principal all the same.
///
/// The tool runs once, and once more after its results were invalidated:
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::cache::Capacity;
/// use toolpost::layers::ResultCache;
/// use toolpost::tool::{CachePolicy, ResultFlag, NoArgs, Tool};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let cache = ResultCache::new(Capacity::entries(10_000).bytes(64 << 20));
///     let policy = CachePolicy::new(Duration::from_secs(60)).tagged("stock");
///     let stock = Script::new("stock").answers("12 left").answers("11 left").cached(&cache, policy);
///     let ask = || async { stock.call(call(NoArgs {}).build()).await.unwrap() };
///
///     assert!(!ask().await.has_flag(ResultFlag::CacheHit)); // runs
///     let again = ask().await;
///     assert_eq!(again.as_text(), Some("12 left"));
///     assert!(again.has_flag(ResultFlag::CacheHit)); // did not run
///
///     cache.invalidate("stock").await;
///     assert_eq!(ask().await.as_text(), Some("11 left")); // runs
///     assert_eq!(cache.stats().loads, 2);
/// });
/// ```
#[derive(Clone)]
pub struct ResultCache {
    front: ReadThrough<Output, ToolError, Priority>,
    server: Arc<str>,
}

impl ResultCache {
    /// Creates an empty cache in memory of this capacity. A result weighs as many bytes as it holds encoded.
    ///
    /// Beside that, the latest 8,192 arguments of up to 1 KiB are remembered byte for byte, each with its result if that has
    /// no more than 2 KiB: some 40 MiB more at the most.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self::with_cache(Cache::new(Memory::new(capacity)))
    }

    /// Uses a cache over a store of your own.
    #[must_use]
    pub fn with_cache(cache: Cache<Result<Output, ToolError>>) -> Self {
        Self { front: ReadThrough::new(cache), server: "".into() }
    }

    /// Uses a cache in memory with a slow store below it: [`ResultDisk`](super::ResultDisk), or one on another machine.
    #[must_use]
    pub fn with_slow_store(
        cache: Cache<Result<Output, ToolError>>,
        slow: impl SlowStore<Result<Output, ToolError>>,
    ) -> Self {
        Self { front: ReadThrough::over(cache, slow), server: "".into() }
    }

    /// Sets the name of the server whose tools these are, where several share a store.
    #[must_use]
    pub fn of_server(mut self, name: impl Into<Arc<str>>) -> Self {
        self.server = name.into();
        self
    }

    /// Makes every result with this tag dead, at once and whatever their number. Loads under way are not joined by
    /// calls that come later, nor kept.
    ///
    /// # Cancel safety
    ///
    /// In memory it is done at the first poll; below that, perhaps.
    pub async fn invalidate(&self, tag: &str) {
        // A store that cannot be written loses its part of what it holds; memory is done.
        let _carriers: Result<usize, StoreError> = self.front.invalidate(tag).await;
    }

    /// As [`invalidate`](Self::invalidate), in memory alone; for a `drop`.
    pub(super) fn invalidate_in_memory(&self, tag: &str) {
        self.front.cache().invalidate(tag);
    }

    /// Counts of hits, misses, loads and evictions, and what is held.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.front.cache().stats()
    }

    /// How many refreshes run.
    pub(crate) fn refreshing(&self) -> usize {
        self.front.in_background()
    }

    /// Starts no more refreshes, and waits for those that run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting alone.
    pub async fn drain(&self) {
        self.front.drain().await;
    }
}

impl fmt::Debug for ResultCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultCache").field("server", &self.server).field("front", &self.front).finish()
    }
}

/// How long the results of one tool are remembered, for whom, and by what they are told apart.
///
/// A result is found again by server, tool, version, principal (unless declared public), the `_meta` members it varies
/// by, and arguments; arguments are compared by value. Only a result that is no error is kept: no failure, no
/// suspended call, and nothing of a call that carries answers to earlier questions.
///
/// Callers that ask the same at the same time wait for one run, each until its own deadline; the run itself has the
/// time that its attempts may take (see [`limit`](Self::limit)). It ends when the last of them has left. What is meant for one caller alone (a refusal, a question)
/// is given to that one, and the next runs the tool for itself.
///
/// An expired result is served at once while one refresh runs behind it, without the deadline and the progress of the
/// call that found it; or, later, if the tool fails or the runtime refuses to run it. Freshness is
/// shortened by up to a tenth, so that what was loaded together does not expire together.
///
/// What comes from the cache says so in its `_meta`.
///
/// Three callers that ask the same at once are answered by one run (single-flight):
///
/// ```
/// use std::time::Duration;
/// use toolpost::cache::Capacity;
/// use toolpost::layers::ResultCache;
/// use toolpost::tool::{Call, NoArgs, Tool, tool_fn};
/// use toolpost::{ToolExt, parallel};
/// use toolpost_test::{call, run};
///
/// run(async {
///     let cache = ResultCache::new(Capacity::entries(100));
///     let slow = tool_fn("slow", |_: NoArgs, _: Call| async {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///         Ok("found")
///     });
///     let slow = slow.cached(&cache, Duration::from_secs(60));
///
///     let answers = parallel((0..3).map(|_| slow.call(call(NoArgs {}).build())), 3).all().await;
///     assert!(answers.iter().all(|answer| answer.as_ref().unwrap().as_text() == Some("found")));
///     assert_eq!(cache.stats().loads, 1);
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Caching {
    cache: ResultCache,
    keys: Arc<CacheKeys>,
    options: EntryOptions,
    limit: Duration,
}

/// The look-up of a call that was no hit; `None` for a call that is never served from the cache.
pub(crate) type Looked = Option<Miss<Output, ToolError>>;

/// The time a run has that nothing else limits.
const LIMIT: Duration = Duration::from_secs(60);

/// The time that all attempts and the waits between them may take together, where one attempt has a limit.
///
/// Waiting for a permit is not the attempt's: a run that only had the limit of its attempt would end it early, and its
/// breaker would never hear of it.
fn whole_run(policy: &Policy) -> Option<Duration> {
    const QUEUEING: Duration = Duration::from_secs(60);
    let (attempts, wait) = match policy.retry.filter(|_| policy.repeatable) {
        Some(retry) => (retry.attempts, retry.cap),
        None => (1, Duration::ZERO),
    };
    Some(policy.time_limit?.saturating_add(wait).saturating_mul(attempts).saturating_add(QUEUEING))
}

impl Caching {
    /// Remembers results of the tool that `spec` describes in `cache`, as `policy` says.
    #[must_use]
    pub fn new(cache: &ResultCache, policy: &CachePolicy, spec: &ToolSpec) -> Self {
        let options = EntryOptions::ttl(policy.ttl)
            .stale(policy.stale)
            .stale_if_error(policy.stale_if_error)
            .jitter(0.1)
            .tagged(policy.tags.iter().cloned())
            .tagged(cache.own_tags(spec.name()));
        Self {
            cache: cache.clone(),
            keys: Arc::new(CacheKeys::new(&cache.server, policy, spec)),
            options,
            limit: whole_run(spec.policy()).unwrap_or(LIMIT),
        }
    }

    /// What a tool declares: `None` unless it says that it only reads, and how long its results are good for.
    #[must_use]
    pub fn declared(cache: &ResultCache, spec: &ToolSpec) -> Option<Self> {
        let policy = spec.policy().cache.as_ref().filter(|_| Self::is_declared(spec));
        policy.map(|policy| Self::new(cache, policy, spec))
    }

    /// Whether a tool declares that its results are remembered, and says that it only reads.
    pub(crate) fn is_declared(spec: &ToolSpec) -> bool {
        spec.policy().cache.is_some() && spec.annotations().read_only == Some(true)
    }

    /// Sets the time that a run has, retries and waiting for a permit included.
    ///
    /// By default a minute, if the tool declares no time limit. If it does: as long as all attempts that it declares may
    /// take with the waits between them, and a minute for permits. Whoever retries more often by hand sets more here.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A fresh result of the same call, marked; nothing is run for it.
    #[must_use]
    pub fn hit(&self, call: &Call) -> Option<Output> {
        self.look(call, clock::now(), flagged).ok()
    }

    /// Says that the tool is no more: from here on what is loaded is its caller's alone, and not kept. Said before its
    /// results are invalidated, it misses none: a load that began before is overtaken by that.
    pub(crate) fn retire(&self) {
        self.keys.retire();
    }

    /// Looks the call up, and reads a fresh result in place. On a miss, returns what [`load`](Self::load) goes on from, so
    /// that the look-up is not repeated.
    #[inline(always)]
    pub(crate) fn look<R>(
        &self,
        call: &Call,
        now: Instant,
        read: impl FnOnce(&Output) -> R,
    ) -> Result<R, Looked> {
        if call.has_input_responses() {
            return Err(None);
        }
        let front = &self.cache.front;
        match self.keys.raw(call) {
            Some(raw) => front.hit(raw, now, |writer| self.keys.write(writer, call), read),
            None => self.look_by_written_scope(call, now, read),
        }
        .map_err(Some)
    }

    /// As [`look`](Self::look), for a tool that varies by `_meta`, so that its scope has to be written too.
    #[inline(never)]
    fn look_by_written_scope<R>(
        &self,
        call: &Call,
        now: Instant,
        read: impl FnOnce(&Output) -> R,
    ) -> Result<R, Miss<Output, ToolError>> {
        self.keys.with_written_scope(call, |raw| {
            self.cache.front.hit(raw, now, |writer| self.keys.write(writer, call), read)
        })
    }

    /// Runs `next` once for all who make the same call at the same time, after a look-up at `now` that was no hit. `next` is
    /// given the time at which it begins.
    ///
    /// Poll it at once. Each caller waits until its own deadline; the run has a limit of its own.
    #[inline]
    pub(crate) fn load<'a, N, F>(
        &'a self,
        looked: Looked,
        now: Instant,
        call: Call,
        next: N,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send + Unpin + use<'a, N, F>
    where
        N: FnOnce(Call, Instant) -> F + Send + 'static,
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let (deadline, mut timer) = (call.deadline(), None);
        let mut work = Some(match looked {
            Some(miss) if !self.keys.is_retired() => Work::Shared(self.join(miss, call, next)),
            _ => Work::Own(Box::pin(next(call, now))),
        });
        poll_fn(move |cx| {
            match &mut work {
                Some(Work::Shared(load)) => {
                    if let Poll::Ready(loaded) = Pin::new(load).poll(cx) {
                        return Poll::Ready(into_result(loaded));
                    }
                }
                Some(Work::Own(own)) => return own.as_mut().poll(cx),
                None => return Poll::Pending,
            }
            let Some(deadline) = deadline else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Timer::new(deadline));
            ready!(timer.sleep.as_mut().poll(cx));
            // The run is left to the others at once, and not when somebody gets to drop this.
            work = None;
            Poll::Ready(Err(ToolError::timed_out(timer.left)))
        })
    }

    fn join<'a, N, F>(
        &'a self,
        miss: Miss<Output, ToolError>,
        call: Call,
        next: N,
    ) -> impl Future<Output = Result<Loaded<Output>, LoadError<ToolError>>> + Send + Unpin + use<'a, N, F>
    where
        N: FnOnce(Call, Instant) -> F + Send + 'static,
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let (options, keys) = (self.options.clone(), Arc::clone(&self.keys));
        let request = LoadOptions::new().limit(self.limit).tags_of(&self.options).urgency(call.priority());
        let load = move |context: LoadContext<Priority>| {
            let call = if context.is_refresh() {
                call.without_deadline().quiet().with_priority(Priority::Background)
            } else {
                // Each caller leaves at its own deadline; the run has a limit of its own.
                call.without_deadline().with_priority(*context.initial_urgency())
            };
            let began = context.began();
            // A permit that the run queues for moves forward when a more urgent caller joins.
            let flight = Flight::new(context, call.priority());
            Running::new(flight.run(next(call, began)), options, keys)
        };
        self.cache.front.load(miss, request, load)
    }
}

/// A result from the cache, flagged as such.
fn flagged(output: &Output) -> Output {
    output.clone_flagged(ResultFlag::CacheHit)
}

/// As [`flagged`], in the place of the answer: a result is long to move (some 5 % of a hit, `bench-cache`).
#[inline(never)]
pub(crate) fn marked_hit(output: &Output) -> Poll<Result<Output, ToolError>> {
    Poll::Ready(Ok(output.clone_flagged(ResultFlag::CacheHit)))
}

/// What a call waits for that was no hit.
enum Work<A, F> {
    /// A run that others may wait for too.
    Shared(A),
    /// Its own run.
    Own(Pin<Box<F>>),
}

/// The deadline of a call whose run is not ready at the first poll.
struct Timer {
    left: Duration,
    /// `unconstrained`: otherwise tokio's coop budget could keep the timer from firing.
    sleep: Pin<Box<Unconstrained<Sleep>>>,
}

impl Timer {
    fn new(deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(clock::now());
        Self { left, sleep: Box::pin(unconstrained(sleep_until(deadline.into()))) }
    }
}

impl Layer for Caching {
    fn call<T: Tool>(
        &self,
        tool: &Arc<T>,
        call: Call,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send {
        let (mut new, mut rest) = (Some(call), None);
        // No `async` block: it would hold the call twice (rust-lang/rust#62958), and a hit needs none of it.
        poll_fn(move |cx| {
            if let Some(call) = &new {
                let now = clock::now();
                let looked = match self.look(call, now, marked_hit) {
                    Ok(hit) => {
                        new = None;
                        return hit;
                    }
                    Err(looked) => looked,
                };
                if let Some(call) = new.take() {
                    // Not before: a hit needs no share of the tool.
                    let tool = Arc::clone(tool);
                    let run = move |call, _| async move { tool.call(call).await };
                    rest = Some(self.load(looked, now, call, run));
                }
            }
            rest.as_mut().map_or(Poll::Pending, |rest| Pin::new(rest).poll(cx))
        })
    }
}
