//! Drives a run: polls a ready step at once, and queues, spawns or waits only for what is not ready.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::journaling::{Act, Journaling, Recording};
use super::now;
use super::permits::{Permits, StepLimit};
use super::start::{Listener, Shared};
use super::task::{message, spawned};
use crate::compiled::StepId;
use crate::error::StepError;
use crate::event::{EventKind, RunEvent};
use crate::plan::Inner;
use crate::pool::Pool;
use crate::run::{AfterFailure, Run};
use crate::state::Cause;
use crate::value::{Frame, INPUT, Started, StepStart, Value};

/// Steps begun in one poll before the runtime gets its turn.
const BUDGET: usize = 256;

type Ended = std::thread::Result<Result<Value, StepError>>;

/// What the steps of a run are given beside the values of others.
struct Given {
    input: Value,
    /// The run's name.
    name: Arc<str>,
}

impl Given {
    fn beginning<'a>(&'a self, frame: Frame, run: &'a Run, step: StepId, now: Instant) -> StepStart<'a> {
        StepStart { run, input: &self.input, frame, name: &self.name, step, now }
    }
}

pub(super) struct Driver {
    pub(super) run: Run,
    inner: Arc<Inner>,
    given: Given,
    now: Instant,
    /// Whether `now` must be fresh at every step.
    ticking: bool,
    pool: Pool<u32, Result<Value, StepError>>,
    /// Where in the pool a step is, if time may take it out.
    places: HashMap<u32, u32>,
    permits: Option<Permits>,
    sleep: Option<Pin<Box<Sleep>>>,
    journaling: Option<Box<Journaling>>,
    listeners: Vec<Listener>,
    /// When the last attempt of a step began, if there are listeners.
    began: HashMap<StepId, Instant>,
    /// How many of the ended steps the listeners know.
    told: usize,
    control: Option<Arc<Shared>>,
}

