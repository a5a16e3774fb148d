//! Blocking calls, each under a permit of its own.

use super::gate::Gate;
use crate::refusal::QueueError;
use crate::request::JobRequest;

impl Gate {
    /// Waits for a permit, then runs `work` on a thread that may block, one of tokio's.
    ///
    /// Work that has started cannot be stopped. When its caller leaves it runs on, detached, and its permit goes with it:
    /// the gate's limit counts threads that are busy, not callers that wait.
    ///
    /// ```
    /// use toolpost_scheduler::rt::Gate;
    /// use toolpost_scheduler::{JobRequest, Limit, Tenant};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let disk = Gate::new(Limit::fixed(4)); // Never more than four threads, whoever asks.
    /// let alice = JobRequest::new(Tenant::named("alice"));
    /// let bytes = disk.run_blocking(alice, || std::fs::read("Cargo.toml")).await?;
    /// assert!(bytes.is_ok());
    /// # Ok::<(), toolpost_scheduler::QueueError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// When the permit is refused; [`QueueError::Canceled`] when tokio's runtime shuts down before the work starts.
    ///
    /// # Panics
    ///
    /// When `work` panics, with its panic; and outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the work starts leaves nothing behind. Afterwards the work runs on by itself and keeps
    /// its permit until it ends; [`drained`](Self::drained) waits for it.
    pub async fn run_blocking<R: Send + 'static>(
        &self,
        request: JobRequest,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, QueueError> {
        let permit = self.acquire_owned(request).await?;
        let started = tokio::task::spawn_blocking(move || {
            let result = work();
            permit.settle();
            result
        });
        match AbortUnstarted(started).result().await {
            Ok(result) => Ok(result),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_canceled) => Err(QueueError::Canceled),
            },
        }
    }
}

/// Takes work back from tokio's queue if it has not started when this is dropped; work that has started is not affected.
struct AbortUnstarted<R>(tokio::task::JoinHandle<R>);

impl<R> AbortUnstarted<R> {
    async fn result(mut self) -> Result<R, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<R> Drop for AbortUnstarted<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
