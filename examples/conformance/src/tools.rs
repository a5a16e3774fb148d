//! Tools that answer without asking anything.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toolpost::dispatch::{Catalog, Changes, RegistrationError, Registry, RegistryBuilder};
use toolpost::tool::{AnyTool, Call, LogLevel, NoArgs, Output, Tool, ToolError, ToolSpec, tool_fn};

use crate::content::{PNG, WAV};

pub(crate) fn register(registry: RegistryBuilder) -> RegistryBuilder {
    registry
        .tool(text("about", "Says what this server is", "The fixture of the official conformance suite."))
        .tool(text("test_simple_text", "Returns simple text", "This is a simple text response for testing."))
        .tool(blocks("test_image_content", "Returns an image", json!([image()])))
        .tool(blocks(
            "test_audio_content",
            "Returns audio",
            json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        ))
        .tool(blocks(
            "test_embedded_resource",
            "Returns an embedded resource",
            json!([{ "type": "resource", "resource": {
                "uri": "test://embedded-resource",
                "mimeType": "text/plain",
                "text": "This is an embedded resource content.",
            } }]),
        ))
        .tool(blocks(
            "test_multiple_content_types",
            "Returns text, an image and a resource",
            json!([{ "type": "text", "text": "Multiple content types test:" }, image(), { "type": "resource", "resource": {
                "uri": "test://mixed-content-resource",
                "mimeType": "application/json",
                "text": r#"{"test":"data","value":123}"#,
            } }]),
        ))
        .tool(described("test_error_handling", "Always fails", |_: NoArgs, _| async {
            Err::<String, _>(ToolError::new("This tool intentionally returns an error for testing"))
        }))
        .tool(described("test_tool_with_progress", "Reports progress", |_: NoArgs, call| async move {
            for done in [0.0, 50.0, 100.0] {
                call.progress(done, Some(100.0), Some(&format!("Completed step {done} of 100")));
                pause().await;
            }
            Ok("progress reported")
        }))
        .tool(described("test_tool_with_logging", "Logs while it runs", |_: NoArgs, call| async move {
            call.log(LogLevel::Info, "Tool execution started");
            pause().await;
            call.log(LogLevel::Info, "Tool processing data");
            pause().await;
            call.log(LogLevel::Info, "Tool execution completed");
            Ok("logged")
        }))
        .tool(described("test_logging_tool", "Logs only if asked to", |_: NoArgs, call| async move {
            call.log(LogLevel::Info, "a line for those who asked");
            Ok("done")
        }))
        .tool(described("test_custom_header", "Takes an argument that travels in a header", |args: Header, _| async move {
            Ok(args.value.unwrap_or_default())
        }).with_spec(|spec| spec.with_input_schema(json!({
            "type": "object",
            "properties": { "value": { "type": "string", "description": "Any text.", "x-mcp-header": "Value" } },
        }))))
        .tool(
            described("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", |_: Value2020, _| async {
                Ok("ok")
            })
            .with_spec(|spec| spec.with_input_schema(schema_2020_12())),
        )
}

/// Adds the tools that change what is offered, so that listeners hear of it.
pub(crate) fn with_triggers(registry: &Registry, changes: &Changes) -> Result<Registry, RegistrationError> {
    let tools: Vec<AnyTool> = registry.catalog().iter().map(|entry| entry.tool().clone()).collect();
    let triggered = Registry::builder().build()?;
    let (again, prompts) = (triggered.clone(), changes.clone());
    let tool_change =
        described("test_trigger_tool_change", "Signals that the tools changed", move |_: NoArgs, _| {
            let again = again.clone();
            async move {
                let tools: Vec<AnyTool> = again.catalog().iter().map(|entry| entry.tool().clone()).collect();
                again.replace(Catalog::new(tools)?);
                Ok("tools changed")
            }
        });
    let prompt_change =
        described("test_trigger_prompt_change", "Signals that the prompts changed", move |_: NoArgs, _| {
            prompts.prompts_changed();
            async { Ok("prompts changed") }
        });
    triggered.replace(Catalog::new(
        tools.into_iter().chain([AnyTool::new(tool_change), AnyTool::new(prompt_change)]),
    )?);
    Ok(triggered)
}

/// A tool of a closure, with a description.
pub(crate) fn described<A, O, F, Fut>(
    name: &str,
    description: &str,
    function: F,
) -> toolpost::tool::Typed<F, (A, ToolError)>
where
    A: serde::de::DeserializeOwned + JsonSchema + Send + 'static,
    O: toolpost::tool::IntoOutput,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send,
{
    let description = description.to_owned();
    tool_fn(name, function).with_spec(|spec: ToolSpec| spec.with_description(description))
}

fn text(name: &str, description: &str, text: &'static str) -> impl Tool {
    described(name, description, move |_: NoArgs, _| async move { Ok(text) })
}

fn blocks(name: &str, description: &str, blocks: Value) -> impl Tool {
    described(name, description, move |_: NoArgs, _| {
        let output = Output::blocks(&blocks);
        async move { output }
    })
}

fn image() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}

#[expect(clippy::disallowed_methods, reason = "the suite expects the steps some time apart")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[derive(Deserialize, JsonSchema)]
struct Header {
    value: Option<String>,
}

/// Whatever the schema below lets through.
#[derive(Deserialize, JsonSchema)]
struct Value2020 {}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}
