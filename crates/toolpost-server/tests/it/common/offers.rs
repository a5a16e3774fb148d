//! A server that offers everything there is, and tools that ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use toolpost_dispatch::{Changes, Completing, Dispatcher, PromptSet, Registry, ResourceSet};
use toolpost_json::{Frame, Limits};
use toolpost_protocol::model::{
    ContentBlock, GetPromptResult, Prompt, PromptMessage, Resource, ResourceTemplate, Role,
};
use toolpost_server::{Server, ServerBuilder};
use toolpost_tool::{Call, Elicited, InputRequest, InputRequired, NoArgs, Principal, ToolError, tool_fn};

pub fn name_question() -> InputRequest {
    let schema =
        json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    InputRequest::elicit("Your name?", &schema)
}

fn said(text: String) -> GetPromptResult {
    GetPromptResult::new(vec![PromptMessage::new(Role::User, ContentBlock::text(text))])
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Mirror {
    pub text: Option<String>,
    pub count: Option<i64>,
    pub flag: Option<bool>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Note {
    pub note: Option<String>,
}

/// The builder of the server, the signals of its changes, and how often the tool `twice` has run.
pub fn offering() -> (ServerBuilder, Changes, Arc<AtomicUsize>) {
    let (builder, _, changes, runs) = offering_of();
    (builder, changes, runs)
}

/// As [`offering`], with what replaces the tools.
pub fn offering_of() -> (ServerBuilder, Registry, Changes, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let registry = Registry::builder()
        .tool(tool_fn("ask", |_: common_args::Any, call: Call| async move {
            let name = call.input("name", name_question())?;
            Ok(format!(
                "hello {}",
                name.pointer("/content/name").and_then(|n| n.as_str()).unwrap_or_default()
            ))
        }))
        .tool(tool_fn("unrequired", |_: NoArgs, call: Call| async move {
            let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
            let answer = call.input("name", InputRequest::elicit("Your name?", &schema))?;
            let content = answer.member("content").map(|content| content.raw().to_owned());
            Ok(format!("accepted {}", content.unwrap_or_default()))
        }))
        .tool(tool_fn("unsatisfied", |_: NoArgs, _| async {
            Err::<&str, _>(ToolError::input_required(InputRequired::new().asking("name", name_question())))
        }))
        .tool(tool_fn("wants_all", |_: NoArgs, _| async {
            let visit = InputRequest::visit("There?", "https://example.com");
            let asking = InputRequired::new().asking("a", name_question()).asking("b", visit);
            Err::<&str, _>(ToolError::input_required(asking.asking("c", InputRequest::roots())))
        }))
        .tool(tool_fn("typed", |_: NoArgs, call: Call| async move {
            match call.elicit::<Note>("name", "A note?")? {
                Elicited::Accepted(Note { note: None }) => Ok("accepted {}"),
                _ => Ok("not accepted"),
            }
        }))
        .tool(tool_fn("twice", move |_: NoArgs, call: Call| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                let first = call.input("first", name_question())?.raw().to_owned();
                let second = call.input("second", name_question())?.raw().to_owned();
                Ok(format!("{first} {second}"))
            }
        }))
        .tool(tool_fn("state", |_: NoArgs, call: Call| async move {
            match (call.state::<u32>()?, call.answer("name")) {
                (Some(state), Some(_)) => Ok(format!("state {state}")),
                _ => Err(ToolError::input_required(
                    InputRequired::new().asking("name", name_question()).with_state(&7_u32)?,
                )),
            }
        }))
        .tool(
            tool_fn("mirror", |args: Mirror, _| async move { Ok(args.text.unwrap_or_default()) }).with_spec(
                |spec| {
                    spec.with_input_schema(json!({ "type": "object", "properties": {
                    "text": { "type": ["string", "null"], "x-mcp-header": "Text" },
                    "count": { "type": "integer", "x-mcp-header": "Count" },
                    "flag": { "type": "boolean", "x-mcp-header": "Flag" },
                } }))
                },
            ),
        )
        .build()
        .unwrap();
    let mut resources = ResourceSet::new()
        .text(Resource::new("test://a", "a"), "the letter a")
        .resource(Resource::new("test://ask", "ask"), |call: Call| async move {
            call.input("name", name_question())?;
            Ok(Vec::new())
        })
        .template(ResourceTemplate::new("test://{id}/data", "data"), |uri, _, _| async move {
            Ok(Some(vec![toolpost_protocol::model::ResourceContents::text(uri, "data")]))
        });
    for n in 0..5 {
        resources = resources.text(Resource::new(format!("test://page/{n}"), "page"), "x");
    }
    let prompts = PromptSet::new()
        .prompt(Prompt::new("plain"), |arguments, _| async move {
            Ok(said(format!("plain {}", arguments.get("x").map_or("-", String::as_str))))
        })
        .prompt(Prompt::new("ask"), |_, call: Call| async move {
            Ok(said(call.input("name", name_question())?.raw().to_owned()))
        });
    let changes = Changes::new();
    let dispatcher = Dispatcher::builder(registry.clone())
        .resources(resources)
        .prompts(prompts)
        .completions(|completing: Completing| async move {
            Ok((0..150).map(|n| format!("{}{n}", completing.argument.value)).collect::<Vec<_>>())
        })
        .changes(changes.clone())
        .build();
    (Server::builder(dispatcher).name("offers").version("1.0.0"), registry, changes, runs)
}

pub mod common_args {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    pub struct Any {
        pub x: Option<i64>,
        pub y: Option<String>,
    }
}

/// A request of 2026-07-28 by a client that can fill in forms.
pub fn able(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut message = super::modern(id, method, params);
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
    message
}

/// The answer to one message of `who`.
pub async fn handle(server: &Server, who: &Principal, message: &Value) -> Value {
    let frame = Frame::from_text(message.to_string(), &Limits::new()).unwrap();
    let reply = server.handle(frame, who.clone()).await;
    serde_json::from_slice(&reply.unwrap()).unwrap()
}
