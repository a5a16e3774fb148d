//! What the steps of a plan do when they run.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use toolpost_json::{Frame, Kind, Node, NodeId};
use toolpost_tool::{BoxFuture, Call, ErrorKind, Output, Priority, Refusal, ToolError};
use toolpost_workflow::{MapOptions, StepError, StepInputs};

use crate::cel::{Budget, Program};
use crate::compile::Steps;
use crate::expression::{Expression, Found, Lookup, Room, Source};
use crate::path::shown;
use crate::value::PlanValue;

/// Calls a tool for a step of a plan: the host's dispatcher, so that each step meets the same pipeline, and the same
/// rules of who may call what, as any other call.
///
/// A function from a [`StepCall`] to a boxed future is one.
pub trait StepCaller: Send + Sync + 'static {
    /// Calls the tool that `call.call` names.
    ///
    /// # Errors
    ///
    /// Whatever the tool answers; the step fails with it.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the run is cancelled, or the step's time is over.
    fn call(&self, call: StepCall) -> BoxFuture<'static, Result<Output, ToolError>>;
}

impl<F> StepCaller for F
where
    F: Fn(StepCall) -> BoxFuture<'static, Result<Output, ToolError>> + Send + Sync + 'static,
{
    fn call(&self, call: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        self(call)
    }
}

/// Describes one call that a step makes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepCall {
    /// The call: of the step's tool, on behalf of the call that runs the plan.
    pub call: Call,
    /// The step, by the names of the plans it stands in: `step`, `outer/step`, `list/3/step`.
    pub step: Arc<str>,
    /// The place of the item, of a step that runs for each item of a list.
    pub item: Option<usize>,
    /// Whether the document says that a person must agree first.
    pub needs_approval: bool,
}

/// Holds what a run of a plan begins with: the call it is run for, who calls its tools, and its input.
pub struct PlanInput {
    call: Call,
    caller: Arc<dyn StepCaller>,
    input: PlanValue,
    /// Before the names of steps, in calls.
    prefix: Arc<str>,
}

impl PlanInput {
    /// What begins a run without an input: a reference to `/input` leads to nothing then.
    #[must_use]
    pub fn new(call: Call, caller: Arc<dyn StepCaller>) -> Self {
        Self { call, caller, input: PlanValue::of(ByteString::from_static("null")), prefix: "".into() }
    }

    /// The same with an input.
    #[must_use]
    pub fn with_input(mut self, input: Frame) -> Self {
        self.input = PlanValue::of_frame(input);
        self
    }

    /// The call that the plan is run for.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    #[cfg(feature = "journal")]
    pub(crate) const fn value(&self) -> &PlanValue {
        &self.input
    }
}

impl fmt::Debug for PlanInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanInput")
            .field("call", &self.call)
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

type Inputs = StepInputs<PlanInput, PlanValue>;

/// A call of a tool, with arguments that are put together for it.
#[derive(Debug)]
pub(crate) struct ToolWork {
    pub(crate) step: Arc<str>,
    pub(crate) tool: ByteString,
    pub(crate) arguments: ToolArguments,
    pub(crate) priority: Option<Priority>,
    pub(crate) needs_approval: bool,
}

#[derive(Debug)]
pub(crate) enum ToolArguments {
    Ready(Frame),
    Made(Expression),
}

/// Work that is done for each item of a list.
#[derive(Debug)]
pub(crate) struct MapWork {
    pub(crate) over: Expression,
    pub(crate) at_most: usize,
    pub(crate) options: MapOptions,
    pub(crate) each: ItemWork,
}

#[derive(Debug)]
pub(crate) enum ItemWork {
    Tool(ToolWork),
    Plan { input: Expression, steps: Arc<Steps> },
}

/// What one step sees.
pub(crate) struct At<'a> {
    inputs: &'a Inputs,
    item: Option<(Node<'a>, usize)>,
}

impl<'a> At<'a> {
    pub(crate) const fn step(inputs: &'a Inputs) -> Self {
        Self { inputs, item: None }
    }
}

impl<'a> Lookup<'a> for At<'a> {
    fn find(&self, source: Source) -> Found<'a> {
        match source {
            Source::Dependency(place) => {
                self.inputs.at(place).map_or(Found::Nothing, |value| Found::Value(value))
            }
            Source::Input => Found::Value(&self.inputs.input.input),
            Source::Item => self.item.map_or(Found::Nothing, |(item, _)| Found::Node(item)),
            Source::Index => self.item.map_or(Found::Nothing, |(_, index)| Found::Index(index)),
        }
    }
}

impl ToolWork {
    /// Begins the call.
    pub(crate) fn begin(
        &self,
        at: &At<'_>,
        inputs: &Inputs,
        item: Option<usize>,
        room: &Room,
    ) -> Result<BoxFuture<'static, Result<Output, ToolError>>, StepError> {
        let arguments = match &self.arguments {
            ToolArguments::Ready(frame) => frame.clone(),
            ToolArguments::Made(expression) => {
                let text = expression.render(at, room).map_err(permanent)?;
                let frame = Frame::from_text(text, &toolpost_json::Limits::new().bytes(room.bytes));
                frame.map_err(|violation| permanent(format!("its arguments cannot be read: {violation}")))?
            }
        };
        if arguments.root().kind() != Kind::Object {
            return Err(permanent(format!(
                "its arguments are {}, and not an object",
                arguments.root().kind()
            )));
        }
        let PlanInput { call, caller, prefix, .. } = &*inputs.input;
        let mut call = call.child_of(self.tool.clone(), arguments).map_err(failed)?;
        call = call.with_attempt(inputs.context.attempt());
        if let Some(priority) = self.priority {
            call = call.with_priority(priority);
        }
        if let Some(deadline) = inputs.context.deadline() {
            call = call.due_by(deadline);
        }
        let step = match &**prefix {
            "" => Arc::clone(&self.step),
            prefix => format!("{prefix}{}", self.step).into(),
        };
        Ok(caller.call(StepCall { call, step, item, needs_approval: self.needs_approval }))
    }
}

