//! Calls that outlive their requests: who runs them, and what becomes of what is stored of them.
//!
//! A task is a row in the store, which every server that shares it may read and change, and a run, which one server has:
//! its owner. The row says how the task stands; the owner looks at it every [look](TaskLimits::look), so that what another
//! server wrote there (that it is cancelled, an answer) reaches the run, and so that everybody sees that its owner lives.

mod own;
mod sink;
mod told;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use toolpost_dispatch::CallKey;
use toolpost_json::{Frame, Kind};
use toolpost_protocol::model::TaskStatus;
use toolpost_protocol::{Code, Error, MetaIndex};
use toolpost_tool::Principal;

use super::session::Session;
use crate::tasks::{Stored, StoredTask, TaskLimits, TaskStore, TaskStoreError};
use crate::{clock, tasks};

pub(super) use own::Run;
pub(super) use sink::TaskSink;
pub(super) use told::TaskFeed;
pub(super) use wire::{DetailedTask, LegacyTask, RELATED_TASK, error, millis};

/// The name of the extension.
pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// How long a store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a change is tried again that somebody else's came before.
const CONFLICTS: usize = 32;
/// How often a store is asked to forget what has expired, at most.
const EXPIRE_INTERVAL: u64 = 10_000;
/// How long owners have to write down that their tasks end with the server.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// So many changes wait for who listens to them.
const CHANGES: usize = 256;

/// All tasks of one server, and where they are stored.
pub(crate) struct Tasks {
    store: Arc<dyn TaskStore>,
    limits: TaskLimits,
    /// Those that run here.
    running: Mutex<HashMap<String, Running>>,
    /// Calls that may still become tasks, where they can be taken back.
    undecided: Mutex<HashMap<CallKey, CancellationToken>>,
    /// Owns what runs.
    tracker: TaskTracker,
    /// Cancelled when nothing goes on any more.
    stop: CancellationToken,
    /// The ids of those that changed here.
    changes: broadcast::Sender<String>,
    /// When the store was asked last to forget what has expired.
    expired_at: AtomicU64,
}

/// Where a running task can be reached.
struct Running {
    changed: watch::Sender<()>,
    cancelled: CancellationToken,
    /// The session that asked for it, while there is one.
    session: Weak<Session>,
}

impl Tasks {
    pub(crate) fn new(store: Arc<dyn TaskStore>, limits: TaskLimits) -> Self {
        Self {
            store,
            limits: limits.within_bounds(),
            running: Mutex::default(),
            undecided: Mutex::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            changes: broadcast::Sender::new(CHANGES),
            expired_at: AtomicU64::new(0),
        }
    }

    pub(super) const fn limits(&self) -> &TaskLimits {
        &self.limits
    }

    /// The task with that id, if it is `principal`'s and has not expired. One whose owner is gone is failed, and stored
    /// as such.
    pub(super) async fn find(
        &self,
        id: &str,
        principal: &Principal,
    ) -> Result<Option<StoredTask>, TaskStoreError> {
        let found = self.ask(|store| store.load(id)).await?;
        match found.filter(|task| task.principal() == *principal && clock::unix_ms() < task.expires_at()) {
            Some(task) if self.is_orphan(&task) => {
                let failed = self.change(id, |task, now| self.orphan(task, now)).await?;
                self.tell(failed.as_ref());
                Ok(failed)
            }
            found => Ok(found),
        }
    }

