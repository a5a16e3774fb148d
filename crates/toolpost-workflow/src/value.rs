//! Values on their way from step to step, with their types erased.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use crate::compiled::StepId;
use crate::error::StepError;
use crate::pool;
use crate::run::Run;

/// What a step produced: shared, because several steps may use it.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// An attempt under way.
pub(crate) type Attempt = Pin<Box<dyn Future<Output = Result<Value, StepError>> + Send>>;

/// What beginning a step came to.
pub(crate) type Started = pool::Started<Result<Value, StepError>>;

/// Begins one attempt of a step, and polls it once if there is something to poll it with.
pub(crate) type Body = Arc<dyn Fn(&StepStart<'_>, Option<&mut Context<'_>>) -> Started + Send + Sync>;

/// Decides whether a step runs at all.
pub(crate) type Condition = Arc<dyn Fn(&StepStart<'_>) -> bool + Send + Sync>;

type Encode = dyn Fn(&Value, &mut Vec<u8>) + Send + Sync;
type Decode = dyn Fn(&[u8]) -> Option<Value> + Send + Sync;

/// Writes a step's value into a journal and reads it back.
pub(crate) struct Codec {
    pub(crate) encode: Box<Encode>,
    pub(crate) decode: Box<Decode>,
}

impl Codec {
    pub(crate) fn new<T: Send + Sync + 'static>(
        encode: impl Fn(&T, &mut Vec<u8>) + Send + Sync + 'static,
        decode: impl Fn(&[u8]) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        Self {
            encode: Box::new(move |value, out| {
                if let Some(value) = value.downcast_ref::<T>() {
                    encode(value, out);
                }
            }),
            decode: Box::new(move |bytes| Some(Arc::new(decode(bytes)?) as Value)),
        }
    }
}

/// The number that stands for the run's input where a step's could stand.
pub(crate) const INPUT: u32 = u32::MAX;

/// Where a part of a plan that was embedded from another finds its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Added to the number of every step.
    pub(crate) offset: u32,
    /// The step whose value is this part's input, or [`INPUT`].
    pub(crate) input: u32,
}

impl Frame {
    pub(crate) const TOP: Self = Self { offset: 0, input: INPUT };

    /// The frame of a part of a part, seen from the plan that `outer` is embedded in.
    pub(crate) const fn inside(self, outer: Self) -> Self {
        let input = if self.input == INPUT { outer.input } else { self.input + outer.offset };
        Self { offset: self.offset + outer.offset, input }
    }
}

/// The values of a run, seen from one step.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub(crate) slots: &'a [Option<Value>],
    pub(crate) input: &'a Value,
    pub(crate) frame: Frame,
}

impl Values<'_> {
    pub(crate) fn fetch<T: Send + Sync + 'static>(&self, slot: u32) -> Option<Arc<T>> {
        let at = if slot == INPUT { self.frame.input } else { slot + self.frame.offset };
        let value = if at == INPUT { self.input } else { self.slots.get(at as usize)?.as_ref()? };
        Arc::clone(value).downcast::<T>().ok()
    }
}

impl std::fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values").field("frame", &self.frame).finish_non_exhaustive()
    }
}

/// What an attempt begins with.
pub(crate) struct StepStart<'a> {
    pub(crate) run: &'a Run,
    pub(crate) input: &'a Value,
    pub(crate) frame: Frame,
    /// The run's name.
    pub(crate) name: &'a Arc<str>,
    pub(crate) step: StepId,
    pub(crate) now: Instant,
}

impl StepStart<'_> {
    pub(crate) fn values(&self) -> Values<'_> {
        Values { slots: self.run.values(), input: self.input, frame: self.frame }
    }

    pub(crate) fn context(&self) -> StepContext {
        let graph = self.run.graph();
        let limit = graph.policy(self.step.0).limit().and_then(|limit| self.now.checked_add(limit));
        StepContext {
            run: Arc::clone(self.name),
            step: Arc::clone(&graph.names[self.step.index()]),
            plan: Arc::clone(&graph.name),
            item: None,
            attempt: self.run.attempts(self.step),
            deadline: limit.into_iter().chain(self.run.rules().deadline).min(),
        }
    }
}

/// What a step may know about its own attempt.
#[derive(Clone, Debug)]
pub struct StepContext {
    plan: Arc<str>,
    run: Arc<str>,
    step: Arc<str>,
    item: Option<usize>,
    attempt: u32,
    deadline: Option<Instant>,
}

impl StepContext {
    /// The step's name.
    #[must_use]
    pub fn step(&self) -> &str {
        &self.step
    }

    /// The name the run was given, or nothing.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Which attempt this is, from one.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When this attempt will be dropped: the nearer of its own limit and the run's deadline.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The place in its list, from zero, of the item that this is about; none outside of
    /// [`map_with`](crate::Step::map_with).
    #[must_use]
    pub const fn item(&self) -> Option<usize> {
        self.item
    }

    /// A key that stays the same over every attempt of this step, or of this item of its list, in this
    /// run, also after a crash: give it to whatever can refuse to do the same thing twice. No other step,
    /// item, run or plan has it, as long as plans have names of their own.
    ///
    /// `None` if the run has no name, for then every run would have the same key: name it with
    /// `Start::journal`.
    ///
    /// It consists of the names of the plan, the run and the step, and the number of the item, separated by
    /// `/`; in names `/` and `%` stand as `%2F` and `%25`. It is as long as the names.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<String> {
        if self.run.is_empty() {
            return None;
        }
        let mut key = String::new();
        for (i, part) in [&self.plan, &self.run, &self.step].into_iter().enumerate() {
            key.push_str(if i == 0 { "" } else { "/" });
            key.push_str(&part.replace('%', "%25").replace('/', "%2F"));
        }
        if let Some(item) = self.item {
            key.push('/');
            key.push_str(&item.to_string());
        }
        Some(key)
    }

    /// The same for one item of a list.
    pub(crate) fn of_item(&self, item: usize) -> Self {
        Self { item: Some(item), ..self.clone() }
    }
}
