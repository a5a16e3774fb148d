//! What a journal keeps of a run of a plan, besides its steps; and how it is shown.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use toolpost_json::Node;
use toolpost_tool::{Principal, ToolError, ToolSpec};
use toolpost_workflow::{JournalEntry, RunOutcome, StepId};

use crate::document::PlanDocument;
use crate::limits::PlanLimits;
use crate::run::PlanInput;
use crate::tools::{PlanTool, PlanTools};
use crate::value::PlanValue;

/// The most of a step's output that is shown, in characters.
const OUTPUT_MAX: usize = 500;

/// What follows a run's name in that of the record of its document: in no name of a run.
const DOCUMENT: &str = "~plan";

/// The record of a run's document.
pub(super) fn key_of(run: &str) -> String {
    format!("{run}{DOCUMENT}")
}

/// The run that a record of a document is about.
pub(super) fn run_of(record: &str) -> Option<&str> {
    record.strip_suffix(DOCUMENT)
}

/// Whose a run of this principal is.
pub(super) fn owner_of(principal: &Principal) -> Option<String> {
    (!principal.is_anonymous()).then(|| principal.as_str().to_owned())
}

/// What it takes to go on with a run.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Kept {
    /// The principal's name; none of an anonymous one, which is not the one whose name is empty.
    pub(super) owner: Option<String>,
    pub(super) document: String,
    pub(super) input: String,
    #[serde(skip)]
    pub(super) cancelled: bool,
}

impl Kept {
    pub(super) fn of(document: &PlanDocument, input: &PlanInput) -> Self {
        Self {
            owner: owner_of(input.call().principal()),
            document: document.text().to_string(),
            input: input.value().text().to_string(),
            cancelled: false,
        }
    }

    pub(super) fn encode(&self) -> Result<String, ToolError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Of the entries of its record: the first counts.
    pub(super) fn read(entries: &[JournalEntry]) -> Option<Self> {
        let Some(JournalEntry::Opened { plan, .. }) = entries.first() else { return None };
        let kept: Self = serde_json::from_str(plan).ok()?;
        let cancelled = entries.iter().any(|entry| matches!(entry, JournalEntry::Ended { .. }));
        Some(Self { cancelled, ..kept })
    }
}

/// Shows a run that is kept: whose it is, what it does, and how far each step is.
#[derive(Clone, Serialize)]
pub struct PlanRun {
    name: String,
    owner: String,
    state: PlanRunState,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    steps: Vec<KeptStep>,
    #[serde(skip)]
    document: String,
}

/// Tells where a run that is kept stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlanRunState {
    /// It is under way in this process.
    Running,
    /// It is not, as far as is known here, and something is left to do.
    Unfinished,
    /// Somebody cancelled it.
    Cancelled,
    /// Each of its steps ended for good.
    Finished,
}

#[derive(Clone, Debug, Serialize)]
struct KeptStep {
    step: String,
    state: &'static str,
    attempts: u32,
    /// How its output begins, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How far a step is, as its entries say.
#[derive(Default)]
struct Progress {
    state: &'static str,
    attempts: u32,
    output: Option<String>,
    error: Option<String>,
}

impl PlanRun {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The principal that it belongs to; empty if nobody was named.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> PlanRunState {
        self.state
    }

    /// The document, as it came.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Each step's name and state in one word: `waiting`, `running` (begun, and not known to have ended), `delayed`,
    /// `succeeded`, `failed` or `skipped`.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.steps.iter().map(|step| (step.step.as_str(), step.state))
    }

