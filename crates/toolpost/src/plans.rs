//! Plans as tools: a whole workflow of tools as one call.

mod cursor;
mod kept;
mod schema;
mod steps;
mod tools;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use toolpost_plan::{CompiledPlan, PlanDocument, PlanInput, PlanLimits, RefusedPlan, TemplateRegistry};
use toolpost_tool::{
    AnyTool, Call, ErrorKind, Output, Principal, Tool, ToolAnnotations, ToolError, ToolSpec,
};
use toolpost_workflow::EventKind;

use crate::{Approvals, Peers};
use cursor::Carried;
use kept::KeptRuns;
use steps::{Steps, budget, with_budget};
use tools::Allowed;

/// Makes tools that run plans over the tools of a runtime: `run_workflow`, whose argument is the document, and one for each
/// template.
///
/// A plan is checked whole, against the tools that its caller may use, before its first step runs; each step is a call like
/// any other, under the caller's own principal, priority and deadline. The result is the plan's output and nothing else.
/// Progress is steps ended of all steps. Plans that run plans share one bound on the calls that they make
/// ([`PlanLimits::calls`]), and calls nest as deep as [`Peers`] says.
///
/// **A step that needs input** (an approval, a form that its tool shows) ends the call once nothing else runs, with the
/// questions of all steps that wait. What was done until then travels in the call's state, which a server seals, so that any
/// replica goes on with the answers: a call that has ended is not made again. What is longer than 16 KiB is
/// [kept](Self::keep_in) by the server under a name that travels in its place. A step that waits for a person holds nothing.
///
/// ```
/// use serde_json::json;
/// use toolpost::tool::{Call, Json, NoArgs, tool_fn};
/// use toolpost::{Peers, PlanRunner, Runtime};
///
/// let peers = Peers::new();
/// let stock = tool_fn("stock", |_: NoArgs, _: Call| async { Ok(Json(json!({ "left": 12, "shelf": "B4" }))) });
/// let runtime = Runtime::builder().tool(stock).any(PlanRunner::new(&peers).tool()).build().unwrap();
/// assert!(peers.bind(&runtime));
///
/// let workflow = json!({
///     "steps": { "stock": { "tool": "stock" } },
///     "output": { "$ref": "/steps/stock/output/left" },
/// });
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let output = runtime.call("run_workflow", &json!({ "workflow": workflow })).await.unwrap();
/// assert_eq!(output.structured(), Some("12"));
/// # });
/// ```
#[derive(Clone)]
pub struct PlanRunner {
    peers: Peers,
    limits: PlanLimits,
    approvals: Approvals,
    kept: KeptRuns,
    only_reads: bool,
}

/// How long a call of a plan may take, unless a host says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(300);

impl PlanRunner {
    /// Runs plans over the tools that `peers` will have.
    #[must_use]
    pub fn new(peers: &Peers) -> Self {
        Self {
            peers: peers.clone(),
            limits: PlanLimits::default(),
            approvals: Approvals::new(),
            kept: KeptRuns::default(),
            only_reads: false,
        }
    }

    /// Sets what a plan may cost.
    #[must_use]
    pub fn limits(mut self, limits: PlanLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how a person is asked about steps that say `needsApproval`. Tools that need an approval themselves ask as the
    /// [runtime](crate::RuntimeBuilder::approvals) says.
    #[must_use]
    pub fn approvals(mut self, approvals: Approvals) -> Self {
        self.approvals = approvals;
        self
    }

    /// Lets plans use tools that only read, and says so of the tools that run them.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.only_reads = true;
        self
    }

    /// Keeps what suspended runs have done, where that is too long to travel, in files of the directory `path`, which is made if
    /// it is not there: processes that share it go on with each other's. Without it they are in memory. Call it where
    /// blocking is allowed.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made.
    pub fn keep_in(mut self, path: impl AsRef<Path>) -> io::Result<Self> {
        self.kept = KeptRuns::in_directory(path.as_ref())?;
        Ok(self)
    }

    /// The tool `run_workflow`. With `report` among its arguments its result is an object of the `output` and the `steps`: how
    /// each ended, and whether its answer came from a cache.
    ///
    /// # Panics
    ///
    /// Never: its name is one.
    #[must_use]
    pub fn tool(&self) -> AnyTool {
        #[expect(clippy::expect_used, reason = "the name is one")]
        let spec = ToolSpec::new("run_workflow").expect("a name");
        let spec = spec.with_description(schema::DESCRIPTION).with_input_schema(schema::arguments());
        AnyTool::new(RunWorkflow { spec: self.spec(spec), runner: self.clone() })
    }

    /// A tool that runs the newest template of this name that fits `version` (`^1.2`), with the template's parameters for its
    /// arguments; `None` if there is none.
    #[must_use]
    pub fn template(
        &self,
        templates: &Arc<TemplateRegistry>,
        name: &str,
        version: Option<&str>,
    ) -> Option<AnyTool> {
        let template = templates.find(name, version)?;
        let spec = ToolSpec::new(name).ok()?;
        let spec = spec
            .with_description(template.description())
            .with_version(template.version())
            .with_input_schema(template.input_schema());
        let version = format!("={}", template.version());
        let (templates, name) = (Arc::clone(templates), name.to_owned());
        Some(AnyTool::new(RunTemplate {
            spec: self.spec(spec),
            templates,
            name,
            version,
            runner: self.clone(),
        }))
    }

