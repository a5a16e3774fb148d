//! Envelopes: what a frame asks for or answers.

use std::borrow::Cow;

use bytes::Bytes;
use toolpost_json::{Frame, Kind, Limits, Node, Violation};

use crate::error::{Code, Error};
use crate::gist::{Gist, Meant};
use crate::id::Id;

/// A JSON-RPC message, borrowed from its frame.
///
/// Members that the envelope does not know are no error; they stay in the frame. A member that is null counts as
/// absent (serializers write null for "none"), except `result` where there is nothing else.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Asks for an answer.
    Request {
        /// What the answer echoes.
        id: Id,
        /// What is asked for.
        method: Cow<'a, str>,
        /// An object, if present.
        params: Option<Node<'a>>,
    },
    /// Tells, and is never answered.
    Notification {
        /// What is told.
        method: Cow<'a, str>,
        /// An object, if present.
        params: Option<Node<'a>>,
    },
    /// Answers a request.
    Response {
        /// The request; `None` if the other side could not tell.
        id: Option<Id>,
        /// Its result; or its error, an object with at least an integer `code`.
        outcome: Result<Node<'a>, Node<'a>>,
    },
    /// An array of messages, each for [`Message::from_node`]. Only 2025-03-26 allows it.
    Batch(Node<'a>),
}

/// What was received is no message: what is wrong, and who has to hear of it.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What it was meant as.
    pub meant: Meant,
    /// Why.
    pub error: Error,
    /// What the guard found, where the bytes are not even JSON within the limits.
    pub violation: Option<Violation>,
}

/// Takes the bytes of one message, as lenient as [`Frame::parse_lenient`] is, for [`Message::read`].
///
/// # Errors
///
/// [`Malformed`] with the [`Violation`] found: `bytes` are not JSON within `limits`.
pub fn receive(bytes: &Bytes, limits: &Limits) -> Result<Frame, Malformed> {
    Frame::parse_lenient(bytes, limits).map_err(|violation| unreadable(bytes, violation))
}

#[cold]
fn unreadable(bytes: &[u8], violation: Violation) -> Malformed {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    Malformed { meant: Gist::of(bytes), error: violation.into(), violation: Some(violation) }
}

impl<'a> Message<'a> {
    /// Reads the message in `frame`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] with [`Code::INVALID_REQUEST`] when the JSON is no JSON-RPC 2.0 message.
    pub fn read(frame: &'a Frame) -> Result<Self, Malformed> {
        Self::from_node(frame.root())
    }

    /// Reads the message at `node`: one of a batch.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn from_node(node: Node<'a>) -> Result<Self, Malformed> {
        match node.kind() {
            Kind::Object => Envelope::read(node).message(),
            Kind::Array if !node.is_empty() => Ok(Message::Batch(node)),
            _ => Err(malformed(None, false, "a message must be a JSON object")),
        }
    }
}

#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<Node<'a>>,
    id: Option<Node<'a>>,
    method: Option<Node<'a>>,
    params: Option<Node<'a>>,
    result: Option<Node<'a>>,
    error: Option<Node<'a>>,
}

impl<'a> Envelope<'a> {
    fn read(node: Node<'a>) -> Self {
        let mut envelope = Self::default();
        for (key, value) in node.members() {
            let slot = match &*key.name() {
                "jsonrpc" => &mut envelope.jsonrpc,
                "id" => &mut envelope.id,
                "method" => &mut envelope.method,
                "params" => &mut envelope.params,
                "result" => &mut envelope.result,
                "error" => &mut envelope.error,
                _ => continue,
            };
            *slot = Some(value);
        }
        envelope.method = envelope.method.filter(|node| !node.is_null());
        envelope.params = envelope.params.filter(|node| !node.is_null());
        envelope.error = envelope.error.filter(|node| !node.is_null());
        envelope
    }

    fn message(self) -> Result<Message<'a>, Malformed> {
        let id = self.id.and_then(Id::read);
        let null = self.result.is_some_and(Node::is_null) && (self.method.is_some() || self.error.is_some());
        let result = self.result.filter(|_| !null);
        let response = self.method.is_none() && (result.is_some() || self.error.is_some());
        let malformed = |why| malformed(id.clone(), response, why);
        if self.jsonrpc.and_then(Node::as_str).as_deref() != Some("2.0") {
            return Err(malformed("member \"jsonrpc\" must be \"2.0\""));
        }
        match (self.method, result, self.error) {
            (Some(method), None, None) => {
                let Some(method) = method.as_str() else {
                    return Err(malformed("member \"method\" must be a string"));
                };
                // What is told needs no id; what is asked for under a null one is neither.
                let told = || self.id.is_some_and(Node::is_null) && method.starts_with("notifications/");
                if self.id.is_some() && id.is_none() && !told() {
                    return Err(malformed("member \"id\" must be a string or an integer"));
                }
                let params = self.params;
                if params.is_some_and(|params| params.kind() != Kind::Object) {
                    return Err(malformed("member \"params\" must be an object"));
                }
                Ok(match id {
                    Some(id) if id.raw().len() <= Id::MAX_LEN => Message::Request { id, method, params },
                    Some(_) => return Err(malformed("member \"id\" is longer than 1024 bytes")),
                    None => Message::Notification { method, params },
                })
            }
            (None, Some(result), None) => match id {
                Some(_) => Ok(Message::Response { id, outcome: Ok(result) }),
                None => Err(malformed("member \"id\" must be a string or an integer")),
            },
            (None, None, Some(error)) => {
                if self.id.is_some_and(|node| !node.is_null()) && id.is_none() {
                    return Err(malformed("member \"id\" must be a string, an integer or null"));
                }
                if error.member("code").and_then(Node::as_number).is_none_or(|code| !code.is_integer()) {
                    return Err(malformed("member \"error\" must be an object with an integer \"code\""));
                }
                Ok(Message::Response { id, outcome: Err(error) })
            }
            _ => Err(malformed("a message has exactly one of \"method\", \"result\" and \"error\"")),
        }
    }
}

#[cold]
fn malformed(id: Option<Id>, response: bool, why: &'static str) -> Malformed {
    let meant = match id {
        Some(id) if response => Meant::Response(id),
        Some(id) => Meant::Request(id),
        None => Meant::Unknown,
    };
    Malformed { meant, error: Error::new(Code::INVALID_REQUEST, why), violation: None }
}
