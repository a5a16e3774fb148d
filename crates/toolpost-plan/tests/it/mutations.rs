//! A thousand documents that were right until one thing in them was changed: none of them calls anything.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::examples;
use crate::support::{Made, compile, input};

/// Runs a document if it may; whether it might, and how many calls it made.
fn attempt(document: &Value) -> (bool, usize) {
    let made = Made::default();
    let plan = compile(document);
    if let Ok(plan) = &plan {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let _ = runtime.block_on(plan.run(input(&made)));
    }
    (plan.is_ok(), made.count())
}

/// One change, by which a document is right no more; `None` where there is nothing to change so.
fn mutate(document: &Value, how: usize, at: usize) -> Option<Value> {
    let mut changed = document.clone();
    let steps = document["steps"].as_object()?;
    let names: Vec<&String> = steps.keys().collect();
    let name = names[at % names.len()].as_str();
    let step = &mut changed["steps"][name];
    let of_tool = step.get("tool").is_some();
    match how {
        // Types.
        0 => *step = json!(at),
        1 => step["after"] = json!("everything"),
        2 => step["when"] = json!(at),
        3 => step["map"] = json!([1]),
        4 => changed["steps"] = json!([]),
        5 => changed["output"] = json!({ "$ref": at }),
        6 if of_tool => step["tool"] = json!(null),
        7 if of_tool => step["arguments"] = json!([at]),
        8 if of_tool => step["timeoutMs"] = json!("soon"),
        9 if of_tool => step["priority"] = json!(at),
        10 if of_tool => step["retry"] = json!({ "attempts": "two" }),
        11 if of_tool => step["onFailure"] = json!("shrug"),
        12 if of_tool => step["needsApproval"] = json!("yes"),
        13 => drop(changed.as_object_mut()?.remove("output")),
        14 => step["unheardOf"] = json!(at),
        // What is not there.
        15 => step["after"] = json!([format!("nobody{at}")]),
        16 => changed["output"] = json!({ "$ref": format!("/steps/nobody{at}/output") }),
        17 => changed["output"] = json!({ "$ref": format!("/steps/{name}") }),
        18 => changed["output"] = json!({ "$ref": format!("steps/{name}/output") }),
        19 => changed["output"] = json!({ "$cel": format!("steps.nobody{at}.output > 1") }),
        20 => step["when"] = json!("other.thing == 1"),
        21 if of_tool => step["tool"] = json!(format!("tool{at}")),
        22 if of_tool => step["tool"] = json!("delete"),
        23 if of_tool => step["arguments"] = json!({ "x": { "$ref": "/item" }, "y": { "$cel": "(" } }),
        24 => {
            let files = steps.iter().find(|(_, step)| step["tool"] == "list_files")?.0;
            changed["output"] = json!({ "$ref": format!("/steps/{files}/output/fil{at}") });
        }
        // Circles.
        25 => step["after"] = json!([name]),
        26 => step["when"] = json!(format!("steps['{name}'].output == 1")),
        27 => {
            let other = names[(at + 1) % names.len()].as_str();
            changed["steps"][name]["after"] = json!([other]);
            changed["steps"][other]["after"] = json!([name]);
        }
        // What a tool does not take.
        28 => {
            let reader = steps.iter().find(|(_, step)| step["tool"] == "read_file")?.0;
            changed["steps"][reader]["arguments"] = json!({ "path": at });
        }
        29 => {
            let reader = steps.iter().find(|(_, step)| step["tool"] == "read_file")?.0;
            changed["steps"][reader]["arguments"] = json!({});
        }
        _ => return None,
    }
    Some(changed)
}

#[test]
fn a_thousand_mutated_plans_are_refused_before_anything_is_called() {
    let examples = examples::all();
    // What is not changed runs, and calls.
    for document in &examples {
        let (accepted, calls) = attempt(document);
        assert!(accepted && 0 < calls, "{document}");
    }
    let mut runner = TestRunner::new(Config { cases: 1_000, ..Config::default() });
    let strategy = (0..examples.len(), 0..30_usize, 0..1_000_usize);
    let mutated = strategy.prop_filter_map("nothing to change so", move |(of, how, at)| {
        mutate(&examples[of], how, at).map(|document| (how, document))
    });
    runner
        .run(&mutated, |(how, document)| {
            prop_assert_eq!(attempt(&document), (false, 0), "mutation {}: {}", how, document);
            Ok(())
        })
        .unwrap();
}
