//! Each rule by its smallest schema, and that mending keeps what is valid.

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// The rules that a tool with this schema of a member `a` breaks.
fn of_member(member: &Value) -> Vec<&'static str> {
    let schema = json!({ "type": "object", "properties": { "a": member }, "required": ["a"],
        "additionalProperties": false });
    of_schema(&schema)
}

fn of_schema(schema: &Value) -> Vec<&'static str> {
    let spec = ToolSpec::new("turn").unwrap().with_input_schema(schema.clone());
    spec.findings().iter().map(SchemaFinding::rule).collect()
}

fn closed(mut more: Value) -> Value {
    let members = more.as_object_mut().unwrap();
    members.insert("type".to_owned(), "object".into());
    members.entry("properties").or_insert_with(|| json!({}));
    members.insert("additionalProperties".to_owned(), false.into());
    more
}

#[test]
fn each_rule_has_a_smallest_schema_that_breaks_it() {
    let nested = (0..12).fold(json!({ "type": "string" }), |inner, _| {
        closed(json!({ "properties": { "a": inner }, "required": ["a"] }))
    });
    let text = || json!({ "type": "string" });
    let many: Map<String, Value> = (0..5_001).map(|n| (n.to_string(), text())).collect();
    let names: Vec<&String> = many.keys().collect();
    let values: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let cycle = json!({ "$defs": { "N": closed(json!({ "properties": { "n": { "$ref": "#/$defs/N" } }, "required": ["n"] })) } });
    let cases: Vec<(&str, Vec<&str>)> = vec![
        ("top-level-union", of_schema(&closed(json!({ "anyOf": [closed(json!({}))] })))),
        (
            "reference",
            of_schema(&closed(
                json!({ "$defs": { "S": text() }, "properties": { "a": { "$ref": "#/$defs/S" } }, "required": ["a"] }),
            )),
        ),
        ("recursive-reference", of_schema(&closed(cycle))),
        ("unknown-format", of_member(&json!({ "type": "string", "format": "path" }))),
        ("boolean-schema", of_member(&json!(false))),
        ("nullable", of_member(&json!({ "type": "string", "nullable": true }))),
        ("untyped", of_member(&json!({}))),
        ("enum-of-others", of_member(&json!({ "type": "integer", "enum": [1] }))),
        ("exclusive-bound", of_member(&json!({ "type": "integer", "minimum": 1, "exclusiveMinimum": true }))),
        ("lookaround", of_member(&json!({ "type": "string", "pattern": "^(?!a)" }))),
        ("other-draft", of_schema(&closed(json!({ "$schema": "http://json-schema.org/draft-07/schema#" })))),
        ("default", of_member(&json!({ "type": "string", "default": "a" }))),
        ("keyword", of_member(&json!({ "type": "string", "not": { "const": "a" } }))),
        ("depth", of_schema(&nested)),
        ("too-many-properties", of_schema(&closed(json!({ "properties": many, "required": names })))),
        ("too-many-values", of_member(&json!({ "type": "string", "enum": values }))),
        ("too-long", of_member(&json!({ "type": "string", "enum": ["x".repeat(120_001)] }))),
        (
            "property-name",
            of_schema(&closed(json!({ "properties": { "a b": text() }, "required": ["a b"] }))),
        ),
        ("optional-member", of_schema(&closed(json!({ "properties": { "a": text() } })))),
        ("open-object", of_schema(&json!({ "type": "object" }))),
        // Mended, but for where that would mean something else.
        ("type-list", of_member(&json!({ "type": ["string", "null"], "anyOf": [{ "maxLength": 1 }] }))),
    ];
    let mut shown: Vec<&str> = cases.iter().map(|(rule, _)| *rule).collect();
    for (rule, found) in &cases {
        assert_eq!(found, &[*rule], "the schema for `{rule}` breaks that rule alone");
    }
    let siblings = closed(json!({ "$defs": { "S": text() },
        "properties": { "a": { "$ref": "#/$defs/S", "description": "x" } }, "required": ["a"] }));
    assert_eq!(of_schema(&siblings), ["reference", "reference-sibling"]);
    let tuple = json!({ "type": "array", "prefixItems": [text()], "items": text() });
    assert_eq!(of_member(&tuple), ["tuple"]);
    let unevaluated = json!({ "type": "array", "unevaluatedItems": false });
    assert_eq!(of_member(&unevaluated), ["array-without-items", "keyword"]);
    let named = |name: &str| {
        let spec = ToolSpec::new(name).unwrap().with_input_schema(closed(json!({})));
        spec.findings().iter().map(SchemaFinding::rule).collect::<Vec<_>>()
    };
    assert_eq!(named("a.b"), ["tool-name"]);
    assert_eq!(named(&"a".repeat(49)), ["tool-name-length"]);
    let long =
        ToolSpec::new("a").unwrap().with_input_schema(closed(json!({}))).with_description("x".repeat(1_025));
    assert_eq!(long.findings()[0].rule(), "description-length");
    let result = ToolSpec::new("a").unwrap().with_input_schema(closed(json!({})));
    let result = result.with_output_schema(json!({ "type": "string", "format": "path" }));
    assert_eq!(result.findings()[0].pointer(), "/outputSchema/format");
    shown.extend([
        "reference-sibling",
        "tuple",
        "array-without-items",
        "tool-name",
        "tool-name-length",
        "description-length",
    ]);
    // These two are always mended.
    shown.extend(["number-format", "object-without-properties"]);
    shown.sort_unstable();
    let mut all: Vec<&str> = rules::ALL.iter().map(|rule| rule.name).collect();
    all.sort_unstable();
    assert_eq!(shown, all, "each rule is shown");
}

