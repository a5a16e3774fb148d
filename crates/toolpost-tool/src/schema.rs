//! The schemas of a tool, derived from its types, in the form that clients take.
//!
//! Schemars says what a type reads or writes. What is changed here is how that is said: without what some client or
//! model provider refuses or pays for, and closed, so that a misspelt member is noticed.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::lint::mend_arguments;

/// A schema, and where it comes from.
#[derive(Clone)]
pub(crate) struct Declared {
    pub(crate) schema: Arc<Value>,
    pub(crate) is_derived: bool,
    /// The names of properties in the order in which they are listed.
    pub(crate) order: &'static [&'static str],
    /// As it was written, if it is listed so.
    pub(crate) text: Option<Arc<RawValue>>,
}

impl Declared {
    pub(crate) fn derived(schema: Value) -> Self {
        Self { schema: Arc::new(schema), is_derived: true, order: &[], text: None }
    }
}

/// A schema is what it says, wherever it comes from.
impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.schema, f)
    }
}

/// The schema of the arguments that are read into an `A`, and what its doc comment says.
///
/// An optional member is written without `null`, which whoever validates against it accepts all the same.
pub(crate) fn of_arguments<A: JsonSchema>() -> (Value, String) {
    arguments(SchemaSettings::default().for_deserialize().into_generator().into_root_schema_for::<A>())
}

/// Apart, and never inlined: what does not depend on the type is there once, and not for each tool.
#[inline(never)]
fn arguments(schema: Schema) -> (Value, String) {
    let schema = schema.to_value();
    let mut open = HashSet::new();
    find_merged(&schema, &schema, &mut open);
    let mut schema = Rewrite { open: Some(&open) }.schema(&schema, true);
    let mut description = String::new();
    if let Some(root) = schema.as_object_mut() {
        root.entry("type").or_insert_with(|| Value::from("object"));
        with_properties(root);
        // The tool says it already.
        if let Some(Value::String(said)) = root.remove("description") {
            description = said;
        }
    }
    mend_arguments(&mut schema);
    (schema, description)
}

/// The schema of what a `T` is written as.
pub(crate) fn of_result<T: JsonSchema + ?Sized>() -> Value {
    result(SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>())
}

/// As [`arguments`] is.
#[inline(never)]
fn result(schema: Schema) -> Value {
    Rewrite { open: None }.schema(&schema.to_value(), true)
}

/// The schema of an object whose member `result` is what `schema` describes.
pub(crate) fn wrapped(schema: &Value) -> Value {
    let mut inner = schema.clone();
    let mut outer = Map::new();
    if let Value::Object(members) = &mut inner {
        // What is referred to by its place stays where it is.
        for keyword in ["$schema", "$defs", "definitions"] {
            if let Some(value) = members.remove(keyword) {
                outer.insert(keyword.to_owned(), value);
            }
        }
    }
    refer_on(&mut inner);
    outer.values_mut().for_each(refer_on);
    outer.insert("type".to_owned(), Value::from("object"));
    outer.insert("required".to_owned(), Value::from(["result"].as_slice()));
    outer.insert("properties".to_owned(), Value::Object(Map::from_iter([("result".to_owned(), inner)])));
    Value::Object(outer)
}

/// Lets references to what has moved into the member `result` lead there.
fn refer_on(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(pointer) = reference.strip_prefix('#')
                && (pointer.is_empty() || pointer.starts_with('/'))
                && !pointer.starts_with("/$defs/")
                && !pointer.starts_with("/definitions/")
            {
                *reference = format!("#/properties/result{pointer}");
            }
            members.values_mut().for_each(refer_on);
        }
        Value::Array(items) => items.iter_mut().for_each(refer_on),
        _ => {}
    }
}

/// Gives an object of any members a list of those it has: none. There are providers that refuse a schema without.
pub(crate) fn with_properties(root: &mut Map<String, Value>) {
    if root.get("type").and_then(Value::as_str) == Some("object") {
        root.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    }
}

/// Keywords by which a schema applies others to the same value.
const IN_PLACE: &[&str] = &[
    "$ref",
    "allOf",
    "anyOf",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "oneOf",
    "then",
    "unevaluatedProperties",
];

/// Keywords that say what members an object has.
const MEMBERS: &[&str] =
    &["additionalProperties", "patternProperties", "properties", "unevaluatedProperties"];

