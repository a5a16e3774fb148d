//! What a template asks for, and whether it was given.

use std::collections::BTreeMap;
use std::fmt;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value, json};

use super::problems::{Problems, child};
use super::value::is_name;

/// The longest pattern, in bytes, and the most that it may take when compiled.
const PATTERN_MAX: usize = 1_000;
const PATTERN_SIZE: usize = 1 << 20;

/// The most parameters of one template.
const PARAMETERS_MAX: usize = 64;

/// One parameter.
#[derive(Clone)]
pub(super) struct Parameter {
    kind: Kind,
    description: String,
    default: Option<Value>,
    is_required: bool,
    one_of: Option<Vec<Value>>,
    /// As it was written, and compiled to fit whole.
    pattern: Option<(String, Regex)>,
    minimum: Option<Number>,
    maximum: Option<Number>,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::String, Self::Number, Self::Integer, Self::Boolean, Self::Array, Self::Object];

    const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// A boolean is no number, and 1.0 is an integer.
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => match value {
                Value::Number(number) => {
                    number.is_i64()
                        || number.is_u64()
                        || number.as_f64().is_some_and(|number| number.fract() == 0.0)
                }
                _ => false,
            },
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    /// Whether a value of it can stand within a text.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Integer | Self::Boolean)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the parameters of a template.
pub(super) fn parse(document: Option<&Value>, problems: &mut Problems) -> BTreeMap<String, Parameter> {
    let path = "/parameters";
    let Some(members) = object(document, path, problems) else { return BTreeMap::new() };
    if PARAMETERS_MAX < members.len() {
        problems.add(path, format!("{} parameters are more than {PARAMETERS_MAX}", members.len()), "");
    }
    let mut parameters = BTreeMap::new();
    for (name, said) in members.iter().take(PARAMETERS_MAX) {
        let path = child(path, name);
        if !is_name(name) {
            problems.add(
                &path,
                format!("`{name}` is no name of a parameter"),
                "use up to 64 letters, digits and `_`, and no digit first",
            );
            continue;
        }
        // What is wrong with it is said; that it is not there would be said too.
        parameters.insert(name.clone(), Parameter::parse(said, &path, problems));
    }
    parameters
}

/// The members of what has to be an object.
pub(super) fn object<'a>(
    value: Option<&'a Value>,
    path: &str,
    problems: &mut Problems,
) -> Option<&'a Map<String, Value>> {
    match value {
        None => None,
        Some(Value::Object(members)) => Some(members),
        Some(_) => {
            problems.add(path, "an object is expected", "");
            None
        }
    }
}

/// Says which members do not exist.
pub(super) fn unknown_members(
    members: &Map<String, Value>,
    known: &[&str],
    path: &str,
    problems: &mut Problems,
) {
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        problems.add(
            &child(path, name),
            format!("there is no member `{name}` here"),
            format!("there are: {}", known.join(", ")),
        );
    }
}

impl Parameter {
    const MEMBERS: [&str; 8] =
        ["type", "description", "default", "required", "enum", "pattern", "minimum", "maximum"];

    fn parse(said: &Value, path: &str, problems: &mut Problems) -> Self {
        let mut parameter = Self {
            kind: Kind::String,
            description: String::new(),
            default: None,
            is_required: true,
            one_of: None,
            pattern: None,
            minimum: None,
            maximum: None,
        };
        let Some(members) = object(Some(said), path, problems) else { return parameter };
        unknown_members(members, &Self::MEMBERS, path, problems);
        let at = |name| child(path, name);
        let all: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
        let kind = members.get("type").and_then(Value::as_str).and_then(Kind::parse);
        let Some(kind) = kind else {
            problems.add(
                &at("type"),
                "the type of a parameter is needed",
                format!("one of {}", all.join(", ")),
            );
            return parameter;
        };
        parameter.kind = kind;
        match members.get("description") {
            None => {}
            Some(Value::String(description)) => parameter.description.clone_from(description),
            Some(_) => problems.add(&at("description"), "a text is expected", ""),
        }
        parameter.pattern = pattern(members.get("pattern"), kind, &at("pattern"), problems);
        parameter.minimum = bound(members.get("minimum"), kind, &at("minimum"), problems);
        parameter.maximum = bound(members.get("maximum"), kind, &at("maximum"), problems);
        if let (Some(minimum), Some(maximum)) = (&parameter.minimum, &parameter.maximum)
            && less(maximum, minimum)
        {
            problems.add(&at("maximum"), format!("{maximum} is less than `minimum`, {minimum}"), "");
        }
        match members.get("enum") {
            None => {}
            Some(Value::Array(values)) if !values.is_empty() => {
                for (n, value) in values.iter().enumerate() {
                    parameter.check(value, &child(&at("enum"), &n.to_string()), problems);
                }
                parameter.one_of = Some(values.clone());
            }
            Some(_) => problems.add(&at("enum"), "a list of at least one value is expected", ""),
        }
        parameter.default = members.get("default").cloned();
        if let Some(default) = &parameter.default {
            parameter.check(default, &at("default"), problems);
        }
        parameter.is_required = parameter.default.is_none();
        match members.get("required") {
            None => {}
            Some(Value::Bool(true)) if parameter.default.is_some() => {
                problems.add(
                    &at("required"),
                    "a parameter with a default is not required",
                    "take one of the two away",
                );
            }
            Some(Value::Bool(required)) => parameter.is_required = *required,
            Some(_) => problems.add(&at("required"), "true or false is expected", ""),
        }
        parameter
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) const fn is_required(&self) -> bool {
        self.is_required
    }

