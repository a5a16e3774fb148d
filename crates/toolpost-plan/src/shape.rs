//! What a JSON Schema says a value may be: as much of it as a plan is checked by.
//!
//! What is not understood is taken for anything: a plan is refused only for what cannot work.

mod fit;
mod hold;

use std::cell::Cell;

use serde_json::Value;

use crate::expression::place;

pub(crate) use fit::fit;
pub(crate) use hold::hold;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(crate) enum Shape<'a> {
    /// Nothing.
    Any,
    /// It is of one of these schemas.
    Of(Schemas<'a>),
    /// It is a list of such values.
    List(Box<Self>),
    /// A whole number: the place of an item.
    Index,
}

/// Schemas of which a value is one: nearly always there is one, which needs no list.
#[derive(Clone, Debug)]
pub(crate) enum Schemas<'a> {
    One([Schema<'a>; 1]),
    Several(Vec<Schema<'a>>),
}

impl<'a> std::ops::Deref for Schemas<'a> {
    type Target = [Schema<'a>];

    fn deref(&self) -> &[Schema<'a>] {
        match self {
            Self::One(one) => one,
            Self::Several(several) => several,
        }
    }
}

/// A schema within a document of schemas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema<'a> {
    pub(crate) root: &'a Value,
    pub(crate) at: &'a Value,
}

/// How much may be looked at: the schemas may be a stranger's too. What is not looked at is taken to fit.
#[derive(Debug)]
pub(crate) struct Effort(Cell<u32>);

impl Effort {
    pub(crate) const fn new() -> Self {
        const MOST: u32 = 50_000;
        Self(Cell::new(MOST))
    }

    /// Takes so many looks; whether they were left.
    pub(crate) fn spend(&self, looks: usize) -> bool {
        let left = self.0.get().checked_sub(u32::try_from(looks).unwrap_or(u32::MAX));
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// How deep schemas are looked into, and how many `$ref`s are followed in one place.
pub(crate) const DEPTH: usize = 12;
/// The most schemas that one place may have.
const WIDTH: usize = 64;

pub(crate) mod types {
    //! Types of JSON as bits; whole numbers and others are two.
    pub(crate) const NULL: u8 = 1;
    pub(crate) const BOOLEAN: u8 = 2;
    pub(crate) const INTEGER: u8 = 4;
    pub(crate) const FRACTION: u8 = 8;
    pub(crate) const NUMBER: u8 = INTEGER | FRACTION;
    pub(crate) const STRING: u8 = 16;
    pub(crate) const ARRAY: u8 = 32;
    pub(crate) const OBJECT: u8 = 64;
    pub(crate) const ALL: u8 = 127;

    pub(crate) fn named(name: &str) -> u8 {
        match name {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            "number" => NUMBER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => ALL,
        }
    }

    pub(crate) fn of(value: &serde_json::Value) -> u8 {
        match value {
            serde_json::Value::Null => NULL,
            serde_json::Value::Bool(_) => BOOLEAN,
            serde_json::Value::Number(number) if number.is_f64() => NUMBER,
            serde_json::Value::Number(_) => INTEGER,
            serde_json::Value::String(_) => STRING,
            serde_json::Value::Array(_) => ARRAY,
            serde_json::Value::Object(_) => OBJECT,
        }
    }

    pub(crate) fn told(bits: u8) -> String {
        let all = [
            (NULL, "null"),
            (BOOLEAN, "boolean"),
            (NUMBER, "number"),
            (INTEGER, "integer"),
            (FRACTION, "number"),
            (STRING, "string"),
            (ARRAY, "array"),
            (OBJECT, "object"),
        ];
        let mut left = bits;
        let mut names = Vec::new();
        for (bit, name) in all {
            if left & bit == bit {
                names.push(name);
                left &= !bit;
            }
        }
        names.join(" or ")
    }
}

/// A part that a shape does not have, and those of its level that it does.
#[derive(Debug)]
pub(crate) struct Absent {
    /// How many tokens led to something.
    pub(crate) after: usize,
    pub(crate) known: Vec<String>,
}

impl<'a> Shape<'a> {
    /// What a tool's schema says.
    pub(crate) fn of(schema: Option<&'a Value>) -> Self {
        schema.map_or(Self::Any, |root| Self::one(Schema { root, at: root }))
    }

    /// What one schema says.
    pub(crate) const fn one(schema: Schema<'a>) -> Self {
        Self::Of(Schemas::One([schema]))
    }

    /// The part that tokens of a pointer lead to.
    pub(crate) fn part<T: AsRef<str>>(&self, tokens: &[T]) -> Result<Self, Absent> {
        let mut shape = self.clone();
        for (after, token) in tokens.iter().enumerate() {
            shape = shape.step(token.as_ref()).map_err(|known| Absent { after, known })?;
        }
        Ok(shape)
    }

    /// What the items of it are, if it is a list.
    pub(crate) fn items(&self) -> Self {
        match self {
            Self::List(of) => (**of).clone(),
            Self::Of(schemas) => {
                let mut found = Vec::new();
                for schema in schemas.iter() {
                    for &option in &*schema.options() {
                        match option.keyword("items") {
                            Some(at) if at.is_object() => found.push(Schema { at, ..option }),
                            _ => return Self::Any,
                        }
                    }
                }
                if found.is_empty() { Self::Any } else { Self::Of(Schemas::Several(found)) }
            }
            Self::Any | Self::Index => Self::Any,
        }
    }

    /// The types that it may be of.
    pub(crate) fn types(&self) -> u8 {
        match self {
            Self::Any => types::ALL,
            Self::Of(schemas) => schemas.iter().fold(0, |all, schema| all | schema.types()),
            Self::List(_) => types::ARRAY,
            Self::Index => types::INTEGER,
        }
    }

    fn step(&self, token: &str) -> Result<Self, Vec<String>> {
        match self {
            Self::Any => Ok(Self::Any),
            Self::Index => Err(Vec::new()),
            Self::List(of) => match place(token) {
                Some(_) => Ok((**of).clone()),
                None => Err(Vec::new()),
            },
            Self::Of(schemas) => {
                let (mut first, mut found, mut known) = (None, Vec::new(), Vec::new());
                for schema in schemas.iter() {
                    for option in &*schema.options() {
                        match (option.step(token), first) {
                            (Step::Any, _) => return Ok(Self::Any),
                            (Step::Found(schema), None) => first = Some(schema),
                            (Step::Found(schema), Some(_)) => found.push(schema),
                            (Step::Absent, _) => known.extend(option.names()),
                        }
                    }
                }
                match (first, found.len()) {
                    (None, _) => Err(known),
                    (Some(one), 0) => Ok(Self::one(one)),
                    (Some(one), 1..WIDTH) => {
                        found.push(one);
                        Ok(Self::Of(Schemas::Several(found)))
                    }
                    _ => Ok(Self::Any),
                }
            }
        }
    }
}

enum Step<'a> {
    Any,
    Found(Schema<'a>),
    Absent,
}

impl<'a> Schema<'a> {
    /// The schema itself, its `$ref`s followed; one for each of its alternatives. Empty if nothing fits it.
    pub(crate) fn options(self) -> Schemas<'a> {
        // One walk over the few keywords there are: this is asked often.
        let members = self.at.as_object();
        let forms = |name: &String| matches!(name.as_str(), "$ref" | "anyOf" | "oneOf");
        if members.is_some_and(|members| !members.keys().any(forms)) {
            return Schemas::One([self]);
        }
        let mut found = Vec::new();
        self.collect(DEPTH, &mut found);
        Schemas::Several(found)
    }

    fn collect(self, depth: usize, found: &mut Vec<Self>) {
        if WIDTH <= found.len() {
            return;
        }
        let Some(members) = self.at.as_object() else {
            if self.at != &Value::Bool(false) {
                found.push(self);
            }
            return;
        };
        let followed = members.get("$ref").and_then(Value::as_str).and_then(|pointer| self.follow(pointer));
        if let (Some(at), Some(depth)) = (followed, depth.checked_sub(1)) {
            return Self { at, ..self }.collect(depth, found);
        }
        let alternatives = ["anyOf", "oneOf"].iter().find_map(|name| members.get(*name)?.as_array());
        match (alternatives, depth.checked_sub(1)) {
            // What stands beside them holds too, but nothing is refused for it here.
            (Some(alternatives), Some(depth)) if !members.contains_key("properties") => {
                for at in alternatives {
                    Self { at, ..self }.collect(depth, found);
                }
            }
            _ => found.push(self),
        }
    }

    fn follow(self, pointer: &str) -> Option<&'a Value> {
        self.root.pointer(pointer.strip_prefix('#')?)
    }

    pub(crate) fn keyword(self, name: &str) -> Option<&'a Value> {
        self.at.get(name)
    }

    /// The types that a value of it may be of.
    pub(crate) fn types(self) -> u8 {
        self.options().iter().fold(0, |all, option| all | option.own_types())
    }

    /// Of one alternative.
    fn own_types(self) -> u8 {
        let mut types = types::ALL;
        for (name, value) in self.at.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("const", constant) => return types::of(constant),
                ("enum", Value::Array(values)) => {
                    return values.iter().fold(0, |all, value| all | types::of(value));
                }
                ("type", Value::String(name)) => types = types::named(name),
                ("type", Value::Array(names)) => {
                    let names = names.iter().filter_map(Value::as_str);
                    types = names.fold(0, |all, name| all | types::named(name));
                }
                _ => {}
            }
        }
        types
    }

    /// The values that a value of it must be one of.
    pub(crate) fn values(self) -> Option<Vec<&'a Value>> {
        let mut all = Vec::new();
        for option in &*self.options() {
            let keywords = option.at.as_object()?;
            let (name, values) =
                keywords.iter().find(|(name, _)| matches!(name.as_str(), "const" | "enum"))?;
            match (name.as_str(), values) {
                ("enum", Value::Array(values)) => all.extend(values),
                ("enum", _) => return None,
                (_, constant) => all.push(constant),
            }
        }
        Some(all)
    }

    /// The names that an object of it must have.
    pub(crate) fn required(self) -> impl Iterator<Item = &'a str> {
        self.keyword("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The schema of a member, if it is declared.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        self.keyword("properties")?.get(name).map(|at| Self { at, ..self })
    }

    /// Whether an object of it has no members but those declared.
    pub(crate) fn is_closed(self) -> bool {
        self.keyword("additionalProperties") == Some(&Value::Bool(false))
            && self.keyword("patternProperties").is_none()
            && self.keyword("allOf").is_none()
    }

    /// The declared names.
    pub(crate) fn names(self) -> Vec<String> {
        let members = self.keyword("properties").and_then(Value::as_object);
        members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
    }

    /// Of one alternative: what a token of a pointer leads to.
    fn step(self, token: &str) -> Step<'a> {
        if self.at.as_object().is_none_or(serde_json::Map::is_empty) {
            return Step::Any;
        }
        let types = self.own_types();
        if types & types::OBJECT != 0 {
            if let Some(schema) = self.member(token) {
                return Step::Found(schema);
            }
            match self.keyword("additionalProperties") {
                Some(at) if at.is_object() => return Step::Found(Schema { at, ..self }),
                Some(Value::Bool(true)) => return Step::Any,
                _ => {}
            }
            let open = self.keyword("properties").is_none() && !self.is_closed()
                || ["allOf", "patternProperties", "$ref", "$dynamicRef", "if"]
                    .iter()
                    .any(|name| self.keyword(name).is_some());
            if open {
                return Step::Any;
            }
        }
        if types & types::ARRAY != 0
            && let Some(place) = place(token)
        {
            let placed = self.keyword("prefixItems").and_then(|items| items.get(place));
            return match placed.or_else(|| self.keyword("items")) {
                Some(Value::Bool(false)) => Step::Absent,
                Some(at) => Step::Found(Schema { at, ..self }),
                None => Step::Any,
            };
        }
        Step::Absent
    }
}
