//! The streams on which one session hears of changes: any number, and each change goes out on one of them.
//!
//! What there is to tell is one feed, and the stream whose turn it is has it: the newest, for that is the one whose
//! client is there for sure. When it ends, or a newer one comes, the feed passes on with whatever was not told yet.
//! While there is no stream, changes wait in the feed (in the ring of their channel, which bounds them).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use toolpost_dispatch::Change;

use super::tasks::TaskFeed;
use super::{Outbox, Service};

/// Changes that were not told yet.
pub(crate) struct Feed {
    pub(crate) tools: tokio::sync::watch::Receiver<u64>,
    pub(crate) changes: Option<Receiver<Change>>,
    pub(super) tasks: Option<TaskFeed>,
}

impl Feed {
    /// What changes from now on.
    pub(crate) fn new(service: &Service) -> Self {
        let tools = service.dispatcher.catalog_changes();
        let changes = service.dispatcher.changes().map(|changes| changes.subscribe());
        Self { tools, changes, tasks: None }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}

/// The streams of one session.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Oldest first.
    live: Vec<(u64, Arc<Outbox>)>,
    /// `None` while a stream has it, and before there was any.
    feed: Option<Feed>,
    begun: bool,
}

impl Streams {
    /// Adds a stream that speaks through `outbox`. If there are more than `most` then, the oldest ends.
    pub(crate) fn enter(&self, service: &Service, outbox: &Arc<Outbox>) -> Standing<'_> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.live.push((number, Arc::clone(outbox)));
        if service.listen_limits.streams.max(1) < state.live.len() {
            state.live.remove(0);
        }
        if !std::mem::replace(&mut state.begun, true) {
            state.feed = Some(Feed::new(service));
        }
        drop(state);
        self.changed.notify_waiters();
        Standing { streams: self, number, feed: None }
    }

    /// Where the client listens, if it does.
    pub(crate) fn newest(&self) -> Option<Arc<Outbox>> {
        self.lock().live.last().map(|(_, outbox)| Arc::clone(outbox))
    }

    /// Resolves when the stream `number` is not the newest.
    pub(crate) async fn superseded(&self, number: u64) {
        self.until(|state| state.live.last().is_none_or(|(newest, _)| *newest != number).then_some(())).await;
    }

    async fn until<T>(&self, found: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listens before it looks, so that no change comes unheard in between.
            changed.as_mut().enable();
            if let Some(found) = found(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream among those of its session; dropping it passes the feed on.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    streams: &'a Streams,
    pub(crate) number: u64,
    feed: Option<Feed>,
}

impl Standing<'_> {
    /// Waits until the stream has the feed; `None` once there were so many newer ones that it ends.
    pub(crate) async fn turn(&mut self) -> Option<&mut Feed> {
        if self.feed.is_none() {
            let taken = self.streams.until(|state| match &*state.live {
                [.., (newest, _)] if *newest == self.number => state.feed.take().map(Some),
                live if live.iter().any(|(number, _)| *number == self.number) => None,
                _ => Some(None),
            });
            self.feed = taken.await;
        }
        self.feed.as_mut()
    }

    /// Lets another stream have the feed.
    pub(crate) fn pass_on(&mut self) {
        if let Some(feed) = self.feed.take() {
            self.streams.lock().feed = Some(feed);
            self.streams.changed.notify_waiters();
        }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.streams.lock().live.retain(|(number, _)| *number != self.number);
        self.pass_on();
        self.streams.changed.notify_waiters();
    }
}
