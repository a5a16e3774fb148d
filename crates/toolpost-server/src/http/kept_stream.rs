//! One stream in the store: written by the server that runs the call, read by the one that the client comes back to.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::event_id::StreamName;
use super::event_store::{EventStore, StreamEvents};
use crate::log;

/// How long a store may take over anything.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stream that is in a store, or is to be.
pub(super) struct KeptStream {
    store: Arc<dyn EventStore>,
    pub(super) name: StreamName,
    key: String,
    owner: String,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Unopened,
    Open,
    /// Something of it could not be kept: then nothing is, so that whoever resumes it misses nothing unawares.
    Lost,
}

impl KeptStream {
    pub(super) const fn new(
        store: Arc<dyn EventStore>,
        name: StreamName,
        key: String,
        owner: String,
    ) -> Self {
        Self { store, name, key, owner, state: State::Unopened }
    }

    /// A stream that is there already.
    pub(super) fn opened(mut self) -> Self {
        self.state = State::Open;
        self
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// Opens the stream; false if it cannot be kept.
    pub(super) async fn open(&mut self) -> bool {
        if self.state == State::Unopened {
            let opened = asked(async { self.store.open(&self.key, &self.owner).await }).await;
            self.state = if opened.is_some() { State::Open } else { State::Lost };
        }
        self.state == State::Open
    }

    /// Adds an event; its number, or `None` if it is not kept.
    pub(super) async fn append(&mut self, event: Bytes, last: bool) -> Option<u64> {
        if !self.open().await {
            return None;
        }
        let number = asked(async { self.store.append(&self.key, event, last).await }).await;
        if number.is_none() {
            self.state = State::Lost;
            let _gone_or_not = asked(async { self.store.remove(&self.key).await }).await;
        }
        number
    }

    /// Notes that the stream is still written.
    pub(super) async fn touch(&self) {
        if self.state == State::Open {
            // What is wrong shows when there is something to keep.
            let _noted = asked(async { self.store.touch(&self.key).await }).await;
        }
    }

    /// What there is after the event `after`. The outer `None` if the store failed.
    pub(super) async fn read(&self, after: u64) -> Option<Option<StreamEvents>> {
        asked(async { self.store.read(&self.key, after).await }).await
    }

    /// Resolves when there may be more; never if the store cannot tell.
    pub(super) async fn changed(&self, after: u64) {
        if AssertUnwindSafe(async { self.store.changed(&self.key, after).await })
            .catch_unwind()
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

/// What the store answers, within bounds; `None` if it fails, panics or takes too long.
async fn asked<T>(answer: impl Future<Output = Result<T, Box<dyn Error + Send + Sync>>>) -> Option<T> {
    match timeout(PATIENCE, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(Ok(answer))) => return Some(answer),
        Ok(Ok(Err(error))) => log::store_failed(&error.to_string()),
        Ok(Err(_)) => log::store_failed("it panicked"),
        Err(_) => log::store_failed("it takes too long"),
    }
    None
}
