//! Calls as tracing events.

use toolpost_dispatch::{Event, Observe, Outcome};

/// The longest part of a stranger's text that is written, in characters.
const SHOWN: usize = 80;

/// Writes calls as `tracing` events, with the target `toolpost`.
///
/// A call that ended well, or that its caller took back, is written at the level `DEBUG`; one that the runtime refused, or
/// that was the caller's fault, at `INFO`; one that failed, and a deprecated or unknown tool, at `WARN`. Fields: `tool`,
/// `principal`, `outcome`, `took_us` (whole microseconds since the call arrived; 0 if that was not recorded), and
/// `correlation`, which a tool finds in [`Call::correlation`](toolpost_tool::Call::correlation) for lines of its own.
/// Arguments and results are never written.
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
            Event::Finished { tool, call, outcome, took } => {
                let took_us = u64::try_from(took.unwrap_or_default().as_micros()).unwrap_or(u64::MAX);
                let (tool, principal, ended) = (tool.name(), call.principal().as_str(), outcome.as_str());
                match outcome {
                    Outcome::Completed | Outcome::Suspended | Outcome::Cancelled => {
                        tracing::debug!(target: "toolpost", correlation = %call.correlation(), tool, principal, outcome = ended, took_us, "call ended");
                    }
                    Outcome::Refused(_) | Outcome::InvalidArguments | Outcome::Protocol => {
                        tracing::info!(target: "toolpost", correlation = %call.correlation(), tool, principal, outcome = ended, took_us, "call ended");
                    }
                    _ => {
                        tracing::warn!(target: "toolpost", correlation = %call.correlation(), tool, principal, outcome = ended, took_us, "call ended");
                    }
                }
            }
            _ => {}
        }
    }
}
