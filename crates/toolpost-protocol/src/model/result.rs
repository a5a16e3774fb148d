//! What results have in common.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DetailedTask, Envelope, Meta, Object, RawJson, RawNumber, Request, Task};
use crate::Id;

/// How a request ended. Required on every result of 2026-07-28, absent before.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResultType {
    /// The result is final; an absent type says the same.
    Complete,
    /// The server needs answers before it can go on.
    InputRequired,
    /// A type that an extension names.
    Other(String),
}

names! { ResultType { Complete = "complete", InputRequired = "input_required" } }

/// Who may reuse a result. 2026-07-28 only.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CacheScope {
    /// Anyone.
    Public,
    /// Only the one who asked.
    Private,
    /// A scope that no revision names.
    Other(String),
}

names! { CacheScope { Public = "public", Private = "private" } }

/// A duration in whole milliseconds, as `ttlMs` says it.
pub(super) fn milliseconds(duration: Duration) -> RawNumber {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into()
}

/// A result that says nothing beyond its success; also that of `subscriptions/listen`, which ends its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmptyResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { EmptyResult { meta: optional "_meta", result_type: optional "resultType" } }

impl EmptyResult {
    /// Ends the stream of the listen request with this id. 2026-07-28 only.
    #[must_use]
    pub fn of_subscription(id: impl Into<Id>) -> Self {
        let meta = Meta { subscription_id: Some(id.into()), ..Meta::default() };
        Self { meta: Some(meta), result_type: Some(ResultType::Complete), extra: Object::new() }
    }
}

/// The result of a request that need not end in one go: `tools/call`, `prompts/get` and `resources/read`.
///
/// Decoded by its `resultType`, and where that is absent (before 2026-07-28) by whether it has a `task`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestResult<T> {
    /// The request is done.
    Complete(T),
    /// The server needs answers first: the client sends the same request again, with them. 2026-07-28 only.
    InputRequired {
        /// What the result says about itself.
        meta: Option<Meta>,
        /// The questions, by a name of the server's choice. Absent where it only asks to be called again.
        input_requests: Option<BTreeMap<String, Envelope<Request>>>,
        /// What the server wants back with the answers, opaque to the client and not to be trusted on return.
        request_state: Option<String>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// The request goes on as a task. 2025-11-25 only.
    Task {
        /// What the result says about itself.
        meta: Option<Meta>,
        /// The task.
        task: Box<Task>,
        /// Fields that no revision names.
        extra: Object,
    },
    /// The request goes on as a task. 2026-07-28 only, as an extension.
    Detached(Box<DetailedTask>),
    /// A type that an extension names, kept verbatim.
    Unknown(RawJson),
}

impl<T> RequestResult<T> {
    /// Asks these questions, each by a name that its answer will have.
    #[must_use]
    pub fn ask<N: Into<String>>(questions: impl IntoIterator<Item = (N, Request)>) -> Self {
        let questions = questions.into_iter().map(|(name, request)| (name.into(), request.into()));
        Self::InputRequired {
            meta: None,
            input_requests: Some(questions.collect()),
            request_state: None,
            extra: Object::new(),
        }
    }

    /// Asks for the same request again, with this state.
    #[must_use]
    pub fn retry(request_state: impl Into<String>) -> Self {
        Self::InputRequired {
            meta: None,
            input_requests: None,
            request_state: Some(request_state.into()),
            extra: Object::new(),
        }
    }

    /// Hands over a task.
    #[must_use]
    pub fn task(task: Task) -> Self {
        Self::Task { meta: None, task: Box::new(task), extra: Object::new() }
    }
}

/// The variants beside `Complete`, as they are read.
enum Rest {
    InputRequired {
        meta: Option<Meta>,
        input_requests: Option<BTreeMap<String, Envelope<Request>>>,
        request_state: Option<String>,
        extra: Object,
    },
    Task {
        meta: Option<Meta>,
        task: Box<Task>,
        extra: Object,
    },
    Unknown(RawJson),
}

variants! { Rest {
    "input_required" => InputRequired tagged "resultType" = "input_required" {
        meta: optional "_meta",
        input_requests: optional "inputRequests",
        request_state: optional "requestState",
    }
    "task" => Task { meta: optional "_meta", task: required "task" }
} }

impl<T> From<Rest> for RequestResult<T> {
    fn from(rest: Rest) -> Self {
        match rest {
            Rest::InputRequired { meta, input_requests, request_state, extra } => {
                Self::InputRequired { meta, input_requests, request_state, extra }
            }
            Rest::Task { meta, task, extra } => Self::Task { meta, task, extra },
            Rest::Unknown(json) => Self::Unknown(json),
        }
    }
}

impl<T: Serialize> Serialize for RequestResult<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Complete(result) => result.serialize(serializer),
            Self::InputRequired { meta, input_requests, request_state, extra } => write_object!(
                serializer, extra, tagged "resultType" = "input_required" {
                    meta: optional "_meta",
                    input_requests: optional "inputRequests",
                    request_state: optional "requestState"
                }
            ),
            Self::Task { meta, task, extra } => {
                write_object!(serializer, extra, { meta: optional "_meta", task: required "task" })
            }
            Self::Detached(task) => task.serialize(serializer),
            Self::Unknown(json) => json.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for RequestResult<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Probe {
            #[serde(rename = "resultType")]
            result_type: Option<ResultType>,
            task: Option<serde::de::IgnoredAny>,
        }
        let json = RawJson::deserialize(deserializer)?;
        let probe: Probe = json.decode().map_err(D::Error::custom)?;
        match (probe.result_type, probe.task) {
            (None, Some(_)) => Rest::read("task", json).map(Self::from),
            (None | Some(ResultType::Complete), _) => json.decode().map(Self::Complete),
            (Some(ResultType::InputRequired), _) => Rest::read("input_required", json).map(Self::from),
            (Some(ResultType::Other(name)), _) if name == "task" => {
                json.decode().map(|task| Self::Detached(Box::new(task)))
            }
            (Some(ResultType::Other(_)), _) => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}
