//! The untyped builder: steps by name, in any order, checked all at once.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Context;

use crate::compile::{Edge, Node, compile, number};
use crate::compiled::Need;
use crate::error::{Fault, InvalidPlan, StepError};
use crate::plan::{Inner, Plan, Work};
use crate::policy::StepPolicy;
use crate::record::Record;
use crate::value::{Body, Codec, Condition, Frame, INPUT, Started, StepContext, StepStart, Values};
use crate::workflow::later;

/// A workflow of named steps whose values are all of type `V`: for graphs that come from outside, as from a file.
/// Where the steps are known to the compiler, [`Workflow`](crate::Workflow) checks their types.
///
/// Steps are declared in any order, and everything wrong is found in one pass:
///
/// ```
/// use toolpost_workflow::Graph;
///
/// let mut graph = Graph::<(), u64>::new("loop");
/// graph.step("a").needs(["b"]).compute(|_| 1);
/// graph.step("b").needs(["a", "c"]).compute(|_| 2);
/// let faults = graph.build("a").unwrap_err();
/// assert_eq!(
///     faults.to_string(),
///     "step `b` depends on `c`, which does not exist; steps wait for each other: a -> b -> a",
/// );
/// ```
///
/// A step names what it needs, and finds the values by those names:
///
/// ```
/// use toolpost_workflow::Graph;
///
/// let mut graph = Graph::<u64, u64>::new("sum");
/// graph.step("sum").needs(["double", "square"]).run(|inputs| async move {
///     Ok(**inputs.need("double")? + **inputs.need("square")?)
/// });
/// graph.step("double").compute(|inputs| *inputs.input * 2);
/// graph.step("square").compute(|inputs| *inputs.input * *inputs.input);
/// let plan = graph.build("sum")?;
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(*plan.run(5).await.into_result().unwrap(), 35);
/// # });
/// # Ok::<_, toolpost_workflow::InvalidPlan>(())
/// ```
pub struct Graph<I, V> {
    name: Arc<str>,
    revision: String,
    codec: Option<Arc<Codec>>,
    nodes: Vec<Named<I, V>>,
}

struct Named<I, V> {
    node: Node,
    needs: Vec<(String, Need, u8)>,
    condition: Option<GraphCondition<I, V>>,
    begin: GraphBody<I, V>,
}

type GraphBody<I, V> = Box<dyn Fn(StepInputs<I, V>, Option<&mut Context<'_>>) -> Started + Send + Sync>;
type GraphCondition<I, V> = Box<dyn Fn(&StepInputs<I, V>) -> bool + Send + Sync>;
/// The dependencies of a step: the name and the number of each.
type Names = Arc<[(Arc<str>, u32)]>;

impl<I: Send + Sync + 'static, V: Send + Sync + 'static> Graph<I, V> {
    /// Begins a graph without steps.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), revision: String::new(), codec: None, nodes: Vec::new() }
    }

    /// Enters the version; see [`Workflow::revision`](crate::Workflow::revision).
    pub fn revision(&mut self, revision: &str) {
        revision.clone_into(&mut self.revision);
    }

    /// Keeps the values of all steps in the journal of a run that has one.
    pub fn record_with(
        &mut self,
        encode: impl Fn(&V, &mut Vec<u8>) + Send + Sync + 'static,
        decode: impl Fn(&[u8]) -> Option<V> + Send + Sync + 'static,
    ) {
        self.codec = Some(Arc::new(Codec::new(encode, decode)));
    }

    /// Begins to declare a step; the last call of the chain says what it does.
    pub fn step(&mut self, name: &str) -> GraphStep<'_, I, V> {
        GraphStep {
            graph: self,
            name: name.into(),
            policy: StepPolicy::new(),
            needs: Vec::new(),
            groups: 0,
            condition: None,
        }
    }

    /// Compiles the graph into a plan whose output is the value of the step named `output`.
    ///
    /// # Errors
    ///
    /// Names every missing dependency, every name declared twice, and one way around every knot of
    /// steps that wait for each other.
    pub fn build(self, output: &str) -> Result<Plan<I, V>, InvalidPlan> {
        let mut faults = Vec::new();
        let mut edges = Vec::new();
        let mut works = Vec::with_capacity(self.nodes.len());
        let mut nodes = Vec::with_capacity(self.nodes.len());
        let mut rest = Vec::with_capacity(self.nodes.len());
        for named in self.nodes {
            nodes.push(named.node);
            rest.push((named.needs, named.condition, named.begin));
        }
        let ids = number(&nodes, &mut faults);
        for (to, (needs, condition, begin)) in rest.into_iter().enumerate() {
            let names = resolve(&nodes[to], to as u32, &needs, &ids, &mut edges, &mut faults);
            let spawned = nodes[to].policy.is_spawned();
            let codec = self.codec.clone();
            works.push(Work {
                body: body(Arc::clone(&names), begin),
                condition: condition.map(|condition| checked(names, condition)),
                codec,
                frame: 0,
                spawned,
            });
        }
        let Some(output) = ids.get(output).copied() else {
            faults.push(Fault::Output { step: output.to_owned() });
            // The other faults are wanted too.
            let found = compile(self.name, "", nodes, edges, ids, faults);
            return Err(InvalidPlan::new(found.err().unwrap_or_default()));
        };
        let graph =
            compile(self.name, &self.revision, nodes, edges, ids, faults).map_err(InvalidPlan::new)?;
        let frames = Box::new([Frame::TOP]);
        let inner = Arc::new(Inner { graph: Arc::new(graph), works: works.into(), frames, output });
        Ok(Plan { inner, types: PhantomData })
    }
}

