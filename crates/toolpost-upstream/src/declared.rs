//! A tool as an upstream lists it: read from its bytes, bounded, cleaned, and refused by itself if it is none.

use std::sync::Arc;

use serde_json::{Map, Value};
use toolpost_json::{Kind, Node};
use toolpost_protocol::model::{Icon, ToolAnnotations};
use toolpost_tool::ToolSpec;

use crate::clean::{clean, is_hidden, line};
use crate::pins::Record;

/// The largest listed tool, in bytes.
pub(crate) const TOOL_MAX: usize = 256 << 10;
/// The longest description, in bytes.
const DESCRIPTION_MAX: usize = 16 << 10;
/// The longest title, in bytes.
const TITLE_MAX: usize = 256;
/// The longest text within a schema, in bytes.
const TEXT_MAX: usize = 4 << 10;
/// How many icons are kept of one tool.
const ICONS_MAX: usize = 8;
/// How much of a name is shown that is none.
const SHOWN_MAX: usize = 80;

/// A tool that can be offered.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) spec: ToolSpec,
    pub(crate) record: Arc<Record>,
}

/// A listed tool that is not offered, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedTool {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl RefusedTool {
    /// The name that it is listed by; what is no name is cut and shown without what nobody sees.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it is not offered, for whoever runs the server that lists it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Declared {
    /// Reads one item of `tools/list`.
    pub(crate) fn read(tool: Node<'_>) -> Result<Self, RefusedTool> {
        let name = tool.member("name").and_then(Node::as_str).unwrap_or_default();
        let refused = |reason: String| RefusedTool { name: line(&name, SHOWN_MAX), reason };
        if TOOL_MAX < tool.raw().len() {
            return Err(refused(format!(
                "it is described in {} bytes, at most {TOOL_MAX}",
                tool.raw().len()
            )));
        }
        let spec = ToolSpec::new(&*name).map_err(|error| refused(line(&error.to_string(), 2 * SHOWN_MAX)))?;
        let text = |member: &str| tool.member(member).and_then(Node::as_str).unwrap_or_default();
        let description = clean(&text("description"), DESCRIPTION_MAX).into_owned();
        let annotations = tool.member("annotations").filter(|node| node.kind() == Kind::Object);
        let title = [text("title"), annotations.map(title_of).unwrap_or_default()];
        let title = title.iter().map(|title| line(title, TITLE_MAX)).find(|title| !title.is_empty());
        let input =
            schema(tool.member("inputSchema")).map_err(|why| refused(format!("its input schema {why}")))?;
        let input = rooted(input.ok_or_else(|| refused("it has no input schema".into()))?);
        let output =
            schema(tool.member("outputSchema")).map_err(|why| refused(format!("its output schema {why}")))?;
        let annotations =
            annotations.map(hints).transpose().map_err(|why| refused(format!("its annotations {why}")))?;
        let hints = annotations.as_ref().and_then(|hints| serde_json::to_string(hints).ok());
        let told = output.as_ref().map(Value::to_string);
        let record =
            Record::of(title.as_deref(), &description, hints.as_deref(), &input.to_string(), told.as_deref());
        let record = Arc::new(record.map_err(refused)?);
        // As it was written, if nothing of it had to be cleaned: a model reads the properties in their order.
        let written = tool
            .member("inputSchema")
            .filter(|written| written.decode::<Value>().is_ok_and(|written| written == input));
        let spec = spec.with_description(description);
        let as_written = written.and_then(|written| spec.clone().with_input_schema_text(written.raw()).ok());
        let mut spec = as_written.unwrap_or_else(|| spec.with_input_schema(input));
        if let Some(title) = title {
            spec = spec.with_title(title);
        }
        if let Some(output) = output {
            spec = spec.with_output_schema(output);
        }
        if let Some(annotations) = annotations {
            spec = spec.with_annotations(annotations);
        }
        let icons = tool.member("icons").into_iter().flat_map(Node::items).filter_map(icon);
        spec = icons.take(ICONS_MAX).fold(spec, ToolSpec::with_icon);
        if let Some(meta) = tool.member("_meta").and_then(meta) {
            spec = spec.with_meta(meta);
        }
        Ok(Self { spec, record })
    }
}

