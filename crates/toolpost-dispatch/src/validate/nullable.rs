//! A schema derived from what a type reads, whose optional members take `null` as well.
//!
//! They are listed without it, since there are clients that cannot send a value of one of two types. Those that send
//! `null` for what they leave out are understood all the same.

use serde_json::{Map, Value, json};

use super::determined::{is_data, is_named, required};

/// `schema`, with `null` for the members that may be left out and have no default but that.
pub(crate) fn nullable(schema: &Value) -> Value {
    let Value::Object(members) = schema else {
        return match schema {
            Value::Array(items) => items.iter().map(nullable).collect(),
            other => other.clone(),
        };
    };
    let member = |(name, property): (&String, &Value)| {
        let is_optional = !required(schema).any(|required| required == name);
        let takes_null = is_optional && property.get("default").is_none_or(Value::is_null);
        let property = nullable(property);
        (name.clone(), if takes_null { or_null(property) } else { property })
    };
    let mut out = Map::new();
    for (keyword, value) in members {
        let value = match (keyword.as_str(), value) {
            (keyword, value) if is_data(keyword) => value.clone(),
            ("properties", Value::Object(properties)) => {
                Value::Object(properties.iter().map(member).collect())
            }
            (keyword, Value::Object(named)) if is_named(keyword) => {
                Value::Object(named.iter().map(|(name, schema)| (name.clone(), nullable(schema))).collect())
            }
            (_, value) => nullable(value),
        };
        out.insert(keyword.clone(), value);
    }
    Value::Object(out)
}

fn or_null(mut schema: Value) -> Value {
    let Value::Object(members) = &mut schema else { return schema };
    // The one keyword that most have is widened; the others pass over what is no value of their own type.
    if members.is_empty() {
        return schema;
    }
    let only_type = !["$ref", "allOf", "anyOf", "const", "enum", "if", "not", "oneOf"]
        .iter()
        .any(|k| members.contains_key(*k));
    match members.get_mut("type") {
        Some(kind @ Value::String(_)) if only_type => {
            let own = kind.take();
            *kind = json!([own, "null"]);
            schema
        }
        Some(Value::Array(kinds)) if only_type => {
            if !kinds.contains(&Value::from("null")) {
                kinds.push("null".into());
            }
            schema
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}
