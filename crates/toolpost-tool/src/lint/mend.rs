//! Says in a form that all clients take what a schema says, where that changes for no value whether it is valid.

use serde_json::{Map, Value};

use super::positions::{Holds, holds};
use crate::schema::{is_width, with_properties};

/// Mends a schema of arguments.
///
/// Few need it, and every tool of a server that starts has one: a look takes a tenth of the 36,000 instructions that mending takes
/// (`cargo xtask bench startup`).
pub(crate) fn mend_arguments(schema: &mut Value) {
    if needs_mending(schema) {
        mend(schema);
    }
}

/// The same, without a look before.
pub(super) fn mend(schema: &mut Value) {
    let how = Mend {
        // What some reference or `unevaluated` looks at has to stay where it is.
        moves: !has(schema, &|members| {
            members.get("$ref").and_then(Value::as_str).is_some_and(|to| !is_to_a_definition(to))
                || members.keys().any(|keyword| keyword.starts_with("unevaluated"))
        }),
        items: !has(schema, &|members| members.contains_key("unevaluatedItems")),
    };
    how.mend(schema);
}

/// Mends a schema of results, which clients check values against and hand on to no model: what is said is left as it is said
/// but for the formats.
pub(crate) fn mend_result(schema: &mut Value) {
    each_within(schema, &mut |members| without_width(members));
}

/// Whether mending may change anything of a schema, or of one within it.
pub(super) fn needs_mending(schema: &Value) -> bool {
    let Value::Object(members) = schema else { return false };
    let within = |schema: &Value| *schema == Value::Bool(true) || needs_mending(schema);
    members.iter().any(|(keyword, value)| match (&**keyword, value) {
        ("type", Value::Array(_)) => true,
        ("type", Value::String(kind)) => match &**kind {
            "object" => !members.contains_key("properties"),
            "array" => !members.contains_key("items"),
            _ => false,
        },
        ("format", Value::String(format)) => is_width(format),
        _ => match (holds(keyword, value), value) {
            (Holds::One, schema) => within(schema),
            (Holds::List, Value::Array(schemas)) => schemas.iter().any(within),
            (Holds::Named, Value::Object(named)) => named.values().any(within),
            _ => false,
        },
    })
}

struct Mend {
    /// Whether keywords may move into a form of a union.
    moves: bool,
    /// Whether an array without a schema of its items may be given one.
    items: bool,
}

impl Mend {
    fn mend(&self, schema: &mut Value) {
        each_within(schema, &mut |members| {
            without_width(members);
            if self.moves {
                told_apart(members);
            } else {
                only_type(members);
            }
            self.complete(members);
            for form in members.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Value::Object(form) = form {
                    self.complete(form);
                }
            }
        });
    }

    fn complete(&self, members: &mut Map<String, Value>) {
        with_properties(members);
        if self.items && members.get("type").and_then(Value::as_str) == Some("array") {
            members.entry("items").or_insert_with(|| Value::Object(Map::new()));
        }
        for keyword in ["items", "contains", "not", "if", "then", "else"] {
            if members.get(keyword) == Some(&Value::Bool(true)) {
                members.insert(keyword.to_owned(), Value::Object(Map::new()));
            }
        }
        for (keyword, value) in members.iter_mut() {
            let within: Box<dyn Iterator<Item = &mut Value>> = match (holds(keyword, value), value) {
                (Holds::List, Value::Array(schemas)) => Box::new(schemas.iter_mut()),
                (Holds::Named, Value::Object(named)) => Box::new(named.values_mut()),
                _ => continue,
            };
            within
                .filter(|schema| **schema == Value::Bool(true))
                .for_each(|schema| *schema = Value::Object(Map::new()));
        }
    }
}

/// A format that is a width of Rust's numbers says nothing to a client.
fn without_width(members: &mut Map<String, Value>) {
    if members.get("format").and_then(Value::as_str).is_some_and(is_width) {
        members.remove("format");
    }
}

