//! One run of a plan: a state machine that neither awaits nor reads a clock.

mod answers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::compiled::{Cell, CompiledGraph, Link, Need, StepId};
use crate::error::StepError;
use crate::memory::Memory;
use crate::policy::OnFailure;
use crate::ready::Ready;
use crate::rules::RunOptions;
use crate::state::{Cause, RecordedOutcome, StepState};
use crate::value::Value;

/// The state of one run, for those who drive it themselves: on another executor, on a simulated clock, or on
/// threads. On tokio, [`Plan::start`](crate::Plan) drives it.
///
/// Whoever drives it takes steps with [`start_next`](Self::start_next), runs them however it likes,
/// and reports each with [`succeed`](Self::succeed), [`fail`](Self::fail) or [`skip`](Self::skip).
/// Ready steps start longest remaining path first, then in order of declaration; the same calls at
/// the same times give the same run. A report about a step that is not running changes nothing.
///
/// ```
/// use std::sync::Arc;
/// use std::time::{Duration, Instant};
/// use toolpost_workflow::{AfterFailure, Run, RunOptions, RunOutcome, StepPolicy, Workflow};
///
/// let wait = Duration::from_secs(1);
/// let mut w = Workflow::<()>::new("two");
/// let first = w.step("first").policy(StepPolicy::new().retry(2, wait)).run((), |()| async { Ok(1) });
/// let second = w.step("second").compute(first, |one| *one + 1);
/// let plan = w.build(second)?;
///
/// # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
/// let start = Instant::now();
/// let mut run = Run::new(Arc::clone(plan.graph()), RunOptions::default());
/// let step = run.start_next(start).expect("the first step is ready");
/// assert_eq!(run.fail(step, "not yet".into(), start), AfterFailure::Retry(start + wait));
/// assert_eq!(run.start_next(start), None, "nothing is ready before the wait is over");
///
/// let later = run.next_wake().expect("a step waits for its next attempt");
/// assert_eq!(run.due(later), None, "no attempt ran too long");
/// while let Some(step) = run.start_next(later) {
///     run.succeed(step, later);
/// }
/// assert_eq!(run.outcome(), Some(RunOutcome::Succeeded));
/// # Ok::<_, toolpost_workflow::InvalidPlan>(())
/// ```
pub struct Run {
    graph: Arc<CompiledGraph>,
    rules: RunOptions,
    memory: Memory,
    ready: Ready,
    running: usize,
    /// Why each step that ended without a value did.
    causes: HashMap<u32, Cause>,
    timers: BinaryHeap<Reverse<Timer>>,
    ended: Vec<StepId>,
    spans: Box<[Span]>,
    tally: Tally,
    /// Groups of which one is enough, beyond the first of a step: how many may still succeed.
    groups: HashMap<(u32, u8), u32>,
    paused: bool,
    /// Whether the last failure was final only because the deadline is nearer than the next attempt.
    late: bool,
}

/// What a failed attempt led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterFailure {
    /// The step will be ready again at this time.
    Retry(Instant),
    /// The step has failed.
    Failed,
    /// The step has failed and ended the run: drop every attempt under way.
    Stopped,
}

/// When a step's last attempt began, and when the step ended.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    started: Option<Instant>,
    ended: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: Instant,
    step: u32,
    attempt: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    failed: usize,
    cancelled: usize,
    unknown: usize,
    /// Steps that failed because the deadline was nearer than their next attempt.
    late: usize,
}

impl Run {
    /// Begins a run that has not started any step.
    #[must_use]
    pub fn new(graph: Arc<CompiledGraph>, rules: RunOptions) -> Self {
        let mut ready = Ready::new(graph.len());
        let mut memory = graph.spare.take();
        memory.cells.clear();
        memory.cells.extend_from_slice(&graph.initial);
        for (cell, &place) in memory.cells.iter_mut().zip(&graph.place) {
            if cell.waiting == 0 {
                cell.state = StepState::Ready;
                ready.insert(place);
            }
        }
        let spans = if rules.timed { vec![Span::default(); graph.len()].into() } else { Box::default() };
        Self {
            ended: Vec::with_capacity(graph.len()),
            groups: graph.groups.clone(),
            graph,
            rules,
            memory,
            ready,
            running: 0,
            causes: HashMap::new(),
            timers: BinaryHeap::new(),
            spans,
            tally: Tally::default(),
            paused: false,
            late: false,
        }
    }

