//! Holds arguments, as they stand in a document, against the schema of a tool.

use serde_json::Value;
use toolpost_json::{Kind, Node};

use super::{DEPTH, Effort, Schema, Shape, fit, types};
use crate::expression::{Special, special};
use crate::path::{Path, shown};

/// What is wrong with arguments, and where.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// What a reference refers to; none where that is wrong, and said elsewhere.
pub(crate) type Shapes<'s, 'a> = dyn Fn(&str) -> Option<Shape<'a>> + 's;

/// Holds a value of a document against a schema; `optional` says that a member may also be `null` where it may be left
/// out.
pub(crate) fn hold(
    node: Node<'_>,
    schema: Schema<'_>,
    path: &Path<'_>,
    shapes: &Shapes<'_, '_>,
    optional: bool,
    effort: &Effort,
) -> Vec<Held> {
    let mut held = Vec::new();
    Holding { shapes, optional, effort }.value(node, schema, path, DEPTH, &mut held);
    held
}

struct Holding<'s, 'a> {
    shapes: &'s Shapes<'s, 'a>,
    optional: bool,
    effort: &'s Effort,
}

impl Holding<'_, '_> {
    fn value(&self, node: Node<'_>, schema: Schema<'_>, path: &Path<'_>, depth: usize, held: &mut Vec<Held>) {
        match special(node) {
            Special::Reference { pointer, .. } => {
                if let Some(shape) = (self.shapes)(&pointer)
                    && let Err(why) = fit(&shape, schema, self.effort)
                {
                    let message = format!("`{}` {why}", shown(&pointer));
                    held.push(Held { path: path.to_string(), message, hint: None });
                }
            }
            Special::Cel(_) | Special::Wrong(_) => {}
            // Nothing is looked up in it, and it is looked at as little.
            Special::Literal(value) => {
                if schema.types() & of(value) == 0 {
                    wrong_type(value, schema, path, held);
                }
            }
            Special::Plain => self.plain(node, schema, path, depth, held),
        }
    }

    fn plain(&self, node: Node<'_>, schema: Schema<'_>, path: &Path<'_>, depth: usize, held: &mut Vec<Held>) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let options = schema.options();
        if !self.effort.spend(options.len()) {
            return;
        }
        if let [one] = &*options
            && one.own_types() & of(node) != 0
        {
            return self.one(node, *one, path, depth, held);
        }
        let alike: Vec<Schema<'_>> =
            options.iter().copied().filter(|option| option.own_types() & of(node) != 0).collect();
        match &*alike {
            [] => wrong_type(node, schema, path, held),
            [one] => self.one(node, *one, path, depth, held),
            several => {
                let mut first = None;
                for option in several {
                    let mut own = Vec::new();
                    self.one(node, *option, path, depth, &mut own);
                    if own.is_empty() {
                        return;
                    }
                    first = first.or(Some(own));
                }
                held.extend(first.unwrap_or_default());
            }
        }
    }

    fn one(&self, node: Node<'_>, schema: Schema<'_>, path: &Path<'_>, depth: usize, held: &mut Vec<Held>) {
        match node.kind() {
            Kind::Object => self.members(node, schema, path, depth, held),
            Kind::Array => {
                for (n, item) in node.items().enumerate() {
                    let placed = schema.keyword("prefixItems").and_then(|items| items.get(n));
                    if let Some(at) = placed.or_else(|| schema.keyword("items")) {
                        self.value(item, Schema { at, ..schema }, &path.item(n), depth, held);
                    }
                }
            }
            _ => scalar(node, schema, path, held),
        }
    }

