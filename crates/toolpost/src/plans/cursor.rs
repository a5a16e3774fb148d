//! What was done of a run that is suspended: how far it is, for whoever goes on with it.

use std::collections::BTreeMap;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use toolpost_tool::{ErrorKind, Output, Refusal, ResultFlag, ToolError};

use crate::layers::recorded;

/// The longest cursor that travels with its call, in bytes.
pub(super) const TRAVELS: usize = 16 << 10;

/// How far a run is.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// The ends of calls, by step, item and attempt.
    ended: BTreeMap<String, Ended>,
    /// The states of tools that wait, by step and item.
    states: BTreeMap<String, Box<RawValue>>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    end: Box<RawValue>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    /// Of an error, by its stable name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// A cursor, as it travels with its call.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Carried {
    Here(Cursor),
    /// The server keeps it under this name.
    Kept(String),
}

impl Cursor {
    /// How a call ended.
    pub(super) fn ended(&self, call: &str) -> Option<Result<Output, ToolError>> {
        let Ended { end, cached, kind } = self.ended.get(call)?;
        Some(match recorded::decode(&ByteString::from(end.get())) {
            Some(Ok(output)) if *cached => Ok(output.flagged(ResultFlag::CacheHit)),
            Some(Ok(output)) => Ok(output),
            Some(Err(error)) => Err(match kind_of(kind.as_deref()) {
                Some(kind) => error.of_kind(kind),
                None => error,
            }),
            // Whatever became of it: it was made.
            None => {
                let text =
                    "the call was made before its workflow waited, and its end cannot be read any more";
                Err(ToolError::with_kind(ErrorKind::OutcomeUnknown, text))
            }
        })
    }

    /// The state of the tool that a step waits for.
    pub(super) fn state(&self, place: &str) -> Option<ByteString> {
        self.states.get(place).map(|state| state.get().into())
    }

    /// Adds how a call ended; false if that cannot be kept, being too long, say.
    #[must_use]
    pub(super) fn add(&mut self, call: &str, end: &Result<Output, ToolError>) -> bool {
        let cached = end.as_ref().is_ok_and(|output| output.has_flag(ResultFlag::CacheHit));
        let kind = end.as_ref().err().map(|error| error.kind().as_str().to_owned());
        let text = recorded::encode(end).filter(|text| recorded::decode(text).is_some());
        let Some(end) = text.and_then(|text| RawValue::from_string(text.to_string()).ok()) else {
            return false;
        };
        self.ended.insert(call.to_owned(), Ended { end, cached, kind });
        true
    }

    /// Adds what a tool wants back.
    pub(super) fn wait(&mut self, place: &str, state: Option<&str>) {
        if let Some(state) = state.and_then(|state| RawValue::from_string(state.to_owned()).ok()) {
            self.states.insert(place.to_owned(), state);
        }
    }

    /// This one with what an earlier one has besides.
    pub(super) fn after(mut self, earlier: &Self) -> Self {
        for (call, ended) in &earlier.ended {
            self.ended.entry(call.clone()).or_insert_with(|| ended.clone());
        }
        self
    }
}

/// The kinds of errors that calls end with.
const KINDS: [ErrorKind; 18] = [
    ErrorKind::Cancelled,
    ErrorKind::Failed,
    ErrorKind::InvalidArguments,
    ErrorKind::Panicked,
    ErrorKind::Protocol,
    ErrorKind::OutcomeUnknown,
    ErrorKind::TimedOut,
    ErrorKind::Unavailable,
    ErrorKind::Refused(Refusal::ApprovalDeclined),
    ErrorKind::Refused(Refusal::ApprovalPending),
    ErrorKind::Refused(Refusal::ApprovalUnavailable),
    ErrorKind::Refused(Refusal::BreakerOpen),
    ErrorKind::Refused(Refusal::DeadlineUnmet),
    ErrorKind::Refused(Refusal::Denied),
    ErrorKind::Refused(Refusal::Draining),
    ErrorKind::Refused(Refusal::QueueFull),
    ErrorKind::Refused(Refusal::RateLimited),
    ErrorKind::Refused(Refusal::TooManyAtOnce),
];

fn kind_of(name: Option<&str>) -> Option<ErrorKind> {
    name.and_then(|name| KINDS.into_iter().find(|kind| kind.as_str() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_after_a_round_as_it_did_before() {
        let mut cursor = Cursor::default();
        for kind in KINDS {
            assert!(cursor.add(kind.as_str(), &Err(ToolError::with_kind(kind, "no"))));
        }
        assert!(!cursor.add("long", &Ok(Output::text("x".repeat(5 << 20)))));
        let cursor: Cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
        for kind in KINDS {
            let error = cursor.ended(kind.as_str()).unwrap().unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, "no"));
        }
        let unread: Cursor =
            serde_json::from_str(r#"{"ended": {"a@1": {"end": {}}}, "states": {}}"#).unwrap();
        assert_eq!(unread.ended("a@1").unwrap().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
}