    /// Whether there may be no value of it.
    pub(super) const fn may_be_missing(&self) -> bool {
        !self.is_required && self.default.is_none()
    }

    pub(super) fn schema(&self) -> Value {
        let mut schema = Map::new();
        schema.insert("type".into(), self.kind.as_str().into());
        if !self.description.is_empty() {
            schema.insert("description".into(), self.description.clone().into());
        }
        if let Some(values) = &self.one_of {
            schema.insert("enum".into(), values.clone().into());
        }
        if let Some((pattern, _)) = &self.pattern {
            schema.insert("pattern".into(), format!("^(?:{pattern})$").into());
        }
        for (name, bound) in [("minimum", &self.minimum), ("maximum", &self.maximum)] {
            if let Some(bound) = bound {
                schema.insert(name.into(), bound.clone().into());
            }
        }
        if let Some(default) = &self.default {
            schema.insert("default".into(), default.clone());
        }
        schema.into()
    }

    /// Says why a value is none of this parameter.
    pub(super) fn check(&self, value: &Value, path: &str, problems: &mut Problems) {
        if !self.kind.fits(value) {
            let found = match value {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::String(_) => "a text",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
            };
            problems.add(path, format!("a value of type {} is expected, and this is {found}", self.kind), "");
            return;
        }
        if let Some(values) = self.one_of.as_ref().filter(|values| !values.contains(value)) {
            let values = json!(values).to_string();
            problems.add(path, "the value is none of those that may be given", format!("one of {values}"));
        }
        if let (Some((pattern, regex)), Some(text)) = (&self.pattern, value.as_str())
            && !regex.is_match(text)
        {
            problems.add(path, format!("the text does not fit the whole pattern `{pattern}`"), "");
        }
        if let Value::Number(number) = value {
            if let Some(minimum) = self.minimum.as_ref().filter(|minimum| less(number, minimum)) {
                problems.add(path, format!("{number} is less than {minimum}"), "");
            }
            if let Some(maximum) = self.maximum.as_ref().filter(|maximum| less(maximum, number)) {
                problems.add(path, format!("{number} is more than {maximum}"), "");
            }
        }
    }
}

/// The values of `parameters`, of which `given` is an object by name.
pub(super) fn values<'a>(
    parameters: &'a BTreeMap<String, Parameter>,
    given: &Value,
    path: &str,
    problems: &mut Problems,
) -> BTreeMap<&'a str, Value> {
    let none = Map::new();
    let given = if given.is_null() { Some(&none) } else { object(Some(given), path, problems) };
    let Some(given) = given else { return BTreeMap::new() };
    for name in given.keys().filter(|name| !parameters.contains_key(*name)) {
        let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
        let hint = match names.is_empty() {
            true => "the template has none".to_owned(),
            false => format!("there are: {}", names.join(", ")),
        };
        problems.add(&child(path, name), format!("there is no parameter `{name}`"), hint);
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in parameters {
        let path = child(path, name);
        // Null for "none", as some serializers write it.
        match given.get(name).filter(|value| !value.is_null() || parameter.is_required) {
            Some(value) => {
                parameter.check(value, &path, problems);
                values.insert(name.as_str(), value.clone());
            }
            None if parameter.is_required => {
                problems.add(
                    &path,
                    format!("the parameter `{name}` is needed"),
                    format!("give a value of type {}", parameter.kind),
                );
            }
            None => {
                if let Some(default) = &parameter.default {
                    values.insert(name.as_str(), default.clone());
                }
            }
        }
    }
    values
}

/// The pattern of a string, to be fitted whole.
fn pattern(said: Option<&Value>, kind: Kind, path: &str, problems: &mut Problems) -> Option<(String, Regex)> {
    let said = said?;
    let Some(pattern) = said.as_str().filter(|_| kind == Kind::String) else {
        problems.add(path, "a pattern is a text, of a parameter of type string", "");
        return None;
    };
    if PATTERN_MAX < pattern.len() {
        problems.add(path, format!("the pattern is longer than {PATTERN_MAX} bytes"), "");
        return None;
    }
    let compiled = |pattern: &str| {
        RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).nest_limit(32).build().map_err(|error| {
            let text = error.to_string();
            text.lines().last().unwrap_or("").trim().to_owned()
        })
    };
    // By itself first: it may not close what is put around it.
    match compiled(pattern).and_then(|_| compiled(&format!(r"\A(?:{pattern})\z"))) {
        Ok(regex) => Some((pattern.to_owned(), regex)),
        Err(error) => {
            problems.add(path, format!("`{pattern}` is no pattern: {error}"), "");
            None
        }
    }
}

fn bound(said: Option<&Value>, kind: Kind, path: &str, problems: &mut Problems) -> Option<Number> {
    match (said?, kind) {
        (Value::Number(number), Kind::Number | Kind::Integer) => Some(number.clone()),
        _ => {
            problems.add(path, "a bound is a number, of a parameter of type number or integer", "");
            None
        }
    }
}

fn less(one: &Number, other: &Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one < other,
        _ => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one < other,
            _ => false,
        },
    }
}
