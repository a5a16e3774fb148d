//! Finds the schemas that ask more than can be checked.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::determined::{forms_of, is_data, is_named, resolved};

/// The most schemas that may apply to one value, each counted as often as it is come to.
const MOST: u64 = 4_096;

/// Whether a schema applies too many schemas to one value, or itself.
///
/// The steps of a validation are counted where it looks at a value. What it does without a look is bounded by this.
pub(crate) fn in_place(schema: &Value) -> bool {
    let mut walk = InPlace { root: schema, known: HashMap::new() };
    let mut pending = vec![schema];
    while let Some(schema) = pending.pop() {
        if MOST < walk.count(schema) {
            return true;
        }
        pending.extend(children(schema));
    }
    false
}

struct InPlace<'a> {
    root: &'a Value,
    /// By address; `None` while it is being counted.
    known: HashMap<usize, Option<u64>>,
}

impl<'a> InPlace<'a> {
    /// How many schemas `schema` applies to the value that it is applied to.
    fn count(&mut self, schema: &'a Value) -> u64 {
        let Value::Object(members) = schema else { return 1 };
        let key = std::ptr::from_ref(schema) as usize;
        match self.known.get(&key) {
            Some(Some(known)) => return *known,
            // It refers to itself, and no value was entered in between.
            Some(None) => return MOST + 1,
            None => {}
        }
        self.known.insert(key, None);
        let mut count: u64 = 1;
        for (keyword, value) in members {
            count = count.saturating_add(match (keyword.as_str(), value) {
                ("allOf" | "anyOf" | "oneOf", Value::Array(forms)) => {
                    forms.iter().map(|form| self.count(form)).fold(0, u64::saturating_add)
                }
                ("not" | "if" | "then" | "else", schema) => self.count(schema),
                ("dependentSchemas", Value::Object(schemas)) => {
                    schemas.values().map(|schema| self.count(schema)).fold(0, u64::saturating_add)
                }
                ("$ref", Value::String(reference)) => {
                    let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
                    target.map_or(1, |target| self.count(target))
                }
                _ => 0,
            });
        }
        self.known.insert(key, Some(count));
        count
    }
}

/// Whether a schema has both a union and a reference, without which none recurs.
pub(crate) fn may_recur(schema: &Value) -> bool {
    let (mut refers, mut unites) = (false, false);
    let mut pending = vec![schema];
    while let Some(at) = pending.pop() {
        refers |= at.get("$ref").is_some_and(Value::is_string);
        unites |= at.get("anyOf").or_else(|| at.get("oneOf")).is_some_and(Value::is_array);
        if refers && unites {
            return true;
        }
        pending.extend(children(at));
    }
    false
}

/// What to say of the unions of a [determined](super::determined::determined) schema that recur through more than one
/// of their forms.
pub(crate) fn unions(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), schema)];
    while let Some((path, at)) = pending.pop() {
        if let Some(forms) = at.get("not").and_then(forms_of) {
            let recurs = forms.iter().filter(|form| reaches(schema, form, at)).count();
            if 1 < recurs {
                found.push(format!(
                    "recurs through {recurs} forms of one union (at `{path}`), and nothing tells these forms apart: \
                     deeply nested values may be too intricate to be checked; give each form a member with a `const`"
                ));
            }
        }
        named_children(at, |name, child| pending.push((format!("{path}/{name}"), child)));
    }
    found.sort();
    found
}

/// Whether the schema `goal` is applied somewhere within what `from` is applied to.
fn reaches(root: &Value, from: &Value, goal: &Value) -> bool {
    let mut seen = HashSet::new();
    let mut pending = vec![from];
    while let Some(at) = pending.pop() {
        if std::ptr::eq(at, goal) {
            return true;
        }
        if seen.insert(std::ptr::from_ref(at) as usize) {
            // Definitions are applied where they are referred to.
            named_children(at, |name, child| {
                if !name.starts_with("$defs") && !name.starts_with("definitions") {
                    pending.push(child);
                }
            });
            pending.push(resolved(root, at));
            if let Some(Value::String(reference)) = at.get("$ref") {
                pending.extend(reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)));
            }
        }
    }
    false
}

/// The schemas right within a schema.
fn children(schema: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    named_children(schema, |_, child| found.push(child));
    found
}

fn named_children<'a>(schema: &'a Value, mut found: impl FnMut(String, &'a Value)) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            (keyword, _) if is_data(keyword) => {}
            (keyword, Value::Object(named)) if is_named(keyword) => {
                named.iter().for_each(|(name, schema)| found(format!("{keyword}/{name}"), schema));
            }
            (keyword, Value::Array(schemas)) => {
                schemas.iter().enumerate().for_each(|(at, schema)| found(format!("{keyword}/{at}"), schema));
            }
            (keyword, schema @ Value::Object(_)) => found(keyword.to_owned(), schema),
            _ => {}
        }
    }
}
