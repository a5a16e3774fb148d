//! Answers that a server needs from its client before it can go on. 2026-07-28 only.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, ListRootsResult,
    Meta, Object, RawJson, Request, ResultType,
};

/// What a server asks, by a name of its choice.
pub type InputRequests = BTreeMap<String, InputRequest>;

/// What a client answers, by the names that the server chose.
pub type InputResponses = BTreeMap<String, InputResponse>;

/// A result that asks for answers: the client sends the same request again, with them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputRequiredResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Always [`ResultType::InputRequired`].
    pub result_type: ResultType,
    /// The questions. Absent where the server only asks to be called again.
    pub input_requests: Option<InputRequests>,
    /// What the server wants back with the answers, opaque to the client and not to be trusted on return.
    pub request_state: Option<String>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { InputRequiredResult {
    meta: optional "_meta",
    result_type: required "resultType",
    input_requests: optional "inputRequests",
    request_state: optional "requestState",
} }

impl InputRequiredResult {
    /// Asks these questions.
    #[must_use]
    pub fn new(input_requests: InputRequests) -> Self {
        Self {
            meta: None,
            result_type: ResultType::InputRequired,
            input_requests: Some(input_requests),
            request_state: None,
            extra: Object::new(),
        }
    }

    /// Asks for nothing but the same request again, with this state.
    #[must_use]
    pub fn retry(request_state: impl Into<String>) -> Self {
        Self {
            meta: None,
            result_type: ResultType::InputRequired,
            input_requests: None,
            request_state: Some(request_state.into()),
            extra: Object::new(),
        }
    }
}

/// A question within a result: a request without an id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputRequest {
    /// One of `elicitation/create`, `sampling/createMessage` and `roots/list`.
    pub request: Request,
    /// Fields that no revision names.
    pub extra: Object,
}

impl InputRequest {
    /// Asks the person using the client.
    #[must_use]
    pub fn elicitation(params: impl Into<ElicitRequestParams>) -> Self {
        Self { request: Request::Elicit(params.into()), extra: Object::new() }
    }

    /// Asks the client's language model.
    #[must_use]
    pub fn sampling(params: CreateMessageRequestParams) -> Self {
        Self { request: Request::CreateMessage(Box::new(params)), extra: Object::new() }
    }

    /// Asks for the client's roots.
    #[must_use]
    pub fn roots() -> Self {
        Self { request: Request::ListRoots(None), extra: Object::new() }
    }
}

struct InputRequestWire {
    method: String,
    params: Option<RawJson>,
    extra: Object,
}

object! { InputRequestWire { method: required "method", params: optional "params" } }

impl Serialize for InputRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let params = self.request.params().map_err(serde::ser::Error::custom)?;
        InputRequestWire { method: self.request.method().to_owned(), params, extra: self.extra.clone() }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for InputRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = InputRequestWire::deserialize(deserializer)?;
        let request = Request::decode(&wire.method, wire.params).map_err(D::Error::custom)?;
        Ok(Self { request, extra: wire.extra })
    }
}

/// An answer, decoded by the kind of question it answers, which only the one who asked knows.
///
/// ```
/// use toolpost_protocol::model::{ElicitAction, InputResponse};
///
/// let answer: InputResponse = serde_json::from_str(r#"{"action": "accept", "content": {"name": "octocat"}}"#)?;
/// assert_eq!(answer.elicitation()?.action, ElicitAction::Accept);
/// assert!(answer.roots().is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputResponse(RawJson);

impl InputResponse {
    /// The answer to `elicitation/create`.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn elicitation(&self) -> Result<ElicitResult, serde_json::Error> {
        self.0.decode()
    }

    /// The answer to `sampling/createMessage`.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn sampling(&self) -> Result<CreateMessageResult, serde_json::Error> {
        self.0.decode()
    }

    /// The answer to `roots/list`.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn roots(&self) -> Result<ListRootsResult, serde_json::Error> {
        self.0.decode()
    }

    /// The answer as it was written.
    #[must_use]
    pub fn as_json(&self) -> &RawJson {
        &self.0
    }
}

impl From<RawJson> for InputResponse {
    fn from(json: RawJson) -> Self {
        Self(json)
    }
}
