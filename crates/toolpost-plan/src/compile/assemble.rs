//! From steps as they were collected to a plan of the workflow engine.

use std::future::ready;
use std::sync::Arc;

use toolpost_json::Node;
use toolpost_workflow::{Fault, Graph, Plan, StepInputs};

use super::{Draft, Unit, Work};
use crate::cel::Program;
use crate::expression::Room;
use crate::fault::{Faults, PlanFaultKind};
use crate::path::Path;
use crate::run::{At, PlanInput, holds, map_step, put_together, tool_step};
use crate::value::PlanValue;

/// The steps that run in one go.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    pub(crate) plan: Plan<PlanInput, PlanValue>,
}

/// Hands the steps to the engine, which finds those that wait for each other.
pub(super) fn assemble(
    unit: Unit,
    name: &str,
    (document, path): (Node<'_>, &Path<'_>),
    room: &Room,
    faults: &mut Faults,
) -> Option<Arc<Steps>> {
    let Unit { drafts } = unit;
    let output = drafts.first()?.name.clone();
    let names: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let mut graph = Graph::<PlanInput, PlanValue>::new(name);
    graph.revision(&revision(document));
    graph.record_with(PlanValue::encode, PlanValue::decode);
    for draft in drafts {
        declare(&mut graph, draft, &names, *room);
    }
    match graph.build(&output) {
        Ok(plan) => Some(Arc::new(Steps { plan })),
        Err(invalid) => {
            for fault in invalid.faults() {
                tell(fault, path, faults);
            }
            None
        }
    }
}

fn declare(graph: &mut Graph<PlanInput, PlanValue>, draft: Draft, names: &[String], room: Room) {
    let Draft { name, dependencies, policy, when, work, .. } = draft;
    let mut step = graph.step(&name).policy(policy);
    // In this order a reference finds its value.
    for (on, required) in dependencies.0 {
        let on = [names[on].as_str()];
        step = if required { step.needs(on) } else { step.after(on) };
    }
    let when = when.map(Arc::new);
    if let Some(when) = when.clone() {
        // A condition that has no value fails its step, which says why.
        step = step.when(move |inputs| is_met(&when, inputs, &room).unwrap_or(true));
    }
    let judged = move |inputs: &StepInputs<PlanInput, PlanValue>| match &when {
        Some(when) => is_met(when, inputs, &room).map(drop),
        None => Ok(()),
    };
    match work {
        Work::Nothing => step.run(|_| ready(Err("the step was not compiled".into()))),
        Work::Value(expression) => step.run(move |inputs| ready(put_together(&expression, &inputs, &room))),
        Work::Tool(work) => step.run(move |inputs| {
            let begun = judged(&inputs).and_then(|()| work.begin(&At::step(&inputs), &inputs, None, &room));
            tool_step(begun)
        }),
        Work::Map(work) => {
            let work = Arc::new(work);
            step.run(move |inputs| {
                let judged = judged(&inputs);
                let work = Arc::clone(&work);
                async move {
                    judged?;
                    map_step(work, inputs, room).await
                }
            });
        }
    }
}

fn is_met(
    when: &Program,
    inputs: &StepInputs<PlanInput, PlanValue>,
    room: &Room,
) -> Result<bool, toolpost_workflow::StepError> {
    holds(when, &At::step(inputs), room)
}

fn tell(fault: &Fault, unit: &Path<'_>, faults: &mut Faults) {
    match fault {
        Fault::Cycle { path } => {
            let first = path.first().map_or("", String::as_str);
            let place = format!("{unit}/steps/{}", first.replace('/', "/plan/steps/"));
            let mut around = path.iter().take(12).cloned().collect::<Vec<_>>().join(" -> ");
            if 12 < path.len() {
                around.push_str(" -> …");
            }
            let hint = "take one of these references, or one `after`, away";
            faults.hinted(PlanFaultKind::Cycle, place, format!("steps wait for each other: {around}"), hint);
        }
        other => faults.add(PlanFaultKind::Shape, "/steps", other.to_string()),
    }
}

/// A digest of the document's text, by which records of runs are told apart; it does not resist forgery.
fn revision(document: Node<'_>) -> String {
    // FNV-1a, by words.
    let (words, rest) = document.raw().as_bytes().as_chunks::<8>();
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
        mixed ^ mixed >> 32
    };
    let digest = words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let digest = rest.iter().fold(digest, |hash, byte| mix(hash, u64::from(*byte)));
    format!("{digest:016x}")
}