#[test]
fn the_page_has_a_row_for_each_rule_with_its_clients() {
    let page = include_str!("../../docs/schemas_for_clients.md");
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").collect()).collect();
    assert_eq!(rows.len(), rules::ALL.len());
    for (row, rule) in rows.iter().zip(rules::ALL) {
        let clients: Vec<String> = rule.clients.iter().map(ToString::to_string).collect();
        assert_eq!((row[0], row[2]), (format!("| `{}`", rule.name).as_str(), clients.join(", ").as_str()));
    }
    assert!(SchemaFinding::is_rule("tuple") && !SchemaFinding::is_rule("tuples"));
}

fn mended(mut schema: Value) -> Value {
    mend_arguments(&mut schema);
    schema
}

#[test]
fn what_can_be_said_so_that_all_take_it_is() {
    for (given, expected) in [
        (json!({ "type": "integer", "format": "uint8" }), json!({ "type": "integer" })),
        (json!({ "type": "object" }), json!({ "type": "object", "properties": {} })),
        (json!({ "type": "array" }), json!({ "type": "array", "items": {} })),
        (json!({ "type": "array", "items": true }), json!({ "type": "array", "items": {} })),
        (json!({ "type": ["string"] }), json!({ "type": "string" })),
        (
            json!({ "type": ["string", "null"], "maxLength": 3, "description": "x", "default": null }),
            json!({ "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "null" }], "description": "x", "default": null }),
        ),
        (
            json!({ "type": ["string", "null"], "enum": ["a", null] }),
            json!({ "anyOf": [{ "type": "string", "enum": ["a"] }, { "type": "null" }] }),
        ),
        (json!({ "type": ["string", "null"], "enum": ["a"] }), json!({ "type": "string", "enum": ["a"] })),
        (
            json!({ "type": ["array", "object", "null"], "minItems": 1 }),
            json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": {} }, { "type": "object", "properties": {} },
                { "type": "null" }] }),
        ),
        (json!({ "type": ["integer", "number"], "minimum": 1 }), json!({ "type": "number", "minimum": 1 })),
        (
            json!({ "type": ["string", "null"], "x-mcp-header": "A" }),
            json!({ "type": ["string", "null"], "x-mcp-header": "A" }),
        ),
        // What is no schema is left alone.
        (
            json!({ "default": { "type": "object" }, "x-more": { "type": "object" } }),
            json!({ "default": { "type": "object" }, "x-more": { "type": "object" } }),
        ),
        (
            json!({ "properties": { "a": { "type": ["array", "null"], "items": { "type": "string" } }, "b": { "$ref": "#/properties/a/items" } } }),
            json!({ "properties": { "a": { "type": ["array", "null"], "items": { "type": "string" } }, "b": { "$ref": "#/properties/a/items" } } }),
        ),
    ] {
        let once = mended(given.clone());
        assert_eq!(once, expected, "{given}");
        assert_eq!(mended(once.clone()), once, "mended twice is mended once");
    }
}