fn title_of(annotations: Node<'_>) -> std::borrow::Cow<'_, str> {
    annotations.member("title").and_then(Node::as_str).unwrap_or_default()
}

/// The hints, without a title: that is the tool's.
fn hints(annotations: Node<'_>) -> Result<ToolAnnotations, String> {
    let mut hints: ToolAnnotations =
        annotations.decode().map_err(|error| format!("cannot be read: {error}"))?;
    hints.title = None;
    Ok(hints)
}

/// A schema with its texts cleaned; the names and values in it are what they are.
fn schema(schema: Option<Node<'_>>) -> Result<Option<Value>, String> {
    let Some(schema) = schema.filter(|schema| !schema.is_null()) else { return Ok(None) };
    if schema.kind() != Kind::Object && schema.as_bool().is_none() {
        return Err("is no object".into());
    }
    let mut schema: Value = schema.decode().map_err(|error| format!("cannot be read: {error}"))?;
    cleaned(&mut schema)?;
    Ok(Some(schema))
}

/// Cleans what a schema says to people and models. What the guard let through is not deep.
fn cleaned(schema: &mut Value) -> Result<(), String> {
    match schema {
        Value::Object(members) => {
            for (keyword, value) in members {
                match (keyword.as_str(), value) {
                    ("const" | "default" | "enum" | "examples" | "required", _) => {}
                    ("title" | "description" | "$comment", Value::String(text)) => {
                        if let std::borrow::Cow::Owned(clean) = clean(text, TEXT_MAX) {
                            *text = clean;
                        }
                    }
                    (
                        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                        Value::Object(named),
                    ) => {
                        for (name, schema) in named {
                            if name.contains(is_hidden) {
                                return Err(format!(
                                    "has a name with characters that nobody sees: `{}`",
                                    name.escape_debug()
                                ));
                            }
                            cleaned(schema)?;
                        }
                    }
                    (_, schema) => cleaned(schema)?,
                }
            }
            Ok(())
        }
        Value::Array(schemas) => schemas.iter_mut().try_for_each(cleaned),
        _ => Ok(()),
    }
}

/// A schema of arguments says that they are an object; servers that leave that out mean it.
fn rooted(mut schema: Value) -> Value {
    if let Value::Object(members) = &mut schema {
        members.entry("type").or_insert_with(|| "object".into());
    }
    schema
}

/// An icon that a client may show: of the web, or of itself.
fn icon(icon: Node<'_>) -> Option<Icon> {
    let icon: Icon = icon.decode().ok()?;
    let is_shown = ["https://", "http://", "data:image/"].iter().any(|scheme| icon.src.starts_with(scheme));
    (is_shown && !icon.src.contains(is_hidden)).then_some(icon)
}

/// Foreign members; those that speak for a protocol or for this family are not the upstream's to set.
fn meta(meta: Node<'_>) -> Option<Value> {
    let is_foreign =
        |name: &str| !name.starts_with("io.modelcontextprotocol/") && !name.starts_with("dev.toolpost/");
    let members = meta.members().filter(|(key, _)| is_foreign(&key.name()));
    let members: Map<String, Value> =
        members.filter_map(|(key, value)| Some((key.name().into_owned(), value.decode().ok()?))).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use toolpost_json::{Frame, Limits};

    use super::*;

    fn read(tool: &Value) -> Result<Declared, RefusedTool> {
        Declared::read(Frame::from_text(tool.to_string(), &Limits::new()).unwrap().root())
    }

    #[test]
    fn what_a_tool_says_of_itself_is_kept() {
        let declared = read(&json!({
            "name": "turn", "title": "Turn", "description": "Turns.",
            "inputSchema": { "type": "object", "properties": { "rpm": { "type": "integer", "description": "How fast" } }, "required": ["rpm"] },
            "outputSchema": { "type": "object", "properties": { "ok": { "type": "boolean" } } },
            "annotations": { "readOnlyHint": true, "org.example/x": 3 },
            "icons": [{ "src": "https://a.example/a.png" }, { "src": "javascript:alert(1)" }],
            "_meta": { "org.example/y": [1], "dev.toolpost/category": "forged" },
        }))
        .unwrap();
        let listed = serde_json::to_value(declared.spec.listed(toolpost_protocol::Era::Modern)).unwrap();
        assert_eq!(
            listed,
            json!({
                "name": "turn", "title": "Turn", "description": "Turns.",
                "inputSchema": { "type": "object", "properties": { "rpm": { "type": "integer", "description": "How fast" } }, "required": ["rpm"] },
                "outputSchema": { "type": "object", "properties": { "ok": { "type": "boolean" } } },
                "annotations": { "readOnlyHint": true, "org.example/x": 3 },
                "icons": [{ "src": "https://a.example/a.png" }],
                "_meta": { "org.example/y": [1] },
            })
        );
        assert!(declared.spec.policy().repeatable, "it says that it only reads");
    }

    #[test]
    fn properties_are_listed_in_the_order_in_which_they_are_written() {
        let tool = r#"{"name":"copy","inputSchema":{"type":"object","properties":{"to":{"type":"string"},"from":{"type":"string"}}}}"#;
        let declared = Declared::read(Frame::from_text(tool, &Limits::new()).unwrap().root()).unwrap();
        let listed = serde_json::to_string(&declared.spec.listed(toolpost_protocol::Era::Modern)).unwrap();
        assert!(
            listed.contains(r#""properties":{"to":{"type":"string"},"from":{"type":"string"}}"#),
            "{listed}"
        );
    }

    #[test]
    fn what_nobody_sees_is_taken_out_of_every_text() {
        let declared = read(&json!({
            "name": "a", "description": "x\u{200b}y\u{202e}", "annotations": { "title": "A\u{7}" },
            "inputSchema": { "properties": { "p": { "description": "p\u{e0061}q", "enum": ["\u{200d}"] } } },
        }))
        .unwrap();
        assert_eq!((declared.spec.description(), declared.spec.title()), ("xy", Some("A")));
        let p = &declared.spec.input_schema()["properties"]["p"];
        assert_eq!((&p["description"], &p["enum"]), (&json!("pq"), &json!(["\u{200d}"])));
        assert_eq!(declared.spec.input_schema()["type"], "object");
    }

    #[test]
    fn a_tool_that_is_none_is_refused_with_the_reason() {
        let schema = json!({ "type": "object" });
        for (tool, name, reason) in [
            (json!({ "inputSchema": schema }), "", "tool name `` has 0 characters; use 1 to 64"),
            (json!({ "name": "a b", "inputSchema": schema }), "a b", "tool name `a b` has ` ` at byte 1"),
            (
                json!({ "name": "a\u{202e}b", "inputSchema": schema }),
                "ab",
                "tool name `ab` has `\\u{202e}` at byte 1",
            ),
            (json!({ "name": "x".repeat(65), "inputSchema": schema }), &*"x".repeat(65), "has 65 characters"),
            (json!({ "name": "a" }), "a", "it has no input schema"),
            (json!({ "name": "a", "inputSchema": 3 }), "a", "its input schema is no object"),
            (
                json!({ "name": "a", "inputSchema": schema, "annotations": { "readOnlyHint": "yes" } }),
                "a",
                "its annotations cannot be read",
            ),
            (
                json!({ "name": "a", "inputSchema": { "properties": { "b\u{200b}": {} } } }),
                "a",
                "has a name with characters that nobody sees: `b\\u{200b}`",
            ),
            (
                json!({ "name": "a", "inputSchema": schema, "description": "x".repeat(TOOL_MAX) }),
                "a",
                "bytes, at most 262144",
            ),
        ] {
            let refused = read(&tool).unwrap_err();
            assert_eq!(refused.name(), name);
            assert!(refused.reason().contains(reason), "{}", refused.reason());
        }
    }

    #[test]
    fn descriptions_are_bounded() {
        let long = "ä".repeat(DESCRIPTION_MAX);
        let declared =
            read(&json!({ "name": "a", "description": long, "title": long, "inputSchema": {} })).unwrap();
        assert!(
            declared.spec.description().len() <= DESCRIPTION_MAX
                && declared.spec.description().ends_with('…')
        );
        assert!(declared.spec.title().unwrap().len() <= TITLE_MAX);
    }
}
