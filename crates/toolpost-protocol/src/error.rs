//! The error of an answer.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use toolpost_json::Violation;

use crate::model::{Object, RawJson};

/// The code of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub i64);

impl Code {
    /// The text is not JSON.
    pub const PARSE_ERROR: Self = Self(-32_700);
    /// The JSON is not a request, or was refused as a whole.
    pub const INVALID_REQUEST: Self = Self(-32_600);
    /// There is no such method, or it belongs to a capability that is not offered.
    pub const METHOD_NOT_FOUND: Self = Self(-32_601);
    /// The parameters do not fit the method; also an unknown tool, prompt, resource or cursor.
    pub const INVALID_PARAMS: Self = Self(-32_602);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(-32_603);
    /// HTTP headers contradict the body (2026-07-28).
    pub const HEADER_MISMATCH: Self = Self(-32_020);
    /// The request needs a capability that the client did not declare (2026-07-28).
    pub const MISSING_CLIENT_CAPABILITY: Self = Self(-32_021);
    /// The revision is not supported (2026-07-28).
    pub const UNSUPPORTED_VERSION: Self = Self(-32_022);
    /// There is no such resource (up to 2025-11-25; later revisions use
    /// [`INVALID_PARAMS`](Self::INVALID_PARAMS)).
    pub const RESOURCE_NOT_FOUND: Self = Self(-32_002);
    /// The user must visit a URL first (2025-11-25 only).
    pub const URL_ELICITATION_REQUIRED: Self = Self(-32_042);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The error of an answer: a code, a message, and data if there is more to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    rest: Option<Box<Rest>>,
}

/// What few errors have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rest {
    data: Option<RawJson>,
    /// Members that no revision names, of an error that was received.
    extra: Object,
}

impl Error {
    /// An error without data.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), rest: None }
    }

    /// Adds data; what cannot be encoded is left out.
    #[must_use]
    pub fn with_data(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        self.rest.get_or_insert_default().data = RawJson::encode(data).ok();
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The data, as JSON.
    #[must_use]
    pub fn data(&self) -> Option<&RawValue> {
        self.rest.as_ref()?.data.as_ref().map(RawJson::as_raw_value)
    }
}

impl From<Violation> for Error {
    /// [`Code::PARSE_ERROR`] for what is not JSON text in UTF-8, [`Code::INVALID_REQUEST`] for JSON that is refused
    /// (limits, duplicate and reserved names).
    fn from(violation: Violation) -> Self {
        let code = if violation.is_syntax_error() { Code::PARSE_ERROR } else { Code::INVALID_REQUEST };
        Self::new(code, violation.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rest = self.rest.as_deref().cloned().unwrap_or_default();
        Wire { code: self.code, message: self.message.to_string(), data: rest.data, extra: rest.extra }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { code, message, data, extra } = Wire::deserialize(deserializer)?;
        let has_rest = data.is_some() || !extra.is_empty();
        let rest = has_rest.then(|| Box::new(Rest { data, extra }));
        Ok(Self { code, message: message.into(), rest })
    }
}

/// The error as an object.
struct Wire {
    code: Code,
    message: String,
    data: Option<RawJson>,
    extra: Object,
}

object! { Wire { code: required "code", message: required "message", data: any "data" } }
