//! Arguments against a compiled schema, in place.
//!
//! On success nothing is built and nothing allocated: the validator walks the index that the guard
//! left behind. Only a failure is described from built values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;
use toolpost_protocol::Node;

mod describe;
mod indexed;

use indexed::{At, Indexed};

/// A compiled JSON Schema. Cheap to clone; clones are the same compilation.
///
/// ```
/// use serde_json::json;
/// use toolpost_dispatch::Schema;
/// use toolpost_protocol::Frame;
///
/// let schema = Schema::compile(&json!({
///     "type": "object",
///     "properties": {"limit": {"type": "integer", "minimum": 1}},
///     "additionalProperties": false,
/// })).unwrap();
///
/// let frame = Frame::from_serialize(&json!({"limit": 0, "page": 2})).unwrap();
/// assert_eq!(
///     schema.check(frame.root(), "arguments").unwrap_err(),
///     "arguments.limit: expected at least 1, got 0; \
///      arguments: unknown argument `page` (it takes `limit`)",
/// );
/// ```
#[derive(Clone)]
pub struct Schema(Arc<Compiled>);

struct Compiled {
    validator: Validator<Indexed>,
    /// The properties at the root, for the answer to an unknown one.
    properties: Vec<String>,
}

impl Schema {
    /// Compiles a JSON Schema of draft 2020-12, or of the older draft its `$schema` names.
    ///
    /// A `$ref` to anything outside the schema is refused: nothing is ever fetched. Patterns run on
    /// an engine of linear time.
    ///
    /// # Errors
    ///
    /// If `schema` is not a JSON Schema, or refers to something outside itself.
    pub fn compile(schema: &Value) -> Result<Self, InvalidSchema> {
        let validator = jsonschema::options_for::<Indexed>()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(schema)
            .map_err(|error| InvalidSchema { reason: format!("is not valid: {error}") })?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.map_or_else(Vec::new, |known| known.keys().cloned().collect());
        Ok(Self(Arc::new(Compiled { validator, properties })))
    }

    /// Whether `node` fits.
    #[must_use]
    pub fn fits(&self, node: Node<'_>) -> bool {
        self.0.validator.is_valid(At::node(node))
    }

    /// Checks `node`, called `name` in the answer.
    ///
    /// # Errors
    ///
    /// What does not fit, written so that whoever sent it can repair it: which argument, what was
    /// expected, and what came.
    pub fn check(&self, node: Node<'_>, name: &str) -> Result<(), String> {
        if self.fits(node) { Ok(()) } else { Err(self.describe(node, name)) }
    }

    #[cold]
    fn describe(&self, node: Node<'_>, name: &str) -> String {
        describe::faults(self.0.validator.iter_errors(At::node(node)), name, &self.0.properties)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

/// The schemas compiled so far: equal ones are compiled once, and share what was compiled.
///
/// Thousands of tools often have a handful of schemas between them. What all of them share stays in the
/// processor's cache, whichever is called.
#[derive(Default)]
pub(crate) struct Compiler {
    known: HashMap<Value, Schema>,
}

impl Compiler {
    pub(crate) fn compile(&mut self, schema: &Value) -> Result<Schema, InvalidSchema> {
        if let Some(known) = self.known.get(schema) {
            return Ok(known.clone());
        }
        let compiled = Schema::compile(schema)?;
        self.known.insert(schema.clone(), compiled.clone());
        Ok(compiled)
    }
}

/// A schema that cannot be compiled.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct InvalidSchema {
    reason: String,
}

impl InvalidSchema {
    pub(crate) fn not_an_object() -> Self {
        Self { reason: "must have `\"type\": \"object\"` at its root".into() }
    }
}

impl fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for InvalidSchema {}

/// A value for a message: short, and never more than a line.
fn short(value: &Value) -> Cow<'static, str> {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        None => text.into(),
        Some((at, _)) => format!("{}...", &text[..at]).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_schemas_share_one_compilation_and_others_do_not() {
        let mut compiler = Compiler::default();
        let mut compile = |least: Value| {
            let schema = json!({ "properties": { "n": { "minimum": least } }, "type": "object" });
            compiler.compile(&schema).unwrap()
        };
        let (one, same, other) = (compile(json!(1)), compile(json!(1)), compile(json!(2)));
        assert!(Arc::ptr_eq(&one.0, &same.0));
        assert!(!Arc::ptr_eq(&one.0, &other.0));
        assert!(compiler.compile(&json!({ "type": 1 })).is_err(), "what is no schema is never known");
        assert!(compiler.compile(&json!({ "type": 1 })).is_err());
    }
}
