//! Request identifiers.

use std::fmt;

use bytestring::ByteString;

use crate::index::{INTEGER, Kind};
use crate::node::Node;

/// The id of a request: a string or an integer of any size, echoed exactly as received.
///
/// Ids are equal when their texts are: `1`, `"1"` and `"\u0031"` are three ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(ByteString);

impl Id {
    /// `null`: the id of an answer to a request whose own id is unknown. No request has it.
    pub const NULL: Self = Self(ByteString::from_static("null"));

    /// Reads an id; `None` if `node` is neither a string nor an integer.
    #[must_use]
    pub fn read(node: Node<'_>) -> Option<Self> {
        let entry = node.entry();
        (entry.is(Kind::String) || entry.is(Kind::Number) && entry.has(INTEGER))
            .then(|| Self(node.frame().text().slice_ref(node.raw())))
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
        crate::reply::string(&mut out, text);
        Self(String::from_utf8(out).unwrap_or_default().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
