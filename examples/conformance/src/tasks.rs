//! Tools whose calls may outlive their requests.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toolpost::dispatch::RegistryBuilder;
use toolpost::protocol::{Code, Error};
use toolpost::tool::{Call, NoArgs, TaskSupport, ToolError, ToolSpec};

use crate::inputs::{ask, content};
use crate::tools::described;

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Compute {
    seconds: Option<f64>,
    label: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    filename: String,
}

pub(crate) fn register(registry: RegistryBuilder) -> RegistryBuilder {
    registry
        .tool(described("greet", "Greets at once", |args: Name, _| async move {
            Ok(format!("Hello, {}!", args.name))
        }))
        .tool(
            described("slow_compute", "Takes its time", |args: Compute, call: Call| async move {
                let seconds = args.seconds.filter(|seconds| (0.0..=60.0).contains(seconds)).unwrap_or(1.0);
                call.progress(0.0, None, Some("computing"));
                pause(Duration::from_secs_f64(seconds)).await;
                Ok(format!("{} computed in {seconds} s", args.label.as_deref().unwrap_or("it")))
            })
            .with_spec(|spec| slow(spec, TaskSupport::Optional)),
        )
        .tool(
            described("failing_job", "Fails after a while", |_: NoArgs, _| async {
                pause(Duration::from_secs(1)).await;
                Err::<String, _>(ToolError::new("This job intentionally fails"))
            })
            .with_spec(|spec| slow(spec, TaskSupport::Required)),
        )
        .tool(
            described("protocol_error_job", "Breaks the protocol after a while", |_: NoArgs, _| async {
                pause(Duration::from_secs(1)).await;
                let error = Error::new(Code::INTERNAL_ERROR, "This job intentionally breaks the protocol");
                Err::<String, _>(ToolError::protocol(error))
            })
            .with_spec(|spec| slow(spec, TaskSupport::Optional)),
        )
        .tool(
            described("confirm_delete", "Asks before it deletes", |args: File, call: Call| async move {
                // Long enough to be a task when it asks.
                pause(BECOMES_A_TASK).await;
                let answer = call.input("confirm", ask("Delete the file?", "confirm", "boolean"))?;
                let sure = answer.member("content").and_then(|content| content.member("confirm")?.as_bool());
                Ok(match sure {
                    Some(true) => format!("deleted {}", args.filename),
                    _ => format!("kept {}", args.filename),
                })
            })
            .with_spec(|spec| slow(spec, TaskSupport::Optional)),
        )
        .tool(
            described("multi_input", "Asks two things at once", |_: NoArgs, call: Call| async move {
                pause(BECOMES_A_TASK).await;
                let questions = [
                    ("first", ask("The first?", "value", "string")),
                    ("second", ask("The second?", "value", "string")),
                ];
                let answers = call.inputs(questions)?;
                Ok(answers
                    .into_iter()
                    .filter_map(|answer| content(answer, "value"))
                    .collect::<Vec<_>>()
                    .join(" and "))
            })
            .with_spec(|spec| slow(spec, TaskSupport::Optional)),
        )
        .tool(
            described(
                "test_tool_with_task",
                "Asks, and then takes its time",
                |_: NoArgs, call: Call| async move {
                    let answer = call.input("user_name", ask("What is your name?", "name", "string"))?;
                    let name = content(answer, "name").unwrap_or_default();
                    pause(Duration::from_secs(1)).await;
                    Ok(format!("Hello, {name}!"))
                },
            )
            .with_spec(|spec| slow(spec, TaskSupport::Required)),
        )
}

/// Longer than a call may go on in its request.
const BECOMES_A_TASK: Duration = Duration::from_millis(400);

fn slow(spec: ToolSpec, support: TaskSupport) -> ToolSpec {
    spec.with_task_support(support).with_time_limit(Duration::from_secs(120))
}

#[expect(clippy::disallowed_methods, reason = "the suite expects work that takes a while")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
