//! What a plan does when it runs.

use serde_json::{Value, json};

use crate::support::{Made, compile, input, run};

#[tokio::test]
async fn values_flow_by_pointer_by_expression_and_as_they_stand() {
    let document = json!({
        "steps": {
            "files": { "tool": "list_files", "arguments": { "glob": "*.md" } },
            "echo": { "tool": "echo", "arguments": {
                "path": { "$ref": "/steps/files/output/files/1/path" },
                "sum": { "$cel": "steps.files.output.files.map(f, f.bytes)[0] + 39" },
                "literal": { "$literal": { "$ref": "/steps/files" } },
                "list": [1, { "$ref": "/steps/files/output/files/0" }, "x"],
                "none": { "$ref": "/steps/files/output/truncated", "default": false },
                "$other": { "$gt": 1 }
            } }
        },
        "output": { "echoed": { "$ref": "/steps/echo/output" }, "n": { "$cel": "size(steps.files.output.files)" } }
    });
    let made = Made::default();
    let output = run(&document, &made).await.unwrap();
    assert_eq!(
        output,
        json!({ "n": 3, "echoed": {
            "path": "b.md", "sum": 42, "literal": { "$ref": "/steps/files" }, "list": [1, { "path": "a.md", "bytes": 3 }, "x"],
            "none": false, "$other": { "$gt": 1 }
        } })
    );
    assert_eq!(made.count(), 2);
}

#[tokio::test]
async fn a_list_is_worked_through_and_tolerates_failures() {
    let document = json!({
        "steps": {
            "files": { "tool": "list_files" },
            "read": {
                "tool": "read_file", "arguments": { "path": { "$ref": "/item/path" } },
                "map": { "over": { "$ref": "/steps/files/output/files" }, "concurrency": 2 }
            },
            "some": {
                "tool": "echo", "arguments": { "at": { "$ref": "/index" }, "fail": { "$ref": "/item" } },
                "map": { "over": [1, "no", 3], "tolerate": 1 }
            }
        },
        "output": [{ "$ref": "/steps/read/output" }, { "$ref": "/steps/some/output" }]
    });
    let output = run(&document, &Made::default()).await.unwrap();
    assert_eq!(
        output,
        json!([
            [{ "content": "text of a.md" }, { "content": "text of b.md" }, { "content": "text of c/d.md" }],
            [{ "at": 0, "fail": 1 }, null, { "at": 2, "fail": 3 }]
        ])
    );
}

#[tokio::test]
async fn conditions_skip_steps_and_what_depends_on_them() {
    let document = |when: &str| {
        json!({
            "steps": {
                "files": { "tool": "list_files" },
                "a": { "tool": "echo", "arguments": { "a": 1 }, "when": when },
                "b": { "tool": "echo", "arguments": { "b": { "$ref": "/steps/a/output" } } },
                "c": { "tool": "echo", "arguments": { "c": { "$ref": "/steps/a/output/a", "default": "none" } } }
            },
            "output": [{ "$ref": "/steps/b/output", "default": null }, { "$ref": "/steps/c/output" }]
        })
    };
    let met = run(&document("size(steps.files.output.files) == 3"), &Made::default()).await.unwrap();
    assert_eq!(met, json!([{ "b": { "a": 1 } }, { "c": 1 }]));
    let made = Made::default();
    let unmet = run(&document("steps.files.output.files.all(f, f.bytes < 40)"), &made).await.unwrap();
    assert_eq!((unmet, made.count()), (json!([null, { "c": "none" }]), 2));
    let error = run(&document("steps.files.output.files[9].bytes < 40"), &Made::default()).await.unwrap_err();
    assert!(error.to_string().contains("step `a`: its condition has no value"), "{error}");
}

