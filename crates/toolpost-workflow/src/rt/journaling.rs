//! A run's side of its journal: what is still to be written, and what waits for that.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::claim::RunClaim;
use super::task::message;
use crate::compiled::StepId;
use crate::error::StepError;
use crate::journal::{Journal, JournalEntry};
use crate::plan::Inner;
use crate::policy::OnUnknown;
use crate::run::Run;
use crate::state::{Cause, RecordedOutcome};
use crate::value::Value;

pub(super) type Ask = Box<dyn FnMut(&str) -> OnUnknown + Send>;

/// What a driver does once the entries queued with it are durable.
pub(super) enum Act {
    Begin(StepId),
    Succeed(StepId, Value),
}

/// How a run uses its journal.
pub(super) struct Recording {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) run: Arc<str>,
    pub(super) ask: Option<Ask>,
    /// Whether what failed runs again.
    pub(super) again: bool,
    /// A digest of the input.
    pub(super) input: Option<u64>,
}

pub(super) struct Journaling {
    with: Recording,
    claim: Option<RunClaim>,
    opening: Opening,
    queue: Vec<JournalEntry>,
    /// Whether something in `queue` is written before the run gives way, though nothing waits for it.
    pressing: bool,
    /// Whether the record says that the run has ended.
    closed: bool,
    /// What the entries in `queue` hold up. Without any, they wait for company, or for the run's end.
    acts: Vec<Act>,
    flight: Option<(Appending, Vec<Act>)>,
}

enum Opening {
    Due,
    Loading(Loading),
    Done,
}

type Loading = Pin<Box<dyn Future<Output = io::Result<Vec<JournalEntry>>> + Send>>;
type Appending = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// What the record says of a step.
#[derive(Default)]
struct Known {
    /// Whether an attempt began of whose end nothing is known.
    started: bool,
    /// Attempts known to have failed.
    failed: u32,
    end: Option<End>,
}

enum End {
    Succeeded(Option<Vec<u8>>),
    Failed(String),
    Skipped,
}

impl Journaling {
    pub(super) const fn new(with: Recording) -> Self {
        Self {
            with,
            claim: None,
            opening: Opening::Due,
            queue: Vec::new(),
            pressing: false,
            closed: false,
            acts: Vec::new(),
            flight: None,
        }
    }

    /// Takes the run's name, loads the record, once, and puts the run where it was. What goes wrong here
    /// ends the run before its first step.
    pub(super) fn open(
        &mut self,
        context: &mut Context<'_>,
        inner: &Inner,
        run: &mut Run,
        now: Instant,
    ) -> Poll<Result<(), Cause>> {
        if matches!(self.opening, Opening::Due) {
            self.opening = Opening::Done;
            let (journal, name) = (Arc::clone(&self.with.journal), Arc::clone(&self.with.run));
            let identity = match catch_unwind(AssertUnwindSafe(|| journal.identity())) {
                Ok(identity) => identity,
                Err(panic) => {
                    let text = format!("the journal panicked: {}", message(&*panic));
                    return Poll::Ready(Err(Cause::Journal(StepError::message(text))));
                }
            };
            self.claim = RunClaim::take_in(identity, &name);
            if self.claim.is_none() {
                return Poll::Ready(Err(refused(format!("run `{name}` is under way already"))));
            }
            self.opening = Opening::Loading(guarded(async move { journal.load(&name).await }));
        }
        let Opening::Loading(loading) = &mut self.opening else { return Poll::Ready(Ok(())) };
        let loaded = std::task::ready!(loading.as_mut().poll(context));
        self.opening = Opening::Done;
        Poll::Ready(match loaded {
            // Of a run that is refused nothing is written.
            Ok(entries) => self.restore(entries, inner, run, now).inspect_err(|_| {
                self.closed = true;
                self.queue.clear();
            }),
            Err(error) => Err(Cause::Journal(StepError::from(error))),
        })
    }

    /// Notes the start of an attempt; `true` if the attempt must wait until that is durable.
    pub(super) fn started(&mut self, step: StepId, repeatable: bool) -> bool {
        self.queue.push(JournalEntry::Started { step });
        if !repeatable {
            self.acts.push(Act::Begin(step));
        }
        !repeatable
    }

    pub(super) fn succeeded(&mut self, step: StepId, bytes: Option<Vec<u8>>, value: Value) {
        self.queue.push(JournalEntry::Succeeded { step, value: bytes });
        self.acts.push(Act::Succeed(step, value));
    }

    pub(super) fn retrying(&mut self, step: StepId) {
        self.press(JournalEntry::Retrying { step });
    }

    pub(super) fn failed(&mut self, step: StepId, error: String) {
        self.press(JournalEntry::Failed { step, error });
    }

    pub(super) fn skipped(&mut self, step: StepId) {
        self.press(JournalEntry::Skipped { step });
    }

