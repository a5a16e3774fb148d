//! State that travels through the client, signed by rmcp's own codec: its key is one that the host's rmcp code can share, so
//! that what one of its servers gave out another takes back. It is not secret from the client, as that of toolpost's own
//! server is.

use std::fmt;
use std::time::Duration;

use bytestring::ByteString;
use rmcp::ErrorData;
use rmcp::model::{RequestStateCodec, SealOptions};
use toolpost_tool::{CallParts, Principal};

/// How long state is accepted back: as by toolpost's own server.
const LIFETIME: Duration = Duration::from_secs(600);

/// Signs state, and accepts it back.
pub(crate) struct Seal(Option<RequestStateCodec>);

/// What state is bound to: who asked which tool for what.
pub(crate) struct Bound {
    principal: Principal,
    tool: ByteString,
    /// As canonical JSON: the binding is the same however the client writes them.
    arguments: Vec<u8>,
}

impl Bound {
    pub(crate) fn of(parts: &CallParts) -> Self {
        let mut arguments = Vec::new();
        parts.arguments().write_canonical(&mut arguments);
        Self { principal: parts.principal.clone(), tool: parts.tool.clone(), arguments }
    }

    fn bytes(&self) -> Vec<u8> {
        // No UTF-8 text holds 0xff, so no two calls have one binding.
        let mut bytes = vec![u8::from(!self.principal.is_anonymous())];
        for text in [self.principal.as_str().as_bytes(), self.tool.as_bytes(), &self.arguments] {
            bytes.extend_from_slice(text);
            bytes.push(0xff);
        }
        bytes
    }
}

impl Seal {
    /// A key of this process alone. Where there is no randomness, there is no state.
    pub(crate) fn random() -> Self {
        let mut key = [0; 32];
        Self(
            getrandom::fill(&mut key).ok().map(|()| key).and_then(|key| RequestStateCodec::try_new(key).ok()),
        )
    }

    pub(crate) fn new(key: Vec<u8>) -> Option<Self> {
        Some(Self(Some(RequestStateCodec::try_new(key).ok()?)))
    }

    pub(crate) fn seal(&self, state: &str, bound: &Bound) -> Result<String, ErrorData> {
        let codec = self.codec()?;
        Ok(codec
            .seal_with(state.as_bytes(), &SealOptions::new().associated_data(&bound.bytes()).ttl(LIFETIME)))
    }

    pub(crate) fn open(&self, sealed: &str, bound: &Bound) -> Result<String, ErrorData> {
        let foreign = || {
            ErrorData::invalid_params(
                "requestState is not what this server gave out for this call, or too old",
                None,
            )
        };
        let state = self.codec()?.open_with(sealed, &bound.bytes()).map_err(|_| foreign())?;
        String::from_utf8(state).map_err(|_| foreign())
    }

    fn codec(&self) -> Result<&RequestStateCodec, ErrorData> {
        self.0.as_ref().ok_or_else(|| ErrorData::internal_error("no key to sign requestState with", None))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}