    /// A page of `principal`'s tasks.
    pub(super) async fn page(
        &self,
        principal: &Principal,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<StoredTask>, TaskStoreError> {
        let mut page = self.ask(|store| store.list(principal, after, most)).await?;
        for task in &mut page {
            if self.is_orphan(task) {
                let orphan = |task: &mut Stored, now| self.orphan(task, now);
                *task = self.change(task.id(), orphan).await?.unwrap_or_else(|| task.clone());
            }
        }
        Ok(page)
    }

    /// Cancels the task with that id, if it is `principal`'s; the task as it is then, and whether this changed it.
    pub(super) async fn cancel(
        &self,
        id: &str,
        principal: &Principal,
    ) -> Result<Option<(StoredTask, bool)>, TaskStoreError> {
        let Some(before) = self.find(id, principal).await? else { return Ok(None) };
        if before.is_ended() {
            return Ok(Some((before, false)));
        }
        let mut ended = false;
        let after = self
            .change(id, |task, now| {
                task.end(TaskStatus::Cancelled, "cancelled by its client", now);
                true
            })
            .await?;
        let Some(after) = after else { return Ok(None) };
        if *after.status() == TaskStatus::Cancelled {
            ended = true;
            if let Some(running) = self.running().get(id) {
                running.cancelled.cancel();
            }
            self.tell(Some(&after));
        }
        Ok(Some((after, ended)))
    }

    /// Takes answers to what a task asks, each under its key; those to what is not asked are ignored.
    pub(super) async fn answer(
        &self,
        id: &str,
        answers: &[(String, tasks::Answered)],
    ) -> Result<Option<StoredTask>, TaskStoreError> {
        let changed = self
            .change(id, |task, now| {
                answers
                    .iter()
                    .fold(false, |taken, (key, answer)| task.answer(key, answer.clone(), now) || taken)
            })
            .await?;
        self.tell(changed.as_ref());
        Ok(changed)
    }

    /// Changes what is stored of a task, again when somebody else's change came first; the task as it is then, `None` if
    /// there is none. Nothing is changed of one that has ended, nor where `change` says that there is nothing to change.
    async fn change(
        &self,
        id: &str,
        mut change: impl FnMut(&mut Stored, u64) -> bool,
    ) -> Result<Option<StoredTask>, TaskStoreError> {
        for _ in 0..CONFLICTS {
            let Some(known) = self.ask(|store| store.load(id)).await? else { return Ok(None) };
            let now = clock::unix_ms();
            let Some(next) = known.next(|task| change(task, now)) else { return Ok(Some(known)) };
            if self.ask(|store| store.update(&next)).await? {
                return Ok(Some(next));
            }
        }
        Err(TaskStoreError::failed("a task is changed too often at once"))
    }

    /// Asks the store, which may hang and panic.
    async fn ask<'a, T>(
        &'a self,
        ask: impl FnOnce(&'a dyn TaskStore) -> toolpost_tool::BoxFuture<'a, Result<T, TaskStoreError>>,
    ) -> Result<T, TaskStoreError> {
        let asked = AssertUnwindSafe(async { ask(&*self.store).await }).catch_unwind();
        match tokio::time::timeout(STORE_TIMEOUT, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => Err(TaskStoreError::failed("the store panicked")),
            Err(_elapsed) => Err(TaskStoreError::failed("the store did not answer in time")),
        }
    }

    /// Whether it should run, and nobody has said for too long that it does.
    fn is_orphan(&self, task: &StoredTask) -> bool {
        !task.is_ended() && task.0.lease_until < clock::unix_ms() && !self.running().contains_key(task.id())
    }

    /// Fails a task whose owner is gone; not one that lives after all.
    fn orphan(&self, task: &mut Stored, now: u64) -> bool {
        if now <= task.lease_until {
            return false;
        }
        own::fail(
            task,
            "the server that ran the task ended before the task did; nothing is known of its effects",
            now,
        );
        true
    }

    /// Tells who waits for it that a task changed.
    fn tell(&self, task: Option<&StoredTask>) {
        let Some(task) = task else { return };
        let session = self.running().get(task.id()).and_then(|running| {
            running.changed.send_replace(());
            running.session.upgrade()
        });
        if let Some(session) = session
            && let Some(outbox) = session.streams.newest()
        {
            LegacyTask { task, limits: &self.limits }.notify(&outbox);
        }
        // Nobody may listen.
        let _unheard = self.changes.send(task.id().to_owned());
    }

    /// Resolves when a task may have changed since this was made: at once where it runs here, and after a look where not.
    pub(super) fn watch(&self, id: &str) -> Watcher {
        Watcher {
            look: self.limits.look,
            changed: self.running().get(id).map(|running| running.changed.subscribe()),
        }
    }

    /// Lets the call under `key` be taken back until it is decided whether it becomes a task.
    pub(super) fn undecided(self: &Arc<Self>, key: Option<CallKey>) -> Undecided {
        let taken_back = CancellationToken::new();
        if let Some(key) = &key {
            self.keys().insert(key.clone(), taken_back.clone());
        }
        Undecided { tasks: Arc::clone(self), key, taken_back }
    }

    /// Takes the call under `key` back, if it is undecided whether it becomes a task.
    pub(super) fn take_back(&self, key: &CallKey) -> bool {
        self.keys().get(key).map(CancellationToken::cancel).is_some()
    }

    /// Waits until `deadline` for the tasks that run; those that still do then end, and are stored as failed. Says how
    /// many that were.
    pub(crate) async fn drain(&self, deadline: Instant) -> usize {
        self.tracker.close();
        if tokio::time::timeout_at(deadline.into(), self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let left = self.running().len();
        self.stop.cancel();
        let _written = tokio::time::timeout(LAST_WORDS, self.tracker.wait()).await;
        left
    }

    /// An id that nobody guesses: when it was drawn, and 128 random bits, in hexadecimal.
    fn draw(now: u64) -> Result<String, TaskStoreError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| TaskStoreError::failed(error.to_string()))?;
        Ok(format!("{:012x}{:032x}", now & 0xffff_ffff_ffff, u128::from_be_bytes(random)))
    }