impl<I: Send + Sync + 'static, V: Record> Graph<I, V> {
    /// Keeps the values of all steps in the journal of a run that has one.
    pub fn record(&mut self) {
        self.record_with(V::encode, V::decode);
    }
}

impl<I, V> fmt::Debug for Graph<I, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("name", &self.name)
            .field("steps", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

/// A step of a [`Graph`] under construction.
#[must_use = "a step exists once `run` or `compute` is called"]
pub struct GraphStep<'g, I, V> {
    graph: &'g mut Graph<I, V>,
    name: Arc<str>,
    policy: StepPolicy,
    needs: Vec<(String, Need, u8)>,
    groups: usize,
    condition: Option<GraphCondition<I, V>>,
}

impl<I: Send + Sync + 'static, V: Send + Sync + 'static> GraphStep<'_, I, V> {
    /// Sets how the step may run; the default policy if never said.
    pub fn policy(mut self, policy: StepPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Waits for these steps, and needs every one of them to succeed.
    pub fn needs<S: Into<String>>(self, steps: impl IntoIterator<Item = S>) -> Self {
        self.link(steps, Need::Success)
    }

    /// Waits until the first of these steps succeeds. Each call says so of a group of its own.
    pub fn needs_any<S: Into<String>>(mut self, steps: impl IntoIterator<Item = S>) -> Self {
        self = self.link(steps, Need::AnySuccess);
        self.groups += 1;
        self
    }

    /// Waits until these steps have ended, however they did.
    pub fn after<S: Into<String>>(self, steps: impl IntoIterator<Item = S>) -> Self {
        self.link(steps, Need::End)
    }

    /// Skips the step unless `condition` says yes.
    pub fn when(mut self, condition: impl Fn(&StepInputs<I, V>) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Box::new(condition));
        self
    }

    /// Runs an async function of the values of what it waits for.
    pub fn run<F, Fut>(self, function: F)
    where
        F: Fn(StepInputs<I, V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<V, StepError>> + Send + 'static,
    {
        self.add(Box::new(move |inputs, context| later(function(inputs), context)));
    }

    /// Computes a value at once and without failing. Safe to repeat.
    pub fn compute(mut self, function: impl Fn(StepInputs<I, V>) -> V + Send + Sync + 'static) {
        self.policy = self.policy.repeatable();
        self.add(Box::new(move |inputs, _| Started::Done(Ok(Arc::new(function(inputs))))));
    }

    fn link<S: Into<String>>(mut self, steps: impl IntoIterator<Item = S>, need: Need) -> Self {
        let group = match need {
            // More groups than a byte counts share the last one.
            Need::AnySuccess => u8::try_from(self.groups).unwrap_or(u8::MAX),
            _ => 0,
        };
        self.needs.extend(steps.into_iter().map(|step| (step.into(), need, group)));
        self
    }

    fn add(self, begin: GraphBody<I, V>) {
        let node = Node { name: self.name, policy: self.policy };
        self.graph.nodes.push(Named { node, needs: self.needs, condition: self.condition, begin });
    }
}