fn instance() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..9).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(2.5)].prop_map(Value::from),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn kind() -> impl Strategy<Value = Value> {
    let one =
        || prop::sample::select(vec!["string", "integer", "number", "boolean", "array", "object", "null"]);
    prop_oneof![
        one().prop_map(Value::from),
        prop::collection::btree_set(one(), 1..4)
            .prop_map(|kinds| Value::from(kinds.into_iter().collect::<Vec<_>>())),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(json!({ "$ref": "#/$defs/D" })),
        6 => (kind(), prop::collection::btree_set(0..9_usize, 0..4), prop::option::weighted(0.3, prop::collection::vec(instance(), 1..5)))
            .prop_map(|(kind, says, values)| {
                let said = [
                    ("minimum", json!(1)), ("maximum", json!(4)), ("multipleOf", json!(2)), ("minLength", json!(1)),
                    ("pattern", json!("^a")), ("format", json!("uint32")), ("minItems", json!(1)),
                    ("required", json!(["a"])), ("maxProperties", json!(1)),
                ];
                let mut members = Map::from_iter([("type".to_owned(), kind)]);
                members.extend(says.into_iter().map(|at| (said[at].0.to_owned(), said[at].1.clone())));
                if let Some(values) = values {
                    members.insert("enum".to_owned(), values.into());
                }
                Value::Object(members)
            }),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let keyword = prop::sample::select(vec![
            "items",
            "additionalProperties",
            "not",
            "contains",
            "unevaluatedItems",
            "unevaluatedProperties",
        ]);
        let list = prop::sample::select(vec!["anyOf", "allOf", "oneOf", "prefixItems"]);
        let one = (inner.clone(), keyword, inner.clone())
            .prop_map(|(within, keyword, base)| with(&base, keyword, within));
        let many = (inner.clone(), list, prop::collection::vec(inner.clone(), 1..3))
            .prop_map(|(base, keyword, forms)| with(&base, keyword, forms.into()));
        let named = (inner.clone(), prop::collection::btree_map("[ab]", inner, 0..3))
            .prop_map(|(base, named)| with(&base, "properties", Value::Object(named.into_iter().collect())));
        prop_oneof![one, many, named]
    })
}

fn with(base: &Value, keyword: &str, value: Value) -> Value {
    let mut members = base.as_object().cloned().unwrap_or_default();
    members.insert(keyword.to_owned(), value);
    Value::Object(members)
}

fn compiled(schema: &Value) -> Option<Validator> {
    jsonschema::draft202012::new(schema).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mending_changes_for_no_value_whether_it_is_valid(
        schema in schema(),
        definition in kind(),
        instances in prop::collection::vec(instance(), 12),
    ) {
        let schema = with(&schema, "$defs", json!({ "D": { "type": definition, "maxLength": 2 } }));
        let once = mended(schema.clone());
        prop_assert_eq!(&mended(once.clone()), &once, "mended twice is mended once");
        let mut unseen = schema.clone();
        mend::mend(&mut unseen);
        prop_assert_eq!(&unseen, &once, "a look before passes over nothing");
        let (Some(before), Some(after)) = (compiled(&schema), compiled(&once)) else {
            prop_assert!(compiled(&schema).is_none() && compiled(&once).is_none(), "{} is {}", schema, once);
            return Ok(());
        };
        for instance in &instances {
            prop_assert_eq!(before.is_valid(instance), after.is_valid(instance), "{} {} {}", schema, once, instance);
        }
    }
}
