//! Tools to plan with, and a caller that keeps count.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use toolpost_dispatch::{Schema, nearest};
use toolpost_json::Node;
use toolpost_plan::{
    CompiledPlan, PlanDocument, PlanFaultKind, PlanInput, PlanLimits, PlanTool, PlanTools, RefusedPlan,
    StepCall, StepCaller,
};
use toolpost_tool::{BoxFuture, Call, Output, ToolError, ToolSpec};

/// Specs by name; `delete` is there, and not for this caller.
pub(crate) struct Tools(Vec<ToolSpec>);

impl PlanTools for Tools {
    fn find(&self, name: &str) -> Option<PlanTool<'_>> {
        let spec = self.0.iter().find(|spec| spec.name() == name)?;
        Some(match name {
            "delete" => PlanTool::denied(spec, "readers do not delete"),
            _ => PlanTool::new(spec),
        })
    }

    fn near(&self, name: &str) -> Vec<String> {
        nearest(name, self.0.iter().map(ToolSpec::name)).into_iter().map(String::from).collect()
    }

    fn check(&self, tool: &ToolSpec, arguments: Node<'_>) -> Result<(), String> {
        Schema::compile(tool.input_schema()).map_err(|e| e.to_string())?.check(arguments, "arguments")
    }
}

pub(crate) fn tools() -> Tools {
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let file = json!({ "type": "object", "properties": { "path": { "type": "string" }, "bytes": { "type": "integer" } },
        "required": ["path", "bytes"] });
    let spec = |name: &str, input: Value| ToolSpec::new(name).expect("a name").with_input_schema(input);
    Tools(vec![
        spec("list_files", object(json!({ "glob": { "type": "string" } }), json!([])))
            .with_output_schema(json!({ "type": "object",
                "properties": { "files": { "type": "array", "items": { "$ref": "#/$defs/file" } }, "truncated": { "type": "boolean" } },
                "required": ["files"], "$defs": { "file": file } }))
            .read_only(),
        spec("read_file", object(json!({ "path": { "type": "string", "minLength": 1 }, "lines": { "type": "integer", "minimum": 1 } }), json!(["path"])))
            .with_output_schema(json!({ "type": "object", "properties": { "content": { "type": "string" } }, "required": ["content"] }))
            .read_only(),
        spec("echo", json!({ "type": "object" })).read_only(),
        spec("send", object(json!({ "text": {} }), json!(["text"]))),
        spec("delete", json!({ "type": "object" })),
    ])
}

/// Calls that were made: tool and arguments.
#[derive(Clone, Default)]
pub(crate) struct Made {
    pub(crate) count: Arc<AtomicUsize>,
    pub(crate) calls: Arc<Mutex<Vec<(String, String)>>>,
}

impl Made {
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Answers as the tools do: `echo` and `send` with their arguments, and `fail` among them fails.
impl StepCaller for Made {
    fn call(&self, step: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let text = step.call.arguments().raw().to_owned();
        self.calls.lock().expect("nobody panicked").push((step.call.tool().to_owned(), text.clone()));
        Box::pin(async move {
            let arguments: Value = serde_json::from_str(&text)?;
            if let Some(why) = arguments["fail"].as_str() {
                return Err(ToolError::new(why.to_owned()));
            }
            match step.call.tool() {
                "list_files" => Output::json(&json!({ "files": [
                    { "path": "a.md", "bytes": 3 }, { "path": "b.md", "bytes": 40 }, { "path": "c/d.md", "bytes": 500 },
                ] })),
                "read_file" => Output::json(
                    &json!({ "content": format!("text of {}", arguments["path"].as_str().unwrap_or("?")) }),
                ),
                _ => Output::json(&arguments),
            }
        })
    }
}

pub(crate) fn compile(document: &Value) -> Result<CompiledPlan, RefusedPlan> {
    compile_text(&document.to_string())
}

pub(crate) fn compile_text(text: &str) -> Result<CompiledPlan, RefusedPlan> {
    let limits = PlanLimits::default();
    PlanDocument::parse(text.to_owned(), &limits)?.compile(&tools(), &limits)
}

/// Kind and place of each fault.
pub(crate) fn faults(document: &Value) -> Vec<(PlanFaultKind, String)> {
    let refused = compile(document).expect_err("it ought to be refused");
    refused.faults().iter().map(|fault| (fault.kind(), fault.path().to_owned())).collect()
}

pub(crate) fn input(made: &Made) -> PlanInput {
    PlanInput::new(Call::new(&json!({})).expect("an object"), Arc::new(made.clone()))
}

/// What a document comes to.
pub(crate) async fn run(document: &Value, made: &Made) -> Result<Value, ToolError> {
    let plan = compile(document).map_err(|refused| ToolError::new(refused.to_string()))?;
    let output = plan.run(input(made)).await?;
    Ok(serde_json::from_str(output.structured().expect("structured content"))?)
}
