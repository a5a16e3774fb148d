//! Envelopes: what a frame asks for or answers.

use std::borrow::Cow;

use crate::error::{Code, Error};
use crate::frame::Frame;
use crate::id::Id;
use crate::index::Kind;
use crate::node::Node;

/// A JSON-RPC message, borrowed from its frame.
///
/// Members that the envelope does not know are no error; they stay in the frame.
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
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// An array of messages, each for [`Message::from_node`]. Only 2025-03-26 allows it.
    Batch(Node<'a>),
}

/// How the request of a [`Message::Response`] ended.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// With this result.
    Result(Node<'a>),
    /// With this error: an object with at least an integer `code`.
    Error(Node<'a>),
}

/// JSON that is no message: what to answer, and to whom.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// The request's id, where it could be read; else the answer's id is null.
    pub id: Option<Id>,
    /// Why.
    pub error: Error,
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
            _ => Err(malformed(None, "a message must be a JSON object")),
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
        envelope
    }

    fn message(self) -> Result<Message<'a>, Malformed> {
        let id = self.id.and_then(Id::read);
        if self.jsonrpc.and_then(Node::as_str).as_deref() != Some("2.0") {
            return Err(malformed(id, "member \"jsonrpc\" must be \"2.0\""));
        }
        match (self.method, self.result, self.error) {
            (Some(method), None, None) => {
                if self.id.is_some() && id.is_none() {
                    return Err(malformed(None, "member \"id\" must be a string or an integer"));
                }
                let Some(method) = method.as_str() else {
                    return Err(malformed(id, "member \"method\" must be a string"));
                };
                let params = self.params;
                if params.is_some_and(|params| params.kind() != Kind::Object) {
                    return Err(malformed(id, "member \"params\" must be an object"));
                }
                Ok(match id {
                    Some(id) => Message::Request { id, method, params },
                    None => Message::Notification { method, params },
                })
            }
            (None, Some(result), None) => match id {
                Some(_) => Ok(Message::Response { id, outcome: Outcome::Result(result) }),
                None => Err(malformed(None, "member \"id\" must be a string or an integer")),
            },
            (None, None, Some(error)) => {
                if self.id.is_some_and(|node| !node.is_null()) && id.is_none() {
                    return Err(malformed(None, "member \"id\" must be a string, an integer or null"));
                }
                if error.member("code").and_then(Node::as_number).is_none_or(|code| !code.is_integer()) {
                    return Err(malformed(id, "member \"error\" must be an object with an integer \"code\""));
                }
                Ok(Message::Response { id, outcome: Outcome::Error(error) })
            }
            _ => Err(malformed(id, "a message has exactly one of \"method\", \"result\" and \"error\"")),
        }
    }
}

#[cold]
fn malformed(id: Option<Id>, why: &'static str) -> Malformed {
    Malformed { id, error: Error::new(Code::INVALID_REQUEST, why) }
}
