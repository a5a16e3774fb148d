//! The functions of expressions.

use std::borrow::Cow;

use super::evaluate::{Evaluation, Failure};
use super::value::Val;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Text,
    Int,
    Double,
}

/// Name, function, arguments beside what it is a method of, and whether it is a method, a function, or both.
const ALL: [(&str, Function, usize, bool, bool); 7] = [
    ("size", Function::Size, 0, true, true),
    ("contains", Function::Contains, 1, true, false),
    ("startsWith", Function::StartsWith, 1, true, false),
    ("endsWith", Function::EndsWith, 1, true, false),
    ("string", Function::Text, 0, false, true),
    ("int", Function::Int, 0, false, true),
    ("double", Function::Double, 0, false, true),
];

impl Function {
    pub(super) fn global(name: &str, arguments: usize) -> Result<Self, String> {
        Self::find(name, arguments, 1, |&(.., global)| global)
    }

    pub(super) fn method(name: &str, arguments: usize) -> Result<Self, String> {
        Self::find(name, arguments, 0, |&(.., method, _)| method)
    }

    fn find(
        name: &str,
        arguments: usize,
        first: usize,
        has: fn(&(&str, Self, usize, bool, bool)) -> bool,
    ) -> Result<Self, String> {
        let known = || ALL.iter().filter(|row| has(row));
        match known().find(|row| row.0 == name) {
            Some(&(_, function, more, ..)) if more + first == arguments => Ok(function),
            Some(&(_, _, more, ..)) => {
                Err(format!("`{name}` takes {} arguments, not {arguments}", more + first))
            }
            None => {
                let names: Vec<String> = known().map(|row| format!("`{}`", row.0)).collect();
                let (name, names) = (crate::path::shown(name), names.join(", "));
                Err(format!("there is no function `{name}` here; there are {names}"))
            }
        }
    }

    pub(super) fn call<'a>(
        self,
        evaluation: &mut Evaluation<'a>,
        arguments: &[Val<'a>],
    ) -> Result<Val<'a>, Failure> {
        let unfit = |of: &Val<'_>, what: &str| Err(Failure::new(format!("{what} of {}", of.kind())));
        match (self, arguments) {
            (Self::Size, [of]) => match of {
                Val::Text(text) => {
                    evaluation.spend_text(text)?;
                    Ok(Val::Int(text.chars().count() as i64))
                }
                of => match of.len() {
                    Some(len) => Ok(Val::Int(len as i64)),
                    None => unfit(of, "`size`"),
                },
            },
            (Self::Contains | Self::StartsWith | Self::EndsWith, [Val::Text(text), Val::Text(part)]) => {
                evaluation.spend_text(text)?;
                evaluation.spend_text(part)?;
                Ok(Val::Bool(match self {
                    Self::Contains => text.contains(&**part),
                    Self::StartsWith => text.starts_with(&**part),
                    _ => text.ends_with(&**part),
                }))
            }
            (Self::Contains | Self::StartsWith | Self::EndsWith, [of, _]) => {
                unfit(of, "a search in the text")
            }
            (Self::Text, [of]) => Ok(Val::Text(match of {
                Val::Text(text) => text.clone(),
                Val::Bool(yes) => Cow::Owned(yes.to_string()),
                Val::Int(number) => Cow::Owned(number.to_string()),
                Val::Double(number) => Cow::Owned(number.to_string()),
                of => return unfit(of, "`string`"),
            })),
            (Self::Int, [of]) => {
                let whole = |number: f64| {
                    let number = number.trunc();
                    (-9.3e18 < number && number < 9.3e18 && number as i64 as f64 == number)
                        .then_some(number as i64)
                };
                let number = match of {
                    Val::Int(number) => Some(*number),
                    Val::Double(number) => whole(*number),
                    Val::Text(text) => text.parse().ok(),
                    of => return unfit(of, "`int`"),
                };
                number.map(Val::Int).ok_or_else(|| Failure::new("`int` of what is no whole number in range"))
            }
            (Self::Double, [of]) => {
                let number = match of {
                    Val::Int(number) => Some(*number as f64),
                    Val::Double(number) => Some(*number),
                    Val::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
                    of => return unfit(of, "`double`"),
                };
                number.map(Val::Double).ok_or_else(|| Failure::new("`double` of what is no number"))
            }
            _ => Err(Failure::new("a function was called with too few arguments")),
        }
    }
}
