//! Says what does not fit, so that whoever sent it can repair it. What it says is bounded, whatever was sent.

use std::fmt::{Display, Write as _};

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;
use toolpost_json::Node;

use super::determined::{forms_of, required, resolved};
use super::indexed::is_meant;
use crate::nearest::nearest;

/// More faults than this help nobody.
const MOST: usize = 5;

/// More names or forms than this are not listed.
const NAMES: usize = 20;

/// The longest text quoted from what was sent, in characters.
const QUOTED: usize = 60;

/// The longest place, in characters.
const PLACE: usize = 200;

/// What the faults are told of.
pub(crate) struct Telling<'a> {
    /// The schema, as it was compiled.
    pub(crate) schema: &'a Value,
    /// What was held against it.
    pub(crate) node: Node<'a>,
    /// What that is called.
    pub(crate) name: &'a str,
}

impl Telling<'_> {
    /// The faults, each with its place; `None` if there are none. `cut` says whether there may be others.
    pub(crate) fn faults<'e>(
        &self,
        errors: impl Iterator<Item = ValidationError<'e>>,
        cut: impl FnOnce() -> bool,
    ) -> Option<String> {
        let mut told: Vec<String> = Vec::new();
        let mut more = 0;
        for error in errors.filter(is_meant) {
            let path = error.instance_path().as_str();
            let text = format!("{}: {}", place(self.name, path), self.fault(&error, self.node.pointer(path)));
            // Forms that have something in common have its faults in common.
            match told.contains(&text) {
                true => {}
                false if told.len() < MOST => told.push(text),
                false => more += 1,
            }
        }
        let text = told.join("; ");
        match (told.is_empty(), more) {
            (true, _) => None,
            _ if cut() => Some(format!("{text}; and more")),
            (_, 0) => Some(text),
            _ => Some(format!("{text}; and {more} more")),
        }
    }

    fn fault(&self, error: &ValidationError<'_>, at: Option<Node<'_>>) -> String {
        let came = || came(at);
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                self.unknown(error, unexpected)
            }
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let names = at.into_iter().flat_map(Node::members).take(NAMES + 1);
                self.unknown(error, &names.map(|(name, _)| name.name().into_owned()).collect::<Vec<_>>())
            }
            Kind::FalseSchema => "this is not allowed".to_owned(),
            Kind::Required { property } => {
                let what = if error.instance_path().as_str().is_empty() { "argument" } else { "member" };
                format!("the {what} `{}` is missing", property.as_str().unwrap_or("?"))
            }
            Kind::Type { kind } => format!("expected {}, got {}", types(kind), came_with_type(at)),
            Kind::Enum { options } => match options.as_array() {
                Some(options) => {
                    format!("expected {}, got {}", listed(options.iter().map(Quoted), " or "), came())
                }
                None => format!("expected another value than {}", came()),
            },
            Kind::Constant { expected_value } => {
                format!("expected {}, got {}", Quoted(expected_value), came())
            }
            Kind::Minimum { limit } => format!("expected at least {limit}, got {}", came()),
            Kind::Maximum { limit } => format!("expected at most {limit}, got {}", came()),
            Kind::ExclusiveMinimum { limit } => format!("expected more than {limit}, got {}", came()),
            Kind::ExclusiveMaximum { limit } => format!("expected less than {limit}, got {}", came()),
            Kind::MultipleOf { multiple_of } => {
                format!("expected a multiple of {multiple_of}, got {}", came())
            }
            Kind::MinLength { limit } => format!("expected at least {limit} characters, got {}", came()),
            Kind::MaxLength { limit } => format!("expected at most {limit} characters, got {}", came()),
            Kind::MinItems { limit } => format!("expected at least {limit} items, got {}", came()),
            Kind::MaxItems { limit } => format!("expected at most {limit} items, got {}", came()),
            Kind::AdditionalItems { limit } => format!("expected at most {limit} items, got {}", came()),
            Kind::UnevaluatedItems { .. } => format!("has items that are not allowed, got {}", came()),
            Kind::MinProperties { limit } => format!("expected at least {limit} members, got {}", came()),
            Kind::MaxProperties { limit } => format!("expected at most {limit} members, got {}", came()),
            Kind::Contains => format!("lacks an item that it must have, got {}", came()),
            Kind::Pattern { pattern } => {
                format!("expected text matching `{}`, got {}", shortened(pattern), came())
            }
            Kind::Format { format } => format!("expected a {format}, got {}", came()),
            Kind::UniqueItems => format!("expected no item twice, got {}", came()),
            Kind::PropertyNames { error } => {
                format!("has a name that is not allowed: {}", Quoted(error.instance()))
            }
            Kind::Not { schema } => match forms_of(schema) {
                Some(forms) => {
                    let forms = forms.iter().map(|form| self.form(form));
                    let text = format!("{} fits none of the allowed forms", came());
                    format!("{text}: {}", listed(forms, ", or "))
                }
                None => format!("{} is not allowed", came()),
            },
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
                format!("{} fits none of the allowed forms", came())
            }
            Kind::OneOfMultipleValid { .. } => format!("{} fits more than one of the allowed forms", came()),
            kind => format!("does not fit `{}`, got {}", kind.keyword(), came()),
        }
    }

    /// Members that are not known where they are, and those that are.
    fn unknown(&self, error: &ValidationError<'_>, unexpected: &[String]) -> String {
        let at_root = error.instance_path().as_str().is_empty();
        let mut known = Vec::new();
        if let Some((owner, _)) = error.schema_path().as_str().rsplit_once('/')
            && let Some(owner) = self.schema.pointer(owner)
        {
            self.names(owner, &mut known, 0);
        }
        let names = listed(unexpected.iter().map(|name| format!("`{}`", shortened(name))), ", ");
        let what = if at_root { "argument" } else { "member" };
        let near = match unexpected {
            // One letter is as near to any other.
            [only] if 2 < only.len() => nearest(only, known.iter().copied()),
            _ => Vec::new(),
        };
        let near = match near.is_empty() {
            true => String::new(),
            false => {
                format!("did you mean {}? ", listed(near.iter().map(|name| format!("`{name}`")), " or "))
            }
        };
        match known.is_empty() {
            true => format!("unknown {what} {names} (it takes none)"),
            false => {
                let known = listed(known.iter().map(|name| format!("`{name}`")), ", ");
                format!("unknown {what} {names} ({near}it takes {known})")
            }
        }
    }

    /// The names that a schema knows of, those of the schemas that it consists of included.
    fn names<'s>(&'s self, schema: &'s Value, known: &mut Vec<&'s str>, depth: usize) {
        if 4 < depth {
            return;
        }
        if let Some(own) = schema.get("properties").and_then(Value::as_object) {
            known.extend(
                own.keys().map(String::as_str).filter(|name| !known.contains(name)).collect::<Vec<_>>(),
            );
        }
        let target = resolved(self.schema, schema);
        if !std::ptr::eq(target, schema) {
            self.names(target, known, depth + 1);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.names(part, known, depth + 1);
        }
    }

    /// One form that a value may have.
    fn form(&self, form: &Value) -> String {
        let form = resolved(self.schema, form);
        if let Some(value) = form.get("const") {
            return Quoted(value).to_string();
        }
        if let Some(Value::Array(values)) = form.get("enum") {
            return listed(values.iter().map(Quoted), " or ");
        }
        let members = || listed(required(form).map(|name| format!("`{name}`")), ", ");
        let named = form.get("title").and_then(Value::as_str);
        match (form.get("type").and_then(Value::as_str), required(form).next()) {
            (Some("object") | None, Some(_)) => format!("an object with {}", members()),
            (Some("object" | "array" | "integer"), None) if named.is_none() => {
                format!("an {}", form["type"].as_str().unwrap_or_default())
            }
            (Some(kind), _) => {
                named.map_or_else(|| format!("a {kind}"), |name| format!("{kind} {}", shortened(name)))
            }
            (None, None) => named.map_or_else(|| "a value of another kind".to_owned(), shortened),
        }
    }
}

