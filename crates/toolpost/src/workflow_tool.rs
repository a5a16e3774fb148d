//! A workflow whose steps are tools, as a tool.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toolpost_tool::{Call, ErrorKind, IntoOutput, Output, Tool, ToolError, ToolSpec};
use toolpost_workflow::rt::{RunError, RunReport};
use toolpost_workflow::{
    Cause, EventKind, MapOptions, Needs, OnFailure, Plan, Step, StepContext, StepError, StepHandle, StepState,
};

/// A workflow as a tool: it can be cached, guarded and scheduled like any other.
///
/// The plan's input is the call. A step that calls a tool (see [`CallStep`]) does so under the
/// caller's principal and priority and with what is left of its deadline; it meets whatever layers
/// that tool has. Progress is steps ended of all steps. Dropping the call drops every step.
///
/// In a runtime it takes none of the shared permits (it declares itself [`composite`](ToolSpec::composite)),
/// while its steps take theirs. Do not put it behind a gate that its steps pass too: enough of them at
/// once would leave no permit to any step.
///
/// It keeps no journal: a call that is dropped is gone, and the next one starts anew, where cached steps
/// are hits. For a run that shall go on after a crash, start the plan by hand inside of a tool, with
/// [`Start::journal`](toolpost_workflow::rt::Start::journal) and a name that the caller chooses.
///
/// ```
/// use toolpost::tool::{Call, Json, NoArgs, ToolSpec, tool_fn};
/// use toolpost::workflow::{StepHandle, Workflow};
/// use toolpost::{CallStep as _, Runtime, WorkflowTool};
///
/// let count = tool_fn("count", |_: NoArgs, _| async { Ok(Json(40_u64)) });
/// let extra = tool_fn("extra", |_: NoArgs, _| async { Ok(Json(2_u64)) });
///
/// let mut w = Workflow::<Call>::new("total");
/// let a: StepHandle<u64> = w.step("count").call_for(count, (), |()| NoArgs {});
/// let b: StepHandle<u64> = w.step("extra").call_for(extra, (), |()| NoArgs {});
/// let sum = w.step("sum").compute((a, b), |(a, b)| Json(*a + *b));
/// let total = WorkflowTool::new(ToolSpec::new("total").unwrap(), w.build(sum).unwrap());
///
/// let runtime = Runtime::builder().tool(total).build().unwrap();
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let output = runtime.call("total", &serde_json::json!({})).await.unwrap();
/// assert_eq!(output.structured(), Some("42"));
/// # });
/// ```
pub struct WorkflowTool<O> {
    spec: ToolSpec,
    plan: Plan<Call, O>,
    limit: Option<usize>,
    on_failure: OnFailure,
}

impl<O: IntoOutput + Clone + Sync + 'static> WorkflowTool<O> {
    /// A tool that runs `plan` once per call. An output schema left out is filled in from `O`.
    #[must_use]
    pub fn new(spec: ToolSpec, plan: Plan<Call, O>) -> Self {
        let spec = match (spec.output_schema(), O::schema()) {
            (None, Some(schema)) => spec.with_output_schema(schema),
            _ => spec,
        };
        let spec = spec.composite();
        Self { spec, plan, limit: None, on_failure: OnFailure::default() }
    }

    /// Takes the input schema, and a description left empty, from the type of the arguments, as [`ToolSpec::taking`].
    #[must_use]
    pub fn taking<A: JsonSchema>(mut self) -> Self {
        self.spec = self.spec.taking::<A>();
        self
    }

    /// Runs at most so many steps of one call at once.
    ///
    /// # Panics
    ///
    /// When `steps` is zero.
    #[must_use]
    pub const fn limit(mut self, steps: usize) -> Self {
        assert!(0 < steps, "no step would ever start");
        self.limit = Some(steps);
        self
    }

    /// What the failure of a step means where its own policy does not say.
    #[must_use]
    pub const fn on_failure(mut self, rule: OnFailure) -> Self {
        self.on_failure = rule;
        self
    }

    /// The plan that is run.
    #[must_use]
    pub const fn plan(&self) -> &Plan<Call, O> {
        &self.plan
    }
}

