//! The rules, each with whose it is and what to do about it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::positions::{escaped, visit};
use super::{SchemaClient as Client, SchemaFinding};
use crate::ToolSpec;
use crate::schema::is_width;

/// A rule; `docs/schemas_for_clients.md` has a row for each.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) clients: &'static [Client],
    pub(super) hint: &'static str,
}

macro_rules! rules {
    ($($rule:ident, $name:literal, [$($client:ident),*], $hint:literal;)*) => {
        $(static $rule: Rule = Rule { name: $name, clients: &[$(Client::$client),*], hint: $hint };)*

        /// Every rule.
        pub(super) static ALL: &[&Rule] = &[$(&$rule),*];
    };
}

rules! {
    TOOL_NAME, "tool-name", [Claude, OpenAi],
        "name the tool with A-Z a-z 0-9 _ - alone";
    TOOL_NAME_LENGTH, "tool-name-length", [Claude, Cursor, OpenAi],
        "name the tool with 48 characters at most: clients put the server's name before it, and drop what is longer than 60 or 64 together";
    DESCRIPTION_LENGTH, "description-length", [OpenAi],
        "describe the tool in 1,024 characters at most, and its arguments with them";
    PROPERTY_NAME, "property-name", [Claude],
        "name the member with 1 to 64 of A-Z a-z 0-9 _ . -";
    TOP_LEVEL_UNION, "top-level-union", [Claude, OpenAi, OpenAiStrict],
        "say it of a member: `anyOf`, `oneOf`, `allOf`, `not` and `if` may not stand at the top (of an enum of structs, take a struct with the enum in a member)";
    REFERENCE, "reference", [Claude],
        "write the schema where it is used (`#[schemars(inline)]` on its type)";
    RECURSIVE_REFERENCE, "recursive-reference", [Claude, Gemini],
        "bound the nesting, with a type of its own for each level, or take the value as text";
    REFERENCE_SIBLING, "reference-sibling", [OpenAiStrict],
        "say it within the schema that is referred to";
    NUMBER_FORMAT, "number-format", [Genkit, VsCode],
        "leave the format out, and give `minimum` and `maximum`";
    UNKNOWN_FORMAT, "unknown-format", [Genkit, OpenAiStrict],
        "take a format of JSON Schema, or say it in the description";
    OBJECT_WITHOUT_PROPERTIES, "object-without-properties", [Gemini, OpenAi, OpenAiStrict],
        "give it `properties`, if only `{}`";
    ARRAY_WITHOUT_ITEMS, "array-without-items", [Gemini, OpenAi, VsCode],
        "give it `items`, if only `{}`";
    TYPE_LIST, "type-list", [Cursor, Gemini],
        "write the types as `anyOf`; an optional member needs no `null`";
    BOOLEAN_SCHEMA, "boolean-schema", [Gemini, OpenAiStrict],
        "leave the member out, or close the object with `additionalProperties`";
    NULLABLE, "nullable", [Claude, Cursor, OpenAi, VsCode],
        "`nullable` is no word of JSON Schema and says nothing here: write `anyOf` with `null`, or leave the member optional";
    UNTYPED, "untyped", [Gemini, OpenAiStrict],
        "give it a `type`";
    TUPLE, "tuple", [Gemini, OpenAiStrict, VsCode],
        "take an object with a member for each place, or an array of one type";
    EXCLUSIVE_BOUND, "exclusive-bound", [Claude, Genkit],
        "write the bound itself (`\"exclusiveMinimum\": 0`), as every draft since 6 has it";
    LOOKAROUND, "lookaround", [OpenAiStrict],
        "write the pattern without `(?=`, `(?!`, `(?<`";
    ENUM_OF_OTHERS, "enum-of-others", [Gemini],
        "take texts";
    OTHER_DRAFT, "other-draft", [Claude],
        "write the schema in draft 2020-12, and leave `$schema` out";
    OPTIONAL_MEMBER, "optional-member", [OpenAiStrict],
        "require it, and let it be null";
    OPEN_OBJECT, "open-object", [OpenAiStrict],
        "close it with `\"additionalProperties\": false`";
    DEFAULT, "default", [OpenAiStrict],
        "say it in the description";
    KEYWORD, "keyword", [OpenAiStrict],
        "say it in the description, and check it in the tool";
    DEPTH, "depth", [OpenAiStrict],
        "nest 10 levels at most";
    TOO_MANY_PROPERTIES, "too-many-properties", [OpenAiStrict],
        "have 5,000 members in all at most";
    TOO_MANY_VALUES, "too-many-values", [OpenAiStrict],
        "have 1,000 values of `enum` in all at most";
    TOO_LONG, "too-long", [OpenAiStrict],
        "have 120,000 characters of names and values at most";
}

