//! Schemas that are listed and, but for the names of the arguments, not enforced: what stands in for `validate.rs` without
//! the feature `validate`.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use serde_json::{Map, Value};
use toolpost_json::{Key, Node};

use crate::nearest;
use crate::schema::{InvalidSchema, Reading, Unfit};

/// A schema, which refuses arguments that it does not name and takes every value of those that it does.
#[derive(Clone)]
pub(crate) struct Schema {
    source: Arc<Value>,
    reading: Reading,
}

impl Schema {
    /// Whether each of the arguments has a name that the schema knows, where it says that there are no others.
    pub(crate) fn check_until(
        &self,
        node: Node<'_>,
        name: &str,
        _deadline: Option<Instant>,
    ) -> Result<(), Unfit> {
        let Some(known) = self.closed() else { return Ok(()) };
        match node.members().find(|(key, _)| !known.keys().any(|name| key.is(name))) {
            None => Ok(()),
            Some((key, _)) => Err(Unfit::Told(unknown(key, known, name))),
        }
    }

    pub(crate) fn compiled(&self) -> Result<(), &InvalidSchema> {
        Ok(())
    }

    /// What nobody enforces: a type decides what it reads, and nothing decides for a schema that was written by hand, or
    /// for a bound that only the schema of a type has.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self.reading {
            Reading::AsItIs => vec!["is not enforced: the feature `validate` is off".to_owned()],
            Reading::Result => Vec::new(),
            Reading::Arguments => bound(&self.source, 0)
                .map(|keyword| {
                    format!("has bounds (`{keyword}`) that are not enforced: the feature `validate` is off")
                })
                .into_iter()
                .collect(),
        }
    }

    /// The names of the arguments, if the schema allows no others.
    fn closed(&self) -> Option<&Map<String, Value>> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        let open = self.source.get("additionalProperties") != Some(&Value::Bool(false));
        // What stands beside its properties may know more of them.
        let more = ["$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if"];
        if open || self.reading == Reading::Result || more.iter().any(|word| self.source.get(word).is_some())
        {
            return None;
        }
        Some(self.source.get("properties").and_then(Value::as_object).unwrap_or(&NONE))
    }
}

#[cold]
fn unknown(key: Key<'_>, known: &Map<String, Value>, name: &str) -> String {
    // What a client sent is cut, as the validator cuts it.
    let given: String = key.name().chars().take(60).collect();
    let listed = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let near = nearest(&given, known.keys().map(String::as_str));
    let takes = match (near.is_empty(), known.is_empty()) {
        (false, _) => format!("did you mean {}?", listed(&near)),
        (true, true) => "it takes none".to_owned(),
        (true, false) => {
            format!("it takes {}", listed(&known.keys().map(String::as_str).take(20).collect::<Vec<_>>()))
        }
    };
    format!("{name}: unknown argument `{given}` ({takes})")
}

/// Keywords that no type stands for.
const BOUNDS: [&str; 14] = [
    "pattern",
    "minLength",
    "maxLength",
    "maximum",
    "minimum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "maxItems",
    "minItems",
    "uniqueItems",
    "contains",
    "minProperties",
    "maxProperties",
];

/// A keyword in the schema of a type that the type does not enforce.
fn bound(schema: &Value, depth: usize) -> Option<&'static str> {
    const DEEPEST: usize = 16;
    match schema {
        Value::Object(members) if depth < DEEPEST => {
            let here = |word: &&&str| members.contains_key(**word) && !is_of_type(word, members);
            let here = BOUNDS.iter().find(here).copied();
            here.or_else(|| members.iter().find_map(|(word, value)| below(word, value, depth + 1)))
        }
        Value::Array(items) if depth < DEEPEST => items.iter().find_map(|value| bound(value, depth + 1)),
        _ => None,
    }
}

/// The same in what stands under a keyword: names of arguments are no keywords, and values no schemas.
fn below(word: &str, value: &Value, depth: usize) -> Option<&'static str> {
    match (word, value) {
        ("default" | "examples" | "enum" | "const", _) => None,
        (
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
            Value::Object(named),
        ) => named.values().find_map(|schema| bound(schema, depth)),
        _ => bound(value, depth),
    }
}

/// Whether the type itself is the bound: of an integer its range (nothing says which integer it is: no less than 0 is taken
/// for an unsigned one), of an array or a tuple its length, of a set that nothing is in it twice, of a `char` its length.
fn is_of_type(word: &str, schema: &Map<String, Value>) -> bool {
    let bound = |word: &str| schema.get(word).and_then(Value::as_i64);
    let range = (bound("minimum"), bound("maximum"));
    let ranges = [(0, 255), (0, 65_535), (-128, 127), (-32_768, 32_767)];
    match word {
        "minimum" | "maximum" => {
            range == (Some(0), None)
                || ranges.iter().any(|(least, most)| range == (Some(*least), Some(*most)))
        }
        "minItems" | "maxItems" => bound("minItems") == bound("maxItems"),
        "minLength" | "maxLength" => bound("minLength") == Some(1) && bound("maxLength") == Some(1),
        "uniqueItems" => true,
        _ => false,
    }
}

/// Makes schemas.
#[derive(Default)]
pub(crate) struct Compiler {}

impl Compiler {
    pub(crate) fn compile(&mut self, source: &Arc<Value>, reading: Reading) -> Result<Schema, InvalidSchema> {
        Ok(Schema { source: Arc::clone(source), reading })
    }
}
