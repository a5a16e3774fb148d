//! Calls as tracing events.

use std::error::Error;
use std::fmt::{self, Write as _};

use toolpost_dispatch::{Event, Observe, Outcome};
use toolpost_tool::{Call, ErrorKind, ToolError};
use tracing::Span;
use tracing::field::display;

/// The longest text of an error that is written, causes included, in characters.
const LONGEST: usize = 1_000;

/// The longest part of a stranger's text that is written, in characters.
const SHOWN: usize = 80;

/// Writes calls as `tracing` events, with the target `toolpost`.
///
/// A call that ended well, or that its caller took back, is written at the level `DEBUG`; one that the runtime refused, or
/// that was the caller's fault, at `INFO`; one that failed, and a deprecated or unknown tool, at `WARN`. Fields: `tool`,
/// `principal`, `outcome`, `took_us` (whole microseconds since the call arrived; 0 if that was not recorded), `error` (why
/// it failed or was refused, and the causes of that, a panic's message among them; at most 1000 characters), and
/// `correlation`, which a tool finds in [`Call::correlation`](toolpost_tool::Call::correlation).
///
/// Arguments and results are never written, and so no text about wrong arguments, which quotes them. What a tool says in
/// its errors is: a tool keeps secrets out of them.
///
/// # The span of a call
///
/// With the feature `tracing`, and whether or not this observer is there, each attempt of a tool runs within a span at the
/// level `INFO`, called `call`, of the target `toolpost`, with the fields `tool`, `principal`, `attempt` and
/// `correlation`: so the lines that a tool writes are tied to the call, those from a thread of a blocking tool included.
/// A call that a tool makes is a span within that of its caller.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tracing;

impl Tracing {
    /// An observer that writes.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Observe for Tracing {
    fn on(&self, event: &Event<'_>) {
        // What a line says of a call is computed only where the line is written.
        match event {
            Event::UnknownTool { call } => {
                let name = || call.tool().chars().take(SHOWN).collect::<String>();
                tracing::warn!(target: "toolpost", correlation = %call.correlation(), name = ?name(), principal = call.principal().as_str(), "unknown tool");
            }
            Event::Deprecated { tool, call, message } => {
                tracing::warn!(target: "toolpost", correlation = %call.correlation(), tool = tool.name(), instead = message, "deprecated tool called");
            }
            Event::Started { tool, call } => {
                let (tool, principal) = (tool.name(), call.principal().as_str());
                tracing::trace!(target: "toolpost", correlation = %call.correlation(), tool, principal, "call started");
            }
            Event::Finished { tool, call, outcome, took, error, .. } => {
                let took_us = u64::try_from(took.unwrap_or_default().as_micros()).unwrap_or(u64::MAX);
                let (tool, principal, ended) = (tool.name(), call.principal().as_str(), outcome.as_str());
                // What it says of wrong arguments quotes them.
                let error = error.filter(|error| error.kind() != ErrorKind::InvalidArguments);
                let why = || error.map(|error| display(Why(error)));
                match outcome {
                    Outcome::Completed | Outcome::InputRequired | Outcome::Cancelled => {
                        tracing::debug!(target: "toolpost", correlation = %call.correlation(), tool, principal, outcome = ended, took_us, "call ended");
                    }
                    Outcome::Refused(_) | Outcome::InvalidArguments | Outcome::Protocol => {
                        tracing::info!(target: "toolpost", correlation = %call.correlation(), tool, principal, outcome = ended, took_us, error = why(), "call ended");
                    }
                    _ => {
                        tracing::warn!(target: "toolpost", correlation = %call.correlation(), tool, principal, outcome = ended, took_us, error = why(), "call ended");
                    }
                }
            }
            _ => {}
        }
    }
}

/// What an attempt of the tool called `tool` runs within.
pub(crate) fn span(call: &Call, tool: &str) -> Span {
    let (principal, attempt) = (call.principal().as_str(), call.attempt());
    tracing::info_span!(target: "toolpost", "call", tool, principal, attempt, correlation = %call.correlation())
}

/// An error and its causes, but for those that it says already.
struct Why<'a>(&'a ToolError);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        let mut cause: Option<&dyn Error> = self.0.source();
        while let Some(error) = cause.filter(|_| said.len() < 4 * LONGEST) {
            let text = error.to_string();
            if !said.contains(&text) {
                said = format!("{said}: {text}");
            }
            cause = error.source();
        }
        // One line, whoever wrote a part of it.
        said.chars().take(LONGEST).try_for_each(|c| f.write_char(if c.is_control() { ' ' } else { c }))
    }
}
