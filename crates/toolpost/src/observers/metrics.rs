//! Calls as metrics.

use std::sync::{Arc, Once};

use toolpost_dispatch::{Event, Observe};

/// Counts calls through the `metrics` facade, for whichever recorder the process has installed.
///
/// | metric | kind | labels |
/// |---|---|---|
/// | `toolpost_calls_total` | counter: calls that ended | `tool`, `outcome` (see [`Outcome::as_str`](toolpost_dispatch::Outcome::as_str)) |
/// | `toolpost_call_seconds` | histogram: time from a call's arrival to its end | `tool` |
/// | `toolpost_errors_total` | counter: calls that ended in an error | `tool`, `kind` (see [`ErrorKind::as_str`](toolpost_tool::ErrorKind::as_str)) |
/// | `toolpost_deprecated_calls_total` | counter: calls of deprecated tools | `tool` |
/// | `toolpost_unknown_tools_total` | counter: calls that named no tool | none: the name is a stranger's |
///
/// Every call is counted once, in the first or the last of them. Labels are of tools that are registered, so that their
/// number is bounded. What each metric means is told to the recorder at the first event: install it before.
///
/// What is no event of a call is read when it is asked for: [`Runtime::cache`](crate::Runtime::cache) (hits and misses),
/// [`Runtime::gate`](crate::Runtime::gate) (permits, and who waits), [`Runtime::breaker`](crate::Runtime::breaker).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    described: Arc<Once>,
}

impl Metrics {
    /// An observer that counts.
    #[must_use]
    pub fn new() -> Self {
        Self { described: Arc::new(Once::new()) }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What a recorder shows as the help of each metric.
fn describe() {
    metrics::describe_counter!("toolpost_calls_total", "Calls of tools that ended, by outcome.");
    metrics::describe_counter!(
        "toolpost_errors_total",
        "Calls of tools that ended in an error, by its kind."
    );
    let from = "Time from a call's arrival to its end.";
    metrics::describe_histogram!("toolpost_call_seconds", metrics::Unit::Seconds, from);
    metrics::describe_counter!("toolpost_deprecated_calls_total", "Calls of deprecated tools.");
    metrics::describe_counter!("toolpost_unknown_tools_total", "Calls that named no tool.");
}

impl Observe for Metrics {
    fn on(&self, event: &Event<'_>) {
        self.described.call_once(describe);
        match event {
            Event::UnknownTool { .. } => metrics::counter!("toolpost_unknown_tools_total").increment(1),
            Event::Deprecated { tool, .. } => {
                metrics::counter!("toolpost_deprecated_calls_total", "tool" => tool.name().to_owned())
                    .increment(1);
            }
            Event::Finished { tool, outcome, took, error, .. } => {
                let name = tool.name().to_owned();
                if let Some(error) = error {
                    let kind = error.kind().as_str();
                    metrics::counter!("toolpost_errors_total", "tool" => name.clone(), "kind" => kind)
                        .increment(1);
                }
                if let Some(took) = took {
                    metrics::histogram!("toolpost_call_seconds", "tool" => name.clone()).record(*took);
                }
                metrics::counter!("toolpost_calls_total", "tool" => name, "outcome" => outcome.as_str())
                    .increment(1);
            }
            _ => {}
        }
    }
}
