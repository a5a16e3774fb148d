//! The typed builder: a step takes handles of earlier steps, so there is no way to write a cycle.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Context;

use crate::compile::{Edge, Node, compile, number};
use crate::compiled::Need;
use crate::each::{MapOptions, each};
use crate::error::{Fault, InvalidPlan, StepError};
use crate::needs::sealed::{Dependency, Edges};
use crate::needs::{Needs, StepHandle};
use crate::plan::{Inner, Plan, Work};
use crate::policy::StepPolicy;
use crate::record::Record;
use crate::value::{Body, Codec, Condition, Frame, INPUT, Started, StepContext, StepStart, Value};

/// A workflow under construction, from an input of type `I`. A step takes handles of earlier steps, so that types
/// are checked by the compiler and no cycle can be written; for graphs that come from outside, see
/// [`Graph`](crate::Graph).
///
/// ```
/// use toolpost_workflow::Workflow;
///
/// let mut w = Workflow::<String>::new("shout");
/// let input = w.input();
/// let upper = w.step("upper").run(input, |text| async move { Ok(text.to_uppercase()) });
/// let length = w.step("length").compute(upper, |text| text.len());
/// let both = w.step("both").compute((upper, length), |(text, length)| format!("{text}! ({length})"));
/// let plan = w.build(both)?;
/// assert_eq!(plan.graph().len(), 3);
/// # Ok::<_, toolpost_workflow::InvalidPlan>(())
/// ```
///
/// The compiler holds outputs against inputs:
///
/// ```compile_fail,E0308
/// # let mut w = toolpost_workflow::Workflow::<String>::new("shout");
/// # let input = w.input();
/// let length = w.step("length").compute(input, |text| text.len());
/// let wrong = w.step("wrong").compute(length, |length| -> String { *length });
/// ```
///
/// and a step that is not declared yet has no name to depend on:
///
/// ```compile_fail,E0425
/// # let mut w = toolpost_workflow::Workflow::<String>::new("shout");
/// let first = w.step("first").compute(second, |text: std::sync::Arc<String>| text.len());
/// let second = w.step("second").compute(first, |length| length.to_string());
/// ```
pub struct Workflow<I> {
    name: Arc<str>,
    revision: String,
    owner: u32,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    works: Vec<Work>,
    frames: Vec<Frame>,
    faults: Vec<Fault>,
    types: PhantomData<fn(I)>,
}

