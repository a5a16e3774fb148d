//! From a template and values to a plan.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problems::{Problems, child};
use super::value::{Piece, Text, Tree, Within};

/// What is left of the bytes that one instantiation may come to.
pub(super) struct Budget(usize);

impl Budget {
    /// The most bytes of text in a plan that is made from templates.
    pub(super) const MOST: usize = 1 << 20;

    pub(super) const fn new() -> Self {
        Self(Self::MOST)
    }

    /// Whether there is room for so many bytes more.
    const fn take(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}

/// Puts values in the place of placeholders.
pub(super) struct Renderer<'a> {
    pub(super) values: &'a BTreeMap<&'a str, Value>,
    pub(super) budget: &'a mut Budget,
    pub(super) problems: &'a mut Problems,
    /// Whether what it makes is read as a plan, in which data has to be marked as such.
    pub(super) is_plan: bool,
}

impl Renderer<'_> {
    /// The value of a tree at `path`; `None` for a placeholder without a value.
    pub(super) fn value(&mut self, tree: &Tree, path: &str) -> Option<Value> {
        match tree {
            Tree::Plain(value) => {
                self.pay(weight(value), path)?;
                Some(value.clone())
            }
            Tree::Whole(name) => {
                let value = self.values.get(name.as_str())?;
                self.pay(weight(value), path)?;
                Some(match self.is_plan && has_directive(value) {
                    true => serde_json::json!({ "$literal": value }),
                    false => value.clone(),
                })
            }
            Tree::Text(text) => self.text(text, path).map(Value::String),
            Tree::List(items) => {
                let items = items.iter().enumerate();
                Some(items.filter_map(|(n, item)| self.value(item, &child(path, &n.to_string()))).collect())
            }
            Tree::Members(members) => {
                let mut object = Map::new();
                for (text, value) in members {
                    let name = self.text(text, path)?;
                    let path = child(path, &name);
                    if self.is_plan && text.plain().is_none() && is_directive(&name) {
                        let hint = "a value is data, and no part of the plan";
                        self.problems.add(&path, format!("a value makes the member `{name}`"), hint);
                        continue;
                    }
                    let Some(value) = self.value(value, &path) else { continue };
                    if object.insert(name.clone(), value).is_some() {
                        self.problems.add(&path, format!("there are two members `{name}`"), "");
                    }
                }
                Some(object.into())
            }
        }
    }

    fn text(&mut self, text: &Text, path: &str) -> Option<String> {
        let mut out = String::new();
        for piece in &text.pieces {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Parameter(name) => {
                    let value = self.values.get(name.as_str()).unwrap_or(&Value::Null);
                    out.push_str(&shown(value, text.within));
                }
            }
        }
        self.pay(out.len(), path)?;
        Some(out)
    }

    fn pay(&mut self, bytes: usize, path: &str) -> Option<()> {
        if self.budget.take(bytes) {
            return Some(());
        }
        let most = Budget::MOST;
        self.problems.add(path, format!("the plan would be longer than {most} bytes"), "give shorter values");
        None
    }
}

/// A value as a part of a text.
fn shown(value: &Value, within: Within) -> String {
    let text = || match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match within {
        Within::Plain => text(),
        Within::Expression => value.to_string(),
        Within::Pointer => text().replace('~', "~0").replace('/', "~1"),
    }
}

/// Whether a plan takes an object with this member for something else than data.
fn is_directive(name: &str) -> bool {
    ["$ref", "$cel", "$literal"].contains(&name)
}

/// Whether a plan would take a part of the value for something else than data.
fn has_directive(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_directive),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.starts_with('$') || has_directive(value))
        }
        _ => false,
    }
}

/// About how long a value is as JSON.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum::<usize>() + 2,
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + weight(value) + 4).sum::<usize>() + 2
        }
    }
}
