//! A tool that remembers its results.

mod forget;
mod outcome;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};
use toolpost_cache::rt::{Answered, Hit, Loading, Missed, Purpose, ReadThrough, Request, Started};
use toolpost_cache::{Bounds, Cache, Lifetime, Memory, Stats, Terms, Tiered, Words};
use toolpost_tool::{CachePolicy, Call, Mark, Output, Policy, Priority, Tool, ToolError, ToolSpec};

use self::outcome::{Running, told};
use super::question::Questions;
use crate::clock;
use crate::lift::Flight;

/// The results that tools have given, for as many tools as share it.
///
/// A handle; clones share everything. It is never asked before a call is authorized, for it lies inside the runtime
/// that authorizes, and it tells callers apart by principal all the same.
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::cache::Bounds;
/// use toolpost::layers::ResultCache;
/// use toolpost::tool::{Call, CachePolicy, Mark, NoArgs, Tool, tool_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let cache = ResultCache::new(Bounds::entries(10_000).bytes(64 << 20));
/// let policy = CachePolicy::new(Duration::from_secs(60)).stale_if_error(Duration::from_secs(600)).tagged("stock");
/// let stock = tool_fn("stock", |_: NoArgs, _: Call| async { Ok("12 left") }).cached(&cache, policy);
///
/// let call = Call::new(&serde_json::json!({})).unwrap();
/// assert!(!stock.call(call.clone()).await.unwrap().has_mark(Mark::CacheHit));
/// assert!(stock.call(call.clone()).await.unwrap().has_mark(Mark::CacheHit));
///
/// cache.invalidate("stock").await;
/// assert!(!stock.call(call).await.unwrap().has_mark(Mark::CacheHit));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ResultCache {
    front: ReadThrough<Output, ToolError, Priority>,
    server: Arc<str>,
}

