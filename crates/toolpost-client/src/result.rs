//! The result of a request.

use std::fmt;

use bytestring::ByteString;
use serde::Deserialize;
use toolpost_json::{Frame, Node, NodeId};

use crate::ClientError;

/// The result of a request, as the server wrote it: checked once, kept as bytes.
///
/// A `tools/call` whose tool failed has a result too: its member `isError` is true.
#[derive(Clone)]
pub struct RawResult {
    frame: Frame,
    at: NodeId,
}

impl RawResult {
    pub(crate) const fn new(frame: Frame, at: NodeId) -> Self {
        Self { frame, at }
    }

    /// The result, to walk.
    #[must_use]
    pub fn node(&self) -> Node<'_> {
        self.frame.node(self.at)
    }

    /// The result's text, exactly as received; it shares the bytes of the message.
    #[must_use]
    pub fn text(&self) -> ByteString {
        self.frame.text().slice_ref(self.node().raw())
    }

    /// Decodes the result, as one of the types of `toolpost_protocol::model` or any other.
    ///
    /// # Errors
    ///
    /// [`ClientError::Malformed`] with the place that does not fit.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ClientError> {
        self.node().decode().map_err(|error| ClientError::malformed(error.to_string()))
    }

    /// The same message at another place.
    pub(crate) fn narrowed(mut self, at: NodeId) -> Self {
        self.at = at;
        self
    }
}

impl fmt::Debug for RawResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawResult").field(&self.node().raw()).finish()
    }
}