impl<I: Send + Sync + 'static> Workflow<I> {
    /// Begins a workflow without steps.
    #[must_use]
    pub fn new(name: &str) -> Self {
        static OWNERS: AtomicU32 = AtomicU32::new(0);
        Self {
            name: name.into(),
            revision: String::new(),
            owner: OWNERS.fetch_add(1, Ordering::Relaxed),
            nodes: Vec::new(),
            edges: Vec::new(),
            works: Vec::new(),
            frames: vec![Frame::TOP],
            faults: Vec::new(),
            types: PhantomData,
        }
    }

    /// Enters the version: change it when a step does something else than before under the same name,
    /// so that no journal of the older plan is resumed with this one.
    pub fn revision(&mut self, revision: &str) {
        revision.clone_into(&mut self.revision);
    }

    /// Stands for the run's input.
    #[must_use]
    pub const fn input(&self) -> StepHandle<I> {
        StepHandle::new(INPUT, self.owner)
    }

    /// Begins to declare a step; the last call of the chain says what it does and gives its handle.
    pub fn step(&mut self, name: &str) -> Step<'_, I> {
        Step {
            workflow: self,
            name: name.into(),
            policy: StepPolicy::new(),
            condition: None,
            edges: Edges::default(),
        }
    }

    /// Keeps the values of this step in the journal of a run that has one.
    pub fn record<T: Record>(&mut self, step: StepHandle<T>) {
        self.record_with(step, T::encode, T::decode);
    }

    /// Like [`record`](Self::record), for a type that does not say how. A panic of `encode` fails the step,
    /// one of `decode` refuses to resume the run.
    pub fn record_with<T: Send + Sync + 'static>(
        &mut self,
        step: StepHandle<T>,
        encode: impl Fn(&T, &mut Vec<u8>) + Send + Sync + 'static,
        decode: impl Fn(&[u8]) -> Option<T> + Send + Sync + 'static,
    ) {
        if step.owner == self.owner
            && let Some(work) = self.works.get_mut(step.slot as usize)
        {
            work.codec = Some(Arc::new(Codec::new(encode, decode)));
        }
    }

    /// Puts a whole plan in here, its steps named `name/step` and its input the value of `input`.
    pub fn embed<T: Send + Sync + 'static, O>(
        &mut self,
        name: &str,
        input: StepHandle<T>,
        plan: &Plan<T, O>,
    ) -> StepHandle<O> {
        if input.owner != self.owner {
            self.faults.push(Fault::Foreign { step: name.to_owned() });
        }
        let graph = plan.graph();
        let outer = Frame { offset: self.nodes.len() as u32, input: input.slot };
        let first_frame = self.frames.len() as u32;
        self.frames.extend(plan.inner.frames.iter().map(|frame| frame.inside(outer)));
        for (i, work) in plan.inner.works.iter().enumerate() {
            let step = i as u32;
            let links = graph.dependencies.of(step);
            if links.is_empty() && outer.input != INPUT {
                self.edges.push(Edge {
                    from: outer.input,
                    to: step + outer.offset,
                    need: Need::Success,
                    group: 0,
                });
            }
            self.edges.extend(links.iter().map(|link| Edge {
                from: link.step + outer.offset,
                to: step + outer.offset,
                need: link.need,
                group: link.group,
            }));
            let node_name = format!("{name}/{}", graph.names[i]).into();
            self.nodes.push(Node { name: node_name, policy: graph.policies[i].clone() });
            self.works.push(Work { frame: work.frame + first_frame, ..work.clone() });
        }
        match plan.inner.output {
            INPUT => StepHandle::new(outer.input, self.owner),
            slot => StepHandle::new(slot + outer.offset, self.owner),
        }
    }

    /// Compiles the workflow into a plan whose output is the value of `output`.
    ///
    /// # Errors
    ///
    /// When a step is declared twice or uses a handle of another workflow, or `output` is one; every such fault is
    /// named.
    pub fn build<O>(self, output: StepHandle<O>) -> Result<Plan<I, O>, InvalidPlan> {
        let mut faults = self.faults;
        if output.owner != self.owner {
            faults.push(Fault::ForeignOutput);
        }
        let ids = number(&self.nodes, &mut faults);
        let graph = compile(self.name, &self.revision, self.nodes, self.edges, ids, faults);
        Ok(Plan {
            inner: Arc::new(Inner {
                graph: Arc::new(graph.map_err(InvalidPlan::new)?),
                works: self.works.into(),
                frames: self.frames.into(),
                output: output.slot,
            }),
            types: PhantomData,
        })
    }
}

impl<I> fmt::Debug for Workflow<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workflow")
            .field("name", &self.name)
            .field("steps", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

/// A step under construction.
#[must_use = "a step exists once `run`, `run_with`, `compute` or `each` is called"]
pub struct Step<'w, I> {
    workflow: &'w mut Workflow<I>,
    name: Arc<str>,
    policy: StepPolicy,
    condition: Option<Condition>,
    edges: Edges,
}

