//! Workflows in files, and calls that wait for a person.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::fixture::{Place, write};
use crate::replicas::{Replica, request};

fn workbench(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_workbench")).args(args).arg("--root").arg(root).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A workflow of the examples.
fn plan(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "plans", name].iter().collect();
    path.to_str().unwrap().to_owned()
}

/// What the workflow of a file comes to.
fn run(place: &Place, name: &str) -> Value {
    let output = workbench(&place.root(), &["workflow", "run", &plan(name)]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_overview_of_a_directory() {
    let output = run(&Place::new(), "overview.json");
    assert_eq!(output["first_page"], "# Title\n\nOne two three.\n");
    assert_eq!(output["todos"], 0);
    assert!(output["files"].as_u64() > Some(5) && output["lines"].as_u64() > Some(5), "{output}");
    let languages = output["languages"].as_array().unwrap();
    assert!(languages.iter().any(|language| language == "Rust"), "{output}");
}

#[test]
fn the_first_line_of_every_page() {
    let place = Place::new();
    write(&place.root().join("docs/more.md"), "# More\n\ntext\n");
    let output = run(&place, "first_lines.json");
    assert_eq!(
        output,
        json!([{ "path": "README.md", "line": "# Title\n" }, { "path": "docs/more.md", "line": "# More\n" }])
    );
}

#[test]
fn where_programs_begin() {
    let output = run(&Place::new(), "entry_points.json");
    assert_eq!(output["mains"], json!(["src/main.rs"]));
    assert_eq!(output["tests"], json!([]));
    assert_eq!(output["around"]["mains"], 1);
    assert!(output["around"]["files"].as_u64() > Some(5), "{output}");
}

#[test]
fn a_run_says_what_its_steps_do_and_draws_it() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    let svg = dir.path().join("run.svg");
    let plan = plan("overview.json");
    let args = ["workflow", "run", &plan, "--mermaid", "--svg", svg.to_str().unwrap()];
    let output = workbench(&place.root(), &args);
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    for line in ["files: runs", "files: succeeded in", "first: succeeded in", "todos    |"] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    assert!(!said.contains('\x1b'), "no color where there is no terminal");
    assert!(shown.contains("flowchart LR") && shown.contains("succeeded"), "{shown}");
    let drawn = std::fs::read_to_string(svg).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("todos"), "{drawn}");
}

