//! Blocking calls, each under a permit of its own.

use super::gate::Gate;
use crate::refusal::QueueError;
use crate::request::JobRequest;

/// Runs blocking calls on tokio's blocking threads, under the permits of a gate.
///
/// A call that has started cannot be stopped. When its caller leaves it runs on, detached, and its permit goes with it: the
/// gate's limit counts threads that are busy, not callers that wait.
#[derive(Clone, Debug)]
pub struct BlockingPool {
    gate: Gate,
}

impl BlockingPool {
    /// Runs calls under the permits of `gate`.
    #[must_use]
    pub const fn new(gate: Gate) -> Self {
        Self { gate }
    }

    /// Waits for a permit, then runs `work` on a thread that may block.
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
    /// its permit until it ends; [`Gate::drained`] waits for it.
    pub async fn run<R: Send + 'static>(
        &self,
        request: JobRequest,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, QueueError> {
        let permit = self.gate.acquire_owned(request).await?;
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

    /// The gate whose permits are used.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
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
