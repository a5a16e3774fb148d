//! Why received bytes were refused, and where.

use std::fmt;

/// A refusal of received bytes: what is wrong, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    kind: ViolationKind,
    offset: u32,
}

/// What is wrong with received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViolationKind {
    /// The bytes are not UTF-8.
    Utf8,
    /// The text starts with a byte order mark.
    ByteOrderMark,
    /// The text ends inside a value, or before one.
    UnexpectedEnd,
    /// Something else stands where the grammar asks for this.
    Expected(&'static str),
    /// A character below U+0020 stands unescaped in a string.
    ControlCharacter,
    /// A `\u` escape names half a surrogate pair.
    LoneSurrogate,
    /// Text follows the value.
    TrailingText,
    /// The message is longer than allowed.
    TooLarge {
        /// The limit, in bytes.
        limit: u32,
    },
    /// Arrays and objects nest deeper than allowed.
    TooDeep {
        /// The limit, in levels.
        limit: u16,
    },
    /// There are more values and member names than allowed.
    TooManyNodes {
        /// The limit, in values and names together.
        limit: u32,
    },
    /// A number is written with more characters than allowed.
    NumberTooLong {
        /// The limit, in characters.
        limit: u16,
    },
    /// A number is too large for a 64-bit float.
    NumberNotFinite,
    /// An object has two members of one name, compared after unescaping.
    DuplicateName,
    /// A member has a name that `serde_json` gives a meaning of its own, so that a tool that
    /// decodes it would see other data than what was checked here.
    ReservedName,
}

impl Violation {
    pub(crate) const fn new(kind: ViolationKind, offset: usize) -> Self {
        Self { kind, offset: offset as u32 }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ViolationKind {
        self.kind
    }

    /// Where: bytes from the start of the message.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// Whether the bytes are not JSON text in UTF-8 at all; otherwise they are JSON that is refused (limits, duplicate
    /// and reserved names).
    #[must_use]
    pub const fn is_syntax_error(&self) -> bool {
        matches!(
            self.kind,
            ViolationKind::Utf8
                | ViolationKind::ByteOrderMark
                | ViolationKind::UnexpectedEnd
                | ViolationKind::Expected(_)
                | ViolationKind::ControlCharacter
                | ViolationKind::LoneSurrogate
                | ViolationKind::TrailingText
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ViolationKind::Utf8 => f.write_str("invalid UTF-8")?,
            ViolationKind::ByteOrderMark => f.write_str("unexpected byte order mark")?,
            ViolationKind::UnexpectedEnd => f.write_str("unexpected end of JSON text")?,
            ViolationKind::Expected(what) => write!(f, "invalid JSON: expected {what}")?,
            ViolationKind::ControlCharacter => f.write_str("unescaped control character in a string")?,
            ViolationKind::LoneSurrogate => f.write_str("escape of half a surrogate pair")?,
            ViolationKind::TrailingText => f.write_str("text after the JSON value")?,
            ViolationKind::TooLarge { limit } => write!(f, "message longer than {limit} bytes")?,
            ViolationKind::TooDeep { limit } => write!(f, "nesting deeper than {limit} levels")?,
            ViolationKind::TooManyNodes { limit } => write!(f, "more than {limit} values and member names")?,
            ViolationKind::NumberTooLong { limit } => write!(f, "number of more than {limit} characters")?,
            ViolationKind::NumberNotFinite => f.write_str("number too large for a 64-bit float")?,
            ViolationKind::DuplicateName => f.write_str("duplicate member name in an object")?,
            ViolationKind::ReservedName => f.write_str("member name reserved by the JSON decoder")?,
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for Violation {}
