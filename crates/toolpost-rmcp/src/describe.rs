//! What a tool says about itself, in rmcp's words and in toolpost's.

use std::sync::Arc;

use rmcp::model::{Icon, IconTheme, Tool};
use serde::Deserialize;
use serde_json::Value;
use toolpost_protocol::Era;
use toolpost_tool::{InvalidToolName, ToolSpec};

/// `spec` as rmcp lists it: by the one encoder of listed tools, read by rmcp. A member or an icon that rmcp cannot read is
/// left out by itself.
pub(crate) fn listed(spec: &ToolSpec, era: Era) -> Tool {
    let Ok(Value::Object(mut members)) = serde_json::to_value(spec.listed(era)) else {
        return Tool::new_with_raw(spec.name().to_owned(), None, Arc::default());
    };
    if let Some(Value::Array(icons)) = members.get_mut("icons") {
        icons.retain(|icon| Icon::deserialize(icon).is_ok());
    }
    Tool::deserialize(&members).unwrap_or_else(|_| readable(spec.name(), members))
}

/// The tool of the members that rmcp can read.
#[cold]
fn readable(name: &str, members: serde_json::Map<String, Value>) -> Tool {
    let mut tool = serde_json::Map::new();
    tool.insert("name".into(), name.into());
    tool.insert("inputSchema".into(), Value::Object(Default::default()));
    for (key, value) in members {
        let before = tool.insert(key.clone(), value);
        if Tool::deserialize(&tool).is_err() {
            match before {
                Some(before) => drop(tool.insert(key, before)),
                None => drop(tool.remove(&key)),
            }
        }
    }
    Tool::deserialize(&tool).unwrap_or_else(|_| Tool::new_with_raw(name.to_owned(), None, Arc::default()))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said() -> ToolSpec {
        ToolSpec::new("any").expect("a name").with_description("said")
    }

    #[test]
    fn an_output_schema_that_is_no_object_is_left_out_alone() {
        let tool = listed(&said().with_output_schema(json!(true)), Era::Modern);
        assert_eq!((tool.description.as_deref(), tool.output_schema), (Some("said"), None));
    }

    #[test]
    fn an_icon_of_an_unknown_theme_is_left_out_alone() {
        let icon = |theme: &str| {
            let mut icon = toolpost_tool::Icon::new(format!("https://a.example/{theme}.png"));
            icon.theme = Some(theme.into());
            icon
        };
        let tool = listed(&said().with_icon(icon("sepia")).with_icon(icon("dark")), Era::Modern);
        assert_eq!(tool.description.as_deref(), Some("said"));
        let icons: Vec<_> = tool.icons.iter().flatten().map(|icon| icon.src.as_str()).collect();
        assert_eq!(icons, ["https://a.example/dark.png"]);
    }
}
