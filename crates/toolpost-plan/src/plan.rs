//! A plan that was checked, and how its runs end.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use toolpost_tool::{ErrorKind, Output, ToolAnnotations, ToolError};
use toolpost_workflow::rt::{RunError, RunReport, Start};
use toolpost_workflow::{Cause, CompiledGraph, StepError, StepState};

use crate::compile::Steps;
use crate::document::PlanDocument;
use crate::run::{Failed, PlanInput, named};
use crate::value::PlanValue;

/// Holds a plan that was checked whole, to be run any number of times at once. A clone is another handle to it.
///
/// ```
/// use std::sync::Arc;
/// use toolpost_plan::{PlanDocument, PlanInput, PlanLimits, PlanTool, PlanTools, StepCall, StepCaller};
/// use toolpost_tool::{BoxFuture, Call, Output, ToolError, ToolSpec};
///
/// struct Tools(ToolSpec);
///
/// impl PlanTools for Tools {
///     fn find(&self, name: &str) -> Option<PlanTool<'_>> {
///         (name == self.0.name()).then(|| PlanTool::new(&self.0))
///     }
/// }
///
/// let tools = Tools(ToolSpec::new("double")?);
/// let document = PlanDocument::parse(
///     r#"{
///         "steps": {
///             "once": {"tool": "double", "arguments": {"n": 3}},
///             "twice": {"tool": "double", "arguments": {"n": {"$ref": "/steps/once/output"}}}
///         },
///         "output": {"$cel": "steps.twice.output + 1"}
///     }"#,
///     &PlanLimits::default(),
/// )?;
/// let plan = document.compile(&tools, &PlanLimits::default())?;
///
/// // A host hands each call to its dispatcher.
/// let caller = |step: StepCall| -> BoxFuture<'static, Result<Output, ToolError>> {
///     Box::pin(async move {
///         let n = step.call.arguments().member("n").and_then(|n| n.as_number()?.as_i64());
///         Output::json(&(2 * n.unwrap_or_default()))
///     })
/// };
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let call = Call::new(&serde_json::json!({}))?;
/// let report = plan.start(PlanInput::new(call, Arc::new(caller))).run().await;
/// assert_eq!(plan.finish(report)?.structured(), Some("13"));
/// # Ok::<(), ToolError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CompiledPlan {
    pub(crate) steps: Arc<Steps>,
    pub(crate) document: PlanDocument,
    pub(crate) annotations: ToolAnnotations,
    pub(crate) calls: u64,
    pub(crate) durable: Option<Arc<str>>,
}

impl CompiledPlan {
    /// Prepares a run: what else it keeps to (limits, a journal, who listens) is said to what this gives. It ends by the
    /// deadline of the call.
    #[must_use = "a run starts with `run`"]
    pub fn start(&self, input: PlanInput) -> Start<PlanInput, PlanValue> {
        let deadline = input.call().deadline();
        let start = self.steps.plan.start(input);
        match deadline {
            Some(deadline) => start.deadline(deadline),
            None => start,
        }
    }

    /// Runs the plan once, and ends as a tool does.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops every step.
    pub fn run(&self, input: PlanInput) -> impl Future<Output = Result<Output, ToolError>> + Send + use<> {
        let (plan, run) = (self.clone(), self.start(input).run());
        async move { plan.finish(run.await) }
    }

    /// The end of a run as the end of a tool's call: the plan's output as structured content.
    ///
    /// # Errors
    ///
    /// When the run did not succeed, or its output cannot be put together: which step decided that, and why.
    pub fn finish(&self, report: RunReport<PlanValue>) -> Result<Output, ToolError> {
        let run = report.run();
        let done = run.ended().iter().filter(|&&step| run.state(step) == StepState::Succeeded).count();
        let tally = format!("{done} of {} steps succeeded", run.graph().len());
        match report.into_result() {
            // Its text is JSON: it was put together of such.
            Ok(value) => Output::json(serde_json::from_str::<&RawValue>(value.text())?),
            Err(error) => Err(explained(&error, &tally)),
        }
    }

