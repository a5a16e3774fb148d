//! The schema of what a template takes: derived, or held against a given one.

use serde_json::{Map, Value, json};
use toolpost_dispatch::nearest;

use super::{Place, Shape, Template, ValueKind};

/// The schema that the places make: a member for each name, in the order of the template.
pub(super) fn derived(template: &Template) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for place in template.places() {
        let name = &*place.name;
        let known = properties.get(name).is_some_and(|known| known["type"] != "string");
        if !known {
            properties.insert(name.to_owned(), one(place));
        }
        if place.is_required() && !required.contains(&name) {
            required.push(name);
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !template.takes_all() {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

/// Names that the schema has and the template does not, and the other way around; what the template needs and the
/// schema does not.
pub(super) fn compare(template: &Template, given: &Value, faults: &mut Vec<String>) {
    if given.get("type").and_then(Value::as_str) != Some("object") {
        faults.push("input-schema: its `type` must be \"object\": a call has its arguments by name".into());
        return;
    }
    let none = Map::new();
    let properties = given.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = |name: &str| {
        let listed = given.get("required").and_then(Value::as_array);
        listed.is_some_and(|listed| listed.iter().any(|one| one.as_str() == Some(name)))
    };
    let names: Vec<&str> = template.places().map(|place| &*place.name).collect();
    let mut told: Vec<&str> = Vec::new();
    for place in template.places() {
        let name = &*place.name;
        if told.contains(&name) {
            continue;
        }
        told.push(name);
        if !properties.contains_key(name) {
            let near = near(name, properties.keys().map(String::as_str));
            faults.push(format!("input-schema: has no property `{name}`, which the template takes{near}"));
        } else if place.is_required() && !required(name) {
            faults.push(format!(
                "input-schema: `{name}` is not in `required`, and the template needs it; add it there, or write `{{{name}?}}`"
            ));
        }
    }
    if template.takes_all() {
        return;
    }
    for name in properties.keys().filter(|name| !names.contains(&name.as_str())) {
        let near = near(name, names.iter().copied());
        faults
            .push(format!("input-schema: has a property `{name}`, which goes nowhere in the template{near}"));
    }
}

impl Place {
    fn is_required(&self) -> bool {
        !self.optional && self.shape != Shape::Flag
    }
}

fn one(place: &Place) -> Value {
    let value = match place.kind {
        Some(ValueKind::Boolean) => json!({ "type": "boolean" }),
        Some(ValueKind::Integer) => json!({ "type": "integer" }),
        Some(ValueKind::Json) => json!({}),
        Some(ValueKind::Number) => json!({ "type": "number" }),
        Some(ValueKind::String) | None => json!({ "type": "string" }),
    };
    match place.shape {
        Shape::One => value,
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Repeated | Shape::Joined if place.optional => json!({ "type": "array", "items": value }),
        Shape::Repeated | Shape::Joined => json!({ "type": "array", "items": value, "minItems": 1 }),
    }
}

fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(wanted, known).first() {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}
