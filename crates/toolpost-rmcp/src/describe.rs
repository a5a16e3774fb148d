//! What a tool says about itself, in rmcp's words and in toolpost's.

use std::sync::Arc;

use rmcp::model::{Icon, IconTheme, Tool, ToolAnnotations};
use serde_json::Value;
use toolpost_tool::{InvalidToolName, ToolSpec};

use toolpost_protocol::Era;

/// `spec` as rmcp lists it.
pub(crate) fn listed(spec: &ToolSpec, era: Era) -> Tool {
    let description = Some(spec.description()).filter(|text| !text.is_empty());
    let mut tool = Tool::new_with_raw(
        spec.name().to_owned(),
        description.map(|text| text.to_owned().into()),
        spec.input_schema().as_object().cloned().unwrap_or_default(),
    );
    tool.title = spec.title().map(Into::into);
    let output = spec.listed_output_schema(era);
    tool.output_schema = output.and_then(|schema| schema.as_object().cloned()).map(Arc::new);
    let told = spec.annotations();
    if *told != toolpost_tool::ToolAnnotations::new() {
        let title = told.title.clone();
        let hints = (told.read_only, told.destructive, told.idempotent, told.open_world);
        tool.annotations = Some(ToolAnnotations::from_raw(title, hints.0, hints.1, hints.2, hints.3));
    }
    if !spec.icons().is_empty() {
        tool.icons = Some(spec.icons().iter().map(icon).collect());
    }
    tool.meta = spec.meta().and_then(Value::as_object).cloned().map(Into::into);
    tool
}

/// `tool` as a runtime registers it.
pub(crate) fn spec(tool: &Tool) -> Result<ToolSpec, InvalidToolName> {
    let mut spec = ToolSpec::new(tool.name.as_ref())?
        .with_description(tool.description.as_deref().unwrap_or_default())
        .with_input_schema(rooted(&tool.input_schema));
    if let Some(schema) = &tool.output_schema {
        spec = spec.with_output_schema(Value::Object((**schema).clone()));
    }
    if let Some(told) = &tool.annotations {
        let mut annotations = toolpost_tool::ToolAnnotations::new();
        annotations.read_only = told.read_only_hint;
        annotations.destructive = told.destructive_hint;
        annotations.idempotent = told.idempotent_hint;
        annotations.open_world = told.open_world_hint;
        spec = spec.with_annotations(annotations);
    }
    let title = tool.title.as_ref().or_else(|| tool.annotations.as_ref()?.title.as_ref());
    if let Some(title) = title {
        spec = spec.with_title(title);
    }
    for icon in tool.icons.iter().flatten() {
        let mut own = toolpost_tool::Icon::new(&*icon.src);
        own.mime_type.clone_from(&icon.mime_type);
        own.sizes.clone_from(&icon.sizes);
        own.theme = icon.theme.map(|theme| match theme {
            IconTheme::Dark => "dark".into(),
            _ => "light".into(),
        });
        spec = spec.with_icon(own);
    }
    if let Some(meta) = &tool.meta {
        spec = spec.with_meta(Value::Object(meta.0.clone()));
    }
    Ok(spec)
}

/// The schema with an object at its root, which rmcp does not insist on.
fn rooted(schema: &serde_json::Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    schema.entry("type").or_insert_with(|| "object".into());
    Value::Object(schema)
}

fn icon(icon: &toolpost_tool::Icon) -> Icon {
    let mut listed = Icon::new(&*icon.src);
    listed.mime_type.clone_from(&icon.mime_type);
    listed.sizes.clone_from(&icon.sizes);
    listed.theme = match icon.theme.as_ref().map(|theme| theme.as_str()) {
        Some("light") => Some(IconTheme::Light),
        Some("dark") => Some(IconTheme::Dark),
        _ => None,
    };
    listed
}