/// The formats of JSON Schema.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// Keywords that apply a schema to the same value, or compare members.
const KEYWORDS: &[&str] = &[
    "allOf",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxProperties",
    "minProperties",
    "not",
    "oneOf",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// Keywords that may not stand at the top.
const UNIONS: &[&str] = &["allOf", "anyOf", "if", "not", "oneOf"];

pub(super) fn findings(spec: &ToolSpec) -> Vec<SchemaFinding> {
    let mut found = Vec::new();
    let mut add = |rule: &'static Rule, pointer: &str| {
        found.push(SchemaFinding { rule, pointer: pointer.to_owned() });
    };
    if !spec.name().bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        add(&TOOL_NAME, "/name");
    }
    if 48 < spec.name().len() {
        add(&TOOL_NAME_LENGTH, "/name");
    }
    if 1_024 < spec.description().chars().count() {
        add(&DESCRIPTION_LENGTH, "/description");
    }
    arguments(spec.input_schema(), &mut add);
    if let Some(schema) = spec.output_schema() {
        // Clients check values against it; no model reads it.
        visit(schema, "/outputSchema", "", 0, &mut |schema, at, _, _| {
            if let Value::Object(members) = schema {
                formats(members, at, &mut add);
                if members
                    .get("exclusiveMinimum")
                    .or(members.get("exclusiveMaximum"))
                    .is_some_and(Value::is_boolean)
                {
                    add(&EXCLUSIVE_BOUND, at);
                }
            }
        });
    }
    found
}