    /// Of the entries of both records; none if there is no such run.
    pub(super) fn read(
        name: &str,
        kept: &[JournalEntry],
        entries: &[JournalEntry],
        running: bool,
    ) -> Option<Self> {
        let kept = Kept::read(kept)?;
        let outcome = match entries.last() {
            Some(JournalEntry::Ended { outcome }) => Some(*outcome),
            _ => None,
        };
        let state = match (outcome, kept.cancelled, running) {
            (Some(_), ..) => PlanRunState::Finished,
            (None, true, _) => PlanRunState::Cancelled,
            (None, false, true) => PlanRunState::Running,
            (None, false, false) => PlanRunState::Unfinished,
        };
        let steps = steps(&kept.document, entries);
        let outcome = outcome.map(|outcome| match outcome {
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::Failed => "failed",
            RunOutcome::Cancelled => "cancelled",
            _ => "unknown",
        });
        Some(Self {
            name: name.to_owned(),
            owner: kept.owner.unwrap_or_default(),
            state,
            outcome,
            steps,
            document: kept.document,
        })
    }
}

impl fmt::Debug for PlanRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A document may hold what must not be logged.
        f.debug_struct("PlanRun")
            .field("name", &self.name)
            .field("owner", &self.owner)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn steps(document: &str, entries: &[JournalEntry]) -> Vec<KeptStep> {
    let mut known: BTreeMap<StepId, Progress> = BTreeMap::new();
    for entry in entries {
        let (step, state, output, error) = match entry {
            JournalEntry::Started { step } => (step, "running", None, None),
            JournalEntry::Retrying { step } => (step, "delayed", None, None),
            JournalEntry::Succeeded { step, value } => {
                (step, "succeeded", value.as_deref().and_then(begin), None)
            }
            JournalEntry::Failed { step, error } => (step, "failed", None, Some(error.clone())),
            JournalEntry::Skipped { step } => (step, "skipped", None, None),
            JournalEntry::Cleared { step } => (step, "waiting", None, None),
            _ => continue,
        };
        let attempts = known.get(step).map_or(0, |progress| progress.attempts);
        let attempts = attempts + u32::from(state == "running");
        known.insert(*step, Progress { state, attempts, output, error });
    }
    // Names follow from the document alone, whatever tools there are; and it was within its limits once.
    let limits = PlanLimits {
        bytes: usize::MAX,
        steps: usize::MAX,
        nesting: usize::MAX,
        calls: u64::MAX,
        items: usize::MAX,
        concurrency: usize::MAX,
        attempts: u32::MAX,
        ..PlanLimits::default()
    };
    let any = Any(ToolSpec::new("any").ok().map(ToolSpec::repeatable));
    let plan = PlanDocument::parse(document.to_owned(), &limits).and_then(|d| d.compile(&any, &limits));
    let Ok(plan) = plan else { return Vec::new() };
    let graph = plan.graph();
    let named = graph.steps().filter(|step| !graph.step_name(*step).contains('('));
    named
        .map(|step| {
            let waiting = || Progress { state: "waiting", ..Progress::default() };
            let Progress { state, attempts, output, error } = known.remove(&step).unwrap_or_else(waiting);
            KeptStep { step: graph.step_name(step).to_owned(), state, attempts, output, error }
        })
        .collect()
}

/// How a value begins; none of what is no value of this version.
fn begin(value: &[u8]) -> Option<String> {
    let value = PlanValue::decode(value)?;
    let text = value.text();
    Some(match text.char_indices().nth(OUTPUT_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_string(),
    })
}

/// Whatever tool is asked for.
struct Any(Option<ToolSpec>);

impl PlanTools for Any {
    fn find(&self, _: &str) -> Option<PlanTool<'_>> {
        self.0.as_ref().map(PlanTool::new)
    }

    fn check(&self, _: &ToolSpec, _: Node<'_>) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_cut_between_characters() {
        let shown = |text: String| {
            let mut bytes = Vec::new();
            PlanValue::of(text.into()).encode(&mut bytes);
            begin(&bytes)
        };
        let most = "ü".repeat(OUTPUT_MAX);
        assert_eq!(shown(most.clone()), Some(most.clone()));
        assert_eq!(shown(format!("{most}ü")), Some(format!("{most}…")));
        assert_eq!(begin(b"\x07from another version"), None);
    }
}