impl ResultCache {
    /// An empty cache in memory, within `bounds`. A result weighs as many bytes as it holds encoded.
    ///
    /// Beside that, the latest 8,192 questions of up to 1 KiB are remembered in the words they came in, each with its
    /// result if that has no more than 2 KiB: some 40 MiB more at the most.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self::over(Cache::new(Memory::new(bounds)))
    }

    /// A cache over a store of one's own, or over a memory and something slower below it.
    #[must_use]
    pub fn over(cache: impl Into<Tiered<Result<Output, ToolError>>>) -> Self {
        Self { front: ReadThrough::new(cache), server: "".into() }
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
        let _carriers: std::io::Result<usize> = self.front.tiers().invalidate(tag).await;
    }

    /// As [`invalidate`](Self::invalidate), in memory alone; for a `drop`.
    pub(super) fn invalidate_in_memory(&self, tag: &str) {
        self.front.cache().invalidate(tag);
    }

    /// Hits, misses, loads, what is held.
    #[must_use]
    pub fn stats(&self) -> Stats {
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
#[derive(Clone, Debug)]
pub struct Caching {
    cache: ResultCache,
    questions: Arc<Questions>,
    terms: Terms,
    limit: Duration,
}

/// A call that has been looked up and was no hit; `None` for one that is not remembered.
pub(crate) type Looked = Option<Missed<Output, ToolError>>;

/// The time a run has that nothing else limits.
const LIMIT: Duration = Duration::from_secs(60);

/// The time that all attempts and the waits between them may take together, where one attempt has a limit.
///
/// Waiting for a seat is not the attempt's: a run that only had the limit of its attempt would end it early, and its
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
        let lifetime =
            Lifetime::new(policy.ttl).stale(policy.stale).stale_if_error(policy.stale_if_error).jitter(0.1);
        Self {
            cache: cache.clone(),
            questions: Arc::new(Questions::new(&cache.server, policy, spec)),
            terms: Terms::new(lifetime)
                .tagged(policy.tags.iter().cloned())
                .tagged(cache.own_tags(spec.name())),
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

    /// Sets the time that a run has, retries and waiting for a seat included.
    ///
    /// By default a minute, if the tool declares no time limit. If it does: as long as all attempts that it declares may
    /// take with the waits between them, and a minute for seats. Whoever retries more often by hand sets more here.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Answers from the cache, or runs `next` once for everyone who asks the same.
    ///
    /// A hit is ready at the first poll. It allocates nothing, unless it is the first in its very words.
    ///
    /// # Errors
    ///
    /// Whatever `next` answers; [`TimedOut`](toolpost_tool::ErrorKind::TimedOut) when the call's deadline or the run's limit
    /// has passed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the run to the others that wait for it, and drops that of `next` with the last.
    pub async fn around<F>(
        &self,
        call: Call,
        next: impl FnOnce(Call) -> F + Send + 'static,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let (mut new, mut rest) = (Some((call, next)), None);
        poll_fn(|cx| match (new.take(), &mut rest) {
            (Some((call, next)), rest) => {
                let now = clock::now();
                match self.look(&call, now) {
                    Ok(output) => Poll::Ready(Ok(output)),
                    Err(looked) => self.start(looked, now, call, |call, _| next(call), cx).or_wait(rest),
                }
            }
            (None, Some(rest)) => Pin::new(rest).poll(cx),
            (None, None) => Poll::Pending,
        })
        .await
    }

    /// A fresh result of the same call, marked; nothing is run for it.
    #[must_use]
    pub fn hit(&self, call: &Call) -> Option<Output> {
        self.look(call, clock::now()).ok()
    }

    /// As [`hit`](Self::hit), or else what [`start`](Self::start) goes on from.
    #[inline]
    pub(crate) fn look(&self, call: &Call, now: Instant) -> Result<Output, Looked> {
        match self.seen(call, now) {
            Ok(hit) => Ok(hit.read(fresh)),
            Err(words) => self.look_further(call, now, words),
        }
    }

    /// A fresh result of a call that came in these very words before, if nothing has to be written to find it; `None`
    /// says that it was not looked for.
    #[inline(always)]
    fn seen(&self, call: &Call, now: Instant) -> Result<Hit<'_, Output, ToolError>, Option<Words>> {
        if call.is_resumed() {
            return Err(None);
        }
        let alias = self.questions.alias(call).ok_or(None)?;
        self.cache.front.hit_as(alias, now).map_err(Some)
    }

    /// As [`look`](Self::look), for a call that has not been [seen](Self::seen).
    #[inline(never)]
    fn look_further(&self, call: &Call, now: Instant, words: Option<Words>) -> Result<Output, Looked> {
        let (front, questions) = (&self.cache.front, &self.questions);
        let words = match words {
            Some(words) => words,
            None if call.is_resumed() => return Err(None),
            None => match questions.with_alias(call, |alias| front.hit_as(alias, now)) {
                Ok(hit) => return Ok(hit.read(fresh)),
                Err(words) => words,
            },
        };
        let hit = questions.with_key(call, |key| {
            let hit = front.hit(key, now);
            if words == Words::Again && hit.is_ok() {
                questions.with_alias(call, |alias| front.cache().remember(alias, key));
            }
            hit
        })?;
        Ok(hit.read(fresh))
    }

    /// The first poll of what [`around`](Self::around) does, right after a look-up at `now` that was no hit. `next` is told
    /// when it begins.
    #[inline]
    pub(crate) fn start<'a, N, F>(
        &'a self,
        looked: Looked,
        now: Instant,
        call: Call,
        next: N,
        cx: &mut Context<'_>,
    ) -> Started<
        Result<Output, ToolError>,
        impl Future<Output = Result<Output, ToolError>> + Send + Unpin + use<'a, N, F>,
    >
    where
        N: FnOnce(Call, Instant) -> F + Send + 'static,
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let deadline = call.deadline();
        let work = match looked {
            Some(missed) => match self.ask(missed, now, call, next, cx) {
                Started::Ended(answer) => return Started::Ended(told(answer)),
                Started::Waits(asked) => Work::Shared(asked, deadline.map(Timer::new)),
            },
            None => {
                let mut own = Box::pin(next(call, now));
                match own.as_mut().poll(cx) {
                    Poll::Ready(answer) => return Started::Ended(answer),
                    Poll::Pending => Work::Own(own),
                }
            }
        };
        let mut work = Some(work);
        if let Poll::Ready(error) = give_up_if_late(&mut work, cx) {
            return Started::Ended(Err(error));
        }
        Started::Waits(poll_fn(move |cx| {
            let polled = match &mut work {
                Some(Work::Shared(asked, _)) => Pin::new(asked).poll(cx).map(told),
                Some(Work::Own(own)) => own.as_mut().poll(cx),
                None => Poll::Pending,
            };
            if polled.is_ready() { polled } else { give_up_if_late(&mut work, cx).map(Err) }
        }))
    }

    fn ask<'a, N, F>(
        &'a self,
        missed: Missed<Output, ToolError>,
        now: Instant,
        call: Call,
        next: N,
        cx: &mut Context<'_>,
    ) -> Started<
        Answered<Output, ToolError>,
        impl Future<Output = Answered<Output, ToolError>> + Send + Unpin + use<'a, N, F>,
    >
    where
        N: FnOnce(Call, Instant) -> F + Send + 'static,
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let terms = self.terms.clone();
        let request = Request::new(b"").limit(self.limit).tags(self.terms.tags()).urgency(call.priority());
        let load = move |loading: Loading<Priority>| {
            let call = match loading.purpose {
                Purpose::Refresh => call.without_deadline().quiet().with_priority(Priority::Background),
                // Each caller leaves at its own deadline; the run has a limit of its own.
                _ => call.without_deadline().with_priority(*loading.lift.start()),
            };
            // A seat that the run queues for moves forward when somebody more urgent joins.
            let flight = Flight::new(loading.lift, call.priority());
            Running::new(flight.run(next(call, loading.began)), terms)
        };
        self.cache.front.start(missed, now, request, load, cx)
    }
}

