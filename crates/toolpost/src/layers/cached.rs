//! A tool that remembers its results.

mod forget;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};
use toolpost_cache::rt::{Answer, Hit, LoadError, Missed, Outcome, Purpose, ReadThrough, Request, Source};
use toolpost_cache::{Bounds, Cache, Lifetime, Memory, Stats, Terms, Tiered, Words};
use toolpost_tool::{
    CachePolicy, Call, ErrorKind, Mark, Output, Priority, Refusal, Tool, ToolError, ToolSpec,
};

use super::Verdict;
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
/// tool's time limit. It ends when the last of them has left. What is meant for one caller alone (a refusal, a question)
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
            limit: spec.policy().time_limit.unwrap_or(LIMIT),
        }
    }

    /// What a tool declares: `None` unless it says that it only reads, and how long its results are good for.
    #[must_use]
    pub fn declared(cache: &ResultCache, spec: &ToolSpec) -> Option<Self> {
        let reads = spec.annotations().read_only == Some(true);
        spec.policy().cache.as_ref().filter(|_| reads).map(|policy| Self::new(cache, policy, spec))
    }

    /// Sets the time that a run has, retries and waiting for a seat included: by default the time limit that the tool
    /// declares for one attempt, or a minute.
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
    /// Whatever `next` answers; [`TimedOut`](ErrorKind::TimedOut) when the call's deadline or the run's limit has passed.
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
        match self.look(&call) {
            Ok(output) => Ok(output),
            Err(looked) => self.miss(looked, call, next).await,
        }
    }

    /// A fresh result of the same call, marked; nothing is run for it.
    #[must_use]
    pub fn hit(&self, call: &Call) -> Option<Output> {
        self.look(call).ok()
    }

    /// As [`hit`](Self::hit), or else what [`miss`](Self::miss) goes on from.
    #[inline]
    pub(crate) fn look(&self, call: &Call) -> Result<Output, Looked> {
        let now = clock::now();
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

    /// What [`around`](Self::around) does when there is no hit.
    pub(crate) fn miss<N, F>(
        &self,
        looked: Looked,
        call: Call,
        next: N,
    ) -> impl Future<Output = Result<Output, ToolError>> + Send + Unpin + use<N, F>
    where
        N: FnOnce(Call) -> F + Send + 'static,
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let deadline = call.deadline();
        let mut work = Some(match looked {
            Some(missed) => Work::Shared(self.ask(missed, call, next)),
            None => Work::Own(Box::pin(next(call))),
        });
        let mut timer = None::<Timer>;
        // No `async` block, which would have room for what it captures and again for what it awaits.
        poll_fn(move |cx| {
            let asked = match &mut work {
                Some(Work::Own(own)) => return own.as_mut().poll(cx),
                Some(Work::Shared(asked)) => asked,
                None => return Poll::Pending,
            };
            if let Poll::Ready(answer) = Pin::new(asked).poll(cx) {
                return Poll::Ready(told(answer));
            }
            let Some(deadline) = deadline else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Timer::new(deadline));
            ready!(timer.sleep.as_mut().poll(cx));
            // It leaves the run to the others now, and not when somebody gets to drop this.
            work = None;
            Poll::Ready(Err(ToolError::timed_out(timer.left)))
        })
    }

    fn ask<N, F>(
        &self,
        missed: Missed<Output, ToolError>,
        call: Call,
        next: N,
    ) -> impl Future<Output = Result<Answer<Output>, LoadError<ToolError>>> + Send + Unpin + use<N, F>
    where
        N: FnOnce(Call) -> F + Send + 'static,
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        let front = &self.cache.front;
        let terms = self.terms.clone();
        let request = Request::new(b"").limit(self.limit).tags(self.terms.tags()).urgency(call.priority());
        front.ask(missed, request, move |loading| {
            let call = match loading.purpose {
                Purpose::Refresh => call.without_deadline().quiet().with_priority(Priority::Background),
                // Each caller leaves at its own deadline; the run has a limit of its own.
                _ => call.without_deadline().with_priority(*loading.lift.start()),
            };
            // A seat that the run queues for moves forward when somebody more urgent joins.
            let flight = Flight::new(loading.lift, &call);
            // Made inside, so that it has room once and not twice.
            async move { outcome(flight.run(next(call)).await, terms) }
        })
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
    /// A run that others may wait for too.
    Shared(A),
    /// Its own run.
    Own(Pin<Box<F>>),
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