#[test]
fn a_run_that_fails_says_why_and_ends_badly() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    let file = dir.path().join("plan.json");
    let plan = json!({ "steps": { "a": { "tool": "read_file", "arguments": { "path": "nowhere" } } },
        "output": { "$ref": "/steps/a/output" } });
    std::fs::write(&file, plan.to_string()).unwrap();
    let output = workbench(&place.root(), &["workflow", "run", file.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(
        !output.status.success() && said.contains("step `a`") && said.contains("does not exist"),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn check_says_everything_that_is_wrong_with_its_place_and_a_hint() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    let file = dir.path().join("plan.json");
    let plan = json!({
        "steps": {
            "a": { "tool": "list_file", "arguments": {} },
            "b": { "tool": "read_file", "arguments": { "path": 7 } },
            "c": { "tool": "read_file", "arguments": { "path": { "$ref": "/steps/d/output" } } }
        },
        "output": { "$cel": "steps.a.output +" }
    });
    std::fs::write(&file, plan.to_string()).unwrap();
    let output = workbench(&place.root(), &["workflow", "check", file.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    for shown in
        ["/steps/a/tool", "`list_files`", "/steps/b/arguments: ", "/steps/c/arguments/path", "/output"]
    {
        assert!(said.contains(shown), "`{shown}` is not in {said}");
    }
    let output = workbench(&place.root(), &["workflow", "check", &self::plan("overview.json")]);
    assert!(output.status.success());
    assert!(
        text(&output.stdout).contains("5 steps, at most 5 calls, only reads"),
        "{}",
        text(&output.stdout)
    );
    let output = workbench(&place.root(), &["workflow", "check", "no-such-file"]);
    assert!(!output.status.success() && text(&output.stderr).contains("no-such-file"));
}

#[test]
fn ten_steps_as_one_call_bring_ten_times_fewer_bytes_than_ten_calls_and_the_same_answers() {
    let output = workbench(Path::new(env!("CARGO_MANIFEST_DIR")), &["demo", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sections = document["sections"].as_array().unwrap();
    let title =
        |section: &&Value| section["title"].as_str().is_some_and(|title| title.starts_with("Ten steps"));
    let rows = sections.iter().find(title).unwrap()["calls"].as_array().unwrap();
    let [single, one] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&single["calls"], &one["calls"]), (&json!(10), &json!(1)), "{rows:?}");
    let bytes = |row: &Value| row["bytes"].as_u64().unwrap();
    assert!(10 * bytes(one) <= bytes(single), "{rows:?}");
    let outcome = one["outcome"].as_str().unwrap();
    assert!(one["ok"] == true && outcome.contains("equal answers"), "{outcome}");
}

/// A request that stands alone, of a client whose user can be asked.
fn call(workflow: &Value, more: Value) -> Value {
    let mut params = json!({
        "name": "run_workflow",
        "arguments": { "workflow": workflow },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } }
        }
    });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request("tools/call", params)
}

#[test]
fn a_workflow_that_waits_for_a_person_goes_on_in_a_process_that_never_saw_it() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    std::fs::write(dir.path().join("key"), format!("{}\n", "5a".repeat(32))).unwrap();
    std::fs::write(dir.path().join("tokens"), "ada 0123456789abcdef0123\nbob fedcba9876543210fedc\n")
        .unwrap();
    let approvals = dir.path().join("approvals");
    let start = || Replica::start_with(&place, dir.path(), &["--approvals", approvals.to_str().unwrap()]);
    let workflow = json!({
        "steps": {
            "before": { "tool": "list_files", "arguments": { "glob": "*.md" } },
            "asked": { "tool": "read_file", "needsApproval": true,
                "arguments": { "path": { "$ref": "/steps/before/output/files/0/path" } } },
            "after": { "tool": "count_lines", "arguments": {}, "after": ["asked"] }
        },
        "output": { "text": { "$ref": "/steps/asked/output/content" }, "n": { "$cel": "steps.after.output.total.lines > 0" } }
    });
    let (ada, bob) = ("Bearer 0123456789abcdef0123", "Bearer fedcba9876543210fedc");
    let result = |replica: &Replica, token: &str, message: &Value| -> Value {
        let (head, body) = replica.post_modern(token, "run_workflow", message);
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{head}\n{body}"))
    };

    let first = start();
    let answer = result(&first, ada, &call(&workflow, json!({})));
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let (key, question) = answer["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert!(
        question["params"]["message"].as_str().unwrap().contains(r#"{"path":"README.md"}"#),
        "{question}"
    );
    // As a machine that is gone.
    drop(first);

    let second = start();
    let state = answer["result"]["requestState"].clone();
    let yes = json!({ key: { "action": "accept", "content": { "approve": true } } });
    let goes_on = json!({ "inputResponses": yes, "requestState": state });

    let stolen = result(&second, bob, &call(&workflow, goes_on.clone()));
    assert_eq!(stolen["error"]["code"], -32602, "another person's state is none: {stolen}");
    let mut other = workflow.clone();
    other["steps"]["asked"]["arguments"]["path"] = json!("src/main.rs");
    let moved = result(&second, ada, &call(&other, goes_on.clone()));
    assert_eq!(moved["error"]["code"], -32602, "that of another workflow is none: {moved}");
    let forged = result(&second, ada, &call(&workflow, json!({ "inputResponses": yes })));
    assert_eq!(forged["result"]["resultType"], "input_required", "an answer to nothing is none: {forged}");

    let done = result(&second, ada, &call(&workflow, goes_on.clone()));
    assert_eq!(
        done["result"]["structuredContent"],
        json!({ "text": "# Title\n\nOne two three.\n", "n": true }),
        "{done}"
    );
    // Used up, in the process that saw it and in one that did not.
    for replica in [second, start()] {
        let again = result(&replica, ada, &call(&workflow, goes_on.clone()));
        assert_eq!(again["result"]["isError"], true, "{again}");
        assert!(again.to_string().contains("was used already"), "{again}");
    }
}

#[test]
fn a_call_that_waits_out_of_band_is_shown_and_decided() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    std::fs::write(dir.path().join("key"), format!("{}\n", "5a".repeat(32))).unwrap();
    std::fs::write(dir.path().join("tokens"), "ada 0123456789abcdef0123\n").unwrap();
    let approvals = dir.path().join("approvals");
    let approvals = approvals.to_str().unwrap();
    let replica =
        Replica::start_with(&place, dir.path(), &["--approvals", approvals, "--ask-before", "read_file"]);
    let approve = |args: &[&str]| {
        let output = workbench(&place.root(), &[&["approve", "--approvals", approvals], args].concat());
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(approve(&[]), (true, "no call waits for a person\n".to_owned()));

    let mut read = request(
        "tools/call",
        json!({
            "name": "read_file", "arguments": { "path": "README.md" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
                "dev.toolpost/deadlineMs": 30_000
            }
        }),
    );
    let answer = std::thread::scope(|scope| {
        let waits = scope.spawn(|| replica.post_modern("Bearer 0123456789abcdef0123", "read_file", &read).1);
        let id = loop {
            let (_, listed) = approve(&["--json"]);
            let listed: Value = serde_json::from_str(&listed).unwrap();
            if let Some(id) = listed["waiting"][0]["id"].as_str() {
                assert_eq!(listed["waiting"][0]["principal"], "ada");
                break id.to_owned();
            }
        };
        let (_, shown) = approve(&[]);
        assert!(shown.contains(r#"read_file {"path":"README.md"}, for ada"#), "{shown}");
        assert!(!approve(&["x"]).0);
        let (decided, said) = approve(&[&id[..8]]);
        assert!(decided && said.contains("approved: read_file"), "{said}");
        assert!(!approve(&[&id]).0, "it is decided");
        waits.join().unwrap()
    });
    assert!(answer.contains("One two three."), "{answer}");

    read["params"]["arguments"]["path"] = json!("src/main.rs");
    read["params"]["_meta"]["dev.toolpost/deadlineMs"] = json!(5_000);
    let answer = std::thread::scope(|scope| {
        let waits = scope.spawn(|| replica.post_modern("Bearer 0123456789abcdef0123", "read_file", &read).1);
        let id = loop {
            let (_, listed) = approve(&["--json"]);
            let listed: Value = serde_json::from_str(&listed).unwrap();
            if let Some(id) = listed["waiting"][0]["id"].as_str() {
                break id.to_owned();
            }
        };
        assert!(approve(&[&id, "--decline"]).0);
        waits.join().unwrap()
    });
    assert!(answer.contains("said no") && !answer.contains("fn main"), "{answer}");
}
