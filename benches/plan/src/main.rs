//! Measures a step of a plan beside the same step of the engine alone, the check of a document, and a condition beside the
//! crate `cel`.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and spawns")]

use std::fmt::Write as _;
use std::future::{Future, ready};
use std::sync::Arc;

use bytestring::ByteString;
use harness::{Cases, Counting, Goals};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};
use toolpost_json::{Frame, Limits};
use toolpost_plan::{
    CompiledPlan, PlanDocument, PlanInput, PlanLimits, PlanTool, PlanTools, StepCall, StepCaller,
};
use toolpost_tool::{BoxFuture, Call, Output, ToolError, ToolSpec};
use toolpost_workflow::{Graph, Plan, StepError};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const STEPS: usize = 100;

struct Tools(ToolSpec);

impl PlanTools for Tools {
    fn find(&self, name: &str) -> Option<PlanTool<'_>> {
        (name == self.0.name()).then(|| PlanTool::new(&self.0))
    }
}

fn tools() -> Tools {
    let object = json!({ "type": "object", "properties": { "n": { "type": "integer" }, "text": { "type": "string" } },
        "required": ["n", "text"], "additionalProperties": false });
    Tools(
        ToolSpec::new("echo")
            .expect("a name")
            .with_input_schema(object.clone())
            .with_output_schema(object)
            .read_only(),
    )
}

/// A chain, each step with a part of what the one before it answered.
fn document() -> String {
    let mut text =
        r#"{"steps":{"s0":{"tool":"echo","arguments":{"n":1,"text":"the first of them"}}"#.to_owned();
    for n in 1..STEPS {
        let before = n - 1;
        let _ = write!(
            text,
            r#","s{n}":{{"tool":"echo","arguments":{{"n":{{"$ref":"/steps/s{before}/output/n"}},"text":"one of them"}}}}"#
        );
    }
    let _ = write!(text, r#"}},"output":{{"$ref":"/steps/s{}/output"}}}}"#, STEPS - 1);
    text
}

/// Answers with the arguments, as structured content.
fn answer(text: &str) -> Result<Output, ToolError> {
    Output::json(serde_json::from_str::<&RawValue>(text)?)
}

struct Echo;

impl StepCaller for Echo {
    fn call(&self, step: StepCall) -> BoxFuture<'static, Result<Output, ToolError>> {
        Box::pin(async move { answer(step.call.arguments().raw()) })
    }
}