/// A list of one type is that type.
fn only_type(members: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = members.get_mut("type")
        && let [only] = &mut types[..]
    {
        let only = only.take();
        members.insert("type".to_owned(), only);
    }
}

/// A list of types is a union, each of whose forms has one.
fn told_apart(members: &mut Map<String, Value>) {
    only_type(members);
    // What is repeated in a header has its type in sight.
    if members.contains_key("anyOf") || members.contains_key("x-mcp-header") {
        return;
    }
    let Some(Value::Array(types)) = members.get("type") else { return };
    if !types.iter().all(Value::is_string) {
        return;
    }
    let mut types: Vec<String> = types.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    if types.iter().any(|kind| kind == "number") {
        types.retain(|kind| kind != "integer");
    }
    if types.is_empty() {
        return;
    }
    members.remove("type");
    let values = members.remove("enum");
    let mut forms = Vec::new();
    for kind in types {
        let mut form = Map::new();
        for keyword in keywords_of(&kind) {
            if let Some(value) = members.remove(*keyword) {
                form.insert((*keyword).to_owned(), value);
            }
        }
        if let Some(Value::Array(values)) = &values {
            let own: Vec<Value> = values.iter().filter(|value| is_of(value, &kind)).cloned().collect();
            match own.is_empty() {
                true => continue,
                false if kind == "null" => {}
                false => drop(form.insert("enum".to_owned(), own.into())),
            }
        }
        form.insert("type".to_owned(), kind.into());
        forms.push(Value::Object(form));
    }
    match &mut forms[..] {
        [] => {
            // No value is of any of the types.
            members.insert("enum".to_owned(), values.unwrap_or_else(|| Value::Array(Vec::new())));
            members.insert("not".to_owned(), Value::Object(Map::new()));
        }
        [Value::Object(only)] => members.append(only),
        _ => drop(members.insert("anyOf".to_owned(), forms.into())),
    }
}

/// The keywords that say something of values of one type alone.
fn keywords_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "string" => &[
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "contentEncoding",
            "contentMediaType",
            "contentSchema",
        ],
        "number" | "integer" => &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
        "array" => &[
            "items",
            "prefixItems",
            "additionalItems",
            "contains",
            "minContains",
            "maxContains",
            "minItems",
            "maxItems",
            "uniqueItems",
        ],
        "object" => &[
            "properties",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
            "required",
            "minProperties",
            "maxProperties",
            "dependentRequired",
            "dependentSchemas",
            "dependencies",
        ],
        _ => &[],
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(_) => matches!(kind, "number" | "integer"),
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

/// Whether a reference leads to a schema in a place of its own, which stays where it is.
fn is_to_a_definition(reference: &str) -> bool {
    reference == "#"
        || ["#/$defs/", "#/definitions/"]
            .iter()
            .any(|place| reference.strip_prefix(place).is_some_and(|name| !name.contains('/')))
}

/// Whether a schema, or one within it, is so.
fn has(schema: &Value, is_so: &impl Fn(&Map<String, Value>) -> bool) -> bool {
    let Value::Object(members) = schema else { return false };
    is_so(members)
        || members.iter().any(|(keyword, value)| match (holds(keyword, value), value) {
            (Holds::One, schema) => has(schema, is_so),
            (Holds::List, Value::Array(schemas)) => schemas.iter().any(|schema| has(schema, is_so)),
            (Holds::Named, Value::Object(named)) => named.values().any(|schema| has(schema, is_so)),
            _ => false,
        })
}

/// Changes a schema and those within it, the inner first.
fn each_within(schema: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members.iter_mut() {
        match (holds(keyword, value), value) {
            (Holds::One, schema) => each_within(schema, change),
            (Holds::List, Value::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| each_within(schema, change));
            }
            (Holds::Named, Value::Object(named)) => {
                named.values_mut().for_each(|schema| each_within(schema, change));
            }
            _ => {}
        }
    }
    change(members);
}
