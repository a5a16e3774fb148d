//! Starting a run: its rules, who listens, where it is recorded.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::driver::Driver;
use super::journaling::{Ask, Recording};
use super::permits::StepLimit;
use super::report::RunReport;
use crate::event::RunEvent;
use crate::journal::Journal;
use crate::plan::Plan;
use crate::policy::{OnFailure, OnUnknown};
use crate::record::{Record, digest};
use crate::rules::RunOptions;
use crate::run::Run;

pub(super) type Listener = Box<dyn FnMut(&RunEvent) + Send>;

impl<I: Send + Sync + 'static, O: Send + Sync + 'static> Plan<I, O> {
    /// Prepares a run; nothing happens before [`Start::run`] and its first poll.
    #[must_use = "a run starts with `run`"]
    pub fn start(&self, input: I) -> Start<I, O> {
        Start {
            plan: self.clone(),
            input,
            rules: RunOptions::default(),
            seed: None,
            limit: None,
            recording: None,
            ask: None,
            again: false,
            digest: None,
            listeners: Vec::new(),
            control: None,
        }
    }

    /// Runs the plan by the default rules; see [`Start::run`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the run, as [`Start::run`] says.
    pub fn run(&self, input: I) -> impl Future<Output = RunReport<O>> + Send + Unpin + use<I, O> {
        self.start(input).run()
    }
}

/// A run about to start.
#[must_use = "a run starts with `run`"]
pub struct Start<I, O> {
    plan: Plan<I, O>,
    input: I,
    rules: RunOptions,
    seed: Option<u64>,
    limit: Option<StepLimit>,
    recording: Option<(Arc<dyn Journal>, Arc<str>)>,
    ask: Option<Ask>,
    again: bool,
    /// Of the input.
    digest: Option<u64>,
    listeners: Vec<Listener>,
    control: Option<Arc<Shared>>,
}

impl<I: Send + Sync + 'static, O: Send + Sync + 'static> Start<I, O> {
    /// At most so many steps of this run at once; no limit if never said.
    ///
    /// # Panics
    ///
    /// When `steps` is zero.
    pub const fn limit(mut self, steps: usize) -> Self {
        self.rules.limit = Some(NonZeroUsize::new(steps).expect("no step would ever start"));
        self
    }

    /// Takes, for every step, a permit of a limit that other runs share.
    ///
    /// A step that itself awaits a run which shares this limit holds a permit while it waits for one: enough
    /// of them at once wait for each other for ever. Give nested runs a limit of their own.
    pub fn shared_limit(mut self, limit: &StepLimit) -> Self {
        self.limit = Some(limit.clone());
        self
    }

    /// Ends the run at this time on tokio's clock. Steps see it in [`StepContext::deadline`](crate::StepContext::deadline).
    /// A step whose next attempt would begin no earlier fails at once, with the error of its last one.
    /// A journal that hangs does not hold the run any longer: it is handed what is known, and left.
    pub const fn deadline(mut self, at: Instant) -> Self {
        self.rules.deadline = Some(at);
        self
    }

    /// What a failure means where the step's own policy does not say.
    pub const fn on_failure(mut self, rule: OnFailure) -> Self {
        self.rules.on_failure = rule;
        self
    }

    /// Keeps when each step started and ended, for the [`timeline`](Run::timeline): one reading of the
    /// clock more per step.
    pub const fn timed(mut self) -> Self {
        self.rules.timed = true;
        self
    }

    /// What the jitter of retries is drawn from; another number for each run if never said.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Records the run under this name, or resumes it if the journal knows the name: steps whose end
    /// is recorded do not run again. The input must be the one the run began with; see
    /// [`verify_input`](Self::verify_input).
    ///
    /// The run is refused before its first step ([`Cause::Refused`](crate::Cause::Refused)) while another
    /// run of that name is under way in the same journal and process, if it began with another
    /// [version](crate::CompiledGraph::version) of the plan, and unless every step that is not
    /// [`repeatable`](crate::StepPolicy::repeatable) has a recorded value.
    ///
    /// A start of what is not repeatable is durable before the attempt begins, a value before what
    /// depends on it begins, and an attempt that failed, a failure, or a condition that said no is handed
    /// to the journal before the run gives way. What ends while a write is under way goes with the next.
    pub fn journal(mut self, journal: Arc<dyn Journal>, run: &str) -> Self {
        self.recording = Some((journal, run.into()));
        self
    }

    /// Runs again what failed in an earlier life of a recorded run, and what was skipped for it, with all
    /// attempts of its policy. What succeeded stays, also where it went on without a value of what failed.
    /// The record says so before the run gives way: later lives need not say it again.
    pub const fn rerun_failed(mut self) -> Self {
        self.again = true;
        self
    }

    /// Decides about a step whose outcome is unknown and whose policy is [`OnUnknown::Ask`]. To answer
    /// `Ask` leaves it unknown: the step blocks its dependents, and a later resume asks again.
    pub fn decide_unknown(mut self, decide: impl FnMut(&str) -> OnUnknown + Send + 'static) -> Self {
        self.ask = Some(Box::new(decide));
        self
    }