impl<I: Send + Sync + 'static> Step<'_, I> {
    /// Sets how the step may run; the default policy if never said.
    pub fn policy(mut self, policy: StepPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Skips the step unless `condition` says yes to these values, for which it waits too.
    pub fn when<N: Needs>(
        mut self,
        needs: N,
        condition: impl Fn(N::Item) -> bool + Send + Sync + 'static,
    ) -> Self {
        needs.edges(&mut self.edges);
        self.condition =
            Some(Arc::new(move |at: &StepStart<'_>| needs.take(&at.values()).is_some_and(&condition)));
        self
    }

    /// Runs an async function of these values.
    pub fn run<N, T, F, Fut>(self, needs: N, function: F) -> StepHandle<T>
    where
        N: Needs,
        T: Send + Sync + 'static,
        F: Fn(N::Item) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, StepError>> + Send + 'static,
    {
        self.add(needs, move |_, item, context| later(function(item), context))
    }

    /// Runs an async function of these values, which is also given the run's input, and told which
    /// attempt it is and until when.
    pub fn run_with<N, T, F, Fut>(self, needs: N, function: F) -> StepHandle<T>
    where
        N: Needs,
        T: Send + Sync + 'static,
        F: Fn(StepContext, Arc<I>, N::Item) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, StepError>> + Send + 'static,
    {
        self.add(needs, move |beginning, item, context| match beginning.values().fetch(INPUT) {
            Some(input) => later(function(beginning.context(), input, item), context),
            None => missing(),
        })
    }

    /// Computes a value from these values, at once and without failing. Safe to repeat.
    pub fn compute<N, T, F>(mut self, needs: N, function: F) -> StepHandle<T>
    where
        N: Needs,
        T: Send + Sync + 'static,
        F: Fn(N::Item) -> T + Send + Sync + 'static,
    {
        self.policy = self.policy.repeatable();
        self.add(needs, move |_, item, _| Started::Done(Ok(Arc::new(function(item)))))
    }

    /// Runs an async function for every item of a list, whose length only the run knows. The value
    /// is the list of results in the order of the items, tolerated failures among them.
    ///
    /// ```
    /// use toolpost_workflow::{MapOptions, Workflow};
    ///
    /// let mut w = Workflow::<Vec<String>>::new("ports");
    /// let lines = w.input();
    /// // Two at a time; one line that is no number is no reason to give up the others.
    /// let ports = w.step("parse").map(MapOptions::new(2).tolerate(1), lines, |line| async move { Ok(line.parse::<u16>()?) });
    /// let plan = w.build(ports)?;
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let lines = ["80", "http", "443"].map(String::from).to_vec();
    /// let ports = plan.run(lines).await.into_result().unwrap();
    /// let good: Vec<_> = ports.iter().filter_map(|port| port.as_ref().ok()).collect();
    /// assert_eq!(good, [&80, &443]);
    /// # });
    /// # Ok::<_, toolpost_workflow::InvalidPlan>(())
    /// ```
    ///
    /// If more fail than are tolerated, the step fails with an error that says how many did, and whose
    /// [source](std::error::Error::source) is the error of the last. The step's error is
    /// [permanent](StepError::is_permanent) if more items failed for good than are tolerated: then no retry of
    /// the list will cure it.
    ///
    /// The list is one step: a journal holds its value or nothing, and after a crash in the middle all of
    /// its items run again, or none. Where items must not, have each ask by its
    /// [key](StepContext::idempotency_key) whether it is done.
    pub fn map<T, U, F, Fut>(
        self,
        rule: MapOptions,
        items: StepHandle<Vec<T>>,
        function: F,
    ) -> StepHandle<Vec<Result<U, StepError>>>
    where
        T: Clone + Send + Sync + 'static,
        U: Send + Sync + 'static,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<U, StepError>> + Send + 'static,
    {
        self.map_with(rule, items, move |_, _, item| function(item))
    }

    /// Like [`map`](Self::map), with what [`run_with`](Self::run_with) gives; the context tells the item.
    pub fn map_with<T, U, F, Fut>(
        self,
        rule: MapOptions,
        items: StepHandle<Vec<T>>,
        function: F,
    ) -> StepHandle<Vec<Result<U, StepError>>>
    where
        T: Clone + Send + Sync + 'static,
        U: Send + Sync + 'static,
        F: Fn(StepContext, Arc<I>, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<U, StepError>> + Send + 'static,
    {
        let function = Arc::new(function);
        self.run_with(items, move |context, input, items| {
            let function = Arc::clone(&function);
            each(rule, items, move |i, item| function(context.of_item(i), Arc::clone(&input), item))
        })
    }

    fn add<N, T>(
        mut self,
        needs: N,
        begin: impl Fn(&StepStart<'_>, N::Item, Option<&mut Context<'_>>) -> Started + Send + Sync + 'static,
    ) -> StepHandle<T>
    where
        N: Needs,
    {
        needs.edges(&mut self.edges);
        let body: Body = Arc::new(move |beginning, context| match needs.take(&beginning.values()) {
            Some(item) => begin(beginning, item, context),
            None => missing(),
        });
        let workflow = self.workflow;
        let step = workflow.nodes.len() as u32;
        let mut foreign = false;
        for Dependency { slot, owner, need, group } in self.edges.edges {
            foreign |= owner != workflow.owner;
            if owner == workflow.owner && slot != INPUT {
                workflow.edges.push(Edge { from: slot, to: step, need, group });
            }
        }
        if foreign {
            workflow.faults.push(Fault::Foreign { step: self.name.to_string() });
        }
        let spawned = self.policy.is_spawned();
        workflow.nodes.push(Node { name: self.name, policy: self.policy });
        workflow.works.push(Work { body, condition: self.condition, codec: None, frame: 0, spawned });
        StepHandle::new(step, workflow.owner)
    }
}

impl<I> fmt::Debug for Step<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Not to be reached by a plan that was built: what a step takes is there, and of its type.
fn missing() -> Started {
    Started::Done(Err(StepError::message("a value it depends on is missing").permanent()))
}

/// An attempt whose value is erased once it is there.
pub(crate) fn later<T: Send + Sync + 'static>(
    attempt: impl Future<Output = Result<T, StepError>> + Send + 'static,
    context: Option<&mut Context<'_>>,
) -> Started {
    let attempt = async move { attempt.await.map(|value| Arc::new(value) as Value) };
    match context {
        Some(context) => Started::polled(attempt, context),
        None => Started::Later(Box::pin(attempt)),
    }
}