#[tokio::test]
async fn a_failure_is_told_by_its_step_and_means_what_the_step_says() {
    let document = |rule: &str| {
        json!({
            "steps": {
                "bad": { "tool": "echo", "arguments": { "fail": "it broke" }, "onFailure": rule },
                "good": { "tool": "echo", "arguments": {} }
            },
            "output": { "$ref": "/steps/good/output" }
        })
    };
    let error = run(&document("isolate"), &Made::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "step `bad`: it broke; 2 of 3 steps succeeded");
    assert_eq!(run(&document("allow"), &Made::default()).await.unwrap(), json!({}));
    let error = run(&document("failFast"), &Made::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("step `bad`: it broke"), "{error}");
    let nothing =
        json!({ "steps": { "e": { "tool": "echo" } }, "output": { "$ref": "/steps/e/output/gone" } });
    let error = run(&nothing, &Made::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("the output: `/steps/e/output/gone` leads to nothing"), "{error}");
}

#[tokio::test]
async fn plans_stand_within_plans_and_run_for_items() {
    let inner = json!({
        "steps": { "double": { "tool": "echo", "arguments": { "n": { "$cel": "input.n * 2" } } } },
        "output": { "$ref": "/steps/double/output/n" }
    });
    let document = json!({
        "steps": {
            "one": { "plan": inner, "input": { "n": 4 } },
            "each": { "plan": inner, "input": { "n": { "$ref": "/item" } }, "map": { "over": [1, 2.5] } },
            "skipped": { "plan": inner, "when": "steps.one.output > 100" }
        },
        "output": [{ "$ref": "/steps/one/output" }, { "$ref": "/steps/each/output" }, { "$ref": "/steps/skipped/output", "default": "no" }]
    });
    let made = Made::default();
    assert_eq!(run(&document, &made).await.unwrap(), json!([8, [2, 5.0], "no"]));
    assert_eq!(made.count(), 3);
}

#[tokio::test]
async fn an_empty_plan_comes_to_its_output() {
    assert_eq!(run(&json!({ "steps": {}, "output": [1] }), &Made::default()).await.unwrap(), json!([1]));
}

#[tokio::test]
async fn what_bounds_refuse_at_run_time_names_them() {
    let long = json!({
        "steps": {
            "echo": { "tool": "echo", "arguments": { "l": vec![0; 60] } },
            "m": { "tool": "echo", "map": { "over": { "$cel": "steps.echo.output.l + steps.echo.output.l" } } }
        },
        "output": null
    });
    let error = run(&long, &Made::default()).await.unwrap_err();
    assert!(error.to_string().contains("the list has 120 items; the limit `items` is 100"), "{error}");
    let bomb = json!({ "steps": {}, "output": { "$cel": "[1,2,3,4,5,6,7,8,9,0].map(a, [1,2,3,4,5,6,7,8,9,0].map(b, [1,2,3,4,5,6,7,8,9,0].map(c, [1,2,3,4,5,6,7,8,9,0].map(d, 1))))" } });
    let error = run(&bomb, &Made::default()).await.unwrap_err();
    assert!(error.to_string().contains("the limit `cel_steps` is 10000"), "{error}");
    let doubling = format!(
        "['x'].map(a, {})[0]",
        (0..14).fold("a".to_owned(), |of, _| format!("[{of}].map(a, a + a)[0]"))
    );
    let error = run(&json!({ "steps": {}, "output": { "$cel": doubling } }), &Made::default()).await;
    assert!(error.is_ok() || error.as_ref().is_err_and(|e| e.to_string().contains("limit")), "{error:?}");
}

#[tokio::test]
async fn the_report_tells_how_each_step_ended() {
    let document = json!({
        "steps": { "a": { "tool": "echo", "arguments": { "fail": "no" }, "onFailure": "allow" }, "b": { "tool": "echo" } },
        "output": 1
    });
    let plan = compile(&document).unwrap();
    let report = plan.start(input(&Made::default())).run().await;
    let shown: Value = serde_json::to_value(plan.report(&report)).unwrap();
    assert_eq!(
        shown,
        json!([
            { "step": "a", "state": "failed", "attempts": 1, "cached": false, "error": "no" },
            { "step": "b", "state": "succeeded", "attempts": 1, "cached": false }
        ])
    );
}
