//! The trait of what keeps tasks.

use std::sync::Arc;
use std::time::Duration;

use toolpost_tool::{BoxFuture, Principal};

use super::StoredTask;

/// Keeps tasks, so that they outlive the requests that began them; and where several servers share it, so that each
/// answers for the tasks of all. Set by [`ServerBuilder::tasks`](crate::ServerBuilder::tasks).
///
/// A store knows nothing of what a task is about: it keeps what [`StoredTask::encode`] gives, finds it by its
/// [id](StoredTask::id), and compares its [version](StoredTask::version) when it is replaced. [`MemoryTasks`] is the one
/// that needs nothing else.
///
/// # Contract
///
/// The contract is a suite of tests that any store can run: `toolpost_test::check_task_store`.
///
/// * What was acknowledged is found by every later call, on every server that shares the store.
/// * Of several updates that follow one version, one takes place. A task that [ended](StoredTask::is_ended) is never
///   replaced.
/// * Nothing is forgotten before it [expires](StoredTask::expires_at): who has no room refuses.
///
/// A store may fail, hang and panic: each request of the server waits 10 s for it at most, and costs no other.
///
/// [`MemoryTasks`]: crate::MemoryTasks
pub trait TaskStore: Send + Sync + 'static {
    /// Keeps a new task. Its client is told of it only after this has returned, so it returns once the task would survive
    /// what this store survives.
    ///
    /// # Errors
    ///
    /// [`TaskStoreError::Full`] if there is no room.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the task may be kept or not.
    fn create<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<(), TaskStoreError>>;

    /// Gives the task with that id, whoever's it is; `None` if there is none. One that has expired may still be found.
    ///
    /// # Errors
    ///
    /// If the store cannot tell.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredTask>, TaskStoreError>>;

    /// Replaces what is kept under the id of `task`, if the version of that is one less and it has not ended; says whether
    /// it did.
    ///
    /// # Errors
    ///
    /// [`TaskStoreError::Full`] if there is no room for what it has grown by. An end without a result always has room.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the task may be replaced or not.
    fn update<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<bool, TaskStoreError>>;

    /// Lists at most `most` tasks of `principal` in the order of their ids (which is that of their creation), those with
    /// ids greater than `after`.
    ///
    /// # Errors
    ///
    /// If the store cannot tell.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    fn list<'a>(
        &'a self,
        principal: &'a Principal,
        after: Option<&'a str>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredTask>, TaskStoreError>>;

    /// Forgets the tasks that have expired at `now` (in milliseconds of Unix time); says how many. The server asks for it
    /// now and then while it creates tasks.
    ///
    /// # Errors
    ///
    /// If the store cannot do it now.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, some of them may be forgotten.
    fn expire(&self, now: u64) -> BoxFuture<'_, Result<usize, TaskStoreError>>;
}

impl<S: TaskStore + ?Sized> TaskStore for Arc<S> {
    fn create<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<(), TaskStoreError>> {
        (**self).create(task)
    }

    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredTask>, TaskStoreError>> {
        (**self).load(id)
    }

    fn update<'a>(&'a self, task: &'a StoredTask) -> BoxFuture<'a, Result<bool, TaskStoreError>> {
        (**self).update(task)
    }

    fn list<'a>(
        &'a self,
        principal: &'a Principal,
        after: Option<&'a str>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredTask>, TaskStoreError>> {
        (**self).list(principal, after, most)
    }

    fn expire(&self, now: u64) -> BoxFuture<'_, Result<usize, TaskStoreError>> {
        (**self).expire(now)
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskStoreError {
    /// There is no room: too many tasks, or too many bytes.
    #[error("no more tasks can be kept now; try again in {} s", .retry_after.as_secs().max(1))]
    Full {
        /// After how long there may be room.
        retry_after: Duration,
    },
    /// The store failed. What it says is not told to clients.
    #[error("the store of tasks failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TaskStoreError {
    /// The store failed for this reason.
    pub fn failed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(why.into())
    }
}