/// `arguments` and `/filters/2/op` as `arguments.filters[2].op`.
pub(crate) fn place(name: &str, pointer: &str) -> String {
    let mut out = name.to_owned();
    for step in pointer.split('/').skip(1) {
        let step = shortened(&step.replace("~1", "/").replace("~0", "~"));
        let plain = !step.is_empty() && step.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let _infallible = match (step.parse::<usize>(), plain) {
            (Ok(index), _) => write!(out, "[{index}]"),
            (_, true) => write!(out, ".{step}"),
            (_, false) => write!(out, "[{step:?}]"),
        };
    }
    match out.char_indices().nth(PLACE) {
        None => out,
        Some((at, _)) => format!("{}...", &out[..at]),
    }
}

/// A few of `names`, and how many there are beside them.
fn listed(names: impl Iterator<Item = impl Display>, between: &str) -> String {
    let mut out = String::new();
    let mut more = 0;
    for (n, name) in names.enumerate() {
        match n {
            0 => drop(write!(out, "{name}")),
            _ if n < NAMES => drop(write!(out, "{between}{name}")),
            _ => more += 1,
        }
    }
    if 0 < more {
        let _infallible = write!(out, "{between}{more} more");
    }
    out
}

/// A value that came, on one line.
fn came(at: Option<Node<'_>>) -> String {
    at.map_or_else(|| "another".to_owned(), |node| shortened(node.raw()))
}

fn came_with_type(at: Option<Node<'_>>) -> String {
    use toolpost_json::Kind;
    match at.map(|node| (node.kind(), node)) {
        None => "another".to_owned(),
        Some((Kind::Null, _)) => "null".to_owned(),
        Some((kind, node)) => format!("{kind} {}", shortened(node.raw())),
    }
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let mut out: String = text.chars().take(QUOTED).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if out.len() < text.len() {
        out.push_str("...");
    }
    out
}

/// A value of the schema.
struct Quoted<'a>(&'a Value);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shortened(&self.0.to_string()))
    }
}

/// The types allowed. That an optional argument may also be null is not what anyone needs to hear.
fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => {
            let many: Vec<String> = many.iter().map(|t| t.to_string()).filter(|t| t != "null").collect();
            many.join(" or ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_reads_like_code() {
        assert_eq!(place("arguments", ""), "arguments");
        assert_eq!(place("arguments", "/filters/2/op"), "arguments.filters[2].op");
        assert_eq!(place("arguments", "/a~1b/c d"), r#"arguments["a/b"]["c d"]"#);
        assert!(place("arguments", &"/a".repeat(1_000)).len() < 300);
    }

    #[test]
    fn what_is_said_is_bounded() {
        assert_eq!(shortened(&"x".repeat(1 << 20)).len(), QUOTED + 3);
        assert_eq!(shortened("a\nb"), "a b");
        assert_eq!(listed(0..30, ", ").matches(", ").count(), NAMES);
    }
}
