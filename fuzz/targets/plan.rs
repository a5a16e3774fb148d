//! Any text as the document of a plan, and as an expression in one: it is refused with places and reasons of bounded length,
//! or it runs to an end.

use std::sync::Arc;

use serde_json::json;
use toolpost_plan::{PlanDocument, PlanInput, PlanLimits, PlanTool, PlanTools, RefusedPlan, StepCall};
use toolpost_tool::{BoxFuture, Call, Output, ToolError, ToolSpec};

/// What a refusal says, at most: a hundred faults.
const SAID_MAX: usize = 1 << 16;

struct Tools(Vec<ToolSpec>);

impl PlanTools for Tools {
    fn find(&self, name: &str) -> Option<PlanTool<'_>> {
        let spec = self.0.iter().find(|spec| spec.name() == name)?;
        Some(if name == "shut" { PlanTool::denied(spec, "no") } else { PlanTool::new(spec) })
    }
}

fn answer(step: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
    Box::pin(async move {
        let arguments: serde_json::Value = step.call.args()?;
        match arguments["fail"].is_null() {
            true => Output::json(&arguments),
            false => Err(ToolError::new("asked to")),
        }
    })
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let limits = PlanLimits { calls: 500, items: 10, ..PlanLimits::default() };
    let object = |properties| json!({ "type": "object", "properties": properties, "required": ["a"] });
    let spec = |name: &str| ToolSpec::new(name).expect("a name");
    let tools = Tools(vec![
        spec("echo").read_only(),
        spec("shut"),
        spec("typed")
            .with_input_schema(object(json!({ "a": { "type": "integer" } })))
            .with_output_schema(object(json!({ "a": { "type": "integer" } }))),
    ]);
    let attempt = |text: String| {
        let plan =
            match PlanDocument::parse(text, &limits).and_then(|document| document.compile(&tools, &limits)) {
                Ok(plan) => plan,
                Err(refused) => return told(&refused),
            };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let call = Call::new(&json!({})).expect("an object");
        match runtime.expect("a runtime").block_on(plan.run(PlanInput::new(call, Arc::new(answer)))) {
            Ok(output) => assert!(output.structured().is_some()),
            Err(error) => assert!(error.to_string().len() < SAID_MAX, "{error}"),
        }
    };
    attempt(text.to_owned());
    attempt(json!({ "steps": {}, "output": { "$cel": text } }).to_string());
}

fn told(refused: &RefusedPlan) {
    assert!(!refused.faults().is_empty());
    assert!(refused.to_string().len() < SAID_MAX, "{refused}");
    for fault in refused.faults() {
        assert!(fault.path().is_empty() || fault.path().starts_with('/'), "{fault}");
    }
}
