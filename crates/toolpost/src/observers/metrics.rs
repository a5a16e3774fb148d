//! Calls as metrics.

use toolpost_dispatch::{Event, Observe};

/// Counts calls through the `metrics` facade, for whichever recorder the process has installed.
///
/// | metric | kind | labels |
/// |---|---|---|
/// | `toolpost_calls_total` | counter: calls that ended | `tool`, `outcome` (see [`Outcome::as_str`](toolpost_dispatch::Outcome::as_str)) |
/// | `toolpost_call_seconds` | histogram: time from a call's arrival to its end | `tool` |
/// | `toolpost_deprecated_calls_total` | counter: calls of deprecated tools | `tool` |
/// | `toolpost_unknown_tools_total` | counter: calls that named no tool | none: the name is a stranger's |
///
/// Every call is counted once, in the first or the last of them. Labels are of tools that are registered, so that their
/// number is bounded.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Metrics;

impl Metrics {
    /// An observer that counts.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Observe for Metrics {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::UnknownTool { .. } => metrics::counter!("toolpost_unknown_tools_total").increment(1),
            Event::Deprecated { tool, .. } => {
                metrics::counter!("toolpost_deprecated_calls_total", "tool" => tool.name().to_owned())
                    .increment(1);
            }
            Event::Finished { tool, outcome, took, .. } => {
                let name = tool.name().to_owned();
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
