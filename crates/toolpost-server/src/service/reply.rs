//! What one message is answered with.

use bytes::Bytes;
use toolpost_protocol::{Error, Id, reply};

use crate::Peer;

/// The answer to one received message, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// One JSON-RPC message, without a line end and without one inside; `None` where nothing is
    /// answered (a notification, a call taken back).
    pub(crate) bytes: Option<Vec<u8>>,
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "HTTP alone has a way to say it"))]
    pub(crate) disposition: Disposition,
    /// How the message goes on after `bytes`, where that is the same in many replies; empty in a reply that
    /// was [joined](Self::joined).
    pub(crate) shared: Bytes,
    /// The scopes that its sender lacks, where that is why it was refused.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "HTTP alone has a way to say it"))]
    pub(crate) scopes: Option<Box<str>>,
}

/// What became of a message, for transports that say it apart from the answer (HTTP by its status).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Disposition {
    /// The answer says everything, be it a result or an error.
    Answered,
    /// It is taken, and not answered.
    Taken,
    /// It is no message, or not one that may be sent here.
    Invalid,
    /// Its sender may not do that.
    Denied,
    /// What it names is not here: a method, a session.
    Unknown,
    /// It can be answered by a stream alone.
    NeedsStream,
    TooLarge,
    /// Its sender asks for too much.
    TooMany,
    /// The server has no room for it now.
    Busy,
}

/// Why a request is not answered by its method.
pub(super) type Refusal = (Disposition, Error);

impl Reply {
    /// A reply of `bytes`, which are one JSON-RPC message.
    pub(crate) fn new(disposition: Disposition, mut bytes: Vec<u8>) -> Self {
        unbroken(&mut bytes);
        Self { bytes: Some(bytes), disposition, shared: Bytes::new(), scopes: None }
    }

    /// The answer to a request that succeeded; `write` appends the result object.
    pub(crate) fn result(id: &Id, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(512);
        reply::result(&mut bytes, id, write);
        Self::new(Disposition::Answered, bytes)
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
    pub(crate) fn error(disposition: Disposition, id: &Id, error: &Error) -> Self {
        let mut bytes = Vec::with_capacity(128);
        reply::error(&mut bytes, id, error);
        Self::new(disposition, bytes)
    }

    /// A message that was taken and is not answered.
    pub(crate) const fn accepted() -> Self {
        Self { bytes: None, disposition: Disposition::Taken, shared: Bytes::new(), scopes: None }
    }

    /// An error that answers nothing that has an id. On a stream of lines that is silence, in every revision: no
    /// client could tell what it is about, some end the stream over it, and before 2025-11-25 there is no message for
    /// it. Over HTTP the status says it, and the error without an id says why.
    #[cold]
    pub(crate) fn unaddressed(disposition: Disposition, error: &Error, peer: &Peer) -> Self {
        if peer.headers.is_none() {
            return Self::accepted();
        }
        Self::nameless(disposition, error)
    }

    /// The same over HTTP, whatever was sent.
    #[cold]
    pub(crate) fn nameless(disposition: Disposition, error: &Error) -> Self {
        let mut bytes = Vec::with_capacity(128);
        reply::unaddressed(&mut bytes, error);
        Self::new(disposition, bytes)
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