    fn members(
        &self,
        node: Node<'_>,
        schema: Schema<'_>,
        path: &Path<'_>,
        depth: usize,
        held: &mut Vec<Held>,
    ) {
        for name in schema.required() {
            if node.member(name).is_none() {
                let message = format!("`{}` is missing, which is required", shown(name));
                held.push(Held { path: path.to_string(), message, hint: None });
            }
        }
        for (key, value) in node.members() {
            let name = key.name();
            match schema.member(&name) {
                Some(member) => {
                    let left_out = self.optional && value.is_null() && !schema.required().any(|r| r == name);
                    if !left_out {
                        self.value(value, member, &path.member(&name), depth, held);
                    }
                }
                None if schema.is_closed() => {
                    let names: Vec<String> =
                        schema.names().iter().take(20).map(|name| format!("`{name}`")).collect();
                    held.push(Held {
                        path: path.member(&name).to_string(),
                        message: format!("`{}` is no argument of it", shown(&name)),
                        hint: Some(match names.is_empty() {
                            true => "it takes none".to_owned(),
                            false => format!("it takes {}", names.join(", ")),
                        }),
                    });
                }
                None => {}
            }
        }
    }
}

/// A keyword, whether a number or a length keeps to it, and how it is told.
type Bound = (&'static str, fn(f64, f64) -> bool, &'static str);

const BOUNDS: [Bound; 6] = [
    ("minimum", |n, b| b <= n, "at least"),
    ("maximum", |n, b| n <= b, "at most"),
    ("exclusiveMinimum", |n, b| b < n, "more than"),
    ("exclusiveMaximum", |n, b| n < b, "less than"),
    ("minLength", |n, b| b <= n, "at least"),
    ("maxLength", |n, b| n <= b, "at most"),
];

fn scalar(node: Node<'_>, schema: Schema<'_>, path: &Path<'_>, held: &mut Vec<Held>) {
    let mut wrong = |message: String| held.push(Held { path: path.to_string(), message, hint: None });
    if let Some(values) = schema.values()
        && !values.iter().any(|value| is(node, value))
    {
        let values: Vec<String> = values.iter().take(8).map(|value| shown(&value.to_string())).collect();
        return wrong(format!("is {}, and one of {} is expected", shown(node.raw()), values.join(", ")));
    }
    let number = node.as_number().map(toolpost_json::Number::as_f64);
    let text = node.as_str();
    let length = || text.as_ref().map(|text| text.chars().count() as f64);
    for (keyword, bound) in schema.at.as_object().into_iter().flatten() {
        let Some((_, holds, told)) = BOUNDS.iter().find(|(name, ..)| name == keyword) else { continue };
        let (Some(bound), is_length) = (bound.as_f64(), keyword.ends_with("Length")) else { continue };
        let measured = if is_length { length() } else { number };
        if measured.is_some_and(|measured| !holds(measured, bound)) {
            return wrong(match is_length {
                true => format!("is a string of another length: {told} {bound} characters are expected"),
                false => format!("is {}, and {told} {bound} is expected", node.raw()),
            });
        }
    }
}

fn wrong_type(node: Node<'_>, schema: Schema<'_>, path: &Path<'_>, held: &mut Vec<Held>) {
    let message = format!("is {}, and {} is expected", types::told(of(node)), types::told(schema.types()));
    held.push(Held { path: path.to_string(), message, hint: None });
}

/// The type of a value of a document.
fn of(node: Node<'_>) -> u8 {
    match node.kind() {
        Kind::Null => types::NULL,
        Kind::Bool => types::BOOLEAN,
        Kind::Number => match node.as_number() {
            Some(number) if number.is_integer() || number.as_f64().fract() == 0.0 => types::INTEGER,
            _ => types::FRACTION,
        },
        Kind::String => types::STRING,
        Kind::Array => types::ARRAY,
        Kind::Object => types::OBJECT,
    }
}

/// Whether a scalar is this value.
fn is(node: Node<'_>, value: &Value) -> bool {
    match value {
        Value::Null => node.is_null(),
        Value::Bool(yes) => node.as_bool() == Some(*yes),
        Value::String(text) => node.as_str().is_some_and(|own| own == *text),
        Value::Number(number) => node.as_number().is_some_and(|own| Some(own.as_f64()) == number.as_f64()),
        Value::Array(_) | Value::Object(_) => true,
    }
}
