//! Resources, prompts and completions.

use serde_json::json;
use toolpost::dispatch::{Completing, PromptSet, ResourceSet};
use toolpost::protocol::model::{
    ContentBlock, GetPromptResult, Prompt, PromptArgument, PromptMessage, Resource, ResourceContents,
    ResourceTemplate, Role,
};
use toolpost::tool::{Call, InputRequest, ToolError};

use crate::content::PNG;

pub(crate) fn resources() -> ResourceSet {
    let resource = |uri: &str, name: &str, description: &str, mime: &str| {
        let mut resource = Resource::new(uri, name).with_description(description);
        resource.mime_type = Some(mime.into());
        resource
    };
    let text = resource("test://static-text", "Static Text Resource", "A static text resource", "text/plain");
    let binary = resource("test://static-binary", "Static Binary Resource", "A static image", "image/png");
    let watched =
        resource("test://watched-resource", "Watched Resource", "A resource that changes", "text/plain");
    let png = ResourceContents::blob("test://static-binary", PNG).with_mime_type("image/png".to_owned());
    let mut template = ResourceTemplate::new("test://template/{id}/data", "Resource Template")
        .with_description("A resource for any id");
    template.mime_type = Some("application/json".into());
    ResourceSet::new()
        .text(text, "This is the content of the static text resource.")
        .contents(binary, png)
        .text(watched, "Watched resource content")
        .template(template, |uri, variables, _| async move {
            let id = &variables["id"];
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            let contents = ResourceContents::text(uri, data.to_string());
            Ok(Some(vec![contents.with_mime_type("application/json".to_owned())]))
        })
}

pub(crate) fn prompts() -> PromptSet {
    PromptSet::new()
        .prompt(prompt("test_simple_prompt", "A simple prompt", &[]), |_, _| async {
            Ok(said(ContentBlock::text("This is a simple prompt for testing.")))
        })
        .prompt(
            prompt("test_prompt_with_arguments", "A prompt with arguments", &["arg1", "arg2"]),
            |arguments, _| async move {
                let value = |name: &str| arguments.get(name).cloned().unwrap_or_default();
                let text =
                    format!("Prompt with arguments: arg1='{}', arg2='{}'", value("arg1"), value("arg2"));
                Ok(said(ContentBlock::text(text)))
            },
        )
        .prompt(
            prompt("test_prompt_with_embedded_resource", "A prompt with a resource", &["resourceUri"]),
            |arguments, _| async move {
                let uri = arguments.get("resourceUri").map_or("", String::as_str);
                let text = ResourceContents::text(uri, "Embedded resource content for testing.");
                let text = text.with_mime_type("text/plain".to_owned());
                let mut prompt = said(ContentBlock::resource(text));
                prompt.messages.push(PromptMessage::new(
                    Role::User,
                    ContentBlock::text("Please process the embedded resource above."),
                ));
                Ok(prompt)
            },
        )
        .prompt(prompt("test_prompt_with_image", "A prompt with an image", &[]), |_, _| async {
            let mut prompt = said(ContentBlock::image(PNG, "image/png"));
            prompt
                .messages
                .push(PromptMessage::new(Role::User, ContentBlock::text("Please analyze the image above.")));
            Ok(prompt)
        })
        .prompt(
            prompt("test_input_required_result_prompt", "A prompt that asks first", &[]),
            |_, call: Call| async move {
                let schema = json!({ "type": "object", "properties": { "context": { "type": "string" } },
                    "required": ["context"] });
                let answer =
                    call.input("user_context", InputRequest::elicit("What is the context?", &schema))?;
                Ok(said(ContentBlock::text(format!("Context: {}", answer.raw()))))
            },
        )
}

pub(crate) async fn complete(completing: Completing) -> Result<Vec<String>, ToolError> {
    let known = ["paris", "park", "party"];
    let typed = &completing.argument.value;
    Ok(known.iter().filter(|value| value.starts_with(typed.as_str())).map(ToString::to_string).collect())
}

fn prompt(name: &str, description: &str, arguments: &[&str]) -> Prompt {
    let required =
        |name: &&str| PromptArgument::new(*name).with_description(format!("The argument {name}")).required();
    arguments
        .iter()
        .map(required)
        .fold(Prompt::new(name).with_description(description), Prompt::with_argument)
}

fn said(content: ContentBlock) -> GetPromptResult {
    GetPromptResult::new(vec![PromptMessage::new(Role::User, content)])
}
