//! A run's side of its journal: what is still to be written, and what waits for that.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::error::StepError;
use crate::journal::{Entry, Journal};
use crate::plan::Inner;
use crate::policy::OnUnknown;
use crate::run::Run;
use crate::shape::StepId;
use crate::state::Past;
use crate::value::Value;

pub(super) type Ask = Box<dyn FnMut(&str) -> OnUnknown + Send>;

/// What a driver does once the entries queued with it are durable.
pub(super) enum Act {
    Begin(StepId),
    Succeed(StepId, Value),
}

pub(super) struct Journaling {
    pub(super) name: Arc<str>,
    journal: Arc<dyn Journal>,
    ask: Option<Ask>,
    loading: Option<Loading>,
    queue: Vec<Entry>,
    /// What the entries in `queue` hold up. Without any, they wait for company, or for the run's end.
    acts: Vec<Act>,
    flight: Option<(Appending, Vec<Act>)>,
}

type Loading = Pin<Box<dyn Future<Output = io::Result<Vec<Entry>>> + Send>>;
type Appending = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl Journaling {
    pub(super) fn new(journal: Arc<dyn Journal>, run: &str, ask: Option<Ask>) -> Self {
        let name: Arc<str> = run.into();
        let (from, wanted) = (Arc::clone(&journal), Arc::clone(&name));
        let loading: Loading = Box::pin(async move { from.load(&wanted).await });
        Self { name, journal, ask, loading: Some(loading), queue: Vec::new(), acts: Vec::new(), flight: None }
    }

    /// Loads the record, once, and puts the run where it was.
    pub(super) fn open(
        &mut self,
        context: &mut Context<'_>,
        inner: &Inner,
        run: &mut Run,
        now: Instant,
    ) -> Poll<Result<(), StepError>> {
        let Some(loading) = &mut self.loading else { return Poll::Ready(Ok(())) };
        let loaded = std::task::ready!(loading.as_mut().poll(context));
        self.loading = None;
        Poll::Ready(match loaded {
            Ok(entries) => self.restore(entries, inner, run, now),
            Err(error) => Err(StepError::from(error)),
        })
    }

    /// Notes the start of an attempt; `true` if the attempt must wait until that is durable.
    pub(super) fn started(&mut self, step: StepId, repeatable: bool) -> bool {
        self.queue.push(Entry::Started { step });
        if !repeatable {
            self.acts.push(Act::Begin(step));
        }
        !repeatable
    }

    pub(super) fn succeeded(&mut self, step: StepId, bytes: Option<Vec<u8>>, value: Value) {
        self.queue.push(Entry::Succeeded { step, value: bytes });
        self.acts.push(Act::Succeed(step, value));
    }

    pub(super) fn retrying(&mut self, step: StepId) {
        self.queue.push(Entry::Retrying { step });
    }

    pub(super) fn failed(&mut self, step: StepId, error: String) {
        self.queue.push(Entry::Failed { step, error });
    }

    pub(super) fn skipped(&mut self, step: StepId) {
        self.queue.push(Entry::Skipped { step });
    }

    /// Nothing shall follow from what is written.
    pub(super) fn forget_acts(&mut self) {
        self.acts.clear();
        if let Some((_, acts)) = &mut self.flight {
            acts.clear();
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.flight.is_none() && self.queue.is_empty()
    }

    /// Writes what is queued, one batch at a time: `Some` with what a finished batch held up, `None`
    /// when there is nothing to write.
    pub(super) fn commit(
        &mut self,
        context: &mut Context<'_>,
        last: bool,
    ) -> Poll<Option<io::Result<Vec<Act>>>> {
        if self.flight.is_none() {
            if self.queue.is_empty() || (self.acts.is_empty() && !last) {
                return Poll::Ready(None);
            }
            let (journal, run) = (Arc::clone(&self.journal), Arc::clone(&self.name));
            let entries = std::mem::take(&mut self.queue);
            let appending: Appending = Box::pin(async move { journal.append(&run, &entries).await });
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
        }
        Poll::Ready(Some(result.map(|()| acts)))
    }

    fn restore(
        &mut self,
        entries: Vec<Entry>,
        inner: &Inner,
        run: &mut Run,
        now: Instant,
    ) -> Result<(), StepError> {
        let shape = &inner.shape;
        if let Some(step) = shape
            .steps()
            .find(|step| inner.works[step.index()].codec.is_none() && !shape.policy(step.0).is_repeatable())
        {
            let name = shape.step_name(step);
            return Err(StepError::message(format!(
                "step `{name}` is not repeatable, so its value must be recorded, and the plan does not say how"
            )));
        }
        let mut entries = entries.into_iter();
        match entries.next() {
            None => {
                self.queue.push(Entry::Opened { version: shape.version(), plan: String::new(), input: None });
                return Ok(());
            }
            Some(Entry::Opened { version, .. }) if version == shape.version() => {}
            Some(_) => {
                return Err(StepError::message(format!(
                    "run `{}` began with another version of the plan",
                    self.name
                )));
            }
        }
        // Steps started and not ended, and how many of their attempts are known to have failed.
        let mut open: BTreeMap<StepId, (bool, u32)> = BTreeMap::new();
        // Repeatable steps that succeeded, and whose values nobody kept.
        let mut valueless: Vec<(StepId, u32)> = Vec::new();
        for entry in entries {
            let (step, past) = match entry {
                Entry::Opened { .. } | Entry::Cleared { .. } | Entry::Ended { .. } => continue,
                Entry::Started { step } => {
                    open.entry(step).or_default().0 = true;
                    continue;
                }
                Entry::Retrying { step } => {
                    let known = open.entry(step).or_default();
                    *known = (false, known.1 + 1);
                    continue;
                }
                Entry::Succeeded { step, value: None } if step.index() < shape.len() => {
                    valueless.push((step, open.remove(&step).unwrap_or_default().1));
                    continue;
                }
                Entry::Succeeded { step, value } => {
                    let bytes = value.unwrap_or_default();
                    let codec = inner.works.get(step.index()).and_then(|work| work.codec.as_ref());
                    let Some(value) = codec.and_then(|codec| (codec.decode)(&bytes)) else {
                        return Err(StepError::message(format!(
                            "the recorded value of step {} is unreadable",
                            step.0
                        )));
                    };
                    run.keep(step, value);
                    (step, Past::Succeeded)
                }
                Entry::Failed { step, error } => (step, Past::Failed(StepError::message(error))),
                Entry::Skipped { step } => (step, Past::Skipped),
            };
            if shape.len() <= step.index() {
                return Err(StepError::message(format!("the plan has no step {}", step.0)));
            }
            let failed = open.remove(&step).unwrap_or_default().1;
            run.restore(step, past, failed, now);
        }
        for (step, (started, failed)) in open {
            if shape.len() <= step.index() {
                return Err(StepError::message(format!("the plan has no step {}", step.0)));
            }
            let past = match started && !shape.policy(step.0).is_repeatable() {
                true => self.unknown(step, inner),
                false => Past::Missing,
            };
            run.restore(step, past, failed, now);
        }
        // They run again only where somebody still needs the value; the last first, so that what only
        // such a step needed is not needed either.
        for (step, failed) in valueless.into_iter().rev() {
            if inner.output != step.0 && shape.successors(step).all(|(to, _)| run.state(to).is_end()) {
                run.restore(step, Past::Succeeded, failed, now);
            }
        }
        Ok(())
    }

    /// Decides about a step that was started and never heard of again.
    fn unknown(&mut self, step: StepId, inner: &Inner) -> Past {
        let rule = match (inner.shape.policy(step.0).unknown_rule(), &mut self.ask) {
            (OnUnknown::Ask, Some(ask)) => ask(inner.shape.step_name(step)),
            (rule, _) => rule,
        };
        match rule {
            OnUnknown::Ask => Past::Unknown,
            OnUnknown::Retry => Past::Missing,
            OnUnknown::GiveUp => {
                self.failed(step, "its outcome is unknown, and it was given up".to_owned());
                Past::GivenUp
            }
        }
    }
}
