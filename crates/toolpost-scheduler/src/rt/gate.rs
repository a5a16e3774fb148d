//! The gate: whoever wants to run asks here for a permit.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(not(any(loom, shuttle)))]
use tokio::sync::Notify;

use super::clock;
use super::line::{Grant, Line, Shared};
use super::permit::{Hold, Permit};
use super::sync::{Arc, Mutex, lock};
#[cfg(not(any(loom, shuttle)))]
use super::sync::{AtomicU64, Ordering};
use super::waiting::Waiting;
use super::word::Word;
use crate::discipline::Discipline;
use crate::fair::Fair;
use crate::limit::Limit;
use crate::queue::{Queue, QueueLimits};
#[cfg(not(any(loom, shuttle)))]
use crate::refusal::QueueError;
use crate::request::JobRequest;
use crate::stats::QueueStats;

/// Hands out permits, in the order of a discipline, never more than its limit.
///
/// While a permit is free and nobody waits, taking one is a single atomic exchange. Otherwise the request queues, behind
/// one short lock. Cloning it is cheap, and yields another handle of the same gate.
///
/// Time under a permit that was free is charged to nobody: where there is no contention there is nothing to share out.
///
/// The permits go to whom the discipline says, not to whom the executor polls first:
///
/// ```
/// use toolpost_scheduler::rt::Gate;
/// use toolpost_scheduler::{JobRequest, Limit, Priority, QueueError, Tenant};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let gate = Gate::new(Limit::fixed(1));
/// let alice = JobRequest::new(Tenant::named("alice"));
/// let running = gate.acquire(alice).await?;
/// let report = gate.acquire(alice.priority(Priority::Background));
/// let answer = gate.acquire(alice.priority(Priority::Urgent));
///
/// running.settle(); // The work is done, and the permit free.
/// let answer = answer.await?;
/// assert_eq!((gate.in_flight(), gate.waiting()), (1, 1));
///
/// drop(report); // Its caller has left: nobody waits.
/// answer.settle();
/// gate.drained().await;
/// # Ok::<(), QueueError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    shared: Arc<Shared>,
}

