//! What one message is answered with.

use bytes::Bytes;
use http::StatusCode;
use toolpost_protocol::{Error, Id, reply};

use crate::Origin;

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

    /// The answer to a request that succeeded and has nothing to say.
    pub(crate) fn done(id: &Id) -> Self {
        Self::result(id, |out| out.extend_from_slice(b"{}"))
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

    /// An error that answers nothing that has an id. On a stream of lines that is silence, in every revision: no
    /// client could tell what it is about, some end the stream over it, and before 2025-11-25 there is no message for
    /// it. Over HTTP the status says it, and the error without an id says why.
    #[cold]
    pub(crate) fn unaddressed(status: StatusCode, error: &Error, origin: &Origin) -> Self {
        if origin.headers.is_none() {
            return Self::accepted();
        }
        Self::nameless(status, error)
    }

    /// The same over HTTP, whatever was sent.
    #[cold]
    pub(crate) fn nameless(status: StatusCode, error: &Error) -> Self {
        let mut bytes = Vec::with_capacity(128);
        reply::unaddressed(&mut bytes, error);
        Self::new(status, bytes)
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
