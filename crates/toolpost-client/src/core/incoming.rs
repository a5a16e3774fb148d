//! A message of the server by its places in the frame, so that the frame can be moved to where its result goes.

use toolpost_json::{Frame, NodeId};
use toolpost_protocol::model::RawJson;
use toolpost_protocol::{Code, Error as RpcError, Id, Malformed, Message};

#[derive(Debug)]
pub(super) enum Incoming {
    /// Of a request with an id that is one of ours, or of none.
    Result {
        id: Option<i64>,
        at: NodeId,
    },
    Error {
        id: Option<i64>,
        error: RpcError,
    },
    Request {
        id: Id,
        method: String,
        params: Option<NodeId>,
    },
    Notification {
        method: String,
        params: Option<NodeId>,
    },
    Batch(Vec<NodeId>),
}

impl Incoming {
    pub(super) fn read(frame: &Frame, at: NodeId) -> Result<Self, Malformed> {
        Ok(match Message::from_node(frame.node(at))? {
            Message::Response { id, outcome } => {
                let id = id.and_then(|id| ours(&id));
                match outcome {
                    Ok(result) => Self::Result { id, at: result.id() },
                    Err(error) => Self::Error { id, error: error_of(error) },
                }
            }
            Message::Request { id, method, params } => {
                Self::Request { id, method: method.into_owned(), params: params.map(|node| node.id()) }
            }
            Message::Notification { method, params } => {
                Self::Notification { method: method.into_owned(), params: params.map(|node| node.id()) }
            }
            Message::Batch(node) => Self::Batch(node.items().map(|item| item.id()).collect()),
            _ => Self::Batch(Vec::new()),
        })
    }
}

/// The id of a request of ours; some servers answer `1` by `"1"`.
pub(super) fn ours(id: &Id) -> Option<i64> {
    id.unquoted().as_ref().unwrap_or(id).raw().parse().ok()
}

/// The error of an answer, whatever it lacks.
pub(crate) fn error_of(node: toolpost_json::Node<'_>) -> RpcError {
    let code =
        node.member("code").and_then(|code| code.as_number()?.as_i64()).unwrap_or(Code::INTERNAL_ERROR.0);
    let message = node.member("message").and_then(|message| message.as_str()).unwrap_or_default();
    let error = RpcError::new(Code(code), message.into_owned());
    match node.member("data").map(|data| RawJson::parse(data.raw())) {
        Some(Ok(data)) => error.with_data(&data),
        _ => error,
    }
}
