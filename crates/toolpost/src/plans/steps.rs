//! The calls that the steps of a run make.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toolpost_json::{Frame, Limits, write};
use toolpost_plan::{StepCall, StepCaller};
use toolpost_tool::{BoxFuture, Call, InputRequired, Output, ToolError};

use super::PlanRunner;
use super::cursor::Cursor;
use crate::{Approvals, Peers};

/// The most questions that are asked in one round; the others are asked in the next.
const QUESTIONS_MAX: usize = 8;

tokio::task_local! {
    /// How many calls the outermost plan that runs here, and those within it, may still make.
    static LEFT: Arc<AtomicU64>;
}

/// What is left of the bound of the plan that this one runs within, or a bound of its own.
pub(super) fn budget(calls: u64) -> Arc<AtomicU64> {
    LEFT.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(AtomicU64::new(calls)))
}

/// Runs `run` within this bound.
pub(super) fn with_budget<F: Future>(left: Arc<AtomicU64>, run: F) -> impl Future<Output = F::Output> {
    LEFT.scope(left, run)
}

/// One life of a run.
pub(super) struct Steps {
    peers: Peers,
    approvals: Approvals,
    /// What earlier rounds have done.
    earlier: Cursor,
    /// The answers to what they asked.
    answers: Option<Call>,
    left: Arc<AtomicU64>,
    may_suspend: bool,
    /// Calls that run, and do not wait for input.
    active: AtomicUsize,
    is_closed: AtomicBool,
    now: Mutex<Now>,
}

/// What this round has done.
#[derive(Default)]
struct Now {
    /// And whether the call may be made again.
    ended: BTreeMap<String, (Result<Output, ToolError>, bool)>,
    /// By step and item.
    waiting: BTreeMap<String, InputRequired>,
}

struct Caller(Arc<Steps>);

impl StepCaller for Caller {
    fn call(&self, call: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        let steps = Arc::clone(&self.0);
        Box::pin(async move { steps.made(call).await })
    }
}

impl Steps {
    pub(super) fn new(
        runner: &PlanRunner,
        call: &Call,
        earlier: Cursor,
        left: Arc<AtomicU64>,
        may_suspend: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            peers: runner.peers.clone(),
            approvals: runner.approvals.clone(),
            earlier,
            answers: call.has_input_responses().then(|| call.clone()),
            left,
            may_suspend,
            active: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            now: Mutex::default(),
        })
    }

    pub(super) fn caller(self: &Arc<Self>) -> Arc<dyn StepCaller> {
        Arc::new(Caller(Arc::clone(self)))
    }

    /// Whether nothing goes on before somebody answers.
    pub(super) fn is_stuck(&self) -> bool {
        self.active.load(Ordering::Relaxed) == 0 && !self.now().waiting.is_empty()
    }

    /// Says that what ends from here on was dropped.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// What the steps ask, and how far the run is.
    ///
    /// # Errors
    ///
    /// If a call that must not be made again has ended in what cannot be kept until then.
    pub(super) fn suspended(&self) -> Result<(InputRequired, Cursor), ToolError> {
        let now = self.now();
        let (mut required, mut cursor) = (InputRequired::new(), Cursor::default());
        for (call, (end, is_repeatable)) in &now.ended {
            // What is safe to repeat and is not kept is made again.
            if !cursor.add(call, end) && !is_repeatable {
                return Err(ToolError::new(format!(
                    "a step needs input, and what `{call}` came to is too long to be kept until it has come; it was done, and is \
                     not done again"
                )));
            }
        }
        for (place, waits) in &now.waiting {
            // What is not asked now begins anew in the next round.
            if !required.requests().is_empty()
                && QUESTIONS_MAX < required.requests().len() + waits.requests().len()
            {
                continue;
            }
            cursor.wait(place, waits.state());
            for (key, request) in waits.requests() {
                required = required.asking(format!("{place}:{key}"), request.clone());
            }
        }
        Ok((required, cursor.after(&self.earlier)))
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn made(self: Arc<Self>, step: StepCall) -> Result<Output, ToolError> {
        let place = match step.item {
            None => step.step.to_string(),
            Some(item) => format!("{}#{item}", step.step),
        };
        let key = format!("{place}@{}", step.call.attempt());
        if let Some(ended) = self.earlier.ended(&key) {
            return ended;
        }
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            return Err(ToolError::new("the workflow, and those within it, make more calls than they may"));
        }
        let active = Active::new(&self.active);
        let (tool, needs_approval) = (step.call.tool().to_owned(), step.needs_approval);
        let call = self.with_round(step.call, &place)?;
        let made = |call: Call| self.peers.make(&tool, call);
        let result = match needs_approval && !self.peers.asks(&tool) {
            true => self.approvals.around(&tool, call, made).await,
            false => made(call).await,
        };
        drop(active);
        if !self.may_suspend {
            return result;
        }
        if let Some(waits) = result.as_ref().err().and_then(ToolError::as_input_required) {
            self.now().waiting.insert(place, waits.clone());
            // Dropped with the run, which ends once nothing else runs.
            return pending().await;
        }
        let is_repeatable = self.peers.repeats(&tool);
        self.now().ended.insert(key, (result.clone(), is_repeatable));
        result
    }

    /// The call of a step with the answers to what it asked, and the state that it wanted back.
    fn with_round(&self, call: Call, place: &str) -> Result<Call, ToolError> {
        let Some(answers) = self.answers.as_ref().and_then(Call::answers) else { return Ok(call) };
        let mut own = vec![b'{'];
        for (key, answer) in answers.members() {
            let name = key.name();
            let Some(key) = name.strip_prefix(place).and_then(|rest| rest.strip_prefix(':')) else {
                continue;
            };
            if 1 < own.len() {
                own.push(b',');
            }
            write::string(&mut own, key);
            own.push(b':');
            own.extend_from_slice(answer.raw().as_bytes());
        }
        let state = self.earlier.state(place);
        if own.len() == 1 && state.is_none() {
            return Ok(call);
        }
        own.push(b'}');
        let own = Frame::parse(own.into(), &Limits::new())?;
        Ok(call.with_answers(Some(Arc::new(own))).with_state(state))
    }
}

/// A call that runs, until this is dropped.
struct Active<'a>(&'a AtomicUsize);

impl<'a> Active<'a> {
    fn new(active: &'a AtomicUsize) -> Self {
        active.fetch_add(1, Ordering::Relaxed);
        Self(active)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