    /// How each step ended, in the order in which they stand: name, state, attempts, whether its answer came from a
    /// cache, and its error. What is put together by the plan alone, as its output, is left out.
    pub fn report(&self, report: &RunReport<PlanValue>) -> impl Serialize + fmt::Debug {
        let run = report.run();
        let graph = run.graph();
        let shown = graph.steps().filter(|step| !graph.step_name(*step).contains('('));
        let steps = shown.map(|step| {
            let name = graph.step_name(step);
            StepEnd {
                step: name.to_owned(),
                state: run.state(step).as_str(),
                attempts: run.attempts(step),
                cached: report.value_of::<PlanValue>(name).is_some_and(|value| value.is_cached()),
                error: run.cause(step).map(why),
            }
        });
        StepEnds(steps.collect())
    }

    /// What the plan is, as a tool: it only reads if every step does, destroys if one may, and so on.
    #[must_use]
    pub const fn annotations(&self) -> &ToolAnnotations {
        &self.annotations
    }

    /// How many calls of tools a run can make at most.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// The name that a run of the plan has, if the document asks for a durable one.
    #[must_use]
    pub fn durable(&self) -> Option<&str> {
        self.durable.as_deref()
    }

    /// The document that the plan was made of.
    #[must_use]
    pub const fn document(&self) -> &PlanDocument {
        &self.document
    }

    /// The structure: names, who waits for whom, drawings.
    #[must_use]
    pub fn graph(&self) -> &Arc<CompiledGraph> {
        self.steps.plan.graph()
    }
}

impl fmt::Debug for CompiledPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledPlan")
            .field("graph", self.graph())
            .field("calls", &self.calls)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize)]
struct StepEnd {
    step: String,
    state: &'static str,
    attempts: u32,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug)]
struct StepEnds(Vec<StepEnd>);

impl Serialize for StepEnds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut steps = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|step| steps.serialize_element(step))?;
        steps.end()
    }
}

/// A tool's error in that of a step, or in that of an item of its list, or of a step of a plan that it ran.
fn tool_error(error: &StepError) -> Option<&ToolError> {
    let mut error: &(dyn std::error::Error + 'static) = error.as_error();
    loop {
        if let Some(Failed(failed)) = error.downcast_ref() {
            return Some(failed);
        }
        error = error.source()?;
    }
}

/// A cause, written for whoever runs the plan.
fn why(cause: &Cause) -> String {
    match cause {
        // What a panic said is for the operator.
        Cause::Panicked(_) => "panicked".to_owned(),
        cause => cause.to_string(),
    }
}

/// The tool error of a failed run, written for whoever has to act on it.
fn explained(error: &RunError, tally: &str) -> ToolError {
    let failed = match error.cause() {
        Some(Cause::Error(cause)) => tool_error(cause),
        _ => None,
    };
    let why = error.cause().map_or_else(|| "it was skipped".to_owned(), why);
    let kind = match (failed.map(ToolError::kind), error.cause()) {
        (
            Some(
                kind @ (ErrorKind::Refused(_)
                | ErrorKind::TimedOut
                | ErrorKind::Unavailable
                | ErrorKind::OutcomeUnknown
                | ErrorKind::Panicked),
            ),
            _,
        ) => kind,
        (_, Some(Cause::Deadline | Cause::Overran(_))) => ErrorKind::TimedOut,
        (_, Some(Cause::Panicked(_))) => ErrorKind::Panicked,
        (_, Some(Cause::OutcomeUnknown)) => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::Failed,
    };
    let text = match error.step() {
        Some("(output)") => format!("the output: {why}; {tally}"),
        Some(step) => format!("{}: {why}; {tally}", named(step)),
        None => format!("{why}; {tally}"),
    };
    let explained = ToolError::with_kind(kind, text).with_source(error.clone());
    match failed.and_then(ToolError::retry_after) {
        Some(wait) => explained.with_retry_after(wait),
        None => explained,
    }
}
