//! Any arguments against schemas that recur, multiply or are made of the same bytes: whatever comes is fitted or
//! described, in few words and a bounded number of steps (an endless one is the fuzzer's time-out).

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use toolpost_dispatch::Schema;
use toolpost_json::{Frame, Limits};

/// The longest description: five faults, each with its place, what came and the names there are.
const LONGEST: usize = 20_000;

/// Schemas of which each is nasty in a way of its own.
static NASTY: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let form = |name: &str| json!({ "type": "object", "properties": { name: { "$ref": "#/$defs/N" } }, "required": [name] });
    let with = |definition: Value| json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/N" } }, "$defs": { "N": definition } });
    let op = |tag: &str| {
        json!({ "type": "object", "required": ["b"], "additionalProperties": false,
            "properties": { "b": { "const": tag }, "a": { "$ref": "#/$defs/N" } } })
    };
    let level = |at: usize| json!({ "type": "object", "properties": { "a": { "$ref": format!("#/$defs/{}", at + 1) } }, "required": ["a"] });
    let mut levels: Map<String, Value> =
        (0..20).map(|at| (at.to_string(), json!({ "anyOf": [level(at), level(at)] }))).collect();
    levels.insert("20".to_owned(), json!({ "type": "null" }));
    let all = [
        with(json!({ "anyOf": [form("a"), form("a"), { "type": "null" }] })),
        with(
            json!({ "oneOf": [form("a"), form("b"), { "type": "array", "items": { "$ref": "#/$defs/N" } }] }),
        ),
        with(json!({ "oneOf": [op("a"), op("b"), op("c")] })),
        with(json!({ "not": form("a"), "propertyNames": { "maxLength": 2 } })),
        with(json!({ "type": ["object", "array"], "uniqueItems": true, "unevaluatedProperties": false,
            "if": { "required": ["a"] }, "then": form("b"), "else": { "properties": { "c": true } } })),
        with(
            json!({ "contains": { "$ref": "#/$defs/N" }, "minContains": 2, "enum": [[], {}, [[]], 1, "a", null] }),
        ),
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/0" } }, "$defs": levels }),
    ];
    all.iter().map(|schema| Schema::compile(schema).expect("a schema")).collect()
});

/// The first byte names the schema; the rest are the arguments, as text or as what makes them.
pub(crate) fn run(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let own;
    let schema = match NASTY.get(usize::from(first % 16)) {
        Some(schema) => schema,
        None => match Schema::compile(&made_schema(&mut rest, 0)) {
            Ok(schema) => {
                own = schema;
                &own
            }
            Err(_) => return,
        },
    };
    let text = String::from_utf8_lossy(rest);
    let frame = match Frame::from_text(text.as_ref().to_owned(), &Limits::new()) {
        Ok(frame) => frame,
        Err(_) => {
            let Ok(frame) = Frame::from_serialize(&made_value(&mut rest, 0)) else { return };
            frame
        }
    };
    let said = schema.check(frame.root(), "arguments");
    assert_eq!(said.is_ok(), schema.fits(frame.root()));
    if let Err(said) = said {
        assert!(said.starts_with("arguments") && said.len() < LONGEST, "{} bytes: {said:.300}", said.len());
    }
    let _bounded = schema.warnings();
}

fn byte(rest: &mut &[u8]) -> u8 {
    let (byte, after) = rest.split_first().map_or((0, *rest), |(byte, after)| (*byte, after));
    *rest = after;
    byte
}

const NAMES: [&str; 4] = ["a", "b", "c", "$ref"];

fn made_schema(rest: &mut &[u8], depth: u32) -> Value {
    let mut schema = Map::new();
    let kinds = if depth < 4 { 12 } else { 5 };
    for _ in 0..=byte(rest) % 3 {
        let (keyword, value) = match byte(rest) % kinds {
            0 => {
                ("type", json!(["null", "integer", "string", "object", "array"][usize::from(byte(rest) % 5)]))
            }
            1 => ("const", made_value(rest, 3)),
            2 => ("$ref", json!("#/properties/a")),
            3 => ("required", json!([NAMES[usize::from(byte(rest) % 3)]])),
            4 => ("maxLength", json!(byte(rest))),
            5 => ("anyOf", json!([made_schema(rest, depth + 1), made_schema(rest, depth + 1)])),
            6 => ("oneOf", json!([made_schema(rest, depth + 1), made_schema(rest, depth + 1)])),
            7 => ("allOf", json!([made_schema(rest, depth + 1)])),
            8 => ("not", made_schema(rest, depth + 1)),
            9 => ("items", made_schema(rest, depth + 1)),
            10 => (
                "additionalProperties",
                if byte(rest) < 128 { json!(false) } else { made_schema(rest, depth + 1) },
            ),
            _ => {
                let names = NAMES[..3].iter().map(|name| ((*name).to_owned(), made_schema(rest, depth + 1)));
                ("properties", Value::Object(names.collect()))
            }
        };
        schema.insert(keyword.to_owned(), value);
    }
    Value::Object(schema)
}

fn made_value(rest: &mut &[u8], depth: u32) -> Value {
    match byte(rest) % if depth < 60 { 7 } else { 4 } {
        0 => Value::Null,
        1 => json!(byte(rest)),
        2 => json!(NAMES[usize::from(byte(rest) % 4)]),
        3 => json!(true),
        4 => (0..byte(rest) % 4).map(|_| made_value(rest, depth + 1)).collect(),
        _ => {
            let names = (0..=byte(rest) % 3).map(|_| NAMES[usize::from(byte(rest) % 4)].to_owned());
            let names: Vec<String> = names.collect();
            Value::Object(names.into_iter().map(|name| (name, made_value(rest, depth + 1))).collect())
        }
    }
}