impl<O: IntoOutput + Clone + Sync + 'static> Tool for WorkflowTool<O> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let mut start = self.plan.start(call.clone()).on_failure(self.on_failure);
        if let Some(limit) = self.limit {
            start = start.limit(limit);
        }
        if let Some(deadline) = call.deadline() {
            start = start.deadline(deadline);
        }
        if call.is_observed() {
            start = start.listen(move |event| {
                if let EventKind::Ended { name, state, .. } = &event.kind {
                    let (done, total) = (event.completed as f64, event.total as f64);
                    call.progress(done, Some(total), Some(&format!("{name}: {state}")));
                }
            });
        }
        end(start.run().await)
    }
}

impl<O> fmt::Debug for WorkflowTool<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowTool")
            .field("name", &self.spec.name())
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// Ends a step of a workflow over calls by what it does: calling a tool, or decoding arguments.
pub trait CallStep: Sized {
    /// Decodes the arguments of the workflow's own call.
    fn arguments<A: DeserializeOwned + Send + Sync + 'static>(self) -> StepHandle<A>;

    /// Calls `tool` with arguments made of these values. Its result as it stands is the value.
    fn call<T, N, A>(
        self,
        tool: T,
        needs: N,
        arguments: impl Fn(N::Item) -> A + Send + Sync + 'static,
    ) -> StepHandle<Output>
    where
        T: Tool,
        N: Needs,
        A: Serialize;

    /// Calls `tool` with arguments made of these values. Its structured result, decoded, is the value.
    fn call_for<R, T, N, A>(
        self,
        tool: T,
        needs: N,
        arguments: impl Fn(N::Item) -> A + Send + Sync + 'static,
    ) -> StepHandle<R>
    where
        R: DeserializeOwned + Send + Sync + 'static,
        T: Tool,
        N: Needs,
        A: Serialize;

    /// Calls `tool` once for every item of a list; see [`Step::map`].
    fn call_for_each<R, T, I, A>(
        self,
        rule: MapOptions,
        tool: T,
        items: StepHandle<Vec<I>>,
        arguments: impl Fn(&I) -> A + Send + Sync + 'static,
    ) -> StepHandle<Vec<Result<R, StepError>>>
    where
        R: DeserializeOwned + Send + Sync + 'static,
        T: Tool,
        I: Clone + Send + Sync + 'static,
        A: Serialize;
}

impl CallStep for Step<'_, Call> {
    fn arguments<A: DeserializeOwned + Send + Sync + 'static>(self) -> StepHandle<A> {
        self.run_with((), |_, call: Arc<Call>, ()| {
            std::future::ready(call.args::<A>().map_err(|error| Failed { error, own: true }.into()))
        })
    }

    fn call<T, N, A>(
        self,
        tool: T,
        needs: N,
        arguments: impl Fn(N::Item) -> A + Send + Sync + 'static,
    ) -> StepHandle<Output>
    where
        T: Tool,
        N: Needs,
        A: Serialize,
    {
        let tool = Arc::new(tool);
        self.run_with(needs, move |step, call: Arc<Call>, item| {
            let inner = child(&call, &step, tool.spec(), &arguments(item));
            let tool = Arc::clone(&tool);
            async move { checked(tool.call(inner?).await) }
        })
    }

    fn call_for<R, T, N, A>(
        self,
        tool: T,
        needs: N,
        arguments: impl Fn(N::Item) -> A + Send + Sync + 'static,
    ) -> StepHandle<R>
    where
        R: DeserializeOwned + Send + Sync + 'static,
        T: Tool,
        N: Needs,
        A: Serialize,
    {
        let tool = Arc::new(tool);
        self.run_with(needs, move |step, call: Arc<Call>, item| {
            let inner = child(&call, &step, tool.spec(), &arguments(item));
            let tool = Arc::clone(&tool);
            async move { decoded(&checked(tool.call(inner?).await)?) }
        })
    }

    fn call_for_each<R, T, I, A>(
        self,
        rule: MapOptions,
        tool: T,
        items: StepHandle<Vec<I>>,
        arguments: impl Fn(&I) -> A + Send + Sync + 'static,
    ) -> StepHandle<Vec<Result<R, StepError>>>
    where
        R: DeserializeOwned + Send + Sync + 'static,
        T: Tool,
        I: Clone + Send + Sync + 'static,
        A: Serialize,
    {
        let tool = Arc::new(tool);
        self.map_with(rule, items, move |step, call: Arc<Call>, item| {
            let inner = child(&call, &step, tool.spec(), &arguments(&item));
            let tool = Arc::clone(&tool);
            async move { decoded(&checked(tool.call(inner?).await)?) }
        })
    }
}