/// A step that calls a tool, and what it comes to.
pub(crate) async fn tool_step(
    begun: Result<BoxFuture<'static, Result<Output, ToolError>>, StepError>,
) -> Result<PlanValue, StepError> {
    answered(begun?.await)
}

/// A value that is put together, and nothing else.
pub(crate) fn put_together(
    expression: &Expression,
    inputs: &Inputs,
    room: &Room,
) -> Result<PlanValue, StepError> {
    expression.render(&At::step(inputs), room).map(PlanValue::of).map_err(permanent)
}

/// Whether a condition is met.
pub(crate) fn holds(when: &Program, at: &At<'_>, room: &Room) -> Result<bool, StepError> {
    let budget = Budget { steps: room.cel_steps, bytes: room.bytes };
    when.is_true(at, &budget).map_err(|failure| permanent(format!("its condition has no value: {failure}")))
}

/// A step that runs for each item of a list.
pub(crate) async fn map_step(work: Arc<MapWork>, inputs: Inputs, room: Room) -> Result<PlanValue, StepError> {
    let over = PlanValue::of(work.over.render(&At::step(&inputs), &room).map_err(permanent)?);
    let Some(list) = over.node().filter(|node| node.kind() == Kind::Array) else {
        return Err(permanent("what it runs over is no list"));
    };
    if work.at_most < list.len() {
        let (items, most) = (list.len(), work.at_most);
        return Err(permanent(format!("the list has {items} items; the limit `items` is {most}")));
    }
    let items: Arc<Vec<NodeId>> = Arc::new(list.items().map(Node::id).collect());
    let held = Arc::new((work, inputs, over));
    let options = held.0.options;
    let each = move |index, id| {
        let begun = item(&held, index, id, &room);
        async move { begun?.await }
    };
    let results = options.run(items, each).await?;
    joined(results.into_iter().map(Result::ok), &room)
}

type ItemFuture = BoxFuture<'static, Result<PlanValue, StepError>>;

fn item(
    held: &Arc<(Arc<MapWork>, Inputs, PlanValue)>,
    index: usize,
    id: NodeId,
    room: &Room,
) -> Result<ItemFuture, StepError> {
    let (work, inputs, over) = &**held;
    let item = over.node().map(|list| (list.frame().node(id), index));
    let at = At { inputs, item };
    Ok(match &work.each {
        ItemWork::Tool(tool) => Box::pin(tool_step(tool.begin(&at, inputs, Some(index), room))),
        ItemWork::Plan { input, steps } => {
            let PlanInput { call, caller, prefix, .. } = &*inputs.input;
            let prefix = format!("{prefix}{}/{index}/", inputs.context.step()).into();
            let input = PlanValue::of(input.render(&at, room).map_err(permanent)?);
            let begun = PlanInput { call: call.clone(), caller: Arc::clone(caller), input, prefix };
            let mut start = steps.plan.start(begun);
            if let Some(deadline) = inputs.context.deadline() {
                start = start.deadline(deadline);
            }
            let run = start.run();
            Box::pin(async move {
                let value = run.await.into_result()?;
                Ok(PlanValue::of(value.text().clone()))
            })
        }
    })
}

/// The list of values, `null` for those that are not there.
fn joined(values: impl Iterator<Item = Option<PlanValue>>, room: &Room) -> Result<PlanValue, StepError> {
    let mut out = String::from("[");
    for (n, value) in values.enumerate() {
        if 0 < n {
            out.push(',');
        }
        out.push_str(value.as_ref().map_or("null", |value| &**value.text()));
        if room.bytes < out.len() {
            return Err(permanent(format!(
                "its outputs are too large; the limit `value_bytes` is {}",
                room.bytes
            )));
        }
    }
    out.push(']');
    Ok(PlanValue::of(out.into()))
}

/// What a tool answered, as a step's value or failure.
fn answered(result: Result<Output, ToolError>) -> Result<PlanValue, StepError> {
    match result {
        Ok(output) if output.is_error() => {
            let text = output.as_text().map_or_else(|| "the tool reports a failure".to_owned(), shown_long);
            Err(Failed(ToolError::new(text)).into())
        }
        Ok(output) => Ok(PlanValue::of_output(&output)),
        Err(error) => Err(failed(error)),
    }
}

fn shown_long(text: &str) -> String {
    const LONGEST: usize = 2_000;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

fn failed(error: ToolError) -> StepError {
    let hopeless = matches!(
        error.kind(),
        ErrorKind::InvalidArguments
            | ErrorKind::Protocol
            | ErrorKind::InputRequired
            | ErrorKind::OutcomeUnknown
            | ErrorKind::Cancelled
            // A person who has said no is not asked again.
            | ErrorKind::Refused(Refusal::ApprovalDeclined | Refusal::ApprovalUnavailable)
    );
    let wait = error.retry_after();
    let error = wait.into_iter().fold(StepError::from(Failed(error)), StepError::with_retry_after);
    if hopeless { error.permanent() } else { error }
}

fn permanent(why: impl fmt::Display) -> StepError {
    StepError::message(why.to_string()).permanent()
}

/// A tool's error on its way through a run.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) ToolError);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// A name as errors show it.
pub(crate) fn named(step: &str) -> String {
    format!("step `{}`", shown(step))
}