/// Formats that are a width of Rust's numbers, and mean nothing to a client.
pub(crate) fn is_width(format: &str) -> bool {
    let digits = format.trim_start_matches("uint").trim_start_matches("int");
    matches!(format, "float" | "double" | "uint" | "int")
        || (digits.len() < format.len() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Collects the schemas that apply to an object beside others that name members of it: none of them knows all members,
/// so none may be closed.
fn find_merged(root: &Value, schema: &Value, open: &mut HashSet<*const Value>) {
    if let Value::Object(members) = schema {
        let in_place = IN_PLACE.iter().filter(|keyword| members.contains_key(**keyword)).count();
        let parts = members.get("allOf").and_then(Value::as_array).map_or(0, Vec::len);
        let own = MEMBERS.iter().any(|keyword| members.contains_key(*keyword));
        if 0 < in_place && (own || 1 < in_place || 1 < parts) {
            merge(root, schema, open);
        }
    }
    each(schema, &mut |_, child| find_merged(root, child, open));
}

/// Marks a schema, and what it applies to the same value.
fn merge(root: &Value, schema: &Value, open: &mut HashSet<*const Value>) {
    if !open.insert(ptr::from_ref(schema)) {
        return;
    }
    let Value::Object(members) = schema else { return };
    for keyword in IN_PLACE {
        match members.get(*keyword) {
            Some(Value::String(reference)) => {
                if let Some(target) = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) {
                    merge(root, target, open);
                }
            }
            Some(Value::Array(forms)) => forms.iter().for_each(|form| merge(root, form, open)),
            Some(form) => merge(root, form, open),
            None => {}
        }
    }
}

/// Visits the schemas right within one.
fn each<'a>(schema: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members {
        match (kind_of(keyword), value) {
            (Holds::Data, _) => {}
            (Holds::Named, Value::Object(named)) => named.values().for_each(|schema| visit(keyword, schema)),
            (_, Value::Array(schemas)) => schemas.iter().for_each(|schema| visit(keyword, schema)),
            (_, schema) => visit(keyword, schema),
        }
    }
}

/// What a keyword holds.
enum Holds {
    Data,
    Named,
    Schemas,
}

fn kind_of(keyword: &str) -> Holds {
    match keyword {
        "const" | "default" | "enum" | "example" | "examples" | "required" => Holds::Data,
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => Holds::Named,
        _ => Holds::Schemas,
    }
}

struct Rewrite<'a> {
    /// What is not to be closed; `None` closes nothing, and leaves `null` where it is.
    open: Option<&'a HashSet<*const Value>>,
}

impl Rewrite<'_> {
    fn schema(&self, schema: &Value, at_root: bool) -> Value {
        let Value::Object(members) = schema else {
            return match schema {
                Value::Array(items) => items.iter().map(|item| self.schema(item, false)).collect(),
                other => other.clone(),
            };
        };
        let mut out = Map::new();
        for (keyword, value) in members {
            let value = match (kind_of(keyword), value) {
                (_, Value::String(format)) if keyword == "format" && is_width(format) => continue,
                (_, Value::String(text)) if keyword == "description" => Value::String(unwrapped(text)),
                (Holds::Data, value) => value.clone(),
                (Holds::Named, Value::Object(named)) => {
                    let named = named.iter().map(|(name, schema)| (name.clone(), self.schema(schema, false)));
                    Value::Object(named.collect())
                }
                (_, value) => self.schema(value, false),
            };
            out.insert(keyword.clone(), value);
        }
        if let Some(open) = self.open {
            without_null(&mut out);
            // A type that takes any object says so by having no list of members; at the root those of a struct without
            // fields are arguments, and what may be any JSON has no type.
            let is_object =
                (at_root || out.contains_key("properties")) && out.get("type") == Some(&"object".into());
            let is_closed = is_object
                && !open.contains(&ptr::from_ref(schema))
                && !IN_PLACE
                    .iter()
                    .chain(MEMBERS)
                    .any(|keyword| *keyword != "properties" && out.contains_key(*keyword));
            if is_closed {
                out.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        if out.get("additionalProperties") == Some(&Value::Bool(true)) {
            // It is what leaving it out means.
            out.remove("additionalProperties");
            with_properties(&mut out);
        }
        Value::Object(out)
    }
}

/// Takes `null` from the members that may be left out.
fn without_null(object: &mut Map<String, Value>) {
    let required: Vec<Value> = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if let Value::Object(property) = property
            && !required.iter().any(|required| required == name.as_str())
            // A default that is not null belongs to a member that takes no null.
            && property.get("default").is_none_or(Value::is_null)
        {
            not_null(property);
        }
    }
}

