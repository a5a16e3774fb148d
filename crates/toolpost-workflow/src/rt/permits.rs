//! The permits of a shared limit that one run holds, or waits for.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::compiled::StepId;

/// How many steps run at once, over all runs that share it; see [`Start::shared_limit`](super::Start::shared_limit).
#[derive(Clone, Debug)]
pub struct StepLimit {
    permits: Arc<Semaphore>,
}

impl StepLimit {
    /// At most so many steps at once, over all runs that share a clone of this limit.
    ///
    /// # Panics
    ///
    /// When `steps` is zero.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        assert!(0 < steps, "no step would ever start");
        Self { permits: Arc::new(Semaphore::new(steps.min(Semaphore::MAX_PERMITS))) }
    }
}

type Acquiring = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// One run's permits. Dropping it gives them back, and leaves the queue.
///
/// A step begins in the spare permit. If it ends at once, the next step has the permit; otherwise the step
/// keeps it, and a permit that was kept goes back to the limit, whose queue is fair among runs.
pub(super) struct Permits {
    limit: StepLimit,
    taken: HashMap<StepId, OwnedSemaphorePermit>,
    spare: Option<OwnedSemaphorePermit>,
    acquiring: Option<Acquiring>,
}

impl Permits {
    pub(super) fn new(limit: StepLimit) -> Self {
        Self { limit, taken: HashMap::new(), spare: None, acquiring: None }
    }

    /// Whether there is a spare permit for the next step, now; queues for one if not.
    pub(super) fn poll_spare(&mut self, context: &mut Context<'_>) -> bool {
        if self.spare.is_some() {
            return true;
        }
        if self.acquiring.is_none() {
            if let Ok(permit) = Arc::clone(&self.limit.permits).try_acquire_owned() {
                self.spare = Some(permit);
                return true;
            }
            let free = Arc::clone(&self.limit.permits);
            self.acquiring = Some(Box::pin(async move { free.acquire_owned().await.ok() }));
        }
        let Some(acquiring) = &mut self.acquiring else { return false };
        match acquiring.as_mut().poll(context) {
            Poll::Ready(permit) => {
                self.acquiring = None;
                self.spare = permit;
                self.spare.is_some()
            }
            Poll::Pending => false,
        }
    }

    /// Lets a step that did not end at once keep the permit it began in.
    pub(super) fn keep(&mut self, step: StepId) {
        if let Some(permit) = self.spare.take() {
            self.taken.insert(step, permit);
        }
    }

    /// Gives back the permit that a step kept.
    pub(super) fn free(&mut self, step: StepId) {
        self.taken.remove(&step);
    }

    /// Gives back the spare permit, and leaves the queue unless there is a step to wait for.
    pub(super) fn rest(&mut self, has_ready: bool) {
        self.spare = None;
        if !has_ready {
            self.acquiring = None;
        }
    }

    pub(super) const fn is_queued(&self) -> bool {
        self.acquiring.is_some()
    }

    /// Gives back every permit.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
        self.rest(false);
    }
}