/// What the caller is told.
fn told(answer: Result<Answer<Output>, LoadError<ToolError>>) -> Result<Output, ToolError> {
    match answer {
        Ok(Answer { value, source, .. }) => Ok(marked(value, source)),
        Err(LoadError::Failed(error) | LoadError::Rejected(error)) => Err(error),
        Err(LoadError::TimedOut(limit)) => Err(ToolError::timed_out(limit)),
        Err(_) => Err(ToolError::with_kind(ErrorKind::Panicked, "the tool panicked")),
    }
}

/// What becomes of the outcome of a run: for whom it is, whether it is kept, and whether an expired result may stand
/// in for it.
///
/// This is where caching meets the breaker, the scheduler and the rate limit: what they refuse belongs to one caller,
/// and an expired result covers it. A denial, a question and the caller's own fault are covered by nothing.
fn outcome(result: Result<Output, ToolError>, terms: Terms) -> Outcome<Output, ToolError> {
    let verdict = Verdict::of(&result);
    match result {
        // What stands in for a result is not one: the next call asks again.
        Ok(output) if output.has_mark(Mark::Degraded) || output.has_mark(Mark::CacheStale) => {
            Outcome::Pass(output)
        }
        Ok(output) if verdict == Verdict::Works => {
            let terms = terms.weighing(output.weight());
            Outcome::Keep(output, terms)
        }
        Ok(output) => Outcome::Pass(output),
        Err(error) => match (verdict, error.kind()) {
            (_, ErrorKind::Refused(Refusal::Denied)) => Outcome::Refuse(error),
            (Verdict::Refused, _) => Outcome::Personal(Err(error)),
            (Verdict::Suspended | Verdict::Cancelled, _) => Outcome::Refuse(error),
            // What one client cannot be asked, another can.
            (Verdict::CallersFault, ErrorKind::Protocol) => Outcome::Refuse(error),
            (Verdict::CallersFault, _) => Outcome::Reject(error, Terms::ttl(Duration::ZERO)),
            _ => Outcome::Fail(error),
        },
    }
}

/// Says in the result where it came from.
const fn marked(output: Output, source: Source) -> Output {
    match source {
        Source::Fresh => output.marked(Mark::CacheHit),
        Source::Stale => output.marked(Mark::CacheStale),
        Source::StaleOnError => output.marked(Mark::CacheStale).marked(Mark::Degraded),
        _ => output,
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
        let (mut call, mut missed) = (Some(call), None);
        // No `async` block: a hit is cloned to where the caller wants it, and not moved.
        poll_fn(move |cx| {
            if let Some(new) = &call {
                let now = clock::now();
                let words = match self.caching.seen(new, now) {
                    Ok(hit) => {
                        call = None;
                        return hit.read(answered);
                    }
                    Err(words) => words,
                };
                let looked = match self.caching.look_further(new, now, words) {
                    Ok(output) => {
                        call = None;
                        return Poll::Ready(Ok(output));
                    }
                    Err(looked) => looked,
                };
                // Not before: a hit needs no share of the tool.
                let tool = Arc::clone(&self.tool);
                let run = move |call| async move { tool.call(call).await };
                missed = call.take().map(|call| self.caching.miss(looked, call, run));
            }
            missed.as_mut().map_or(Poll::Pending, |missed| Pin::new(missed).poll(cx))
        })
    }
}
