//! A tool that there is one of: made up, and honest about it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use toolpost::ToolExt as _;
use toolpost::scheduler::Limit;
use toolpost::scheduler::rt::Gate;
use toolpost_tool::{AnyTool, Json, tool_fn};

use crate::clock::{now, sleep};
use crate::report::Report;
use crate::tools::local;

/// What engraving takes.
const WORK: Duration = Duration::from_millis(10);

/// Engraves a word on the one machine of the demo, which takes 10 ms once it is switched on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Engrave {
    /// The word.
    word: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Engraved {
    word: String,
    /// The how many-th piece it was, from 1.
    piece: usize,
}

/// What the tool `engrave` works with: one permit, taken in order of priority.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    gate: Gate,
    power: watch::Sender<bool>,
    begun: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { gate: Gate::new(Limit::fixed(1)), power: watch::Sender::new(false), begun: Arc::default() }
    }

    pub(super) fn tool(&self) -> AnyTool {
        let machine = self.clone();
        let tool = tool_fn("engrave", move |Engrave { word }: Engrave, _| {
            let (machine, mut power) = (machine.clone(), machine.power.subscribe());
            async move {
                let piece = machine.begin(&word);
                power.wait_for(|is_on| *is_on).await?;
                sleep(WORK).await;
                Ok(Json(Engraved { word, piece }))
            }
        });
        let tool =
            tool.with_spec(|spec| local(spec, "Engrave", Duration::from_secs(30)).with_category("demo"));
        AnyTool::new(tool.scheduled(&self.gate))
    }

    /// How many wait for the machine.
    pub(super) fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    pub(super) fn switch_on(&self) {
        self.power.send_replace(true);
    }

    /// What was begun, in order, and when.
    pub(super) fn begun(&self) -> Vec<(String, Instant)> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self, report: &mut Report) {
        let stats = self.gate.stats();
        report.count(
            "queue",
            [
                ("waited for the one permit", stats.submitted),
                ("got it", stats.started),
                ("refused", stats.full + stats.late + stats.expired + stats.shed),
            ],
        );
    }

    fn begin(&self, word: &str) -> usize {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push((word.to_owned(), now()));
        begun.len()
    }
}
