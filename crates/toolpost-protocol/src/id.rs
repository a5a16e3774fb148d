//! Request identifiers.

use std::fmt;

use bytestring::ByteString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use toolpost_json::{Kind, Node, Number, write};

/// The id of a request, or the token of its progress: a string or an integer of any size, echoed exactly as received.
///
/// Ids are equal when their texts are: `1`, `"1"` and `"\u0031"` are three ids. One that is deserialized, with a message
/// of the [model](crate::model), has no needless escapes: it is equal to the one that [`Id::from`] makes of the string.
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

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
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

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            // What cannot be text, such as half of a surrogate pair, stays as it was written.
            [b'"', ..] => Ok(serde_json::from_str::<String>(raw.get())
                .map_or_else(|_| Self(raw.get().to_owned().into()), Self::from)),
            [b'-' | b'0'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
                Ok(Self(raw.get().to_owned().into()))
            }
            _ => Err(D::Error::custom(format_args!("an id is a string or an integer, found {}", raw.get()))),
        }
    }
}
