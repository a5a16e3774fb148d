//! A JSON Schema of the specification: its types, and samples made from them.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// How many samples with all fields there are of a type: the most alternatives of any union, so that each has its turn.
const ROUNDS: usize = 8;

/// A `schema.json`.
pub(super) struct Schema {
    types: Map<String, Value>,
}

impl Schema {
    /// Reads the schema in `file`.
    pub(super) fn load(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut schema: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        match schema["$defs"].take() {
            Value::Object(types) if !types.is_empty() => Ok(Self { types }),
            _ => Err(format!("{}: no types", file.display())),
        }
    }

    /// The names of the types.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// What checks a value of the type called `name`.
    pub(super) fn validator(&self, name: &str) -> Result<Validator, String> {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/$defs/{name}"),
            "$defs": self.types,
        });
        jsonschema::validator_for(&schema).map_err(|error| format!("{name}: {error}"))
    }

    /// Values of the type called `name`: one with its required fields only, and some with all fields.
    pub(super) fn samples(&self, name: &str) -> Vec<Value> {
        let mut samples = vec![self.named(name, Shape { full: false, round: 0 })];
        for round in 0..ROUNDS {
            let sample = self.named(name, Shape { full: true, round });
            if !samples.contains(&sample) {
                samples.push(sample);
            }
        }
        samples
    }

    fn named(&self, name: &str, shape: Shape) -> Value {
        match name {
            // These refer to themselves.
            "JSONValue" => json!("value"),
            "JSONObject" => json!({}),
            "JSONArray" => json!([]),
            "ResultType" => json!("complete"),
            "InputRequiredResult" => {
                let mut sample = self.sample(&self.types[name], shape);
                sample["resultType"] = json!("input_required");
                sample
            }
            _ => self.sample(&self.types[name], shape),
        }
    }

    fn sample(&self, schema: &Value, shape: Shape) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.named(reference.rsplit('/').next().unwrap_or_default(), shape);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(choices) = schema["enum"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let choice = shape.choose(choices);
            return if schema.get("enum").is_some() { choice.clone() } else { self.sample(choice, shape) };
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut all = Map::new();
            for part in parts {
                if let Value::Object(fields) = self.sample(part, shape) {
                    all.extend(fields);
                }
            }
            return Value::Object(all);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => shape.choose(kinds),
            kind => kind,
        };
        match kind.as_str() {
            Some("object") => self.object(schema, shape),
            Some("array") => json!([self.sample(&schema["items"], shape)]),
            Some("string") => json!("file:///some"),
            Some("integer") => json!(1),
            Some("number") => json!(0.5),
            Some("boolean") => json!(shape.round.is_multiple_of(2)),
            Some("null") => Value::Null,
            _ => json!({"any": [null, 1.5]}),
        }
    }

    fn object(&self, schema: &Value, shape: Shape) -> Value {
        let mut sample = Map::new();
        let required = schema["required"].as_array();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if shape.full || required.is_some_and(|required| required.contains(&json!(name))) {
                sample.insert(name.clone(), self.sample(field, shape));
            }
        }
        // An open object says with a schema what its other fields must be; without one they may be anything, or absent.
        if schema["additionalProperties"].as_object().is_some_and(|schema| !schema.is_empty()) && shape.full {
            let other = self.sample(&schema["additionalProperties"], shape);
            if !schema["properties"].is_object() {
                sample.insert("other".to_owned(), other);
            }
        }
        Value::Object(sample)
    }
}

/// Which of a type's values to make.
#[derive(Clone, Copy)]
struct Shape {
    /// Whether to fill in optional fields.
    full: bool,
    /// Which alternative of each union to take.
    round: usize,
}

impl Shape {
    fn choose(self, choices: &[Value]) -> &Value {
        &choices[self.round % choices.len()]
    }
}
