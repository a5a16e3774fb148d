//! The error of an answer.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;
use toolpost_json::Violation;

/// The code of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
#[derive(Clone, Debug)]
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    data: Option<Box<RawValue>>,
}

impl Error {
    /// An error without data.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Adds data; what cannot be encoded is left out.
    #[must_use]
    pub fn with_data(mut self, data: &(impl Serialize + ?Sized)) -> Self {
        self.data = serde_json::value::to_raw_value(data).ok();
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
        self.data.as_deref()
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
