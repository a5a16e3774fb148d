//! The data that MCP adds to some errors.

use super::{ClientCapabilities, Object, RawJson};
use crate::{Code, Error};

/// The data of an error whose code MCP gives a meaning of its own.
///
/// ```
/// use toolpost_protocol::model::ErrorData;
/// use toolpost_protocol::{Code, Error};
///
/// let data = ErrorData::unsupported_version(vec!["2026-07-28".to_owned()], "1900-01-01");
/// let error = Error::new(Code::UNSUPPORTED_VERSION, "unsupported protocol version").with_data(&data);
/// assert_eq!(ErrorData::of(&error)?, Some(data));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorData {
    /// Of [`Code::UNSUPPORTED_VERSION`]: the server does not speak the revision of the request. 2026-07-28 only.
    UnsupportedProtocolVersion {
        /// The revisions that the server speaks.
        supported: Vec<String>,
        /// The revision of the request.
        requested: String,
        /// Fields that no revision names.
        extra: Object,
    },
    /// Of [`Code::MISSING_CLIENT_CAPABILITY`]: the request needs a capability that the client did not declare.
    /// 2026-07-28 only.
    MissingRequiredClientCapability {
        /// The capabilities that the request needs.
        required_capabilities: ClientCapabilities,
        /// Fields that no revision names.
        extra: Object,
    },
    /// Of [`Code::URL_ELICITATION_REQUIRED`]: the person using the client must visit pages first. 2025-11-25 only.
    UrlElicitationRequired {
        /// The pages, each as the params of `elicitation/create` that [`Request::decode`](super::Request::decode)
        /// reads.
        elicitations: Vec<RawJson>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// The data of any other error, kept verbatim.
    Unknown(RawJson),
}

variants! { ErrorData {
    "version" => UnsupportedProtocolVersion { supported: required "supported", requested: required "requested" }
    "capability" => MissingRequiredClientCapability { required_capabilities: required "requiredCapabilities" }
    "pages" => UrlElicitationRequired { elicitations: required "elicitations" }
} }

impl ErrorData {
    /// Reads the data of an error by its code; `None` if it has none.
    ///
    /// # Errors
    ///
    /// When the data are not those that the code promises.
    pub fn of(error: &Error) -> Result<Option<Self>, serde_json::Error> {
        let label = match error.code() {
            Code::UNSUPPORTED_VERSION => "version",
            Code::MISSING_CLIENT_CAPABILITY => "capability",
            Code::URL_ELICITATION_REQUIRED => "pages",
            _ => "",
        };
        error.data().map(|data| Self::read(label, data.to_owned().into())).transpose()
    }

    /// Says which revisions the server speaks, and which the request did.
    #[must_use]
    pub fn unsupported_version(supported: Vec<String>, requested: impl Into<String>) -> Self {
        Self::UnsupportedProtocolVersion { supported, requested: requested.into(), extra: Object::new() }
    }

    /// Says which capabilities the request needs.
    #[must_use]
    pub const fn missing_capability(required_capabilities: ClientCapabilities) -> Self {
        Self::MissingRequiredClientCapability { required_capabilities, extra: Object::new() }
    }
}