    /// Checks a document against the tools that `principal` may use, now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. Without a runtime that is bound to the peers there are no tools.
    pub fn compile(
        &self,
        document: &PlanDocument,
        principal: &Principal,
    ) -> Result<CompiledPlan, RefusedPlan> {
        document.compile(&Allowed::new(self.peers.dispatcher(), principal, self.only_reads), &self.limits)
    }

    /// What begins a run of a plan by hand (`plan.start(..)`), for whoever listens to it or keeps a journal. A step that needs
    /// input fails.
    #[must_use]
    pub fn input(&self, call: &Call) -> PlanInput {
        let steps = Steps::new(self, call, cursor::Cursor::default(), budget(self.limits.calls), false);
        PlanInput::new(call.clone(), steps.caller())
    }

    fn spec(&self, spec: ToolSpec) -> ToolSpec {
        let spec = spec.composite().with_time_limit(TIME_LIMIT);
        match self.only_reads {
            true => spec.read_only(),
            false => {
                let mut worst = ToolAnnotations::new();
                (worst.read_only, worst.destructive, worst.open_world) =
                    (Some(false), Some(true), Some(true));
                spec.with_annotations(worst)
            }
        }
    }

    /// Runs a plan, from where an earlier round of the call left off.
    async fn run(&self, plan: CompiledPlan, call: Call, wants_report: bool) -> Result<Output, ToolError> {
        if plan.durable().is_some() {
            return Err(ToolError::invalid_arguments(
                "/durable: runs that have names are not kept here (leave `durable` out)",
            ));
        }
        let earlier = match call.state::<Carried>()? {
            None => cursor::Cursor::default(),
            Some(Carried::Here(cursor)) => cursor,
            Some(Carried::Kept(name)) => self.kept.load(&name).await?,
        };
        let work = budget(self.limits.calls);
        let steps = Steps::new(self, &call, earlier, Arc::clone(&work), true);
        let mut start = plan.start(PlanInput::new(call.clone(), steps.caller()));
        if call.is_observed() {
            let (steps, call) = (Arc::clone(&steps), call.clone());
            start = start.listen(move |event| {
                if let EventKind::Ended { name, state, .. } = &event.kind
                    && !name.starts_with('(')
                    && !steps.is_closed()
                {
                    let (done, total) = (event.completed as f64, event.total as f64);
                    call.progress(done, Some(total), Some(&format!("{name}: {state}")));
                }
            });
        }
        let report = {
            let mut run = pin!(with_budget(work, start.run()));
            let report = poll_fn(|cx| match run.as_mut().poll(cx) {
                Poll::Ready(report) => Poll::Ready(Some(report)),
                Poll::Pending if steps.is_stuck() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await;
            // What is dropped with the run has not ended.
            steps.close();
            report
        };
        let Some(report) = report else { return Err(self.suspended(&steps).await?) };
        let steps = wants_report.then(|| serde_json::to_value(plan.report(&report))).transpose()?;
        let output = plan.finish(report)?;
        match steps {
            None => Ok(output),
            Some(steps) => {
                let structured = output.structured().unwrap_or("null");
                Output::json(&Reported { output: serde_json::from_str(structured)?, steps })
            }
        }
    }

    /// The error that asks what the steps ask, with what was done until now.
    async fn suspended(&self, steps: &Steps) -> Result<ToolError, ToolError> {
        let (required, cursor) = steps.suspended()?;
        let text = serde_json::to_string(&cursor)?;
        let carried = match text.len() {
            ..=cursor::TRAVELS => Carried::Here(cursor),
            _ => Carried::Kept(self.kept.keep(text).await?),
        };
        Ok(ToolError::input_required(required.with_state(&carried)?))
    }
}

#[derive(Serialize)]
struct Reported<'a> {
    #[serde(borrow)]
    output: &'a RawValue,
    steps: serde_json::Value,
}

/// The tool whose argument is a document.
struct RunWorkflow {
    spec: ToolSpec,
    runner: PlanRunner,
}

impl Tool for RunWorkflow {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let arguments = call.arguments();
        let document = arguments.member("workflow").ok_or_else(|| {
            ToolError::invalid_arguments("argument `workflow` is missing: the document of the workflow")
        })?;
        let wants_report = arguments.member("report").and_then(toolpost_json::Node::as_bool) == Some(true);
        let plan = PlanDocument::from_node(document, &self.runner.limits)
            .and_then(|document| self.runner.compile(&document, call.principal()))
            .map_err(|refused| ToolError::invalid_arguments(format!("argument `workflow`: {refused}")))?;
        self.runner.run(plan, call, wants_report).await
    }
}

/// A tool that runs a template.
struct RunTemplate {
    spec: ToolSpec,
    templates: Arc<TemplateRegistry>,
    name: String,
    version: String,
    runner: PlanRunner,
}

impl Tool for RunTemplate {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let document = self
            .templates
            .instantiate(&self.name, Some(&self.version), &call.args()?)
            .map_err(|refused| ToolError::invalid_arguments(refused.to_string()))?;
        let plan = PlanDocument::parse(document.to_string(), &self.runner.limits)
            .and_then(|document| self.runner.compile(&document, call.principal()))
            .map_err(|refused| {
                ToolError::with_kind(
                    ErrorKind::Unavailable,
                    format!("the template `{}` comes to no plan here: {refused}", self.name),
                )
            })?;
        self.runner.run(plan, call, false).await
    }
}

impl fmt::Debug for PlanRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanRunner")
            .field("limits", &self.limits)
            .field("only_reads", &self.only_reads)
            .finish_non_exhaustive()
    }
}
