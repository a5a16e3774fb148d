//! The published schema says what the check says.

use serde_json::{Value, json};
use toolpost_plan::{PlanDocument, PlanFaultKind as Kind};

use crate::examples;
use crate::support::compile;

#[test]
fn the_examples_satisfy_the_schema_and_the_check() {
    let schema = jsonschema::validator_for(&PlanDocument::schema()).unwrap();
    for document in examples::all() {
        assert!(schema.is_valid(&document), "{document}");
        assert!(compile(&document).is_ok(), "{document}: {}", compile(&document).unwrap_err());
    }
}

#[test]
fn what_the_schema_refuses_the_check_refuses_for_its_shape() {
    let schema = jsonschema::validator_for(&PlanDocument::schema()).unwrap();
    let step = |step: Value| json!({ "steps": { "a": step }, "output": 1 });
    for document in [
        json!([]),
        json!({}),
        json!({ "steps": {} }),
        json!({ "steps": [], "output": 1 }),
        json!({ "steps": {}, "output": 1, "more": 1 }),
        json!({ "steps": {}, "output": 1, "name": 1 }),
        json!({ "steps": {}, "output": 1, "durable": "a/b" }),
        json!({ "steps": { "a b": { "tool": "echo" } }, "output": 1 }),
        json!({ "steps": { "": { "tool": "echo" } }, "output": 1 }),
        step(json!(1)),
        step(json!({})),
        step(json!({ "tool": "echo", "plan": { "steps": {}, "output": 1 } })),
        step(json!({ "tool": 1 })),
        step(json!({ "tool": "echo", "input": 1 })),
        step(json!({ "tool": "echo", "after": "b" })),
        step(json!({ "tool": "echo", "after": [1] })),
        step(json!({ "tool": "echo", "when": true })),
        step(json!({ "tool": "echo", "retry": 2 })),
        step(json!({ "tool": "echo", "retry": {} })),
        step(json!({ "tool": "echo", "retry": { "attempts": 0 } })),
        step(json!({ "tool": "echo", "retry": { "attempts": 2, "waitMs": 60_001 } })),
        step(json!({ "tool": "echo", "timeoutMs": 0 })),
        step(json!({ "tool": "echo", "timeoutMs": "1s" })),
        step(json!({ "tool": "echo", "priority": "system" })),
        step(json!({ "tool": "echo", "onFailure": "ignore" })),
        step(json!({ "tool": "echo", "needsApproval": "yes" })),
        step(json!({ "tool": "echo", "map": [] })),
        step(json!({ "tool": "echo", "map": {} })),
        step(json!({ "tool": "echo", "map": { "over": [], "concurrency": 0 } })),
        step(json!({ "tool": "echo", "map": { "over": [], "tolerate": -1 } })),
        step(json!({ "plan": { "steps": {}, "output": 1 }, "retry": { "attempts": 2 } })),
        step(json!({ "plan": 1 })),
    ] {
        assert!(!schema.is_valid(&document), "{document}");
        let refused = compile(&document).expect_err(&document.to_string());
        assert!(refused.faults().iter().any(|fault| fault.kind() == Kind::Shape), "{document}: {refused}");
    }
}
