//! The workers that are ready, and who waits for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, watch};
use toolpost_tool::{Refusal, ToolError};

use super::link::Link;
use super::message::Told;
use super::options::WorkersOptions;
use crate::{Program, Redactor, Supervisor};

/// What slots and callers share.
pub(super) struct Pool {
    pub(super) supervisor: Supervisor,
    pub(super) program: Program,
    pub(super) options: WorkersOptions,
    /// Of what is cut before it leaves: a secret that was cut through is found by nobody after that.
    pub(super) redactor: Arc<Mutex<Redactor>>,
    /// Whether nobody can call any more.
    pub(super) stopped: watch::Sender<bool>,
    told: watch::Sender<Option<Arc<Told>>>,
    /// Why calls fail at once: workers end as soon as they start.
    verdict: watch::Sender<Option<ToolError>>,
    ready: Mutex<Vec<Ready>>,
    /// As many as there are free places in `ready`, but for callers between taking one and looking.
    free: Semaphore,
    /// How many callers wait. One that leaves may be the last reason to keep a worker.
    waiting: watch::Sender<usize>,
    /// A caller waits who may be the only one: with nothing kept warm, a worker is started for it.
    wanted: Notify,
}

struct Ready {
    link: Arc<Link>,
    free: u32,
}

impl Pool {
    pub(super) fn new(supervisor: Supervisor, program: Program, options: WorkersOptions) -> Self {
        Self {
            supervisor,
            program,
            options,
            stopped: watch::Sender::new(false),
            told: watch::Sender::new(None),
            verdict: watch::Sender::new(None),
            ready: Mutex::default(),
            free: Semaphore::new(0),
            waiting: watch::Sender::new(0),
            redactor: Arc::default(),
            wanted: Notify::new(),
        }
    }

    /// A worker with a place for one call more, that place taken.
    ///
    /// # Errors
    ///
    /// If too many wait, or workers end as soon as they start.
    ///
    /// # Cancel safety
    ///
    /// A caller that leaves gives up its place in the queue.
    pub(super) async fn take(&self) -> Result<Arc<Link>, ToolError> {
        if let Ok(permit) = self.free.try_acquire() {
            permit.forget();
            if let Some(link) = self.take_ready() {
                return Ok(link);
            }
        }
        let _waiting = Waiting::enter(self)?;
        let mut verdict = self.verdict.subscribe();
        loop {
            let permit = tokio::select! {
                biased;
                permit = self.free.acquire() => permit,
                verdict = verdict.wait_for(Option::is_some) => {
                    let error = verdict.ok().and_then(|verdict| verdict.clone());
                    return Err(error.unwrap_or_else(|| ToolError::unavailable("the workers have ended")));
                }
            };
            if let Ok(permit) = permit {
                permit.forget();
            }
            if let Some(link) = self.take_ready() {
                return Ok(link);
            }
        }
    }

    /// Waits until a worker has told what it can do.
    pub(super) async fn told(&self) -> Result<Arc<Told>, ToolError> {
        let (mut told, mut verdict) = (self.told.subscribe(), self.verdict.subscribe());
        tokio::select! {
            biased;
            told = told.wait_for(Option::is_some) => {
                let told = told.ok().and_then(|told| told.clone());
                told.ok_or_else(|| ToolError::unavailable("the workers have ended"))
            }
            verdict = verdict.wait_for(Option::is_some) => {
                let error = verdict.ok().and_then(|verdict| verdict.clone());
                Err(error.unwrap_or_else(|| ToolError::unavailable("the workers have ended")))
            }
        }
    }

    /// Whether a worker that told this may stand beside those before it.
    pub(super) fn agrees(&self, told: Told) -> bool {
        let mut agrees = true;
        self.told.send_if_modified(|before| match before {
            Some(before) => {
                agrees = before.is_like(&told);
                false
            }
            None => {
                *before = Some(Arc::new(told));
                true
            }
        });
        agrees
    }

    /// Gives calls to a worker.
    pub(super) fn add(&self, link: &Arc<Link>) {
        self.links().push(Ready { link: Arc::clone(link), free: self.options.at_once });
        self.verdict.send_if_modified(|verdict| verdict.take().is_some());
        self.free.add_permits(self.options.at_once as usize);
    }

    /// Gives a worker one call more again.
    pub(super) fn release(&self, link: &Link) {
        let mut links = self.links();
        if let Some(ready) = links.iter_mut().find(|ready| ready.link.generation == link.generation) {
            ready.free += 1;
            drop(links);
            self.free.add_permits(1);
        }
    }

    /// Gives a worker no calls any more.
    pub(super) fn remove(&self, link: &Link) {
        self.remove_from(&mut self.links(), link);
    }

    /// Gives a worker no calls any more, unless it has one or one comes; whether that is so.
    pub(super) fn remove_idle(&self, link: &Link) -> bool {
        let mut links = self.links();
        let is_idle = link.calls.is_idle();
        if is_idle {
            self.remove_from(&mut links, link);
        }
        is_idle
    }

    fn remove_from(&self, links: &mut Vec<Ready>, link: &Link) {
        if let Some(at) = links.iter().position(|ready| ready.link.generation == link.generation) {
            let ready = links.swap_remove(at);
            // Those that cannot be taken back are with callers, who find no worker for them and wait again.
            self.free.forget_permits(ready.free as usize);
        }
    }

    /// Fails calls at once until a worker is ready, if none is.
    pub(super) fn give_up(&self, why: &str, again: Duration) {
        let links = self.links();
        if links.is_empty() {
            let program = self.program.executable().display();
            let error =
                ToolError::unavailable(format!("no worker of `{program}` can be kept running: {why}"));
            self.verdict.send_replace(Some(error.with_retry_after(again)));
        }
    }

    pub(super) fn ready(&self) -> usize {
        self.links().len()
    }

    pub(super) fn is_wanted(&self) -> bool {
        *self.waiting.borrow() != 0
    }

    /// Changes whenever a caller begins to wait, or leaves.
    pub(super) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    pub(super) fn redactor(&self) -> Redactor {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when a worker should be there: at once while workers are kept warm, else when somebody waits for one.
    /// Cancel safe.
    pub(super) async fn wanted(&self, closed: &watch::Receiver<bool>) {
        loop {
            let wanted = self.wanted.notified();
            if !*closed.borrow() || self.is_wanted() {
                return;
            }
            wanted.await;
        }
    }

    fn take_ready(&self) -> Option<Arc<Link>> {
        let mut links = self.links();
        // The one with the most room.
        let ready = links.iter_mut().max_by_key(|ready| ready.free).filter(|ready| ready.free != 0)?;
        ready.free -= 1;
        ready.link.calls.expect();
        Some(Arc::clone(&ready.link))
    }

    fn links(&self) -> MutexGuard<'_, Vec<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of the workers")]
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// One of those who wait for a worker.
struct Waiting<'a>(&'a Pool);

impl<'a> Waiting<'a> {
    fn enter(pool: &'a Pool) -> Result<Self, ToolError> {
        let mut before = 0;
        pool.waiting.send_modify(|waiting| {
            before = *waiting;
            *waiting += 1;
        });
        let waiting = Self(pool);
        if pool.options.queue <= before {
            let message = format!("{before} calls wait for a worker, and no more may");
            return Err(ToolError::refused(Refusal::QueueFull, message, Some(Duration::from_secs(1))));
        }
        pool.wanted.notify_one();
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}
