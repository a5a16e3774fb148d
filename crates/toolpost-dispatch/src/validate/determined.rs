//! A schema in which a fault has one place: the forms of a union are told apart before they are tried.
//!
//! Held against all forms of a union, a wrong value has as many faults as there are forms, each of them with the
//! faults of the forms within it: more than anyone reads, and exponentially many. So unions are rewritten. Where a
//! form is known by its type, by a tag or by a member of its own, only that form is held against the value. Where it
//! is not, the union fails as a whole, in one place.

use serde_json::{Map, Value, json};

/// Whether a keyword's value is data, not a schema.
pub(crate) fn is_data(keyword: &str) -> bool {
    matches!(keyword, "const" | "default" | "enum" | "example" | "examples" | "required")
}

/// Whether a keyword's value is an object of schemas by names.
pub(crate) fn is_named(keyword: &str) -> bool {
    matches!(keyword, "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas")
}

/// What `reference` refers to, if it is a pointer into `root`; an object that only refers on is followed.
pub(crate) fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..8 {
        let Some(Value::String(reference)) = schema.get("$ref") else { break };
        let own_type = schema.get("type").is_some() || schema.get("properties").is_some();
        match reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) {
            Some(target) if !own_type => schema = target,
            _ => break,
        }
    }
    schema
}

/// `schema`, rewritten.
pub(crate) fn determined(schema: &Value) -> Value {
    rewritten(schema, schema)
}

fn rewritten(root: &Value, schema: &Value) -> Value {
    let Value::Object(members) = schema else {
        return match schema {
            Value::Array(items) => items.iter().map(|item| rewritten(root, item)).collect(),
            other => other.clone(),
        };
    };
    let mut out = Map::new();
    let mut all = Vec::new();
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            (keyword, value) if is_data(keyword) => {
                out.insert(keyword.to_owned(), value.clone());
            }
            (keyword, Value::Object(named)) if is_named(keyword) => {
                let named = named.iter().map(|(name, schema)| (name.clone(), rewritten(root, schema)));
                out.insert(keyword.to_owned(), Value::Object(named.collect()));
            }
            ("anyOf" | "oneOf", Value::Array(forms)) if 1 < forms.len() => {
                all.extend(union(root, keyword, forms))
            }
            (keyword, value) => {
                out.insert(keyword.to_owned(), rewritten(root, value));
            }
        }
    }
    if !all.is_empty() {
        match out.get_mut("allOf").and_then(Value::as_array_mut) {
            Some(given) => given.extend(all),
            None => {
                out.insert("allOf".to_owned(), Value::Array(all));
            }
        }
    }
    Value::Object(out)
}

/// What a union asks for.
fn union(root: &Value, keyword: &str, forms: &[Value]) -> Vec<Value> {
    let mut types = Vec::new();
    for form in forms {
        match types_of(root, form, DEPTH) {
            Some(own) => types.push(own),
            None => return vec![whole(keyword, forms)],
        }
    }
    let mut known: Vec<&str> = types.iter().flatten().copied().collect();
    known.sort_unstable();
    known.dedup();
    // Only their values tell such forms apart.
    let named = match all_values(root, forms) {
        Some(values) => json!({ "enum": values }),
        None => json!({ "type": known }),
    };
    let mut all = vec![named];
    if known.contains(&"number") {
        known.retain(|kind| *kind != "integer");
    }
    for kind in known {
        let of_kind =
            |at: &usize| types[*at].contains(&kind) || (kind == "number" && types[*at].contains(&"integer"));
        let candidates: Vec<&Value> = (0..forms.len()).filter(of_kind).map(|at| &forms[at]).collect();
        let is_kind = json!({ "type": kind });
        for asked in of_one_type(root, keyword, &candidates) {
            all.push(json!({ "if": is_kind, "then": asked }));
        }
    }
    all
}

