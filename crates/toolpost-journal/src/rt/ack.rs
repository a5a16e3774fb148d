//! The end of a group, for all who wait for it.

use std::sync::OnceLock;

use tokio::sync::Notify;

use crate::error::LogError;

/// Told once, heard by any number.
#[derive(Debug, Default)]
pub(super) struct Ack {
    done: OnceLock<Result<(), LogError>>,
    notify: Notify,
}

impl Ack {
    /// Says how it ended; only the first time counts.
    pub(super) fn tell(&self, result: Result<(), LogError>) {
        let _first = self.done.set(result);
        self.notify.notify_waiters();
    }

    /// Waits for that. Cancel safe.
    pub(super) async fn wait(&self) -> Result<(), LogError> {
        loop {
            let mut told = std::pin::pin!(self.notify.notified());
            // From here on nothing is missed.
            told.as_mut().enable();
            if let Some(done) = self.done.get() {
                return done.clone();
            }
            told.await;
        }
    }
}
