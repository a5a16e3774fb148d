//! Where schemas stand in a schema. What stands under a keyword that is not known is data.

use serde_json::Value;

/// How the value of a keyword holds schemas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Holds {
    /// It is one.
    One,
    /// It is a list of them; older drafts have `items` as one or the other.
    List,
    /// It has them by name.
    Named,
    Nothing,
}

pub(super) fn holds(keyword: &str, value: &Value) -> Holds {
    match keyword {
        "additionalItems"
        | "additionalProperties"
        | "contains"
        | "contentSchema"
        | "else"
        | "if"
        | "not"
        | "propertyNames"
        | "then"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::One,
        "items" if value.is_array() => Holds::List,
        "items" => Holds::One,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::List,
        "$defs" | "definitions" | "dependencies" | "dependentSchemas" | "patternProperties"
        | "properties" => Holds::Named,
        _ => Holds::Nothing,
    }
}

/// Visits a schema and those within it, the outer first, each with its JSON pointer, the keyword that it stands under and
/// how many objects and arrays it is in.
pub(super) fn visit<'a>(
    schema: &'a Value,
    pointer: &str,
    keyword: &str,
    depth: usize,
    each: &mut impl FnMut(&'a Value, &str, &str, usize),
) {
    each(schema, pointer, keyword, depth);
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members {
        let deeper = |keyword: &str| {
            depth
                + usize::from(matches!(
                    keyword,
                    "properties" | "items" | "prefixItems" | "additionalProperties"
                ))
        };
        let at = format!("{pointer}/{}", escaped(keyword));
        match (holds(keyword, value), value) {
            (Holds::One, schema) => visit(schema, &at, keyword, deeper(keyword), each),
            (Holds::List, Value::Array(schemas)) => {
                for (n, schema) in schemas.iter().enumerate() {
                    visit(schema, &format!("{at}/{n}"), keyword, deeper(keyword), each);
                }
            }
            (Holds::Named, Value::Object(named)) => {
                for (name, schema) in named.iter().filter(|(_, schema)| !schema.is_array()) {
                    visit(schema, &format!("{at}/{}", escaped(name)), keyword, deeper(keyword), each);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