    /// Starts the next ready step, unless the limit is reached, the run is paused, or none is ready.
    pub fn start_next(&mut self, now: Instant) -> Option<StepId> {
        if self.paused || self.rules.limit.is_some_and(|limit| limit.get() <= self.running) {
            return None;
        }
        let place = self.ready.pop()?;
        let step = self.graph.order[place as usize];
        let cell = &mut self.memory.cells[step as usize];
        cell.state = StepState::Running;
        cell.attempts += 1;
        self.running += 1;
        if self.rules.timed {
            self.spans[step as usize].started = Some(now);
        }
        Some(StepId(step))
    }

    /// Starts the time limit of a running step that did not end at once; from `now` on its attempt may last as
    /// long as its [policy](crate::StepPolicy::time_limit) says.
    pub fn start_time_limit(&mut self, step: StepId, now: Instant) {
        if let Some(limit) = self.graph.policy(step.0).limit()
            && let Some(at) = now.checked_add(limit)
            && self.state(step) == StepState::Running
        {
            self.memory.cells[step.index()].armed = true;
            self.timers.push(Reverse(Timer { at, step: step.0, attempt: self.attempts(step) }));
        }
    }

    /// Stops the time limit of a running step: its attempt is over, and only its record is awaited.
    pub fn stop_time_limit(&mut self, step: StepId) {
        self.memory.cells[step.index()].armed = false;
    }

    /// Ends a running step with a value, and readies what waited for it.
    pub fn succeed(&mut self, step: StepId, now: Instant) {
        if self.leave(step) {
            if !self.causes.is_empty() {
                self.causes.remove(&step.0);
            }
            self.end(step.0, StepState::Succeeded, now);
            self.release(step.0, now);
        }
    }

    /// Ends an attempt of a running step with this error: the step waits for its next attempt, or fails.
    pub fn fail(&mut self, step: StepId, error: StepError, now: Instant) -> AfterFailure {
        let retriable = !error.is_permanent();
        self.fail_by(step, Cause::Error(error), retriable, now)
    }

    /// Ends an attempt of a running step that panicked. Only a [repeatable](crate::StepPolicy::repeatable)
    /// step waits for its next attempt, for nobody knows what this one has done.
    pub fn fail_by_panic(&mut self, step: StepId, message: &str, now: Instant) -> AfterFailure {
        let repeatable = self.graph.policy(step.0).is_repeatable();
        self.fail_by(step, Cause::Panicked(message.into()), repeatable, now)
    }

    /// Ends a running step as skipped: its condition said no.
    pub fn skip(&mut self, step: StepId, now: Instant) {
        if self.leave(step) {
            self.causes.insert(step.0, Cause::Condition);
            self.end(step.0, StepState::Skipped, now);
            self.release(step.0, now);
        }
    }

    /// Ends everything that has not ended, with `cause`. Drop every attempt under way.
    pub fn cancel(&mut self, cause: &Cause, now: Instant) {
        for step in 0..self.memory.cells.len() as u32 {
            if !self.memory.cells[step as usize].state.is_end() {
                self.causes.insert(step, cause.clone());
                self.end(step, StepState::Cancelled, now);
            }
        }
        self.ready = Ready::new(0);
        self.timers.clear();
        self.running = 0;
    }

    /// Ends the run if its deadline has passed, and tells whether it did: drop every attempt under way.
    pub fn expire(&mut self, now: Instant) -> bool {
        let expired = self.rules.deadline.is_some_and(|deadline| deadline <= now) && !self.is_finished();
        if expired {
            self.cancel(&Cause::Deadline, now);
        }
        expired
    }