impl Gate {
    /// Opens a gate of `limit` permits, served by [`Fair`], within the default [`QueueLimits`].
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self::with_discipline(limit, Fair::default(), QueueLimits::default())
    }

    /// Opens a gate of `limit` permits, served in the order of `discipline`.
    #[must_use]
    pub fn with_discipline(limit: Limit, discipline: impl Discipline + 'static, bounds: QueueLimits) -> Self {
        let mut queue = Queue::new(Box::new(discipline) as Box<dyn Discipline>, bounds);
        queue.set_permits(limit.permits());
        let shared = Shared {
            word: Word::new(limit.permits()),
            timed: AtomicBool::new(limit.is_adaptive()),
            line: Mutex::new(Line { queue, limit, closed: false, drained: Vec::new(), listeners: 0 }),
            #[cfg(not(any(loom, shuttle)))]
            room: Notify::new(),
            #[cfg(not(any(loom, shuttle)))]
            freed: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a permit if one is free and nobody waits.
    #[must_use]
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        if !self.shared.word.try_take() {
            return None;
        }
        let grant = self.shared.is_timed().then(|| Grant { charge: None, since: clock::now() });
        Some(Permit::new(Hold::Borrowed(&self.shared), grant))
    }

    /// Asks for a permit; the place in the queue is taken by this call, not by the first poll.
    ///
    /// A refusal is decided in this call too, but for those that can only come later: the deadline passed, the queue
    /// was cleared, or the job was shed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place, or the permit, and leaves nothing behind.
    pub fn acquire(&self, request: JobRequest) -> Waiting<'_> {
        Waiting::enter(Hold::Borrowed(&self.shared), request)
    }

    /// Like [`acquire`](Gate::acquire), holding the gate alive by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place, or the permit, and leaves nothing behind.
    pub fn acquire_owned(&self, request: JobRequest) -> Waiting<'static> {
        Waiting::enter(Hold::Owned(self.shared.clone()), request)
    }

    /// Like [`acquire`](Gate::acquire), but when the queue is full waits for a place in it instead of being refused.
    ///
    /// Those that wait for a place have no order among themselves but first come, first tried, and no bound on their
    /// number: bound it where they come from. A place that one of them may not have (its tenant has its part of the queue)
    /// is offered to the next, so that each tries once for a place at the most. A deadline is watched only once in the queue. In a queue of no places
    /// ([`QueueLimits::new`] of zero) none ever becomes free.
    ///
    /// # Errors
    ///
    /// Every refusal other than [`QueueError::Full`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place, or the permit, and leaves nothing behind.
    #[cfg(not(any(loom, shuttle)))]
    pub async fn acquire_patiently(&self, request: JobRequest) -> Result<Permit<'_>, QueueError> {
        let mut told = false;
        // As many places as had become free when it last tried: for those it is not to be offered one again.
        let mut tried = None;
        // As many as it has passed the word on for: once for each, or two could pass it to and fro.
        let mut passed = None;
        loop {
            let mut room = std::pin::pin!(self.shared.room.notified());
            // Listening before trying, so that a place that becomes free in between is not missed.
            room.as_mut().enable();
            let freed = self.shared.freed.load(Ordering::Acquire);
            if tried == Some(freed) {
                // It tried for this place before it was told of it, on another thread: perhaps the next may have it.
                if passed != Some(freed) {
                    passed = Some(freed);
                    self.shared.room.notify_one();
                }
                room.await;
                continue;
            }
            tried = Some(freed);
            let waiting = self.acquire(request);
            let queued = waiting.is_queued();
            match waiting.await {
                Err(QueueError::Full { .. }) => {
                    // Told of a place that it may not have: perhaps the next may.
                    if told {
                        passed = Some(freed);
                        self.shared.room.notify_one();
                    }
                    room.await;
                    told = true;
                }
                decided => {
                    // Told of a place and not in need of it: the next is told. Whoever took it tells when it leaves it.
                    if told && !queued {
                        self.shared.room.notify_one();
                    }
                    return decided;
                }
            }
        }
    }

    /// Replaces the limit while it runs: as an operator does who sees that the machine bears more, or less.
    ///
    /// Permits that are taken stay so; where more are taken than there are now, none is given until they are fewer. Those
    /// that wait get what there is more at once. What an adaptive limit has learnt is forgotten.
    ///
    /// ```
    /// use toolpost_scheduler::Limit;
    /// use toolpost_scheduler::rt::Gate;
    ///
    /// let gate = Gate::new(Limit::fixed(1));
    /// let _one = gate.try_acquire().expect("free");
    /// assert!(gate.try_acquire().is_none());
    /// gate.set_limit(Limit::fixed(2));
    /// assert!(gate.try_acquire().is_some());
    /// ```
    pub fn set_limit(&self, limit: Limit) {
        self.shared.set_limit(limit);
    }

    /// How long a request would wait if it came now, as far as measured times tell.
    #[must_use]
    pub fn estimate(&self, request: JobRequest) -> Duration {
        if self.shared.word.taken() < self.shared.word.limit() {
            return Duration::ZERO;
        }
        lock(&self.shared.line).queue.estimate(request)
    }

    /// How many permits are taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.word.taken()
    }

    /// How many permits there are now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.word.limit()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.shared.line).queue.len()
    }

    /// What has become of those that queued; a permit that was free is not counted here.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        lock(&self.shared.line).queue.stats()
    }

    /// Refuses all that wait, and says how many they were.
    #[expect(
        clippy::must_use_candidate,
        reason = "clearing is done for its effect; the number is news at best"
    )]
    pub fn clear(&self) -> usize {
        self.shared.clear()
    }

    /// Takes no more requests; those that wait still get their permits.
    pub fn close(&self) {
        let mut line = lock(&self.shared.line);
        line.closed = true;
        self.shared.word.watch();
        drop(line);
        #[cfg(not(any(loom, shuttle)))]
        {
            // There is something to learn for all, also for those that have just tried.
            self.shared.freed.fetch_add(1, Ordering::AcqRel);
            self.shared.room.notify_waiters();
        }
    }

    /// Takes requests again.
    pub fn reopen(&self) {
        lock(&self.shared.line).closed = false;
        self.shared.attend();
    }

    /// Resolves when no permit is taken and nobody waits. It closes nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing, and leaves nothing behind.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + Sync + Unpin + use<'_> {
        Drained { shared: &self.shared, listener: None }
    }
}

/// Resolves when no permit is taken and nobody waits; see [`Gate::drained`].
#[derive(Debug)]
#[must_use = "a future does nothing unless polled"]
struct Drained<'g> {
    shared: &'g Shared,
    /// Its number among those that want to know, once it waits.
    listener: Option<u64>,
}

impl Future for Drained<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, listener } = &mut *self;
        // A waker is somebody else's code: cloned and dropped with no lock held.
        let waker = cx.waker().clone();
        let mut line = lock(&shared.line);
        // Watched first: a permit given back from now on comes by here.
        shared.word.watch();
        if shared.word.taken() == 0 && line.queue.is_empty() {
            let left = listener.take().and_then(|number| line.unlisten(number));
            shared.rest(&line);
            drop(line);
            drop(left);
            return Poll::Ready(());
        }
        let number = *listener.get_or_insert_with(|| line.next_listener());
        let known = line.listen(number, waker);
        drop(line);
        drop(known);
        Poll::Pending
    }
}

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        let Some(number) = self.listener else { return };
        let mut line = lock(&self.shared.line);
        let left = line.unlisten(number);
        self.shared.rest(&line);
        drop(line);
        // A waker is somebody else's code: not under the lock.
        drop(left);
    }
}
