//! Tools that ask their client something before they answer.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toolpost::dispatch::RegistryBuilder;
use toolpost::json::Node;
use toolpost::tool::{Call, InputRequest, InputRequired, NoArgs, ToolError};

use crate::tools::described;

#[derive(Deserialize, JsonSchema)]
struct Prompt {
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    message: String,
}

pub(crate) fn register(registry: RegistryBuilder) -> RegistryBuilder {
    rounds(legacy(registry))
        .tool(described("test_missing_capability", "Needs sampling", |_: NoArgs, call: Call| async move {
            call.input("sample", sample("Anything"))?;
            Ok("sampled")
        }))
        .tool(described(
            "test_streaming_elicitation",
            "Asks while it streams",
            |_: NoArgs, call: Call| async move {
                call.input("confirm", ask("Go on?", "ok", "boolean"))?;
                Ok("confirmed")
            },
        ))
        .tool(described(
            "test_input_required_result_elicitation",
            "Asks for a name",
            |_: NoArgs, call: Call| async move {
                let answer = call.input("user_name", ask("What is your name?", "name", "string"))?;
                match content(answer, "name") {
                    Some(name) => Ok(format!("Hello, {name}!")),
                    None => Err(again("user_name", ask("What is your name?", "name", "string"))),
                }
            },
        ))
        .tool(described(
            "test_input_required_result_sampling",
            "Asks the client's model",
            |_: NoArgs, call: Call| async move {
                let answer = call.input("capital_question", sample("What is the capital of France?"))?;
                Ok(format!("The model said: {}", said(answer)))
            },
        ))
        .tool(described(
            "test_input_required_result_list_roots",
            "Asks for the client's roots",
            |_: NoArgs, call: Call| async move {
                let answer = call.input("client_roots", InputRequest::roots())?;
                Ok(format!("{} roots", answer.member("roots").map_or(0, Node::len)))
            },
        ))
}

/// Tools of several rounds, and of state that travels through the client.
fn rounds(registry: RegistryBuilder) -> RegistryBuilder {
    registry
        .tool(described(
            "test_input_required_result_request_state",
            "Keeps state",
            |_: NoArgs, call: Call| async move { confirmed(&call) },
        ))
        .tool(described(
            "test_input_required_result_tampered_state",
            "Keeps state that must come back as it went",
            |_: NoArgs, call: Call| async move { confirmed(&call) },
        ))
        .tool(described(
            "test_input_required_result_multiple_inputs",
            "Asks three things at once",
            |_: NoArgs, call: Call| async move {
                let questions = [
                    ("user_name", ask("What is your name?", "name", "string")),
                    ("greeting", sample("Generate a greeting")),
                    ("client_roots", InputRequest::roots()),
                ];
                if questions.iter().any(|(key, _)| call.answer(key).is_none()) {
                    let asked =
                        questions.into_iter().fold(InputRequired::new(), |s, (key, q)| s.asking(key, q));
                    return Err(ToolError::input_required(asked.with_state("multiple")?));
                }
                Ok("all three answered")
            },
        ))
        .tool(described(
            "test_input_required_result_multi_round",
            "Asks one thing after the other",
            |_: NoArgs, call: Call| async move {
                let round = call.state::<u32>()?.unwrap_or(0);
                if call.answer("step1").is_none() {
                    let asked =
                        InputRequired::new().asking("step1", ask("Step 1: your name?", "name", "string"));
                    return Err(ToolError::input_required(asked.with_state(&(round + 1))?));
                }
                if call.answer("step2").is_none() {
                    let asked =
                        InputRequired::new().asking("step2", ask("Step 2: your color?", "color", "string"));
                    return Err(ToolError::input_required(asked.with_state(&(round + 1))?));
                }
                Ok("both steps done")
            },
        ))
        .tool(described(
            "test_input_required_result_capabilities",
            "Asks only what the client can answer",
            |_: NoArgs, call: Call| async move {
                let all = [
                    ("user_name", ask("What is your name?", "name", "string")),
                    ("capital_question", sample("What is the capital of France?")),
                    ("client_roots", InputRequest::roots()),
                ];
                let possible: Vec<_> =
                    all.into_iter().filter(|(_, question)| question.fits(call.client())).collect();
                call.inputs(possible)?;
                Ok("answered")
            },
        ))
}

/// Tools of the scenarios of 2025-11-25, where the server asks in the middle of a call.
fn legacy(registry: RegistryBuilder) -> RegistryBuilder {
    registry
        .tool(described("test_sampling", "Asks the client's model", |args: Prompt, call: Call| async move {
            let answer = call.input("sample", sample(&args.prompt))?;
            Ok(format!("LLM response: {}", said(answer)))
        }))
        .tool(described("test_elicitation", "Asks the user", |args: Message, call: Call| async move {
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                },
                "required": ["username", "email"],
            });
            let answer = call.input("user", InputRequest::elicit(&args.message, &schema))?;
            Ok(format!("User response: {}", answer.raw()))
        }))
        .tool(described("test_elicitation_sep1034_defaults", "Asks with defaults", |_: NoArgs, call: Call| async move {
            let schema = json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "User name", "default": "John Doe" },
                    "age": { "type": "integer", "description": "User age", "default": 30 },
                    "score": { "type": "number", "description": "User score", "default": 95.5 },
                    "status": { "type": "string", "description": "User status",
                        "enum": ["active", "inactive", "pending"], "default": "active" },
                    "verified": { "type": "boolean", "description": "Verification status", "default": true },
                },
                "required": [],
            });
            completed(call.input("user", InputRequest::elicit("Please review and update the form", &schema))?)
        }))
        .tool(described("test_elicitation_sep1330_enums", "Asks with enums", |_: NoArgs, call: Call| async move {
            completed(call.input("user", InputRequest::elicit("Please select options from the enum fields", &enums()))?)
        }))
}

fn enums() -> Value {
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
            "titledSingle": { "type": "string", "oneOf": titled },
            "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"] },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": ["option1", "option2", "option3"] } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled } },
        },
        "required": [],
    })
}

fn completed(answer: Node<'_>) -> Result<String, ToolError> {
    let action = answer.member("action").and_then(Node::as_str).unwrap_or_default();
    let content = answer.member("content").map_or("{}", Node::raw);
    Ok(format!("Elicitation completed: action={action}, content={content}"))
}

fn confirmed(call: &Call) -> Result<String, ToolError> {
    let question = ask("Please confirm", "ok", "boolean");
    if call.answer("confirm").is_none() {
        return Err(ToolError::input_required(
            InputRequired::new().asking("confirm", question).with_state("kept")?,
        ));
    }
    match call.state::<String>()?.as_deref() {
        Some("kept") => Ok("state-ok".into()),
        other => Err(ToolError::new(format!("the state came back as {other:?}"))),
    }
}

fn again(key: &str, question: InputRequest) -> ToolError {
    ToolError::input_required(InputRequired::new().asking(key, question))
}

pub(crate) fn ask(message: &str, field: &str, kind: &str) -> InputRequest {
    let schema = json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
    InputRequest::elicit(message, &schema)
}

fn sample(text: &str) -> InputRequest {
    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
    InputRequest::sample(&json!({ "messages": [message], "maxTokens": 100 }))
}

/// A field of an accepted form.
pub(crate) fn content(answer: Node<'_>, field: &str) -> Option<String> {
    Some(answer.member("content")?.member(field)?.as_str()?.into_owned())
}

/// The text of a sampled message.
fn said(answer: Node<'_>) -> String {
    let text = answer.pointer("/content/text").and_then(Node::as_str);
    text.unwrap_or_default().into_owned()
}