    /// Ends one attempt that ran longer than its step's time limit: drop it. To be called until `None`.
    /// Steps whose wait for the next attempt is over become ready on the way.
    pub fn due(&mut self, now: Instant) -> Option<(StepId, AfterFailure)> {
        while let Some(Reverse(timer)) = self.timers.peek().copied() {
            let current = self.is_current(timer);
            if current && now < timer.at {
                return None;
            }
            self.timers.pop();
            let step = StepId(timer.step);
            match self.state(step) {
                _ if !current => {}
                StepState::Delayed => self.make_ready(timer.step),
                _ => {
                    let policy = self.graph.policy(timer.step);
                    let repeatable = policy.is_repeatable();
                    let cause = Cause::Overran(policy.limit().unwrap_or_default());
                    return Some((step, self.fail_by(step, cause, repeatable, now)));
                }
            }
        }
        None
    }

    /// When to call [`expire`](Self::expire) and [`due`](Self::due) next; `None` if time changes nothing.
    pub fn next_wake(&mut self) -> Option<Instant> {
        if self.is_finished() {
            return None;
        }
        while self.timers.peek().is_some_and(|Reverse(timer)| !self.is_current(*timer)) {
            self.timers.pop();
        }
        let timer = self.timers.peek().map(|Reverse(timer)| timer.at);
        match (timer, self.rules.deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Starts no further step until [`resume`](Self::resume); what runs goes on.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Starts steps again.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// Ends a step as it ended in an earlier life of this run, after `failed` failed attempts; to be
    /// called before anything starts. A step that already ended is left alone, and `false` returned.
    pub(crate) fn restore(&mut self, step: StepId, past: RecordedOutcome, failed: u32, now: Instant) -> bool {
        let cell = &mut self.memory.cells[step.index()];
        if !matches!(cell.state, StepState::Ready | StepState::Waiting) {
            return false;
        }
        cell.attempts = failed;
        let (state, cause) = match past {
            RecordedOutcome::Missing => return true,
            RecordedOutcome::Succeeded => (StepState::Succeeded, None),
            RecordedOutcome::Failed(error) => (StepState::Failed, Some(Cause::Error(error))),
            RecordedOutcome::Skipped => (StepState::Skipped, Some(Cause::Condition)),
            RecordedOutcome::Unknown => (StepState::Unknown, Some(Cause::OutcomeUnknown)),
            RecordedOutcome::GivenUp => (StepState::Failed, Some(Cause::OutcomeUnknown)),
        };
        cell.attempts += u32::from(state != StepState::Skipped);
        self.ready.remove(self.graph.place[step.index()]);
        if let Some(cause) = cause {
            self.causes.insert(step.0, cause);
        }
        match state {
            StepState::Failed => {
                self.end_failed(step, now);
            }
            _ => {
                self.end(step.0, state, now);
                self.release(step.0, now);
            }
        }
        true
    }

    /// The values kept so far, by step; empty before the first.
    pub(crate) fn values(&self) -> &[Option<Value>] {
        &self.memory.values
    }

    /// Keeps the value of a step.
    pub(crate) fn keep(&mut self, step: StepId, value: Value) {
        let values = &mut self.memory.values;
        if values.is_empty() {
            values.resize(self.graph.len(), None);
        }
        values[step.index()] = Some(value);
    }

    fn is_current(&self, timer: Timer) -> bool {
        let cell = &self.memory.cells[timer.step as usize];
        let armed = cell.armed && cell.state == StepState::Running;
        cell.attempts == timer.attempt && (armed || cell.state == StepState::Delayed)
    }

    /// Takes a step out of `Running`; `false` when it was not there.
    fn leave(&mut self, step: StepId) -> bool {
        let cell = &mut self.memory.cells[step.index()];
        let was = cell.state == StepState::Running;
        cell.armed = false;
        self.running -= usize::from(was);
        was
    }

    fn make_ready(&mut self, step: u32) {
        self.memory.cells[step as usize].state = StepState::Ready;
        self.ready.insert(self.graph.place[step as usize]);
    }

    fn fail_by(&mut self, step: StepId, cause: Cause, retriable: bool, now: Instant) -> AfterFailure {
        self.late = false;
        if !self.leave(step) {
            return AfterFailure::Failed;
        }
        let asked = match &cause {
            Cause::Error(error) => error.retry_after().unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let next = self.next_delay(step, retriable).and_then(|wait| now.checked_add(wait.max(asked)));
        self.late = next.is_some_and(|at| self.rules.deadline.is_some_and(|deadline| deadline <= at));
        self.tally.late += usize::from(self.late);
        if let Some(at) = next
            && !self.late
        {
            self.causes.insert(step.0, cause);
            self.memory.cells[step.index()].state = StepState::Delayed;
            self.timers.push(Reverse(Timer { at, step: step.0, attempt: self.attempts(step) }));
            return AfterFailure::Retry(at);
        }
        self.causes.insert(step.0, cause);
        self.end_failed(step, now)
    }

    fn next_delay(&self, step: StepId, retriable: bool) -> Option<Duration> {
        let made = self.attempts(step);
        let entropy = self.rules.seed ^ u64::from(step.0) << 32 ^ u64::from(made);
        self.graph.policy(step.0).retry_delay(made, entropy).filter(|_| retriable)
    }

    fn end_failed(&mut self, step: StepId, now: Instant) -> AfterFailure {
        let rule = self.failure_rule(step);
        self.tally.failed += usize::from(rule != OnFailure::Allow);
        self.end(step.0, StepState::Failed, now);
        self.release(step.0, now);
        if rule != OnFailure::FailFast {
            return AfterFailure::Failed;
        }
        self.cancel(&Cause::FailFast(step, Arc::clone(&self.graph.names[step.index()])), now);
        AfterFailure::Stopped
    }

    fn end(&mut self, step: u32, state: StepState, now: Instant) {
        self.memory.cells[step as usize].state = state;
        self.ended.push(StepId(step));
        match state {
            StepState::Cancelled => self.tally.cancelled += 1,
            StepState::Unknown => self.tally.unknown += 1,
            _ => {}
        }
        if self.rules.timed {
            self.spans[step as usize].ended = Some(now);
        }
    }

    /// Tells the successors of an ended step, and those of every step this skips in turn. The list of
    /// ended steps is its own queue of work, so a chain of any length takes no stack.
    fn release(&mut self, ended: u32, now: Instant) {
        let mut told = self.ended.len();
        let mut from = ended;
        loop {
            let succeeded = self.memory.cells[from as usize].state == StepState::Succeeded;
            for at in self.graph.successors.range(from) {
                let link = self.graph.successors.link(at);
                self.tell(link, succeeded, from, now);
            }
            match self.ended.get(told) {
                Some(&StepId(next)) => from = next,
                None => return,
            }
            told += 1;
        }
    }

    /// Tells a step that one it waits for has ended.
    fn tell(&mut self, link: Link, succeeded: bool, from: u32, now: Instant) {
        let Link { step, need, group } = link;
        let cell = &mut self.memory.cells[step as usize];
        if cell.state != StepState::Waiting {
            return;
        }
        let doomed = match need {
            Need::Success => !succeeded,
            Need::End => false,
            Need::AnySuccess => {
                let left = match group {
                    0 => &mut cell.any,
                    _ => self.groups.get_mut(&(step, group)).expect("each group has a count"),
                };
                match (*left, succeeded) {
                    (Cell::SATISFIED, _) => return,
                    (_, true) => {
                        *left = Cell::SATISFIED;
                        false
                    }
                    (_, false) => {
                        *left -= 1;
                        if 0 < *left {
                            return;
                        }
                        true
                    }
                }
            }
        };
        if doomed {
            let name = Arc::clone(&self.graph.names[from as usize]);
            self.causes.insert(step, Cause::Dependency(StepId(from), name));
            self.end(step, StepState::Skipped, now);
            return;
        }
        cell.waiting -= 1;
        if cell.waiting == 0 {
            cell.state = StepState::Ready;
            self.ready.insert(self.graph.place[step as usize]);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.graph.spare.put(std::mem::take(&mut self.memory));
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("plan", &self.graph.name())
            .field("ended", &self.ended.len())
            .field("running", &self.running)
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}
