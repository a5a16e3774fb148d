//! Request identifiers.

use std::fmt;

use bytestring::ByteString;

use toolpost_json::{Kind, Node, Number, write};

/// The id of a request: a string or an integer of any size, echoed exactly as received.
///
/// Ids are equal when their texts are: `1`, `"1"` and `"\u0031"` are three ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(ByteString);

impl Id {
    /// The most bytes that the id of a request may have, as JSON text. Whoever echoes and remembers ids is
    /// bounded by it.
    pub const MAX_LEN: usize = 1 << 10;

    /// Reads an id; `None` if `node` is neither a string nor an integer.
    #[must_use]
    pub fn read(node: Node<'_>) -> Option<Self> {
        let is_id = node.kind() == Kind::String || node.as_number().is_some_and(Number::is_integer);
        is_id.then(|| Self(node.frame().text().slice_ref(node.raw())))
    }

    /// The integer that the id is a string of: some clients answer `1` by `"1"`.
    #[must_use]
    pub fn unquoted(&self) -> Option<Self> {
        let digits = self.0.strip_prefix('"')?.strip_suffix('"')?;
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| Self(self.0.slice_ref(digits)))
    }

    /// The id as JSON text.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }
}

impl From<i64> for Id {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        write::string(&mut out, text);
        Self(String::from_utf8(out).unwrap_or_default().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
