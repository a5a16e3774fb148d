//! Why a value did not decode: where, what was expected, what came.

use std::fmt::{self, Write as _};

use serde::de;

/// How much of a received string or message is repeated.
const SHOWN: usize = 64;

/// A value did not decode: says where, what was expected there and what came.
///
/// ```
/// use serde::Deserialize;
/// use toolpost_json::{Frame, Limits};
///
/// #[derive(Debug, Deserialize)]
/// struct Query { filters: Vec<Filter> }
/// #[derive(Debug, Deserialize)]
/// struct Filter { op: u8 }
///
/// let frame = Frame::parse(r#"{"filters": [{"op": 1}, {"op": "<"}]}"#.into(), &Limits::new())?;
/// let error = frame.root().decode::<Query>().unwrap_err();
/// assert_eq!(error.path(), "filters[1].op");
/// assert_eq!(error.to_string(), r#"filters[1].op: invalid type: string "<", expected u8"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DecodeError(Box<Inner>);

struct Inner {
    /// Innermost step first.
    path: Vec<Step>,
    message: String,
}

enum Step {
    Member(String),
    Item(usize),
}

impl DecodeError {
    #[cold]
    fn new(message: String) -> Self {
        Self(Box::new(Inner { path: Vec::new(), message }))
    }

    #[cold]
    pub(crate) fn in_member(mut self, name: &str) -> Self {
        self.0.path.push(Step::Member(name.to_owned()));
        self
    }

    #[cold]
    pub(crate) fn in_item(mut self, position: usize) -> Self {
        self.0.path.push(Step::Item(position));
        self
    }

    /// Where, from the decoded node on: `filters[2].op`; empty for the node itself.
    #[must_use]
    pub fn path(&self) -> String {
        let mut out = String::new();
        for step in self.0.path.iter().rev() {
            let _ = match step {
                Step::Item(position) => write!(out, "[{position}]"),
                Step::Member(name) if !is_plain(name) => write!(out, "[{:?}]", Shortened(name)),
                Step::Member(name) if out.is_empty() => write!(out, "{name}"),
                Step::Member(name) => write!(out, ".{name}"),
            };
        }
        out
    }

    /// What is wrong there, without the path.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError").field("path", &self.path()).field("message", &self.0.message).finish()
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    #[cold]
    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("invalid type: {}, expected {expected}", Came(unexpected)))
    }

    #[cold]
    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("invalid value: {}, expected {expected}", Came(unexpected)))
    }

    #[cold]
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown variant {:?}, expected {}", Shortened(variant), OneOf(expected)))
    }

    #[cold]
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field {:?}, expected {}", Shortened(field), OneOf(expected)))
    }
}

/// What came, in JSON's words.
struct Came<'a>(de::Unexpected<'a>);

impl fmt::Display for Came<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            de::Unexpected::Str(text) => write!(f, "string {:?}", Shortened(text)),
            de::Unexpected::Unit => f.write_str("null"),
            de::Unexpected::Unsigned(number) => write!(f, "number {number}"),
            de::Unexpected::Signed(number) => write!(f, "number {number}"),
            de::Unexpected::Float(number) => write!(f, "number {number:?}"),
            de::Unexpected::Seq => f.write_str("array"),
            de::Unexpected::Map => f.write_str("object"),
            other => other.fmt(f),
        }
    }
}

struct Shortened<'a>(&'a str);

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{:?}... ({} bytes)", &self.0[..end], self.0.len()),
            None => fmt::Debug::fmt(self.0, f),
        }
    }
}

struct OneOf(&'static [&'static str]);

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0 else { return f.write_str("nothing") };
        if !rest.is_empty() {
            f.write_str("one of ")?;
        }
        write!(f, "{first:?}")?;
        rest.iter().try_for_each(|name| write!(f, ", {name:?}"))
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= SHOWN
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
}