/// What forms ask for that take values of the same type.
fn of_one_type(root: &Value, keyword: &str, forms: &[&Value]) -> Vec<Value> {
    if let [only] = forms {
        return vec![rewritten(root, only)];
    }
    let known: Vec<&Value> = forms.iter().map(|form| resolved(root, form)).collect();
    if let Some(values) = all_values(root, forms.iter().copied()) {
        return vec![json!({ "enum": values })];
    }
    if let Some((tag, tags)) = tagged(root, &known) {
        let all: Vec<&Value> = tags.iter().flatten().collect();
        let mut asked = vec![json!({ "required": [tag], "properties": { tag: { "enum": all } } })];
        for (form, own) in forms.iter().zip(&tags) {
            let meant = json!({ "required": [tag], "properties": { tag: { "enum": own } } });
            asked.push(json!({ "if": meant, "then": rewritten(root, form) }));
        }
        return asked;
    }
    let all: Vec<Value> = forms.iter().map(|form| (*form).clone()).collect();
    let Some(keys) = keyed(&known) else { return vec![whole(keyword, &all)] };
    let mut asked = Vec::new();
    for (form, key) in forms.iter().zip(&keys) {
        asked.push(json!({ "if": { "required": [key] }, "then": rewritten(root, form) }));
    }
    let any: Vec<Value> = keys.iter().map(|key| json!({ "required": [key] })).collect();
    asked.push(json!({ "if": { "not": { "anyOf": any } }, "then": whole(keyword, &all) }));
    asked
}

/// A union of forms that nothing tells apart: what is denied twice has one fault, whatever is wrong with its forms.
fn whole(keyword: &str, forms: &[Value]) -> Value {
    json!({ "not": { "not": { keyword: forms } } })
}

/// The union that [`whole`] made `denied` of, and its forms.
pub(crate) fn forms_of(denied: &Value) -> Option<&Vec<Value>> {
    let union = denied.get("not")?;
    union.get("anyOf").or_else(|| union.get("oneOf"))?.as_array()
}

/// The forms of a union, if a schema is nothing else.
fn forms(schema: &Value) -> Option<&Vec<Value>> {
    match (schema.get("anyOf"), schema.get("oneOf")) {
        (Some(Value::Array(forms)), None) | (None, Some(Value::Array(forms))) => Some(forms),
        _ => None,
    }
}

/// How deep unions of unions are looked into.
const DEPTH: usize = 4;

/// The types of the values that fit, where the schema says so at its root.
fn types_of<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<Vec<&'a str>> {
    let schema = resolved(root, schema);
    match schema.get("type") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(many)) => many.iter().map(Value::as_str).collect(),
        _ => {
            if let Some(values) = values(root, schema, depth) {
                return Some(values.into_iter().map(type_of).collect());
            }
            let forms = forms(schema).filter(|_| 0 < depth)?;
            let each: Option<Vec<_>> = forms.iter().map(|form| types_of(root, form, depth - 1)).collect();
            Some(each?.concat())
        }
    }
}

/// The values that fit, if there are a few only.
fn values<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<Vec<&'a Value>> {
    let schema = resolved(root, schema);
    match (schema.get("const"), schema.get("enum")) {
        (Some(one), _) => Some(vec![one]),
        (None, Some(Value::Array(many))) => Some(many.iter().collect()),
        _ => {
            let forms = forms(schema).filter(|_| 0 < depth)?;
            let each: Option<Vec<_>> = forms.iter().map(|form| values(root, form, depth - 1)).collect();
            Some(each?.concat())
        }
    }
}

/// All values that fit one of the forms, if there are a few only.
fn all_values<'a>(root: &'a Value, forms: impl IntoIterator<Item = &'a Value>) -> Option<Vec<&'a Value>> {
    let each: Option<Vec<_>> = forms.into_iter().map(|form| values(root, form, DEPTH)).collect();
    Some(each?.concat())
}

pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The member by whose value the forms are told apart, and its values in each of them.
fn tagged<'a>(root: &Value, forms: &[&'a Value]) -> Option<(&'a str, Vec<Vec<Value>>)> {
    let first = forms.first()?.get("properties")?.as_object()?;
    first.keys().find_map(|tag| {
        let mut known: Vec<Value> = Vec::new();
        let mut tags = Vec::new();
        for form in forms {
            if !required(form).any(|name| name == tag) {
                return None;
            }
            let own: Vec<Value> =
                values(root, form.get("properties")?.get(tag)?, DEPTH)?.into_iter().cloned().collect();
            if own.iter().any(|value| known.contains(value)) {
                return None;
            }
            known.extend(own.iter().cloned());
            tags.push(own);
        }
        Some((tag.as_str(), tags))
    })
}

/// A member of each form that it cannot do without, and that no other form has.
fn keyed<'a>(forms: &[&'a Value]) -> Option<Vec<&'a str>> {
    forms
        .iter()
        .enumerate()
        .map(|(at, form)| {
            required(form).find(|name| {
                forms.iter().enumerate().all(|(other, form)| {
                    let properties = form.get("properties").and_then(Value::as_object);
                    other == at || !properties.is_some_and(|has| has.contains_key(*name))
                })
            })
        })
        .collect()
}

pub(crate) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
