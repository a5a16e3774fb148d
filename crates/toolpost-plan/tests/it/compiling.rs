//! What is found wrong before anything runs.

use serde_json::{Value, json};
use toolpost_plan::{PlanDocument, PlanFaultKind as Kind, PlanLimits, PlanTool, PlanTools};
use toolpost_tool::ToolSpec;

use crate::support::{compile, compile_text, faults, tools};

fn step(tool: &str, arguments: &Value) -> Value {
    json!({ "tool": tool, "arguments": arguments })
}

fn plan(steps: &Value) -> Value {
    json!({ "steps": steps, "output": null })
}

#[test]
fn the_smallest_document_compiles() {
    let document = json!({
        "steps": {
            "files": { "tool": "list_files", "arguments": { "glob": "*.md" } },
            "first": { "tool": "read_file", "arguments": { "path": { "$ref": "/steps/files/output/files/0/path" } } }
        },
        "output": { "$ref": "/steps/first/output" }
    });
    let plan = compile(&document).unwrap();
    assert_eq!(plan.calls(), 2);
    let first = plan.graph().find("first").unwrap();
    assert_eq!(plan.graph().dependencies(first).len(), 1, "what is referred to is waited for");
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_a_hint() {
    let document = json!({
        "steps": {
            "files": { "tool": "list_fils", "arguments": {} },
            "gone": { "tool": "delete" },
            "a": { "tool": "echo", "arguments": { "x": { "$ref": "/steps/b/output" } } },
            "b": { "tool": "echo", "arguments": { "x": { "$ref": "/steps/a/output" } } },
            "c": { "tool": "read_file", "arguments": { "path": 7, "wide": true }, "after": ["nobody"] },
            "d": { "tool": "echo", "when": "steps.zz.output == 1", "prioritty": "urgent" },
            "e": { "tool": "echo", "arguments": { "x": { "$ref": "/steps/e/output" } } },
            "f": { "tool": "echo", "arguments": { "x": { "$ref": "/item" } } }
        },
        "output": { "$ref": "/steps/c/output/contents" }
    });
    let refused = compile(&document).unwrap_err();
    let found: Vec<(Kind, &str)> =
        refused.faults().iter().map(|fault| (fault.kind(), fault.path())).collect();
    assert_eq!(
        found,
        [
            (Kind::UnknownTool, "/steps/files/tool"),
            (Kind::Denied, "/steps/gone/tool"),
            (Kind::MissingStep, "/steps/c/after/0"),
            (Kind::Arguments, "/steps/c/arguments"),
            (Kind::Shape, "/steps/d/prioritty"),
            (Kind::Expression, "/steps/d/when"),
            (Kind::NotAncestor, "/steps/e/arguments/x"),
            (Kind::NotAncestor, "/steps/f/arguments/x"),
            (Kind::Reference, "/output"),
            (Kind::Cycle, "/steps/a"),
        ]
    );
    let told = refused.to_string();
    for part in [
        "did you mean `list_files`?",
        "readers do not delete",
        "steps wait for each other: a -> b -> a",
        "it has `content`",
        "there are `a`, `b`, `c`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let shown = serde_json::to_value(refused.faults()).unwrap();
    assert_eq!(shown[0]["kind"], "unknown_tool");
    assert_eq!(shown[0]["hint"], "did you mean `list_files`?");
}

#[test]
fn two_members_of_one_name_are_refused() {
    let text = r#"{"steps": {"a": {"tool": "echo"}, "a": {"tool": "send"}}, "output": null}"#;
    let refused = compile_text(text).unwrap_err();
    assert_eq!(refused.faults()[0].kind(), Kind::Json);
}

#[test]
fn a_reference_is_held_against_the_schemas_at_both_of_its_ends() {
    let with = |arguments: Value| {
        plan(&json!({ "files": step("list_files", &json!({})), "read": step("read_file", &arguments) }))
    };
    let path = |pointer: &str| with(json!({ "path": { "$ref": pointer } }));
    assert!(compile(&path("/steps/files/output/files/0/path")).is_ok());
    let at = "/steps/read/arguments/path".to_owned();
    for pointer in
        ["/steps/files/output/fils", "/steps/files/output/files/x", "/steps/files/output/files/0/size"]
    {
        assert_eq!(faults(&path(pointer)), [(Kind::Reference, at.clone())], "{pointer}");
    }
    for pointer in ["/steps/files/output/files/0/bytes", "/steps/files/output/files", "/steps/files/output"] {
        assert_eq!(faults(&path(pointer)), [(Kind::Arguments, at.clone())], "{pointer}");
    }
    assert_eq!(faults(&path("steps/files/output")), [(Kind::Reference, at.clone())]);
    assert_eq!(faults(&path("/steps/files")), [(Kind::Reference, at.clone())]);
    assert_eq!(faults(&path("/elsewhere")), [(Kind::Reference, at)]);
    // A whole result where another tool takes an object.
    let whole = plan(&json!({
        "read": step("read_file", &json!({ "path": "a" })),
        "again": { "tool": "read_file", "arguments": { "$ref": "/steps/read/output" } }
    }));
    assert_eq!(faults(&whole), [(Kind::Arguments, "/steps/again/arguments".to_owned())]);
    // In an expression too.
    let cel = |text: &str| json!({ "steps": { "files": step("list_files", &json!({})) }, "output": { "$cel": text } });
    assert!(compile(&cel("size(steps.files.output.files)")).is_ok());
    assert_eq!(faults(&cel("size(steps.files.output.fils)")), [(Kind::Expression, "/output".to_owned())]);
}

#[test]
fn arguments_that_cannot_satisfy_the_schema_are_refused() {
    let wrong = |arguments: Value| faults(&plan(&json!({ "read": step("read_file", &arguments) })));
    for arguments in [
        json!({}),
        json!({ "path": 1 }),
        json!({ "path": "" }),
        json!({ "path": "a", "lines": 0 }),
        json!({ "path": "a", "lines": 1.5 }),
        json!({ "path": "a", "more": 1 }),
        json!({ "path": { "$literal": 1 } }),
        json!({ "path": { "$cel": "'a'" }, "lines": 0 }),
        json!({ "path": { "$cel": "'a'" }, "more": 1 }),
        json!({ "lines": { "$cel": "1" } }),
    ] {
        let found = wrong(arguments.clone());
        assert!(
            found.iter().all(|(kind, _)| *kind == Kind::Arguments) && !found.is_empty(),
            "{arguments}: {found:?}"
        );
    }
}

#[test]
fn what_limits_refuse_names_them() {
    let many = |n: usize| {
        let steps: serde_json::Map<String, Value> =
            (0..n).map(|i| (format!("s{i}"), json!({ "tool": "echo" }))).collect();
        json!({ "steps": steps, "output": null })
    };
    assert!(compile(&many(500)).is_ok());
    let told = |document: &Value| {
        let refused = compile(document).unwrap_err();
        assert!(refused.faults().iter().all(|fault| fault.kind() == Kind::Limit), "{refused}");
        refused.to_string()
    };
    assert!(told(&many(501)).contains("`steps` is 500"));
    let nested = |depth: usize| {
        (1..depth).fold(json!({ "steps": {}, "output": 1 }), |inner, _| {
            json!({ "steps": { "p": { "plan": inner } }, "output": { "$ref": "/steps/p/output" } })
        })
    };
    assert!(compile(&nested(4)).is_ok(), "{:?}", compile(&nested(4)));
    assert!(told(&nested(5)).contains("`nesting` is 4"));
    let map = |map: Value| plan(&json!({ "m": { "tool": "echo", "map": map } }));
    assert!(told(&map(json!({ "over": vec![0; 101] }))).contains("`items` is 100"));
    assert!(told(&map(json!({ "over": [], "atMost": 101 }))).contains("`items` is 100"));
    assert!(told(&map(json!({ "over": [], "concurrency": 17 }))).contains("`concurrency` is 16"));
    let retried = plan(&json!({ "r": { "tool": "echo", "retry": { "attempts": 11 } } }));
    assert!(told(&retried).contains("`attempts` is 10"));
    let inner = json!({ "steps": { "e": { "tool": "echo", "retry": { "attempts": 10 } } }, "output": 1 });
    let work = plan(&json!({ "m": { "plan": inner, "map": { "over": [1] } } }));
    assert!(compile(&work).is_ok());
    let twice = plan(&json!({ "m": { "plan": work, "map": { "over": [1] } } }));
    assert!(told(&twice).contains("`calls` is 5000"), "{}", told(&twice));
    let deep = format!("/steps/a/output{}", "/x".repeat(40));
    let pointer =
        plan(&json!({ "a": step("echo", &json!({})), "b": step("echo", &json!({ "$ref": deep })) }));
    assert!(told(&pointer).contains("`pointer tokens` is 32"));
    let cel = |text: String| json!({ "steps": {}, "output": { "$cel": text } });
    for (text, limit) in [
        ("1 + ".repeat(600) + "1", "cel bytes"),
        ("(".repeat(100), "cel depth"),
        ("!".repeat(100), "cel depth"),
    ] {
        let refused = compile(&cel(text)).unwrap_err();
        assert!(refused.to_string().contains(limit), "{refused}");
    }
    let limits = PlanLimits { bytes: 100, ..PlanLimits::default() };
    let refused = PlanDocument::parse(many(9).to_string(), &limits).unwrap_err();
    assert!(refused.to_string().contains("`bytes` is 100"), "{refused}");
    let refused = PlanDocument::parse("[".repeat(200), &PlanLimits::default()).unwrap_err();
    assert!(refused.to_string().contains("`depth` is 64"), "{refused}");
}

#[test]
fn a_million_steps_are_refused_without_being_looked_at() {
    let limits = PlanLimits { bytes: 64 << 20, ..PlanLimits::default() };
    let steps: Vec<String> = (0..1_000_000).map(|i| format!("\"s{i}\":{{}}")).collect();
    let text = format!("{{\"steps\":{{{}}},\"output\":null}}", steps.join(","));
    match PlanDocument::parse(text, &limits) {
        Err(refused) => assert!(refused.to_string().contains("the limit"), "{refused}"),
        Ok(document) => {
            let refused = document.compile(&tools(), &limits).unwrap_err();
            assert_eq!(refused.faults().len(), 1);
            assert!(refused.to_string().contains("`steps` is 500"), "{refused}");
        }
    }
}

#[test]
fn annotations_follow_from_those_of_the_steps() {
    let of = |tools: &[&str]| {
        let steps: serde_json::Map<String, Value> = tools
            .iter()
            .enumerate()
            .map(|(i, tool)| (format!("s{i}"), step(tool, &json!({ "text": 1 }))))
            .collect();
        let annotations = compile(&plan(&Value::Object(steps))).unwrap().annotations().clone();
        (annotations.read_only, annotations.destructive, annotations.idempotent, annotations.open_world)
    };
    assert_eq!(of(&[]), (Some(true), Some(false), Some(true), Some(false)));
    assert_eq!(of(&["echo"]), (Some(true), Some(false), Some(true), Some(true)));
    assert_eq!(of(&["echo", "send"]), (Some(false), Some(true), Some(false), Some(true)));
}

#[test]
fn a_tool_that_is_not_safe_to_repeat_is_not_retried() {
    let retried = |tool: &str| {
        plan(&json!({ "s": { "tool": tool, "arguments": { "text": 1 }, "retry": { "attempts": 2 } } }))
    };
    assert!(compile(&retried("echo")).is_ok());
    assert_eq!(faults(&retried("send")), [(Kind::Shape, "/steps/s/retry".to_owned())]);
}

#[test]
fn a_step_of_the_plan_around_cannot_be_seen_from_within() {
    let inner = json!({ "steps": { "i": step("echo", &json!({ "x": { "$ref": "/steps/o/output" } })) }, "output": 1 });
    let document = plan(&json!({ "o": step("echo", &json!({})), "p": { "plan": inner } }));
    assert_eq!(faults(&document), [(Kind::NotAncestor, "/steps/p/plan/steps/i/arguments/x".to_owned())]);
}

#[test]
fn neither_a_hostile_schema_nor_thousands_of_faults_take_long() {
    // Each level has sixty forms that nothing tells apart.
    let forms: Vec<Value> = (0..60)
        .map(|_| json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/N" } }, "required": ["a", "z"] }))
        .collect();
    let schema = json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/N" } }, "$defs": { "N": { "anyOf": forms } } });
    let hostile =
        Hostile(ToolSpec::new("h").unwrap().with_input_schema(schema.clone()).with_output_schema(schema));
    let deep = (0..40).fold(json!({ "$cel": "1" }), |inner, _| json!({ "a": inner }));
    let document = plan(&json!({
        "a": step("h", &json!({ "x": deep })),
        "b": step("h", &json!({ "x": { "$ref": "/steps/a/output/x/a/a/a/a/a/a" } }))
    }));
    let limits = PlanLimits::default();
    let document = PlanDocument::parse(document.to_string(), &limits).unwrap();
    let _ = document.compile(&hostile, &limits);

    let dangling: Vec<Value> = (0..8_000).map(|i| json!({ "$ref": format!("/steps/{i}") })).collect();
    let refused = compile(&plan(&json!({ "a": step("echo", &json!({ "x": dangling })) }))).unwrap_err();
    assert_eq!(refused.faults().len(), 100);
    assert!(refused.to_string().ends_with("; and 80 more"), "{refused}");
}

struct Hostile(ToolSpec);

impl PlanTools for Hostile {
    fn find(&self, _: &str) -> Option<PlanTool<'_>> {
        Some(PlanTool::new(&self.0))
    }
}
