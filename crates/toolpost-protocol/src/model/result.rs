//! What results have in common.

use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CreateTaskResult, InputRequiredResult, Meta, Object, RawJson, RawNumber};

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

/// A result that says nothing beyond its success.
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

/// The result of a request that need not end in one go: `tools/call`, `prompts/get` and `resources/read`.
///
/// Decoded by its `resultType`, and where that is absent (before 2026-07-28) by whether it has a `task`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestResult<T> {
    /// The request is done.
    Complete(T),
    /// The server needs answers first. 2026-07-28 only.
    InputRequired(Box<InputRequiredResult>),
    /// The request goes on as a task. 2025-11-25 only.
    Task(Box<CreateTaskResult>),
    /// A type that an extension names, kept verbatim.
    Unknown(RawJson),
}

impl<T: Serialize> Serialize for RequestResult<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Complete(result) => result.serialize(serializer),
            Self::InputRequired(result) => result.serialize(serializer),
            Self::Task(result) => result.serialize(serializer),
            Self::Unknown(result) => result.serialize(serializer),
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
            (None, Some(_)) => json.decode().map(Self::Task),
            (None | Some(ResultType::Complete), _) => json.decode().map(Self::Complete),
            (Some(ResultType::InputRequired), _) => json.decode().map(Self::InputRequired),
            (Some(ResultType::Other(_)), _) => Ok(Self::Unknown(json)),
        }
        .map_err(D::Error::custom)
    }
}