    /// Tells `listener` what happens, in order, on the task that runs the plan. A panic of the listener goes no
    /// further.
    ///
    /// What must wait goes through a channel of one's own:
    ///
    /// ```
    /// # use toolpost_workflow::{EventKind, Workflow};
    /// # let mut w = Workflow::<u64>::new("quote");
    /// # let item = w.input();
    /// # let price = w.step("price").compute(item, |item| *item * 10);
    /// # let plan = w.build(price).unwrap();
    /// let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    /// let run = plan.start(7).listen(move |event| {
    ///     let _ = sender.send(event.clone());
    /// });
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// run.run().await;
    /// let event = events.recv().await.unwrap();
    /// assert_eq!((event.completed, event.total), (0, 1));
    /// assert!(matches!(event.kind, EventKind::Started { attempt: 1, .. }));
    /// # });
    /// ```
    pub fn listen(mut self, listener: impl FnMut(&RunEvent) + Send + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// A handle to pause or cancel the run, and to see how far it is.
    pub fn control(mut self) -> (Self, Control) {
        let shared = self.control.get_or_insert_with(|| Arc::new(Shared::new(self.plan.graph().len())));
        let control = Control { shared: Arc::clone(shared) };
        (self, control)
    }

    /// Runs the plan, as a future of its [`RunReport`]. To be polled inside a tokio runtime if steps have time
    /// limits, retries or deadlines, or are spawned.
    ///
    /// # Panics
    ///
    /// When polled after it was ready.
    ///
    /// # Cancel safety
    ///
    /// Dropping it is how to cancel: every future under way is dropped, every task of a spawned step aborted,
    /// every step that had not ended ends as cancelled (listeners are told), and a recorded run can be resumed.
    pub fn run(self) -> impl Future<Output = RunReport<O>> + Send + Unpin + use<I, O> {
        let graph = Arc::clone(self.plan.graph());
        let (ask, again, input) = (self.ask, self.again, self.digest);
        let recording = self.recording.map(|(journal, run)| Recording { journal, run, ask, again, input });
        let mut rules = self.rules;
        rules.seed = match self.seed {
            Some(seed) => seed,
            // Random keys of the standard library: a draw without a generator of our own.
            None if graph.is_timed => RandomState::new().hash_one(()),
            None => 0,
        };
        let driver = Driver::new(
            self.plan.inner,
            Arc::new(self.input),
            Run::new(graph, rules),
            self.limit,
            recording,
            self.listeners,
            self.control,
        );
        Running { driver: Some(Box::new(driver)), types: PhantomData }
    }
}

impl<I: Record, O: Send + Sync + 'static> Start<I, O> {
    /// Records a digest of the input with the run, and refuses to resume one that began with another.
    ///
    /// # Panics
    ///
    /// When encoding the input does.
    pub fn verify_input(mut self) -> Self {
        let mut bytes = Vec::new();
        self.input.encode(&mut bytes);
        self.digest = Some(digest(&bytes));
        self
    }
}

impl<I, O> fmt::Debug for Start<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("plan", &self.plan).field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// A run under way. Dropping it cancels the run.
#[must_use = "a run makes progress only when polled"]
struct Running<O> {
    driver: Option<Box<Driver>>,
    types: PhantomData<fn() -> O>,
}

impl<O: Send + Sync + 'static> Future for Running<O> {
    type Output = RunReport<O>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RunReport<O>> {
        let driver = self.driver.as_mut().expect("polled after it was ready");
        match driver.poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let driver = self.driver.take().expect("it was there a moment ago");
                Poll::Ready(RunReport::new(*driver))
            }
        }
    }
}

impl<O> Drop for Running<O> {
    fn drop(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.abandon();
        }
    }
}

/// Pauses a run, cancels it, and says how far it is.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    /// Starts no further step until [`resume`](Self::resume). What runs goes on, and so do deadlines.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// Goes on.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Release);
        self.shared.wake();
    }

    /// Ends the run, before its first step if it has none yet: what runs is dropped, what waits is cancelled,
    /// and the run yields its [`RunReport`] once its journal has what is known. A run that is over stays as it is.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// How many steps had ended, of how many in all, when the run last gave way.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.shared.completed.load(Ordering::Acquire), self.shared.total)
    }
}

/// What a run and its [`Control`]s share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) paused: AtomicBool,
    pub(super) cancelled: AtomicBool,
    pub(super) completed: AtomicUsize,
    total: usize,
    /// Held for a clone or a take, never over a wake.
    waker: Mutex<Option<Waker>>,
}

impl Shared {
    const fn new(total: usize) -> Self {
        Self {
            paused: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            completed: AtomicUsize::new(0),
            total,
            waker: Mutex::new(None),
        }
    }

    pub(super) fn register(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
