//! Takes secrets out of what leaves the server.

mod decode;
mod layer;
mod names;
mod spellings;
mod values;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::InvalidProgram;
pub(crate) use layer::as_json;
use values::Values;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "[redacted]";

/// Takes secrets out of text: values that it was told, in whatever common spelling, and what looks like a secret.
///
/// A value is found as it is, in base64 (also within more base64), percent-encoded, in hexadecimal, and escaped as JSON or
/// a shell has it, twice over too, and over line breaks; a line of a value of several lines, and a part of 23 characters
/// of a long one, are found as well. What looks like a secret: the credentials of a URL, the value of a name such as
/// `DB_PASSWORD` (`name=value`, `name: value`, `--name value`, a member of a JSON object, an element of XML), a bearer
/// token. References (`${DB_PASSWORD}`) and names such as `primary_key` or `max_tokens` stay readable.
///
/// Redacting twice changes nothing more. It takes time in proportion to the text.
///
/// ```
/// use toolpost_process::Redactor;
///
/// let redactor = Redactor::of(["hunter22"])?;
/// assert_eq!(redactor.redact("mysql://root:p@ss:w0rd@db/x failed"), "mysql://[redacted]@db/x failed");
/// assert_eq!(redactor.redact(r#"{"user": "ada", "password": "x"}"#), r#"{"user": "ada", "password": "[redacted]"}"#);
/// assert_eq!(redactor.redact("tried hunter22, aHVudGVyMjI= and %68unter22"), "tried [redacted], [redacted] and [redacted]");
/// # Ok::<(), toolpost_process::InvalidProgram>(())
/// ```
///
/// What looks like a secret is a guess: it takes out too much here and there, and a secret in prose ("the password is x")
/// stays. So tell it every value that is known.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Values>);

impl Redactor {
    /// The shortest value that is told from other text, in bytes.
    pub const SHORTEST: usize = 6;

    /// The longest value, in bytes, and the most of all values together.
    pub const LONGEST: usize = 64 << 10;

    /// A redactor that knows no values: what looks like a secret goes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A redactor that knows these values.
    ///
    /// # Errors
    ///
    /// If one has fewer than [`SHORTEST`](Self::SHORTEST) bytes, or all of them more than [`LONGEST`](Self::LONGEST).
    pub fn of<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Result<Self, InvalidProgram> {
        let values: Vec<S> = values.into_iter().collect();
        let named: Vec<(String, &str)> = values
            .iter()
            .enumerate()
            .map(|(at, value)| (format!("the secret at position {at}"), value.as_ref()))
            .collect();
        let mut faults = Vec::new();
        let redactor = Self::named(&named, &mut faults);
        if faults.is_empty() { Ok(redactor) } else { Err(InvalidProgram::new(faults)) }
    }

    /// As [`of`](Self::of), with what a fault calls each value.
    pub(crate) fn named<N: fmt::Display, V: AsRef<str>>(values: &[(N, V)], faults: &mut Vec<String>) -> Self {
        let mut all = 0;
        let mut kept: Vec<&str> = Vec::new();
        for (name, value) in values {
            let value = value.as_ref();
            all += value.len();
            if value.len() < Self::SHORTEST {
                let (has, needed) = (value.len(), Self::SHORTEST);
                faults.push(format!(
                    "{name} has {has} bytes, and {needed} at least are needed to tell it from other text"
                ));
            } else {
                kept.push(value);
            }
        }
        if Self::LONGEST < all {
            faults.push(format!(
                "the secrets have {all} bytes together, and {} at most are taken",
                Self::LONGEST
            ));
            return Self::default();
        }
        Self(Arc::new(Values::of(&kept)))
    }

    /// The text without secrets; borrowed if there is none in it.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let values = self.0.spans(text);
        guessed(replaced(text, &values))
    }

    /// The text without the values that it was told, and with what only looks like a secret: for results, which may be
    /// about such things.
    #[must_use]
    pub fn redact_values<'a>(&self, text: &'a str) -> Cow<'a, str> {
        replaced(text, &self.0.spans(text))
    }

    /// As [`redact`](Self::redact), of a text that goes on where nobody sees it: the beginning of a value at its end, of
    /// 4 bytes or more, is taken for the value.
    #[must_use]
    pub fn redact_cut<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut values = self.0.spans(text);
        values.extend(self.0.begun(text));
        guessed(replaced(text, &values))
    }
}

impl Redactor {
    /// Whether the name says that its value is a secret.
    pub(crate) fn is_secret(name: &str) -> bool {
        names::is_secret(name)
    }

    /// As [`redact_values`](Self::redact_values), of a text whose beginning was cut off: the end of a value at its
    /// beginning, of 4 bytes or more, is taken for the value.
    pub(crate) fn redact_values_cut_before<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut values = self.0.spans(text);
        values.extend(self.0.ended(text));
        replaced(text, &values)
    }
}

/// Values are left out.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("values", &self.0.count()).finish()
    }
}

/// A part of a text, in bytes, and what stands there instead.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Span {
    start: usize,
    end: usize,
    /// Quotes around the mask, where the part was a value without them and has to be one.
    quote: Cow<'static, str>,
}

impl Span {
    const fn plain(start: usize, end: usize) -> Self {
        Self { start, end, quote: Cow::Borrowed("") }
    }
}

fn guessed(text: Cow<'_, str>) -> Cow<'_, str> {
    [names::urls, names::bearers, names::named].into_iter().fold(text, |text, find| match text {
        Cow::Borrowed(text) => replaced(text, &find(text)),
        Cow::Owned(text) => match replaced(&text, &find(&text)) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(changed) => Cow::Owned(changed),
        },
    })
}

/// The text with a mask in place of each span; those that touch or overlap are one.
fn replaced<'a>(text: &'a str, spans: &[Span]) -> Cow<'a, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut sorted: Vec<&Span> = spans.iter().collect();
    sorted.sort_by_key(|span| span.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut spans = sorted.into_iter().peekable();
    while let Some(first) = spans.next() {
        let (mut end, start) = (first.end, first.start);
        while let Some(next) = spans.next_if(|next| next.start <= end) {
            end = end.max(next.end);
        }
        // A span may begin or end within a character where it was found within an encoding.
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        out.push_str(&text[done.min(start)..start]);
        out.push_str(&first.quote);
        out.push_str(MASK);
        out.push_str(&first.quote);
        done = end;
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
