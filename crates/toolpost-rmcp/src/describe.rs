//! What a tool says about itself, in rmcp's words and in toolpost's.

use std::sync::Arc;

use rmcp::model::{IconTheme, Tool};
use serde_json::Value;
use toolpost_protocol::Era;
use toolpost_tool::{InvalidToolName, ToolSpec};

/// `spec` as rmcp lists it: by the one encoder of listed tools, read by rmcp.
pub(crate) fn listed(spec: &ToolSpec, era: Era) -> Tool {
    let read = serde_json::to_value(spec.listed(era)).and_then(serde_json::from_value);
    // A specification is data of plain types, and a listed tool what rmcp reads.
    debug_assert!(read.is_ok(), "{read:?}");
    read.unwrap_or_else(|_| Tool::new_with_raw(spec.name().to_owned(), None, Arc::default()))
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
