//! What one message is answered with.

use bytes::Bytes;
use http::StatusCode;
use toolpost_protocol::{Code, Error, Id, Malformed, Violation, reply};

/// What one received message is answered with, ready to be sent.
///
/// The status matters to HTTP alone; a stream transport sends the bytes, if there are any.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// One JSON-RPC message, without a line end and without one inside; `None` where nothing is
    /// answered (a notification, a call taken back).
    pub bytes: Option<Vec<u8>>,
    /// The HTTP status that goes with it.
    pub status: StatusCode,
    /// How the message goes on after `bytes`, where that is the same in many replies; empty in a reply that
    /// is handed to a user of this crate.
    pub(crate) shared: Bytes,
}

impl Reply {
    /// A reply of `bytes`, which are one JSON-RPC message.
    pub(crate) fn new(status: StatusCode, mut bytes: Vec<u8>) -> Self {
        unbroken(&mut bytes);
        Self { bytes: Some(bytes), status, shared: Bytes::new() }
    }

    /// The answer to a request that succeeded; `write` appends the result object.
    pub(crate) fn result(id: &Id, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(512);
        reply::result(&mut bytes, id, write);
        Self::new(StatusCode::OK, bytes)
    }

    /// The same reply with all its bytes in one place.
    pub(crate) fn joined(mut self) -> Self {
        if let Some(bytes) = &mut self.bytes {
            bytes.extend_from_slice(&std::mem::take(&mut self.shared));
        }
        self
    }

    /// The answer to a request that failed.
    pub(crate) fn error(status: StatusCode, id: &Id, error: &Error) -> Self {
        let mut bytes = Vec::with_capacity(128);
        reply::error(&mut bytes, id, error);
        Self::new(status, bytes)
    }

    /// A message that was taken and is not answered.
    pub(crate) const fn accepted() -> Self {
        Self { bytes: None, status: StatusCode::ACCEPTED, shared: Bytes::new() }
    }

    /// The answer to bytes that are no message within the limits.
    pub(crate) fn violation(violation: Violation) -> Self {
        use toolpost_protocol::ViolationKind::TooLarge;
        let status = match violation.kind() {
            TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::error(status, &Id::NULL, &violation.into())
    }

    /// The answer to JSON that is no message.
    pub(crate) fn malformed(malformed: Malformed) -> Self {
        Self::error(StatusCode::BAD_REQUEST, &malformed.id.unwrap_or(Id::NULL), &malformed.error)
    }

    /// The answer to a message of more bytes than `limits` allow.
    pub(crate) fn too_large(limit: usize) -> Self {
        let error = Error::new(Code::INVALID_REQUEST, format!("message longer than {limit} bytes"));
        Self::error(StatusCode::PAYLOAD_TOO_LARGE, &Id::NULL, &error)
    }
}

/// Makes the message one line. Outside strings a line end is mere whitespace, and inside strings
/// JSON has none.
pub(crate) fn unbroken(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
        bytes[at + found] = b' ';
        at += found + 1;
    }
}
