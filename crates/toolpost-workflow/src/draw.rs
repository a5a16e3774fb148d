//! Draws a plan, or a run of it, for Mermaid and for Graphviz.

use std::fmt::Write;

use crate::compiled::{CompiledGraph, Need, StepId};
use crate::run::Run;
use crate::state::StepState;

impl CompiledGraph {
    /// The plan as a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid(self, None)
    }

    /// The plan in Graphviz's DOT language.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot(self, None)
    }
}

impl Run {
    /// The plan as a Mermaid flowchart, with each step's state, time and attempts.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid(self.graph(), Some(self))
    }

    /// The plan in Graphviz's DOT language, with each step's state, time and attempts.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot(self.graph(), Some(self))
    }
}

fn mermaid(graph: &CompiledGraph, run: Option<&Run>) -> String {
    let mut out = String::from("flowchart LR\n");
    for step in graph.steps() {
        let label = label(graph, run, step).iter().map(|line| html(line)).collect::<Vec<_>>().join("<br/>");
        let class = run.map_or(String::new(), |run| format!(":::{}", run.state(step)));
        let _ = writeln!(out, "    s{}[\"{label}\"]{class}", step.0);
    }
    for step in graph.steps() {
        for (from, need) in graph.dependencies(step) {
            let arrow = match need {
                Need::Success => "-->",
                Need::AnySuccess => "-- any -->",
                Need::End => "-.->",
            };
            let _ = writeln!(out, "    s{} {arrow} s{}", from.0, step.0);
        }
    }
    for state in states(graph, run) {
        let _ = writeln!(out, "    classDef {state} fill:{},stroke:#444", color(state));
    }
    out
}

fn dot(graph: &CompiledGraph, run: Option<&Run>) -> String {
    let mut out = format!(
        "digraph \"{}\" {{\n    rankdir=LR;\n    node [shape=box, style=filled];\n",
        quoted(graph.name())
    );
    for step in graph.steps() {
        let label = label(graph, run, step).iter().map(|line| quoted(line)).collect::<Vec<_>>().join("\\n");
        let fill = run.map_or("#ffffff", |run| color(run.state(step)));
        let _ = writeln!(out, "    s{} [label=\"{label}\", fillcolor=\"{fill}\"];", step.0);
    }
    for step in graph.steps() {
        for (from, need) in graph.dependencies(step) {
            let style = match need {
                Need::Success => "",
                Need::AnySuccess => " [label=\"any\"]",
                Need::End => " [style=dashed]",
            };
            let _ = writeln!(out, "    s{} -> s{}{style};", from.0, step.0);
        }
    }
    out.push_str("}\n");
    out
}

/// The name, and in a run a line of state, time and attempts.
fn label(graph: &CompiledGraph, run: Option<&Run>, step: StepId) -> Vec<String> {
    let mut lines = vec![graph.step_name(step).to_owned()];
    if let Some(run) = run {
        let mut line = run.state(step).to_string();
        if let (Some(started), Some(ended)) = (run.started_at(step), run.ended_at(step)) {
            let _ = write!(line, ", {:?}", ended.saturating_duration_since(started));
        }
        if 1 < run.attempts(step) {
            let _ = write!(line, ", {} attempts", run.attempts(step));
        }
        lines.push(line);
    }
    lines
}

fn states(graph: &CompiledGraph, run: Option<&Run>) -> Vec<StepState> {
    let mut states: Vec<StepState> = Vec::new();
    for state in run.into_iter().flat_map(|run| graph.steps().map(|step| run.state(step))) {
        if !states.contains(&state) {
            states.push(state);
        }
    }
    states
}

pub(crate) const fn color(state: StepState) -> &'static str {
    match state {
        StepState::Waiting | StepState::Ready => "#eeeeee",
        StepState::Running | StepState::Delayed => "#9ec9ff",
        StepState::Succeeded => "#a8dfa8",
        StepState::Failed => "#f3a1a1",
        StepState::Skipped => "#dddddd",
        StepState::Cancelled => "#f5cf9f",
        StepState::Unknown => "#d7b5f0",
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}

/// For HTML, XML and Mermaid's quoted labels.
pub(crate) fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\n', " ")
}