/// A fresh result, marked where it is cloned: a result is long to move.
fn fresh(output: &Output) -> Output {
    output.clone_marked(Mark::CacheHit)
}

/// As [`fresh`], in its last place from the start.
#[inline(never)]
fn answered(output: &Output) -> Poll<Result<Output, ToolError>> {
    Poll::Ready(Ok(output.clone_marked(Mark::CacheHit)))
}

/// What a call waits for that was no hit.
enum Work<A, F> {
    /// A run that others may wait for too, for as long as there is time.
    Shared(A, Option<Timer>),
    /// Its own run.
    Own(Pin<Box<F>>),
}

/// Ready with the error when there is no time left. Then the run is left to the others at once, and not when somebody gets
/// to drop this.
fn give_up_if_late<A, F>(work: &mut Option<Work<A, F>>, cx: &mut Context<'_>) -> Poll<ToolError> {
    let Some(Work::Shared(_, Some(timer))) = work else { return Poll::Pending };
    ready!(timer.sleep.as_mut().poll(cx));
    let error = ToolError::timed_out(timer.left);
    *work = None;
    Poll::Ready(error)
}

/// The deadline of a call whose run is not ready at the first poll.
struct Timer {
    left: Duration,
    /// Time passes also for a run that uses up what tokio lets a task do in one go.
    sleep: Pin<Box<Unconstrained<Sleep>>>,
}

impl Timer {
    fn new(deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(clock::now());
        Self { left, sleep: Box::pin(unconstrained(sleep_until(deadline.into()))) }
    }
}

/// A tool that remembers its results. See [`Caching`].
#[derive(Debug)]
pub struct Cached<T> {
    tool: Arc<T>,
    caching: Caching,
}

impl<T> Cached<T> {
    /// Remembers the results of `tool`; `caching` was made for it.
    pub fn new(tool: T, caching: Caching) -> Self {
        Self { tool: Arc::new(tool), caching }
    }

    /// The policy.
    #[must_use]
    pub const fn caching(&self) -> &Caching {
        &self.caching
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { tool: Arc::clone(&self.tool), caching: self.caching.clone() }
    }
}

impl<T: Tool> Tool for Cached<T> {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    fn call(&self, call: Call) -> impl Future<Output = Result<Output, ToolError>> + Send {
        let (mut new, mut rest) = (Some(call), None);
        // No `async` block: a hit is cloned to where the caller wants it, and not moved.
        poll_fn(move |cx| {
            if let Some(call) = &new {
                let now = clock::now();
                let looked = match self.caching.seen(call, now) {
                    Ok(hit) => {
                        new = None;
                        return hit.read(answered);
                    }
                    Err(words) => self.caching.look_further(call, now, words),
                };
                return match (looked, new.take()) {
                    (Err(looked), Some(call)) => {
                        // Not before: a hit needs no share of the tool.
                        let tool = Arc::clone(&self.tool);
                        let run = move |call, _| async move { tool.call(call).await };
                        self.caching.start(looked, now, call, run, cx).or_wait(&mut rest)
                    }
                    (looked, _) => looked.map_or(Poll::Pending, |output| Poll::Ready(Ok(output))),
                };
            }
            rest.as_mut().map_or(Poll::Pending, |rest| Pin::new(rest).poll(cx))
        })
    }
}