fn arguments(root: &Value, add: &mut impl FnMut(&'static Rule, &str)) {
    const TOP: &str = "/inputSchema";
    let (mut properties, mut values, mut length) = (0, 0, 0);
    let is_other_draft = |named: &str| !named.contains("2020-12");
    if root.get("$schema").and_then(Value::as_str).is_some_and(is_other_draft) {
        add(&OTHER_DRAFT, &format!("{TOP}/$schema"));
    }
    if UNIONS.iter().any(|keyword| root.get(*keyword).is_some()) {
        add(&TOP_LEVEL_UNION, TOP);
    }
    let recursive = recursive(root);
    visit(root, TOP, "", 1, &mut |schema, at, keyword, depth| {
        let Value::Object(members) = schema else {
            // What `additionalProperties` and its like say by it is understood.
            if !matches!(
                keyword,
                "additionalProperties" | "additionalItems" | "unevaluatedItems" | "unevaluatedProperties"
            ) {
                add(&BOOLEAN_SCHEMA, at);
            }
            return;
        };
        reference(members, at, &recursive, add);
        formats(members, at, add);
        types(members, at, keyword, add);
        object(members, at, add);
        if members.get("exclusiveMinimum").or(members.get("exclusiveMaximum")).is_some_and(Value::is_boolean)
        {
            add(&EXCLUSIVE_BOUND, at);
        }
        let is_lookaround = |pattern: &str| ["(?=", "(?!", "(?<"].iter().any(|open| pattern.contains(open));
        if members.get("pattern").and_then(Value::as_str).is_some_and(is_lookaround) {
            add(&LOOKAROUND, at);
        }
        for keyword in KEYWORDS.iter().filter(|keyword| members.contains_key(**keyword)) {
            add(&KEYWORD, &format!("{at}/{keyword}"));
        }
        if members.contains_key("default") {
            add(&DEFAULT, &format!("{at}/default"));
        }
        if depth == 11 && keyword != "$defs" {
            add(&DEPTH, at);
        }
        let named = members.get("properties").and_then(Value::as_object);
        properties += named.map_or(0, Map::len);
        length += named.into_iter().flat_map(Map::keys).map(String::len).sum::<usize>();
        let own = members.get("enum").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        values += own.len();
        length += own.iter().map(|value| value.as_str().map_or(0, str::len)).sum::<usize>();
    });
    for (is_over, rule) in [
        (5_000 < properties, &TOO_MANY_PROPERTIES),
        (1_000 < values, &TOO_MANY_VALUES),
        (120_000 < length, &TOO_LONG),
    ] {
        if is_over {
            add(rule, TOP);
        }
    }
}

fn formats(members: &Map<String, Value>, at: &str, add: &mut impl FnMut(&'static Rule, &str)) {
    match members.get("format").and_then(Value::as_str) {
        Some(format) if is_width(format) => add(&NUMBER_FORMAT, &format!("{at}/format")),
        Some(format) if !FORMATS.contains(&format) => add(&UNKNOWN_FORMAT, &format!("{at}/format")),
        _ => {}
    }
}

fn reference(
    members: &Map<String, Value>,
    at: &str,
    recursive: &HashSet<&str>,
    add: &mut impl FnMut(&'static Rule, &str),
) {
    let Some(to) = members.get("$ref").and_then(Value::as_str) else { return };
    add(if recursive.contains(to) { &RECURSIVE_REFERENCE } else { &REFERENCE }, &format!("{at}/$ref"));
    if members.keys().any(|keyword| !matches!(keyword.as_str(), "$ref" | "$defs" | "definitions")) {
        add(&REFERENCE_SIBLING, at);
    }
}

fn types(members: &Map<String, Value>, at: &str, keyword: &str, add: &mut impl FnMut(&'static Rule, &str)) {
    let says_another_way = ["$ref", "allOf", "anyOf", "const", "enum", "oneOf"]
        .iter()
        .any(|keyword| members.contains_key(*keyword));
    match members.get("type") {
        Some(Value::Array(_)) => add(&TYPE_LIST, &format!("{at}/type")),
        // Of the forms of `if` and its like the type is that of what they are applied to.
        None if !says_another_way
            && matches!(keyword, "properties" | "items" | "prefixItems" | "$defs" | "definitions") =>
        {
            add(&UNTYPED, at);
        }
        _ => {}
    }
    let is_array = members.get("type").and_then(Value::as_str) == Some("array");
    if is_array && !members.contains_key("items") {
        add(&ARRAY_WITHOUT_ITEMS, at);
    }
    if members.contains_key("prefixItems") || members.get("items").is_some_and(Value::is_array) {
        add(&TUPLE, at);
    }
    if members.contains_key("nullable") {
        add(&NULLABLE, &format!("{at}/nullable"));
    }
    let is_other = |value: &Value| !value.is_string();
    if members.get("enum").and_then(Value::as_array).is_some_and(|values| values.iter().any(is_other)) {
        add(&ENUM_OF_OTHERS, &format!("{at}/enum"));
    }
}

fn object(members: &Map<String, Value>, at: &str, add: &mut impl FnMut(&'static Rule, &str)) {
    if members.get("type").and_then(Value::as_str) != Some("object") {
        return;
    }
    let Some(properties) = members.get("properties").and_then(Value::as_object) else {
        return add(&OBJECT_WITHOUT_PROPERTIES, at);
    };
    let required = members.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for name in properties.keys() {
        let at = format!("{at}/properties/{}", escaped(name));
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            add(&PROPERTY_NAME, &at);
        }
        if !required.iter().any(|required| required.as_str() == Some(name)) {
            add(&OPTIONAL_MEMBER, &at);
        }
    }
    if members.get("additionalProperties") != Some(&Value::Bool(false)) {
        add(&OPEN_OBJECT, at);
    }
}

/// The references that lead back to themselves.
fn recursive(root: &Value) -> HashSet<&str> {
    let mut all = HashSet::new();
    visit(root, "", "", 0, &mut |schema, _, _, _| {
        all.extend(schema.get("$ref").and_then(Value::as_str));
    });
    let leads_back = |start: &&str| {
        let (mut seen, mut left) = (HashSet::new(), vec![*start]);
        while let Some(to) = left.pop() {
            let Some(target) = to.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) else {
                continue;
            };
            let mut is_back = false;
            visit(target, "", "", 0, &mut |schema, _, _, _| {
                let Some(next) = schema.get("$ref").and_then(Value::as_str) else { return };
                is_back |= next == *start;
                if seen.insert(next) {
                    left.push(next);
                }
            });
            if is_back {
                return true;
            }
        }
        false
    };
    all.into_iter().filter(leads_back).collect()
}