/// The call of a step: the caller's principal and priority, what is left of its time, its own arguments.
fn child<A: Serialize>(
    call: &Call,
    step: &StepContext,
    tool: &ToolSpec,
    arguments: &A,
) -> Result<Call, StepError> {
    let inner = call.child(tool.name(), arguments).map_err(|error| Failed { error, own: false })?;
    let inner = inner.with_attempt(step.attempt());
    Ok(match step.deadline() {
        Some(deadline) => inner.due_by(deadline),
        None => inner,
    })
}

fn checked(result: Result<Output, ToolError>) -> Result<Output, StepError> {
    match result {
        Ok(output) if output.is_error() => {
            let text = output.as_text().unwrap_or("the tool reports a failure").to_owned();
            Err(Failed { error: ToolError::new(text), own: false }.into())
        }
        Ok(output) => Ok(output),
        Err(error) => {
            let hopeless = matches!(
                error.kind(),
                ErrorKind::InvalidArguments
                    | ErrorKind::Protocol
                    | ErrorKind::InputRequired
                    | ErrorKind::Cancelled
            );
            let wait = error.retry_after();
            let error = StepError::from(Failed { error, own: false });
            let error = wait.into_iter().fold(error, StepError::with_retry_after);
            Err(if hopeless { error.permanent() } else { error })
        }
    }
}

fn decoded<R: DeserializeOwned>(output: &Output) -> Result<R, StepError> {
    let structured = output
        .structured()
        .ok_or_else(|| StepError::message("the tool's result has no structured content").permanent())?;
    serde_json::from_str(structured).map_err(|error| {
        StepError::message(format!("the tool's structured result is not what the workflow expects: {error}"))
            .permanent()
    })
}

/// A tool's error on its way through a workflow.
#[derive(Debug)]
struct Failed {
    error: ToolError,
    /// Whether it is about the workflow's own arguments.
    own: bool,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

fn end<O: IntoOutput + Clone + Sync + 'static>(report: RunReport<O>) -> Result<Output, ToolError> {
    let run = report.run();
    let done = run.ended().iter().filter(|&&step| run.state(step) == StepState::Succeeded).count();
    let tally = format!("{done} of {} steps succeeded", run.graph().len());
    match report.into_result() {
        Ok(output) => O::clone(&output).into_output(),
        Err(error) => Err(explained(&error, &tally)),
    }
}

/// A tool's error in that of a step, or in that of the last item of its list.
fn failed(error: &StepError) -> Option<&Failed> {
    let error = error.as_error();
    error.downcast_ref().or_else(|| error.source()?.downcast_ref())
}

/// The tool error of a failed run, written for whoever has to act on it.
fn explained(error: &RunError, tally: &str) -> ToolError {
    let failed = match error.cause() {
        Some(Cause::Error(cause)) => failed(cause),
        _ => None,
    };
    let why = match (failed, error.cause()) {
        (Some(Failed { error, own: true }), _) => return error.clone(),
        (Some(Failed { error, .. }), _) if error.kind() == ErrorKind::InputRequired => {
            "its tool asks for input, which a step of a workflow cannot give".to_owned()
        }
        // What a panic said is for the operator.
        (_, Some(Cause::Panicked(_))) => "panicked".to_owned(),
        (_, Some(cause)) => cause.to_string(),
        (_, None) => "it was skipped".to_owned(),
    };
    let kind = match (failed.map(|failed| failed.error.kind()), error.cause()) {
        (
            Some(
                kind @ (ErrorKind::Refused(_)
                | ErrorKind::TimedOut
                | ErrorKind::Unavailable
                | ErrorKind::Panicked),
            ),
            _,
        ) => kind,
        (_, Some(Cause::Deadline | Cause::Overran(_))) => ErrorKind::TimedOut,
        (_, Some(Cause::Panicked(_))) => ErrorKind::Panicked,
        _ => ErrorKind::Failed,
    };
    let text = match error.step() {
        Some(step) => format!("step `{step}`: {why}; {tally}"),
        None => format!("{why}; {tally}"),
    };
    let explained = ToolError::with_kind(kind, text).with_source(error.clone());
    match failed.and_then(|failed| failed.error.retry_after()) {
        Some(wait) => explained.with_retry_after(wait),
        None => explained,
    }
}
