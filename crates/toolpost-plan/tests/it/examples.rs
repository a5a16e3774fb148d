//! Documents that hold: between them they have every member that there is.

use serde_json::{Value, json};

pub(crate) fn all() -> Vec<Value> {
    let inner = json!({
        "name": "inner", "description": "Doubles.",
        "steps": { "double": { "tool": "echo", "arguments": { "n": { "$cel": "input.n * 2" } } } },
        "output": { "$ref": "/steps/double/output/n" }
    });
    vec![
        json!({
            "steps": {
                "files": { "tool": "list_files", "arguments": { "glob": "*.md" } },
                "first": { "tool": "read_file", "arguments": { "path": { "$ref": "/steps/files/output/files/0/path" } } }
            },
            "output": { "$ref": "/steps/first/output" }
        }),
        json!({
            "$schema": "https://example.org/plan", "name": "everything", "description": "Has all that there is.",
            "durable": "nightly-1.a_B",
            "steps": {
                "files": { "tool": "list_files", "arguments": {}, "timeoutMs": 1000, "priority": "urgent" },
                "texts": {
                    "description": "Reads each.", "tool": "read_file",
                    "arguments": { "path": { "$ref": "/item/path" }, "lines": { "$cel": "index + 1" } },
                    "map": { "over": { "$ref": "/steps/files/output/files" }, "concurrency": 2, "tolerate": 1, "atMost": 10 },
                    "retry": { "attempts": 3, "waitMs": 0 }
                },
                "note": {
                    "tool": "send", "arguments": { "text": { "$literal": { "$ref": "x" } } }, "after": ["texts"],
                    "when": "size(steps.files.output.files) > 0", "onFailure": "allow", "needsApproval": true
                },
                "sum": { "plan": inner, "input": { "n": { "$cel": "size(steps.texts.output)" } }, "after": ["note"] },
                "each": { "plan": inner, "input": { "n": { "$ref": "/item" } }, "map": { "over": [1, 2] }, "when": "true" }
            },
            "output": { "sum": { "$ref": "/steps/sum/output", "default": null }, "each": { "$ref": "/steps/each/output" } }
        }),
        json!({
            "steps": {
                "a": { "tool": "echo", "arguments": { "x": [1, { "y": "z" }] } },
                "b": { "tool": "echo", "arguments": { "a": { "$ref": "/steps/a/output/x/1/y" } }, "after": ["a"] },
                "c": { "tool": "echo", "arguments": { "b": { "$ref": "/steps/b/output" } }, "onFailure": "failFast", "retry": { "attempts": 2 } },
                "d": { "tool": "send", "arguments": { "text": { "$ref": "/steps/c/output/b/a" } }, "when": "steps.c.output.b.a == 'z'", "onFailure": "isolate" }
            },
            "output": [{ "$ref": "/steps/d/output" }, { "$cel": "steps.a.output.x[0] + 1" }]
        }),
    ]
}
