//! Arguments that a client repeats in HTTP headers: the `x-mcp-header` annotations of a schema.

use serde_json::Value;

/// One argument that a client repeats in a header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderParam {
    header: String,
    path: Vec<String>,
}

impl HeaderParam {
    /// Collects the annotations of `schema`, that of a tool's arguments.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them: where it stands, its name, or the type of its value.
    pub fn collect(schema: &Value) -> Result<Vec<Self>, String> {
        let mut found = Vec::new();
        walk(schema, Some(&mut Vec::new()), &mut found)?;
        Ok(found)
    }

    /// The header, in lower case: `mcp-param-` and the annotation.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The names that lead from the arguments to the value, at least one.
    #[must_use]
    pub fn path(&self) -> &[String] {
        &self.path
    }
}

const ANNOTATION: &str = "x-mcp-header";

/// Visits one schema; `path` is `None` where no chain of `properties` alone leads.
fn walk(
    schema: &Value,
    mut path: Option<&mut Vec<String>>,
    found: &mut Vec<HeaderParam>,
) -> Result<(), String> {
    let Value::Object(members) = schema else { return Ok(()) };
    if let Some(annotation) = members.get(ANNOTATION) {
        let path = path.as_deref().filter(|path| !path.is_empty());
        let path = path.ok_or("has an x-mcp-header where no chain of properties alone leads")?;
        found.push(mirrored(annotation, members.get("type"), path, found)?);
    }
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            // Data, not schemas.
            ("const" | "default" | "enum" | "example" | "examples", _) => {}
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    match &mut path {
                        Some(path) => {
                            path.push(name.clone());
                            walk(property, Some(path), found)?;
                            path.pop();
                        }
                        None => walk(property, None, found)?,
                    }
                }
            }
            ("patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(schemas)) => {
                schemas.values().try_for_each(|schema| walk(schema, None, found))?;
            }
            (_, Value::Array(schemas)) => schemas.iter().try_for_each(|schema| walk(schema, None, found))?,
            (_, schema) => walk(schema, None, found)?,
        }
    }
    Ok(())
}

fn mirrored(
    annotation: &Value,
    kind: Option<&Value>,
    path: &[String],
    found: &[HeaderParam],
) -> Result<HeaderParam, String> {
    let name = annotation.as_str().filter(|name| !name.is_empty() && name.bytes().all(is_token));
    let name = name.ok_or_else(|| format!("has the x-mcp-header {annotation}, which is not a token"))?;
    if !kind.is_some_and(is_simple) {
        return Err(format!("has the x-mcp-header `{name}` on what is no string, integer or boolean"));
    }
    let header = format!("mcp-param-{}", name.to_ascii_lowercase());
    if found.iter().any(|known| known.header == header) {
        return Err(format!("has the x-mcp-header `{name}` twice"));
    }
    Ok(HeaderParam { header, path: path.to_vec() })
}

fn is_simple(kind: &Value) -> bool {
    let simple = |kind: &Value| matches!(kind.as_str(), Some("string" | "integer" | "boolean"));
    match kind {
        Value::Array(kinds) => {
            kinds.iter().any(simple) && kinds.iter().all(|kind| simple(kind) || kind.as_str() == Some("null"))
        }
        kind => simple(kind),
    }
}

/// A character of a token (RFC 9110, 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(properties: &Value) -> Result<Vec<String>, String> {
        let found = HeaderParam::collect(&json!({ "type": "object", "properties": properties }))?;
        Ok(found.iter().map(|one| format!("{}={}", one.header(), one.path().join("/"))).collect())
    }

    #[test]
    fn annotations_are_found_along_properties() {
        let nested = json!({ "a": { "type": "object", "properties": { "b": { "type": ["integer", "null"], "x-mcp-header": "B" } } },
            "x-mcp-header": { "type": "string" }, "c": { "type": "string", "default": { "x-mcp-header": 1 } } });
        assert_eq!(headers(&nested).unwrap(), ["mcp-param-b=a/b"]);
    }

    #[test]
    fn annotations_that_cannot_be_followed_are_refused() {
        for wrong in [
            json!({ "a": { "type": "string", "x-mcp-header": "" } }),
            json!({ "a": { "type": "string", "x-mcp-header": "a b" } }),
            json!({ "a": { "type": "string", "x-mcp-header": 1 } }),
            json!({ "a": { "type": "string", "x-mcp-header": "é" } }),
            json!({ "a": { "type": "number", "x-mcp-header": "A" } }),
            json!({ "a": { "x-mcp-header": "A" } }),
            json!({ "a": { "type": "object", "x-mcp-header": "A" } }),
            json!({ "a": { "type": "string", "x-mcp-header": "X" }, "b": { "type": "string", "x-mcp-header": "x" } }),
            json!({ "a": { "type": "array", "items": { "type": "string", "x-mcp-header": "A" } } }),
            json!({ "a": { "anyOf": [{ "type": "string", "x-mcp-header": "A" }] } }),
        ] {
            assert!(headers(&wrong).is_err(), "{wrong}");
        }
        assert!(HeaderParam::collect(&json!({ "type": "object", "x-mcp-header": "A" })).is_err());
        let apart = json!({ "type": "object", "$defs": { "a": { "type": "string", "x-mcp-header": "A" } } });
        assert!(HeaderParam::collect(&apart).is_err());
    }
}
