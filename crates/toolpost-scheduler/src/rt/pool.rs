//! A pool: futures are handed in, and run by so many workers in the order of a discipline.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

use super::gate::Gate;
use super::waiting::Waiting;
use crate::refusal::QueueError;
use crate::request::JobRequest;

/// Runs submitted futures, as many at once as its gate has permits.
///
/// Every task ends exactly once: completed, failed, panicked, canceled, expired or refused ([`PoolCounts`]). A task that panics
/// takes nobody with it. Dropping a [`JobHandle`] cancels its task; the pool itself can be dropped, and its tasks run on.
///
/// ```
/// use toolpost_scheduler::rt::{Gate, JobError, Pool};
/// use toolpost_scheduler::{JobRequest, Limit, Tenant};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pool = Pool::new(Gate::new(Limit::fixed(2)));
/// let alice = JobRequest::new(Tenant::named("alice"));
/// let good = pool.submit(alice, async { Ok::<_, &str>(6 * 7) });
/// let bad = pool.submit(alice, async { Err::<(), _>("no such file") });
/// assert_eq!(good.await.unwrap(), 42);
/// assert!(matches!(bad.await, Err(JobError::Failed("no such file"))));
///
/// // What runs when the server stops is waited for; what waits is told.
/// pool.submit(alice, async { Ok::<_, &str>(()) }).detach();
/// pool.stop().await;
/// assert_eq!(pool.counts().pending, 0);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    gate: Gate,
    book: Arc<Mutex<Book>>,
    /// Tells those that drain when the last task has ended.
    ended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Book {
    counts: PoolCounts,
    next: u64,
    tasks: std::collections::HashMap<u64, AbortHandle>,
}

/// How tasks have ended; `submitted` is the sum of all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounts {
    /// Handed in.
    pub submitted: u64,
    /// Neither ended nor refused so far.
    pub pending: u64,
    /// Returned `Ok`.
    pub completed: u64,
    /// Returned `Err`.
    pub failed: u64,
    /// Panicked.
    pub panicked: u64,
    /// Canceled, by dropping the handle, by clearing or by aborting.
    pub canceled: u64,
    /// Their deadline passed before they started.
    pub expired: u64,
    /// Refused for another reason.
    pub refused: u64,
}

/// Why a task has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobError<E> {
    /// It returned this error.
    Failed(E),
    /// It panicked, with this message; empty if it was no text.
    Panicked(String),
    /// It never ran, or was stopped: canceled, expired or refused.
    Refused(QueueError),
}

/// The result of a task, to be awaited. Dropping it cancels the task.
#[must_use = "dropping a handle cancels its task"]
pub struct JobHandle<T, E> {
    task: JoinHandle<Result<T, JobError<E>>>,
    detached: bool,
}

impl Pool {
    /// Makes the permits of `gate` the workers of a pool.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self { gate, book: Arc::default(), ended: Arc::default() }
    }

    /// Hands in a future; its place in the queue is taken at once, and a refusal shows in the handle.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn submit<T, E, F>(&self, request: JobRequest, future: F) -> JobHandle<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let waiting = self.gate.acquire_owned(request);
        let mut book = self.book();
        let id = book.next;
        book.next += 1;
        book.counts.submitted += 1;
        book.counts.pending += 1;
        let entry = Accounted { book: self.book.clone(), ended: self.ended.clone(), id, end: End::Canceled };
        #[expect(clippy::disallowed_methods, reason = "the pool owns, counts and drains what it spawns")]
        let task = tokio::spawn(run(waiting, future, entry));
        // Under the lock, which the task takes to remove itself: it cannot end before it is listed.
        book.tasks.insert(id, task.abort_handle());
        JobHandle { task, detached: false }
    }

    /// Resolves when every task has ended. It keeps nobody from handing in more: close the gate for that.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn drain(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.book().counts.pending == 0 {
                break;
            }
            ended.await;
        }
        // A task is off the book before its permit is back.
        self.gate.drained().await;
    }

    /// Takes no more tasks, lets those that run end, cancels those that wait, and says how many these were.
    ///
    /// [`Gate::reopen`] starts the pool again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the pool stopped; it no longer waits for those that run.
    pub async fn stop(&self) -> usize {
        self.gate.close();
        let canceled = self.gate.clear();
        self.drain().await;
        canceled
    }

    /// Cancels every task, those that run included, and resolves when all have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the tasks canceled; it no longer waits for their end.
    pub async fn abort(&self) {
        let tasks: Vec<_> = self.book().tasks.values().cloned().collect();
        tasks.iter().for_each(AbortHandle::abort);
        self.drain().await;
    }

    /// How tasks have ended so far.
    #[must_use]
    pub fn counts(&self) -> PoolCounts {
        self.book().counts
    }

    /// The gate whose permits are the workers.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        // The book is whole between two statements, whoever panicked.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run<T, E>(
    waiting: Waiting<'static>,
    future: impl Future<Output = Result<T, E>>,
    mut entry: Accounted,
) -> Result<T, JobError<E>> {
    let permit = match waiting.await {
        Ok(permit) => permit,
        Err(refusal) => {
            entry.end = End::of(refusal);
            return Err(JobError::Refused(refusal));
        }
    };
    // Dropped in reverse order: off the book first, then the permit.
    let mut entry = entry;
    let result = future.await;
    entry.end = if result.is_ok() { End::Completed } else { End::Failed };
    drop(entry);
    permit.settle();
    result.map_err(JobError::Failed)
}

impl<T, E> JobHandle<T, E> {
    /// Lets the task run on when the handle is dropped.
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// Cancels the task; the handle resolves to [`QueueError::Canceled`] unless it has ended before.
    pub fn cancel(&self) {
        self.task.abort();
    }
}

impl<T, E> Future for JobHandle<T, E> {
    type Output = Result<T, JobError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(|joined| match joined {
            Ok(result) => result,
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => JobError::Panicked(message(&*panic)),
                Err(_canceled) => JobError::Refused(QueueError::Canceled),
            }),
        })
    }
}

impl<T, E> Drop for JobHandle<T, E> {
    fn drop(&mut self) {
        if !self.detached {
            self.task.abort();
        }
    }
}

impl<T, E> fmt::Debug for JobHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("task", &self.task.id()).finish_non_exhaustive()
    }
}

impl<E: fmt::Display> fmt::Display for JobError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) if message.is_empty() => f.write_str("the task panicked"),
            Self::Panicked(message) => write!(f, "the task panicked: {message}"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for JobError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Panicked(_) | Self::Refused(_) => None,
        }
    }
}

/// What a panic said, if that was text.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default().to_owned()
}

/// A task's entry in the book, closed when dropped, by whatever way the task ends.
struct Accounted {
    book: Arc<Mutex<Book>>,
    ended: Arc<Notify>,
    id: u64,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Completed,
    Failed,
    Canceled,
    Expired,
    Refused,
}

impl End {
    const fn of(refusal: QueueError) -> Self {
        match refusal {
            QueueError::Expired => Self::Expired,
            QueueError::Canceled => Self::Canceled,
            _ => Self::Refused,
        }
    }
}

impl Drop for Accounted {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.tasks.remove(&self.id);
        let counts = &mut book.counts;
        counts.pending -= 1;
        *match self.end {
            _ if std::thread::panicking() => &mut counts.panicked,
            End::Completed => &mut counts.completed,
            End::Failed => &mut counts.failed,
            End::Canceled => &mut counts.canceled,
            End::Expired => &mut counts.expired,
            End::Refused => &mut counts.refused,
        } += 1;
        if counts.pending == 0 {
            self.ended.notify_waiters();
        }
    }
}