    /// Notes that the run has ended, unless something is left to do, or the record says so already.
    pub(super) fn close(&mut self, run: &Run) {
        if !self.closed
            && self.claim.is_some()
            && run.is_settled()
            && let Some(outcome) = run.outcome()
        {
            self.closed = true;
            self.queue.push(JournalEntry::Ended { outcome });
        }
    }

    /// Nothing shall follow from what is written.
    pub(super) fn forget_acts(&mut self) {
        self.acts.clear();
        if let Some((_, acts)) = &mut self.flight {
            acts.clear();
        }
    }

    /// Waits for the journal no longer.
    pub(super) fn abandon(&mut self) {
        if let Opening::Loading(loading) = std::mem::replace(&mut self.opening, Opening::Done) {
            discard(loading);
        }
        self.queue.clear();
        self.acts.clear();
        if let Some((appending, _)) = self.flight.take() {
            discard(appending);
        }
    }

    pub(super) const fn is_opening(&self) -> bool {
        !matches!(self.opening, Opening::Done)
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.flight.is_none() && self.queue.is_empty() && !matches!(self.opening, Opening::Loading(_))
    }

    /// Writes what is queued, one batch at a time: `Some` with what a finished batch held up, `None`
    /// when there is nothing to write. What holds nothing up waits for the run's end if it is not
    /// pressing, and until the run gives way if it is.
    pub(super) fn commit(
        &mut self,
        context: &mut Context<'_>,
        gives_way: bool,
        last: bool,
    ) -> Poll<Option<io::Result<Vec<Act>>>> {
        if self.flight.is_none() {
            let due = !self.acts.is_empty() || last || (gives_way && self.pressing);
            if self.queue.is_empty() || !due {
                return Poll::Ready(None);
            }
            self.pressing = false;
            let (journal, run) = (Arc::clone(&self.with.journal), Arc::clone(&self.with.run));
            let entries = std::mem::take(&mut self.queue);
            let appending = guarded(async move { journal.append(&run, &entries).await });
            self.flight = Some((appending, std::mem::take(&mut self.acts)));
        }
        let Some((appending, acts)) = &mut self.flight else { return Poll::Ready(None) };
        let result = std::task::ready!(appending.as_mut().poll(context));
        let acts = std::mem::take(acts);
        self.flight = None;
        if result.is_err() {
            // What a broken journal was told stays unwritten: the next life of the run finds the gap.
            self.queue.clear();
            self.acts.clear();
            self.closed = true;
        }
        Poll::Ready(Some(result.map(|()| acts)))
    }

    fn press(&mut self, entry: JournalEntry) {
        self.queue.push(entry);
        self.pressing = true;
    }

    fn restore(
        &mut self,
        entries: Vec<JournalEntry>,
        inner: &Inner,
        run: &mut Run,
        now: Instant,
    ) -> Result<(), Cause> {
        let graph = &inner.graph;
        if let Some(step) = graph
            .steps()
            .find(|step| inner.works[step.index()].codec.is_none() && !graph.policy(step.0).is_repeatable())
        {
            let name = graph.step_name(step);
            return Err(refused(format!(
                "step `{name}` is not repeatable, so its value must be recorded, and the plan does not say how"
            )));
        }
        let mut entries = entries.into_iter();
        match entries.next() {
            None => {
                let (version, input) = (graph.version(), self.with.input);
                self.queue.push(JournalEntry::Opened { version, plan: inner.graph.title(), input });
                return Ok(());
            }
            Some(JournalEntry::Opened { version, plan, input }) => {
                self.same_plan(version, &plan, inner)?;
                if let (Some(then), Some(now)) = (input, self.with.input)
                    && then != now
                {
                    return Err(refused(format!("run `{}` began with another input", self.with.run)));
                }
            }
            Some(_) => {
                return Err(refused(format!("the record of run `{}` has no beginning", self.with.run)));
            }
        }
        let (mut known, order) = self.read(entries, graph.len())?;
        if self.with.again {
            for (&step, known) in &mut known {
                if matches!(known.end, Some(End::Failed(_))) {
                    *known = Known::default();
                    self.press(JournalEntry::Cleared { step });
                    self.closed = false;
                }
            }
        }
        // Repeatable steps that succeeded, and whose values nobody kept.
        let mut valueless: Vec<(StepId, u32)> = Vec::new();
        for step in order {
            let Some(known) = known.get_mut(&step) else { continue };
            let past = match known.end.take() {
                Some(End::Succeeded(None)) => {
                    valueless.push((step, known.failed));
                    continue;
                }
                Some(End::Succeeded(Some(bytes))) => {
                    run.keep(step, decoded(inner, step, &bytes)?);
                    RecordedOutcome::Succeeded
                }
                Some(End::Failed(error)) => RecordedOutcome::Failed(StepError::message(error)),
                Some(End::Skipped) => RecordedOutcome::Skipped,
                None => continue,
            };
            known.started = false;
            run.restore(step, past, known.failed, now);
        }
        for (step, known) in known {
            if valueless.iter().any(|(of, _)| *of == step) {
                continue;
            }
            let past = match known.started && !graph.policy(step.0).is_repeatable() {
                true => self.unknown(step, inner)?,
                false => RecordedOutcome::Missing,
            };
            run.restore(step, past, known.failed, now);
        }
        // They run again only where somebody still needs the value; the last first, so that what only
        // such a step needed is not needed either.
        for (step, failed) in valueless.into_iter().rev() {
            if inner.output != step.0 && graph.successors(step).all(|(to, _)| run.state(to).is_end()) {
                run.restore(step, RecordedOutcome::Succeeded, failed, now);
            }
        }
        Ok(())
    }

