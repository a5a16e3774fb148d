//! What a finished call is answered with.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use toolpost_protocol::Error;
use toolpost_tool::{ErrorKind, InputRequired, Output, Refusal, ToolError};

/// What a finished call is answered with, whatever the transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// A result; a failure of the tool is one too, with `isError` set.
    Result(Output),
    /// Questions to the client.
    InputRequired(InputRequired),
    /// A JSON-RPC error: the call broke the protocol.
    Error(Error),
    /// Nothing: the caller took the call back.
    Silence,
}

impl Answer {
    /// The answer to a call that ended this way.
    #[must_use]
    pub fn of(result: Result<Output, ToolError>) -> Self {
        let error = match result {
            Ok(output) => return Self::Result(output),
            Err(error) => error,
        };
        if let Some(error) = error.as_protocol() {
            return Self::Error(error.clone());
        }
        if let Some(suspended) = error.as_input_required() {
            return Self::InputRequired(suspended.clone());
        }
        match error.kind() {
            ErrorKind::Cancelled => Self::Silence,
            ErrorKind::Refused(refusal) => Self::Result(refused(refusal, &error)),
            ErrorKind::OutcomeUnknown => Self::Result(outcome_unknown(&error)),
            _ => Self::Result(Output::text(error.to_string()).into_error()),
        }
    }
}

/// `_meta["dev.toolpost/rejection"]`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejection {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

fn refused(refusal: Refusal, error: &ToolError) -> Output {
    let mut text = error.to_string();
    let retry_after_ms = error.retry_after().map(millis);
    // What the runtime refuses says it already; another's refusal may not.
    if let Some(wait) = retry_after_ms.filter(|_| !text.contains("try again in")) {
        let _infallible = write!(text, "; try again in {wait} ms");
    }
    let output = Output::text(text).into_error();
    let rejection = Rejection { reason: refusal.as_str(), retry_after_ms };
    output.clone().with_meta("dev.toolpost/rejection", &rejection).unwrap_or(output)
}

/// A failure that says, for programs too, that the tool may have done its work.
fn outcome_unknown(error: &ToolError) -> Output {
    let output = Output::text(error.to_string()).into_error();
    output.clone().with_meta("dev.toolpost/outcome", "unknown").unwrap_or(output)
}

/// Whole milliseconds, rounded up: a caller told to come back must not come too early.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}