impl Driver {
    pub(super) fn new(
        inner: Arc<Inner>,
        input: Value,
        run: Run,
        limit: Option<StepLimit>,
        recording: Option<Recording>,
        listeners: Vec<Listener>,
        control: Option<Arc<Shared>>,
    ) -> Self {
        let name = recording.as_ref().map_or_else(|| Arc::from(""), |r| Arc::clone(&r.run));
        let rules = run.rules();
        let ticking =
            rules.timed || rules.deadline.is_some() || inner.graph.is_timed || !listeners.is_empty();
        Self {
            given: Given { input, name },
            inner,
            run,
            now: now(),
            ticking,
            pool: Pool::new(),
            places: HashMap::new(),
            permits: limit.map(Permits::new),
            sleep: None,
            journaling: recording.map(|recording| Box::new(Journaling::new(recording))),
            listeners,
            began: HashMap::new(),
            told: 0,
            control,
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.pool.register(context.waker());
        self.now = now();
        self.obey(context.waker());
        let mut budget = BUDGET;
        loop {
            if self.open(context).is_pending() {
                self.pass_time(context);
                if !self.run.is_finished() {
                    match self.wait(context) {
                        true => continue,
                        false => return Poll::Pending,
                    }
                }
            }
            while let Some((step, result)) = self.pool.next_ended() {
                self.tick();
                self.settle(StepId(step), result);
            }
            self.commit(context, false);
            self.pass_time(context);
            self.start(context, &mut budget);
            self.commit(context, true);
            self.announce();
            if self.run.is_finished() && self.journaling.as_ref().is_none_or(|j| j.is_idle()) {
                self.finish();
                return Poll::Ready(());
            }
            if budget == 0 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !self.wait(context) && !self.can_start() {
                return Poll::Pending;
            }
        }
    }

    /// The run at its end, the step that gives the plan's output, and that output.
    pub(super) fn into_parts(self) -> (Run, Option<StepId>, Option<Value>) {
        let (last, output) = match self.inner.output {
            INPUT => (None, Some(self.given.input)),
            step => (Some(StepId(step)), self.run.values().get(step as usize).cloned().flatten()),
        };
        (self.run, last, output)
    }

    /// Drops what is under way, and cancels the rest.
    pub(super) fn abandon(&mut self) {
        self.drop_attempts();
        self.run.cancel(&Cause::Dropped, self.now);
        self.finish();
    }

    /// Does what the control says.
    fn obey(&mut self, waker: &Waker) {
        let Some(control) = &self.control else { return };
        control.register(waker);
        match control.paused.load(Ordering::Acquire) {
            true => self.run.pause(),
            false => self.run.resume(),
        }
        if control.cancelled.load(Ordering::Acquire) && !self.run.is_finished() {
            self.run.cancel(&Cause::Cancelled, self.now);
            self.drop_attempts();
            if let Some(journaling) = &mut self.journaling
                && journaling.is_opening()
            {
                journaling.abandon();
            }
        }
    }

    /// Begins ready steps until there are none, or no permits, or the budget is spent.
    fn start(&mut self, context: &mut Context<'_>, budget: &mut usize) {
        while 0 < *budget && self.has_permit(context) {
            let Some(step) = self.run.start_next(self.now) else { break };
            *budget -= 1;
            self.begin(step);
        }
        if let Some(permits) = &mut self.permits {
            permits.rest(self.run.has_ready());
        }
    }

    /// Whether the next step has a permit, as far as a shared limit goes.
    fn has_permit(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.permits {
            Some(permits) => self.run.has_ready() && permits.poll_spare(context),
            None => true,
        }
    }

    fn begin(&mut self, step: StepId) {
        let attempt = self.run.attempts(step);
        if !self.listeners.is_empty() {
            let name = Arc::clone(&self.inner.graph.names[step.index()]);
            self.announce();
            self.began.insert(step, self.now);
            self.tell(EventKind::Started { step, name, attempt });
        }
        if attempt == 1
            && let Some(verdict) = self.judge(step)
        {
            match verdict {
                Ok(true) => {}
                Ok(false) => {
                    self.run.skip(step, self.now);
                    self.leave(step);
                    if let Some(journaling) = &mut self.journaling {
                        journaling.skipped(step);
                    }
                    return;
                }
                Err(panic) => return self.settle(step, Err(panic)),
            }
        }
        if let Some(journaling) = &mut self.journaling
            && journaling.started(step, self.inner.graph.policy(step.0).is_repeatable())
        {
            return self.keep_permit(step);
        }
        self.attempt(step);
    }

    /// What the step's condition says, if it has one.
    fn judge(&self, step: StepId) -> Option<std::thread::Result<bool>> {
        let work = &self.inner.works[step.index()];
        let condition = work.condition.as_ref()?;
        let beginning = self.given.beginning(self.inner.frame(work), &self.run, step, self.now);
        Some(catch_unwind(AssertUnwindSafe(|| condition(&beginning))))
    }

    /// Polls the step's function once, and keeps it if it is not ready.
    fn attempt(&mut self, step: StepId) {
        let work = &self.inner.works[step.index()];
        let beginning = self.given.beginning(self.inner.frame(work), &self.run, step, self.now);
        let begun = self.pool.start(step.0, |context| match work.spawned {
            false => (work.body)(&beginning, Some(context)),
            true => match (work.body)(&beginning, None) {
                Started::Later(attempt) => Started::polled(spawned(attempt), context),
                done => done,
            },
        });
        match begun {
            Ok(result) => {
                self.tick();
                self.settle(step, result);
            }
            Err(place) => {
                self.keep_permit(step);
                self.run.start_time_limit(step, self.now);
                if self.inner.graph.policy(step.0).limit().is_some() {
                    self.places.insert(step.0, place);
                }
            }
        }
    }

    fn settle(&mut self, step: StepId, result: Ended) {
        if self.journaling.is_none()
            && let Ok(Ok(value)) = result
        {
            return self.succeed(step, value);
        }
        match result {
            Ok(Ok(value)) => match self.encode(step, &value) {
                Ok(bytes) => {
                    self.run.stop_time_limit(step);
                    // Durable before anything that depends on it begins: `succeed` follows the commit.
                    if let Some(journaling) = &mut self.journaling {
                        journaling.succeeded(step, bytes, value);
                    }
                }
                Err(panic) => {
                    let text = format!("recording its value: {}", message(&*panic));
                    self.fail_by_panic(step, &text);
                }
            },
            Ok(Err(error)) => {
                let after = self.run.fail(step, error, self.now);
                self.failed(step, after);
            }
            Err(panic) => self.fail_by_panic(step, &message(&*panic)),
        }
    }

    /// The value as it is recorded, if it is.
    fn encode(&self, step: StepId, value: &Value) -> std::thread::Result<Option<Vec<u8>>> {
        let Some(codec) = &self.inner.works[step.index()].codec else { return Ok(None) };
        let encode = || {
            let mut bytes = Vec::new();
            (codec.encode)(value, &mut bytes);
            bytes
        };
        catch_unwind(AssertUnwindSafe(encode)).map(Some)
    }

    fn succeed(&mut self, step: StepId, value: Value) {
        self.run.keep(step, value);
        self.run.succeed(step, self.now);
        self.leave(step);
    }

    fn fail_by_panic(&mut self, step: StepId, message: &str) {
        let after = self.run.fail_by_panic(step, message, self.now);
        self.failed(step, after);
    }

    /// Records and tells what an attempt that failed led to.
    fn failed(&mut self, step: StepId, after: AfterFailure) {
        self.leave(step);
        if let Some(journaling) = &mut self.journaling {
            match after {
                // Nor has it failed for good where only the deadline was too near for another attempt.
                AfterFailure::Retry(_) => journaling.retrying(step),
                AfterFailure::Failed | AfterFailure::Stopped if self.run.was_late() => {
                    journaling.retrying(step)
                }
                AfterFailure::Failed | AfterFailure::Stopped => {
                    journaling.failed(step, self.run.cause(step).map(Cause::to_string).unwrap_or_default());
                }
            }
        }
        match after {
            AfterFailure::Retry(at) => {
                let name = Arc::clone(&self.inner.graph.names[step.index()]);
                let cause = self.run.cause(step).cloned().unwrap_or(Cause::OutcomeUnknown);
                self.tell(EventKind::Retrying { step, name, at, cause });
            }
            AfterFailure::Stopped => self.drop_attempts(),
            AfterFailure::Failed => {}
        }
    }

    fn keep_permit(&mut self, step: StepId) {
        if let Some(permits) = &mut self.permits {
            permits.keep(step);
        }
    }

    /// Gives back what a step held while it ran.
    fn leave(&mut self, step: StepId) {
        if let Some(permits) = &mut self.permits {
            permits.free(step);
        }
        if !self.places.is_empty() {
            self.places.remove(&step.0);
        }
    }

    fn drop_attempts(&mut self) {
        self.pool.clear();
        self.places.clear();
        if let Some(permits) = &mut self.permits {
            permits.clear();
        }
        if let Some(journaling) = &mut self.journaling {
            journaling.forget_acts();
        }
    }

    /// Reads the journal before anything else, and puts the run where it was.
    fn open(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(mut journaling) = self.journaling.take() else { return Poll::Ready(()) };
        let opened = journaling.open(context, &self.inner, &mut self.run, self.now);
        self.journaling = Some(journaling);
        match opened {
            Poll::Ready(Err(cause)) => {
                self.run.cancel(&cause, self.now);
                Poll::Ready(())
            }
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes what is due, and does what waited for that.
    fn commit(&mut self, context: &mut Context<'_>, gives_way: bool) {
        loop {
            let Some(journaling) = &mut self.journaling else { return };
            let last = self.run.is_finished();
            if last {
                journaling.close(&self.run);
            }
            match journaling.commit(context, gives_way, last) {
                Poll::Ready(Some(Ok(acts))) => {
                    self.tick();
                    for act in acts {
                        match act {
                            Act::Begin(step) => self.attempt(step),
                            Act::Succeed(step, value) => self.succeed(step, value),
                        }
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.run.cancel(&Cause::Journal(StepError::from(error)), self.now);
                    self.drop_attempts();
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }

    fn pass_time(&mut self, context: &mut Context<'_>) {
        if !self.ticking {
            return;
        }
        if self.run.expire(self.now) {
            self.drop_attempts();
        }
        while let Some((step, after)) = self.run.due(self.now) {
            if let Some(place) = self.places.remove(&step.0) {
                self.pool.remove(place);
            }
            self.failed(step, after);
        }
        if self.run.is_finished() && self.run.rules().deadline.is_some_and(|deadline| deadline <= self.now) {
            // The journal is handed what is known, and not waited for: it may hang.
            self.commit(context, true);
            if let Some(journaling) = &mut self.journaling
                && !journaling.is_idle()
            {
                journaling.abandon();
            }
        }
    }

    /// Waits for the next time something is due; `true` if that is now.
    fn wait(&mut self, context: &mut Context<'_>) -> bool {
        if !self.ticking {
            return false;
        }
        let next = match self.run.is_finished() {
            true => self.run.rules().deadline,
            false => self.run.next_wake(),
        };
        let Some(at) = next else {
            self.sleep = None;
            return false;
        };
        let at = tokio::time::Instant::from_std(at);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        let due = sleep.as_mut().poll(context).is_ready();
        if due {
            self.sleep = None;
            self.now = now();
        }
        due
    }

    /// Whether a commit has made steps ready that `start` has not seen.
    fn can_start(&self) -> bool {
        let free = self.run.rules().limit.is_none_or(|limit| self.run.running() < limit.get());
        self.run.has_ready() && free && self.permits.as_ref().is_none_or(|permits| !permits.is_queued())
    }

    fn tick(&mut self) {
        if self.ticking {
            self.now = now();
        }
    }

    /// Tells the listeners of every end they have not heard of.
    fn announce(&mut self) {
        if let Some(control) = &self.control {
            control.completed.store(self.run.ended().len(), Ordering::Release);
        }
        if self.listeners.is_empty() {
            return;
        }
        while let Some(&step) = self.run.ended().get(self.told) {
            self.told += 1;
            let name = Arc::clone(&self.inner.graph.names[step.index()]);
            let cause = self.run.cause(step).cloned();
            let took = self.began.remove(&step).map(|began| self.now.saturating_duration_since(began));
            self.tell(EventKind::Ended { step, name, state: self.run.state(step), cause, took });
        }
    }

    fn tell(&mut self, kind: EventKind) {
        if self.listeners.is_empty() {
            return;
        }
        // Of what ended, listeners hear one by one; with the last event they have heard of everything.
        let completed = self.told;
        let event = RunEvent { at: self.now, completed, total: self.inner.graph.len(), kind };
        for listener in &mut self.listeners {
            let _ = catch_unwind(AssertUnwindSafe(|| listener(&event)));
        }
    }

    fn finish(&mut self) {
        self.announce();
        if let Some(outcome) = self.run.outcome() {
            self.tell(EventKind::Finished(outcome));
        }
    }
}