    /// Asks the store now and then to forget what has expired.
    async fn expire(&self, now: u64) {
        let last = self.expired_at.load(Ordering::Relaxed);
        let due = EXPIRE_INTERVAL <= now.saturating_sub(last);
        if due && self.expired_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            // What fails is tried again with a later task.
            let _later = self.ask(|store| store.expire(now)).await;
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<CallKey, CancellationToken>> {
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.running().len()).finish_non_exhaustive()
    }
}

/// Waits for changes of one task.
pub(super) struct Watcher {
    look: Duration,
    changed: Option<watch::Receiver<()>>,
}

impl Watcher {
    /// Resolves when the task may have changed.
    pub(super) async fn changed(&mut self) {
        let changed = async {
            match &mut self.changed {
                Some(changed) => changed.changed().await.is_err(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = changed => {
                if ended {
                    // It runs here no more: what is stored is its end, or will be soon.
                    self.changed = None;
                }
            }
            () = clock::sleep(self.look) => {}
        }
    }
}

/// A call of which it is undecided whether it becomes a task.
pub(super) struct Undecided {
    tasks: Arc<Tasks>,
    key: Option<CallKey>,
    /// Cancelled when its client takes it back.
    pub(super) taken_back: CancellationToken,
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.tasks.keys().remove(key);
        }
    }
}

/// Whether the client of a request of 2026-07-28 says that it takes tasks.
pub(super) fn is_declared(meta: &MetaIndex, frame: &Frame) -> bool {
    let capabilities = meta.client_capabilities(frame);
    let extension = capabilities.and_then(|node| node.member("extensions")?.member(EXTENSION));
    extension.is_some_and(|node| node.kind() == Kind::Object)
}

/// The error to a client of 2026-07-28 that does not say that it takes tasks.
pub(super) fn undeclared(why: &str) -> Error {
    let why = format!("{why}, and the client does not declare the extension {EXTENSION}");
    let needed = json!({ "requiredCapabilities": { "extensions": { EXTENSION: {} } } });
    Error::new(Code::MISSING_CLIENT_CAPABILITY, why).with_data(&needed)
}