/// The same chain on the engine alone: JSON goes from step to step as it is.
fn bare() -> Plan<(), ByteString> {
    chain(|before| {
        ready(Ok(before.cloned().unwrap_or_else(|| r#"{"n":1,"text":"the first of them"}"#.into())))
    })
}

/// The same chain by hand: each step looks into the JSON, makes arguments, and calls.
fn by_hand(call: &Call) -> Plan<(), ByteString> {
    let call = call.clone();
    chain(move |before| {
        let (before, call) = (before.cloned(), call.clone());
        async move {
            let text = match before {
                None => ByteString::from_static(r#"{"n":1,"text":"the first of them"}"#),
                Some(before) => {
                    let frame = Frame::from_text(before, &Limits::new())?;
                    let n = frame.root().member("n").map_or("null", |n| n.raw());
                    format!(r#"{{"n":{n},"text":"one of them"}}"#).into()
                }
            };
            let call = call
                .child_of("echo", Frame::from_text(text, &Limits::new())?)
                .map_err(ToolError::into_std)?;
            let answered = Box::pin(async move { answer(call.arguments().raw()) }).await;
            let output = answered.map_err(ToolError::into_std)?;
            Ok(output.structured_text().cloned().unwrap_or_default())
        }
    })
}

fn chain<F: Future<Output = Result<ByteString, StepError>> + Send + 'static>(
    step: impl Fn(Option<&ByteString>) -> F + Clone + Send + Sync + 'static,
) -> Plan<(), ByteString> {
    let mut graph = Graph::<(), ByteString>::new("chain");
    for n in 0..STEPS {
        let step = step.clone();
        let before = n.checked_sub(1).map(|before| format!("s{before}"));
        graph
            .step(&format!("s{n}"))
            .needs(before)
            .run(move |inputs| step(inputs.at(0).map(|value| &**value)));
    }
    graph.build(&format!("s{}", STEPS - 1)).expect("a plan")
}

const CONDITION: &str = "size(input.files) > 2 && input.files.exists(f, f.bytes > 400)";

fn condition() -> CompiledPlan {
    let text = json!({ "steps": {}, "output": { "$cel": CONDITION } }).to_string();
    let limits = PlanLimits::default();
    PlanDocument::parse(text, &limits)
        .and_then(|document| document.compile(&tools(), &limits))
        .expect("a plan")
}

fn files() -> serde_json::Value {
    json!({ "files": [{ "path": "a", "bytes": 3 }, { "path": "b", "bytes": 40 }, { "path": "c", "bytes": 500 }] })
}

fn main() {
    let one = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (tools, limits, text) = (tools(), PlanLimits::default(), document());
    let text = ByteString::from(text);
    let compile = || {
        let document = PlanDocument::parse(text.clone(), &limits).expect("JSON");
        document.compile(&tools, &limits).expect("a plan")
    };
    let call = Call::new(&json!({})).expect("an object");
    let caller: Arc<dyn StepCaller> = Arc::new(Echo);
    let input = || PlanInput::new(call.clone(), Arc::clone(&caller));
    let (plan, bare, by_hand) = (compile(), bare(), by_hand(&call));
    let condition = condition();
    let frame = Frame::from_serialize(&files()).expect("encodes");
    let text_of_files = frame.text().clone();
    let expected = one.block_on(condition.run(input().with_input(frame.clone()))).expect("a value");
    assert_eq!(expected.structured(), Some("true"));

    let figures = Cases::new()
        .batch("chain 100, engine alone", each(&one, || async { drop(bare.run(()).await) }))
        .batch("chain 100, by hand", each(&one, || async { drop(by_hand.run(()).await) }))
        .batch("chain 100, plan", each(&one, || async { drop(plan.run(input()).await.expect("an output")) }))
        .case("compile 100 steps", compile)
        .batch(
            "condition over JSON, plan",
            each(&one, || async {
                let frame = Frame::from_text(text_of_files.clone(), &Limits::new()).expect("JSON");
                drop(condition.run(input().with_input(frame)).await.expect("a value"));
            }),
        )
        .case("condition over JSON, cel", {
            let program = cel::Program::compile(CONDITION).expect("an expression");
            let text = text_of_files.clone();
            move || {
                let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let mut context = cel::Context::default();
                context.add_variable("input", value).expect("a value");
                program.execute(&context).expect("a value")
            }
        })
        .case("read a condition, plan", || {
            let limits = PlanLimits::default();
            let text = r#"{"steps":{},"output":{"$cel":"size(input.files) > 2 && input.files.exists(f, f.bytes > 400)"}}"#;
            PlanDocument::parse(text, &limits).and_then(|d| d.compile(&tools, &limits)).expect("a plan")
        })
        .case("read a condition, cel", || cel::Program::compile(CONDITION).expect("an expression"))
        .main();

    let ns = |case: &str| figures.get(case).map_or(f64::NAN, |figure| figure.ns);
    let instructions = |case: &str| figures.get(case).and_then(|f| f.instructions).unwrap_or(f64::NAN);
    let steps = STEPS as f64;
    println!();
    let mut goals = Goals::new();
    let over = |of: &dyn Fn(&str) -> f64| (of("chain 100, plan") - of("chain 100, engine alone")) / steps;
    goals.time("a step of a plan, beyond the engine alone", over(&ns), 463.0);
    goals.time("a step of a plan", ns("chain 100, plan") / steps, 628.0);
    goals.time("the check of 100 steps", ns("compile 100 steps"), 166_000.0);
    // By processor time (a run of one case, timed from outside), 1 us of these cases is some 13,000 instructions: a step is
    // to take 1 us at most beyond the engine alone, its tool's own work included, and the check of 100 steps 200 us.
    goals.at_most("instructions of a step of a plan, beyond the engine alone", over(&instructions), 13_000.0);
    goals.at_most("instructions of the check of 100 steps", instructions("compile 100 steps"), 2_800_000.0);
    goals.at_most(
        "a step of a plan, of the same by hand, in instructions",
        instructions("chain 100, plan") / instructions("chain 100, by hand"),
        1.5,
    );
    goals.at_least(
        "times cheaper than cel: a condition over JSON that was just received",
        instructions("condition over JSON, cel") / instructions("condition over JSON, plan"),
        1.0,
    );
    goals.at_least(
        "times cheaper than cel: reading a condition",
        instructions("read a condition, cel") / instructions("read a condition, plan"),
        5.0,
    );
    std::process::exit(i32::from(!goals.finish()));
}

/// A batch that blocks once on all of its runs, so that entering the runtime is not part of the figure.
fn each<'a, F: Future<Output = ()>>(runtime: &'a Runtime, run: impl Fn() -> F + 'a) -> impl FnMut(u64) + 'a {
    move |n| {
        runtime.block_on(async {
            for _ in 0..n {
                run().await;
            }
        });
    }
}
