//! What was done of a run that is suspended: how far it is, for whoever goes on with it.

use std::collections::BTreeMap;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use toolpost_tool::{Output, ResultFlag, ToolError};

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

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    end: Box<RawValue>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
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
        let Ended { end, cached } = self.ended.get(call)?;
        let end = recorded::decode(&ByteString::from(end.get()))?;
        Some(end.map(|output| if *cached { output.flagged(ResultFlag::CacheHit) } else { output }))
    }

    /// The state of the tool that a step waits for.
    pub(super) fn state(&self, place: &str) -> Option<ByteString> {
        self.states.get(place).map(|state| state.get().into())
    }

    /// Adds how a call ended. What is too long to be kept is left out: the call is made again.
    pub(super) fn add(&mut self, call: &str, end: &Result<Output, ToolError>) {
        let cached = end.as_ref().is_ok_and(|output| output.has_flag(ResultFlag::CacheHit));
        let kept = recorded::encode(end).and_then(|end| RawValue::from_string(end.to_string()).ok());
        if let Some(end) = kept {
            self.ended.insert(call.to_owned(), Ended { end, cached });
        }
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
            self.ended.entry(call.clone()).or_insert_with(|| Ended { end: ended.end.clone(), ..*ended });
        }
        self
    }
}