/// A schema without `null`, if it has others beside it.
fn not_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = &mut types[..] {
            let only = only.take();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && values.iter().any(|value| !value.is_null())
    {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf")
        && 1 < forms.len()
    {
        let is_null = |form: &Value| form.get("type").and_then(Value::as_str) == Some("null");
        forms.retain(|form| !is_null(form));
        if let [Value::Object(only)] = &mut forms[..] {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            for (keyword, value) in only {
                // What is said of the member stands before what is said of its type.
                schema.entry(keyword).or_insert(value);
            }
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

/// A text in paragraphs, without the line breaks of the source that it was written in.
fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_code, mut joins) = (false, false);
    for line in text.lines() {
        let bare = line.trim();
        let is_fence = bare.starts_with("```");
        let stands =
            in_code || is_fence || bare.is_empty() || line.starts_with("    ") || begins_a_line(bare);
        if !out.is_empty() {
            out.push(if joins && !stands { ' ' } else { '\n' });
        }
        out.push_str(if stands { line.trim_end() } else { bare });
        in_code ^= is_fence;
        joins = !in_code
            && !is_fence
            && !bare.is_empty()
            && !line.ends_with("  ")
            && !bare.starts_with(['#', '|']);
    }
    out
}

/// Whether a line begins something of its own: an item of a list, a heading, a quotation, a row.
fn begins_a_line(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    ["- ", "* ", "+ ", "#", "> ", "|"].iter().any(|mark| line.starts_with(mark))
        || (number.len() < line.len() && (number.starts_with(". ") || number.starts_with(") ")))
}

/// The names of a struct's members in the order of its declaration; none for other types.
pub(crate) fn order_of<A: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // Whatever the type does with the answer, it only gives up what is its own.
    let _ended = catch_unwind(AssertUnwindSafe(|| A::deserialize(Fields(&mut found)).is_ok()));
    found
}

/// Hears what members a type asks for, and has none of them.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("only its members are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A schema whose properties are written in an order.
#[derive(Clone, Copy)]
pub(crate) struct Ordered<'a> {
    pub(crate) schema: &'a Value,
    pub(crate) order: &'a [&'a str],
    /// The whole as it was written, in place of both.
    pub(crate) text: Option<&'a RawValue>,
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.text {
            return text.serialize(serializer);
        }
        let Value::Object(members) = self.schema else { return self.schema.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (keyword, value) in members {
            match value {
                Value::Object(named) if keyword == "properties" => {
                    map.serialize_entry(keyword, &Members { named, order: self.order })?;
                }
                value => map.serialize_entry(keyword, value)?,
            }
        }
        map.end()
    }
}

struct Members<'a> {
    named: &'a Map<String, Value>,
    order: &'a [&'a str],
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.named.len()))?;
        for name in self.order {
            if let Some(schema) = self.named.get(*name) {
                map.serialize_entry(name, schema)?;
            }
        }
        for (name, schema) in self.named.iter().filter(|(name, _)| !self.order.contains(&name.as_str())) {
            map.serialize_entry(name, schema)?;
        }
        map.end()
    }
}