impl<I, V> fmt::Debug for GraphStep<'_, I, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphStep")
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// What a step of a [`Graph`] is given.
#[derive(Debug)]
pub struct StepInputs<I, V> {
    /// The run's input.
    pub input: Arc<I>,
    /// Which attempt this is.
    pub context: StepContext,
    names: Names,
    values: Box<[Option<Arc<V>>]>,
}

impl<I, V> StepInputs<I, V> {
    /// The value of a dependency; `None` when it has none, or is no dependency of this step.
    #[must_use]
    pub fn get(&self, step: &str) -> Option<&Arc<V>> {
        let at = self.names.iter().position(|(name, _)| **name == *step)?;
        self.values[at].as_ref()
    }

    /// The value of the dependency at this place, in order of declaration, one that is declared twice counted once; `None`
    /// when it has none, or there is no such place.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Arc<V>> {
        self.values.get(place)?.as_ref()
    }

    /// The value of a dependency.
    ///
    /// # Errors
    ///
    /// A permanent error that names both steps, when there is no such value.
    pub fn need(&self, step: &str) -> Result<&Arc<V>, StepError> {
        self.get(step).ok_or_else(|| {
            let known = self.names.iter().any(|(name, _)| **name == *step);
            let what = if known { "has no value" } else { "is no dependency" };
            StepError::message(format!("`{step}` {what} of step `{}`", self.context.step())).permanent()
        })
    }

    /// The dependencies that have values, in order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<V>)> {
        self.names.iter().zip(&self.values).filter_map(|((name, _), value)| Some((&**name, value.as_ref()?)))
    }
}

fn resolve(
    node: &Node,
    to: u32,
    needs: &[(String, Need, u8)],
    ids: &HashMap<Arc<str>, u32>,
    edges: &mut Vec<Edge>,
    faults: &mut Vec<Fault>,
) -> Names {
    let mut names: Vec<(Arc<str>, u32)> = Vec::with_capacity(needs.len());
    for &(ref name, need, group) in needs {
        match ids.get_key_value(&**name) {
            Some((name, &from)) => {
                edges.push(Edge { from, to, need, group });
                if names.iter().all(|(_, known)| *known != from) {
                    names.push((Arc::clone(name), from));
                }
            }
            None => {
                let fault = Fault::Missing { step: node.name.to_string(), dependency: name.clone() };
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
    }
    names.into()
}

fn inputs<I, V>(names: &Names, values: &Values<'_>, context: StepContext) -> Option<StepInputs<I, V>>
where
    I: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    Some(StepInputs {
        input: values.fetch(INPUT)?,
        context,
        names: Arc::clone(names),
        values: names.iter().map(|&(_, slot)| values.fetch(slot)).collect(),
    })
}

fn body<I: Send + Sync + 'static, V: Send + Sync + 'static>(names: Names, begin: GraphBody<I, V>) -> Body {
    Arc::new(move |beginning, context| match inputs(&names, &beginning.values(), beginning.context()) {
        Some(inputs) => begin(inputs, context),
        None => Started::Done(Err(StepError::message("the run's input is of another type").permanent())),
    })
}

fn checked<I: Send + Sync + 'static, V: Send + Sync + 'static>(
    names: Names,
    condition: GraphCondition<I, V>,
) -> Condition {
    Arc::new(move |beginning: &StepStart<'_>| {
        inputs(&names, &beginning.values(), beginning.context()).is_some_and(|inputs| condition(&inputs))
    })
}