    fn same_plan(&self, version: u128, plan: &str, inner: &Inner) -> Result<(), Cause> {
        let graph = &inner.graph;
        if version == graph.version() {
            return Ok(());
        }
        let (run, mine) = (&self.with.run, graph.title());
        let change = match plan {
            "" => "the plan is another".to_owned(),
            plan if plan == mine => format!(
                "both are {mine}, but the steps have other names, other needs, or others are repeatable"
            ),
            plan => format!("it was {plan}, and is {mine}"),
        };
        Err(refused(format!("run `{run}` began with another version of the plan: {change}")))
    }

    /// What the record says of each step, and the steps in the order of their ends.
    fn read(
        &mut self,
        entries: impl Iterator<Item = JournalEntry>,
        steps: usize,
    ) -> Result<(BTreeMap<StepId, Known>, Vec<StepId>), Cause> {
        let mut known: BTreeMap<StepId, Known> = BTreeMap::new();
        let mut order = Vec::new();
        for entry in entries {
            let (step, end) = match entry {
                JournalEntry::Opened { .. } => continue,
                JournalEntry::Ended { .. } => {
                    self.closed = true;
                    continue;
                }
                JournalEntry::Started { step }
                | JournalEntry::Retrying { step }
                | JournalEntry::Cleared { step } => (step, None),
                JournalEntry::Succeeded { step, ref value } => (step, Some(End::Succeeded(value.clone()))),
                JournalEntry::Failed { step, ref error } => (step, Some(End::Failed(error.clone()))),
                JournalEntry::Skipped { step } => (step, Some(End::Skipped)),
            };
            self.closed = false;
            if steps <= step.index() {
                return Err(refused(format!("the plan has no step {}", step.0)));
            }
            let known = known.entry(step).or_default();
            match entry {
                JournalEntry::Cleared { .. } => *known = Known::default(),
                JournalEntry::Retrying { .. } => (known.started, known.failed) = (false, known.failed + 1),
                JournalEntry::Started { .. } => known.started = true,
                _ if known.end.is_none() => {
                    known.end = end;
                    order.push(step);
                }
                _ => {}
            }
        }
        Ok((known, order))
    }

    /// Decides about a step that was started and never heard of again.
    fn unknown(&mut self, step: StepId, inner: &Inner) -> Result<RecordedOutcome, Cause> {
        let name = inner.graph.step_name(step);
        let rule = match (inner.graph.policy(step.0).unknown_rule(), &mut self.with.ask) {
            (OnUnknown::Ask, Some(ask)) => catch_unwind(AssertUnwindSafe(|| ask(name))).map_err(|panic| {
                refused(format!("who was asked about step `{name}` panicked: {}", message(&*panic)))
            })?,
            (rule, _) => rule,
        };
        Ok(match rule {
            OnUnknown::Ask => RecordedOutcome::Unknown,
            OnUnknown::Retry => RecordedOutcome::Missing,
            OnUnknown::GiveUp => {
                self.failed(step, "its outcome is unknown, and it was given up".to_owned());
                RecordedOutcome::GivenUp
            }
        })
    }
}

impl Drop for Journaling {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// A value as it was recorded.
fn decoded(inner: &Inner, step: StepId, bytes: &[u8]) -> Result<Value, Cause> {
    let name = inner.graph.step_name(step);
    let Some(codec) = &inner.works[step.index()].codec else {
        return Err(refused(format!(
            "step `{name}` has a recorded value, and the plan does not say how to read it"
        )));
    };
    match catch_unwind(AssertUnwindSafe(|| (codec.decode)(bytes))) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(refused(format!("the recorded value of step `{name}` is unreadable"))),
        Err(panic) => Err(refused(format!(
            "reading the recorded value of step `{name}` panicked: {}",
            message(&*panic)
        ))),
    }
}

fn refused(text: String) -> Cause {
    Cause::Refused(StepError::message(text))
}

/// What a journal answers; its panic is an error.
fn guarded<T: Send + 'static>(
    answer: impl Future<Output = io::Result<T>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = io::Result<T>> + Send>> {
    let mut answer = Box::pin(answer);
    Box::pin(poll_fn(move |context| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))).unwrap_or_else(|panic| {
            Poll::Ready(Err(io::Error::other(format!("the journal panicked: {}", message(&*panic)))))
        })
    }))
}

/// Drops it. A panic of its drop goes no further.
fn discard<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}