impl fmt::Debug for Ordered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.schema, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[derive(serde::Deserialize, serde::Serialize, JsonSchema)]
    struct Inner {
        width: Option<u64>,
        #[serde(default)]
        height: u8,
        #[serde(skip_serializing_if = "String::is_empty")]
        name: String,
    }

    /// Draws
    /// a line.
    ///
    /// - in red
    /// - in blue
    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Outer {
        zeal: f64,
        /// The one
        /// inside.
        inner: Option<Inner>,
        all: Vec<Inner>,
        any: HashMap<String, u32>,
        alpha: Option<i32>,
    }

    #[test]
    fn an_optional_member_is_listed_without_null_and_a_width_is_not_listed() {
        let (schema, description) = of_arguments::<Outer>();
        assert_eq!(description, "Draws a line.\n\n- in red\n- in blue");
        assert_eq!(schema.get("description"), None, "the tool says it");
        assert_eq!(schema["properties"]["alpha"], json!({ "type": "integer" }));
        assert_eq!(schema["properties"]["zeal"], json!({ "type": "number" }));
        let inner = json!({ "$ref": "#/$defs/Inner", "description": "The one inside." });
        assert_eq!(schema["properties"]["inner"], inner);
        let inner = &schema["$defs"]["Inner"];
        assert_eq!(inner["properties"]["width"], json!({ "type": "integer", "minimum": 0 }));
        assert_eq!(inner["properties"]["height"]["default"], 0);
    }

    #[test]
    fn structs_are_closed_at_any_depth_and_maps_are_not() {
        let (schema, _) = of_arguments::<Outer>();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Inner"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["any"]["additionalProperties"]["type"], "integer");
    }

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Tagged {
        Inner(Inner),
        Other { size: u32 },
    }

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Merged {
        #[serde(flatten)]
        tagged: Tagged,
        one: u32,
    }

    #[test]
    fn what_is_merged_into_another_is_not_closed() {
        // Closed by itself, it would refuse the members that it is merged with.
        for schema in [of_arguments::<Tagged>().0, of_arguments::<Merged>().0] {
            let text = schema.to_string();
            let closes_inner = schema.pointer("/$defs/Inner/additionalProperties") == Some(&json!(false));
            assert!(!(closes_inner && text.contains("\"$ref\":\"#/$defs/Inner\",\"properties\"")), "{text}");
        }
        let merged = of_arguments::<Merged>().0;
        let closed = |form: &Value| form.get("additionalProperties").is_some();
        assert!(
            !closed(&merged) && !merged["oneOf"].as_array().expect("forms").iter().any(closed),
            "{merged}"
        );
    }

    #[test]
    fn a_result_has_the_schema_of_what_is_written() {
        let written = of_result::<Inner>();
        assert_eq!(
            written["required"],
            json!(["width", "height"]),
            "what is left out at times is not promised"
        );
        assert_eq!(
            written["properties"]["width"]["type"],
            json!(["integer", "null"]),
            "what is written as null is"
        );
        assert_eq!(written["properties"]["height"].get("format"), None);
        assert_eq!(written.get("additionalProperties"), None);
    }

    #[test]
    fn properties_are_listed_in_the_order_of_the_struct() {
        let (schema, _) = of_arguments::<Outer>();
        let text =
            serde_json::to_string(&Ordered { schema: &schema, order: order_of::<Outer>(), text: None })
                .expect("encodes");
        let places: Vec<_> = ["\"zeal\":", "\"inner\":", "\"all\":", "\"any\":", "\"alpha\":"]
            .iter()
            .map(|name| text.rfind(name).expect("listed"))
            .collect();
        assert!(places.is_sorted(), "{text}");
        assert_eq!(order_of::<Vec<u32>>(), &[] as &[&str]);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), schema);
    }

    #[test]
    fn paragraphs_are_unwrapped_and_lists_and_code_are_not() {
        assert_eq!(unwrapped("one\ntwo\n\nthree\nfour"), "one two\n\nthree four");
        assert_eq!(unwrapped("see:\n- a\n  more\n- b\n1. c"), "see:\n- a more\n- b\n1. c");
        assert_eq!(unwrapped("so:\n```\nlet a;\n  b\n```\nend"), "so:\n```\nlet a;\n  b\n```\nend");
    }

    #[test]
    fn a_schema_that_is_wrapped_refers_to_what_it_did() {
        let list = json!({ "$defs": { "N": { "type": "integer" } }, "type": "array",
            "items": { "anyOf": [{ "$ref": "#/$defs/N" }, { "$ref": "#" }] } });
        assert_eq!(
            wrapped(&list),
            json!({ "$defs": { "N": { "type": "integer" } }, "type": "object", "required": ["result"],
                "properties": { "result": { "type": "array",
                    "items": { "anyOf": [{ "$ref": "#/$defs/N" }, { "$ref": "#/properties/result" }] } } } })
        );
        assert_eq!(wrapped(&json!(true))["properties"]["result"], true);
    }

    #[test]
    fn the_widths_of_numbers_are_known() {
        assert!(
            ["uint", "uint8", "int64", "int", "float", "double", "uint128"]
                .iter()
                .all(|format| is_width(format))
        );
        assert!(!["date", "uri", "internal", "uuid", "ipv4"].iter().any(|format| is_width(format)));
    }
}
