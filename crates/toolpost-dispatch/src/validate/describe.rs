//! Says what does not fit, so that whoever sent it can repair it.

use std::fmt::Write as _;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::short;

/// More faults than this help nobody.
const MOST: usize = 5;

/// The faults, each with the path of the argument below `name`; `known` are the arguments there are.
pub(crate) fn faults<'a>(
    errors: impl Iterator<Item = ValidationError<'a>>,
    name: &str,
    known: &[String],
) -> String {
    let mut text = String::new();
    let mut more = 0;
    for (n, error) in errors.enumerate() {
        if n < MOST {
            let separator = if n == 0 { "" } else { "; " };
            let _infallible = write!(text, "{separator}{}", described(&error, name, known));
        } else {
            more += 1;
        }
    }
    if 0 < more {
        let _infallible = write!(text, "; and {more} more");
    }
    text
}

/// The place and the fault. Of several forms that do not fit, what is wrong with the one that was meant.
fn described(error: &ValidationError<'_>, name: &str, known: &[String]) -> String {
    if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind()
        && let Some(meant) = meant(error, context)
    {
        return meant.iter().map(|error| described(error, name, known)).collect::<Vec<_>>().join("; ");
    }
    format!("{}: {}", place(name, error.instance_path().as_str()), fault(error, known))
}

/// The faults of the form that was meant: the only one that takes a value of this type.
fn meant<'a, 'e>(
    error: &ValidationError<'_>,
    forms: &'a [Vec<ValidationError<'e>>],
) -> Option<&'a [ValidationError<'e>]> {
    let whole = error.instance_path();
    let is_of_type = |faults: &&Vec<ValidationError<'_>>| {
        !faults.is_empty()
            && !faults.iter().any(|fault| {
                fault.instance_path() == whole
                    && matches!(fault.kind(), Kind::Type { .. } | Kind::Constant { .. } | Kind::Enum { .. })
            })
    };
    let mut fitting = forms.iter().filter(is_of_type);
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only.as_slice())
}

/// What one of several forms would have to be.
fn forms(forms: &[Vec<ValidationError<'_>>]) -> Option<String> {
    let mut allowed: Vec<String> = Vec::new();
    for faults in forms {
        let one = match faults.first()?.kind() {
            Kind::Constant { expected_value } => short(expected_value).into_owned(),
            Kind::Enum { options } => options.as_array()?.iter().map(short).collect::<Vec<_>>().join(" or "),
            Kind::Type { kind: TypeKind::Single(one) } if one.to_string() == "null" => continue,
            Kind::Type { kind } => types(kind),
            _ => return None,
        };
        allowed.push(one);
    }
    (!allowed.is_empty()).then(|| allowed.join(" or "))
}

/// `arguments` and `/filters/2/op` as `arguments.filters[2].op`.
fn place(name: &str, pointer: &str) -> String {
    let mut out = name.to_owned();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let plain = !step.is_empty() && step.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let _infallible = match (step.parse::<usize>(), plain) {
            (Ok(index), _) => write!(out, "[{index}]"),
            (_, true) => write!(out, ".{step}"),
            (_, false) => write!(out, "[{step:?}]"),
        };
    }
    out
}

fn fault(error: &ValidationError<'_>, known: &[String]) -> String {
    let came = || short(error.instance());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let at_root = error.instance_path().as_str().is_empty();
            match (at_root, known.is_empty()) {
                (true, true) => format!("unknown argument {} (it takes none)", quoted(unexpected)),
                (true, false) => {
                    format!("unknown argument {} (it takes {})", quoted(unexpected), quoted(known))
                }
                (false, _) => format!("unknown member {}", quoted(unexpected)),
            }
        }
        Kind::FalseSchema if known.is_empty() => {
            format!("there are no arguments, got one with value {}", came())
        }
        Kind::Required { property } => {
            format!("the argument `{}` is missing", property.as_str().unwrap_or("?"))
        }
        Kind::Type { kind } if error.instance().is_null() => format!("expected {}, got null", types(kind)),
        Kind::Type { kind } => {
            format!("expected {}, got {} {}", types(kind), type_of(error.instance()), came())
        }
        Kind::Enum { options } => format!("expected one of {}, got {}", short(options), came()),
        Kind::Constant { expected_value } => format!("expected {}, got {}", short(expected_value), came()),
        Kind::Minimum { limit } => format!("expected at least {limit}, got {}", came()),
        Kind::Maximum { limit } => format!("expected at most {limit}, got {}", came()),
        Kind::ExclusiveMinimum { limit } => format!("expected more than {limit}, got {}", came()),
        Kind::ExclusiveMaximum { limit } => format!("expected less than {limit}, got {}", came()),
        Kind::MinLength { limit } => format!("expected at least {limit} characters, got {}", came()),
        Kind::MaxLength { limit } => format!("expected at most {limit} characters, got {}", came()),
        Kind::MinItems { limit } => format!("expected at least {limit} items, got {}", came()),
        Kind::MaxItems { limit } => format!("expected at most {limit} items, got {}", came()),
        Kind::Pattern { pattern } => format!("expected text matching `{pattern}`, got {}", came()),
        Kind::Format { format } => format!("expected a {format}, got {}", came()),
        Kind::UniqueItems => format!("expected no item twice, got {}", came()),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match forms(context) {
            Some(allowed) => format!("expected {allowed}, got {}", came()),
            None => format!("{} fits none of the allowed forms", came()),
        },
        Kind::OneOfMultipleValid { .. } => format!("{} fits more than one of the allowed forms", came()),
        _ => error.to_string(),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
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

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
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
    }
}
