//! Questions of servers, and who answers them.

use std::fmt;
use std::future::ready;
use std::pin::Pin;

use bytestring::ByteString;
use serde::de::DeserializeOwned;
use toolpost_protocol::model::{ClientCapabilities, RawJson};
use toolpost_protocol::{Code, Error as RpcError};

/// What a server asks of its client: to elicit something from a person, to sample a model, to list its roots.
#[derive(Clone)]
pub struct Question {
    method: ByteString,
    params: ByteString,
}

impl Question {
    pub(crate) const fn new(method: ByteString, params: ByteString) -> Self {
        Self { method, params }
    }

    /// What is asked: `elicitation/create`, `sampling/createMessage` or `roots/list`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The parameters as the server wrote them: a JSON object, checked.
    #[must_use]
    pub const fn params(&self) -> &ByteString {
        &self.params
    }

    /// Decodes the parameters.
    ///
    /// # Errors
    ///
    /// If they are not a `T`; [`Respond::respond`] may return that.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        RawJson::parse(&self.params)
            .and_then(|params| params.decode())
            .map_err(|error| RpcError::new(Code::INVALID_PARAMS, error.to_string()))
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("method", &&*self.method).finish_non_exhaustive()
    }
}

/// Answers what servers ask: the host implements it, for all requests of a client
/// ([`ClientOptions::respond`](crate::ClientOptions::respond)) or for one
/// ([`RequestOptions::respond`](crate::RequestOptions::respond)).
///
/// A question goes to the request that it belongs to. Servers of 2026-07-28 say which that is; of the older revisions those
/// over HTTP do. One over stdio that asks while exactly one request is in flight is taken to ask for that, unless a request on
/// [behalf of somebody else](crate::RequestOptions::on_behalf_of) was cancelled in the ten minutes before and not answered;
/// any other question goes to the client's own.
///
/// ```
/// use std::pin::Pin;
///
/// use toolpost_client::{ClientCapabilities, Question, RawJson, Respond, RpcError};
///
/// /// Lets servers work in one directory, and answers nothing else.
/// struct OneRoot;
///
/// impl Respond for OneRoot {
///     fn capabilities(&self) -> ClientCapabilities {
///         serde_json::from_str(r#"{"roots":{}}"#).unwrap()
///     }
///
///     fn respond<'a>(
///         &'a self,
///         _: Question,
///     ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
///         Box::pin(async { Ok(serde_json::json!({ "roots": [{ "uri": "file:///srv" }] }).into()) })
///     }
/// }
/// ```
pub trait Respond: Send + Sync + 'static {
    /// What can be asked. Servers are told, and a question of any other kind is declined without asking
    /// [`respond`](Self::respond).
    fn capabilities(&self) -> ClientCapabilities;

    /// Answers a question by the result that its method has: an `ElicitResult`, a `CreateMessageResult`, an object with
    /// `roots`.
    ///
    /// # Errors
    ///
    /// Why there is no answer. A server of the older revisions is told; in 2026-07-28 the request fails with
    /// [`ClientError::Unanswered`](crate::ClientError::Unanswered).
    ///
    /// # Panics
    ///
    /// A panic counts as an error.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the request that asks has ended, or the server takes the question back.
    fn respond<'a>(
        &'a self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>>;
}

/// Answers nothing, and says so.
pub(crate) struct NoAnswers;

impl Respond for NoAnswers {
    fn capabilities(&self) -> ClientCapabilities {
        ClientCapabilities::default()
    }

    fn respond<'a>(
        &'a self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        Box::pin(ready(Err(unanswered(question.method()))))
    }
}

pub(crate) fn unanswered(method: &str) -> RpcError {
    RpcError::new(Code::METHOD_NOT_FOUND, format!("this client does not answer `{method}`"))
}

/// Whether `capabilities` let a server ask this.
pub(crate) fn may_be_asked(capabilities: &ClientCapabilities, method: &str) -> bool {
    match method {
        "elicitation/create" => capabilities.elicitation.is_some(),
        "sampling/createMessage" => capabilities.sampling.is_some(),
        "roots/list" => capabilities.roots.is_some(),
        _ => false,
    }
}
