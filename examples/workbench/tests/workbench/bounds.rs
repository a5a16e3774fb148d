//! What a stranger may write, in arguments and in files, is bounded; what the bound refuses is said.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolpost_tool::{AnyTool, Call, ErrorKind, Tool as _};
use workbench::serve;

use crate::fixture::{Place, paths, write};

/// As small as that of the threads that blocking tools get.
const STACK: usize = 2 << 20;

/// Runs `test` where a tool would run.
fn in_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK).spawn(test).unwrap().join().unwrap();
}

fn nested(levels: usize) -> String {
    format!("{}a{}", "{".repeat(levels), "}".repeat(levels))
}

#[test]
fn a_glob_of_nested_braces_is_refused_by_each_tool() {
    in_a_small_stack(|| {
        let place = Place::new();
        for glob in [nested(13_200), nested(490), nested(11), "{".repeat(900), "*".repeat(4_000_000)] {
            for tool in ["list_files", "count_lines", "search_text"] {
                let mut args = json!({ "glob": glob });
                if tool == "search_text" {
                    args["pattern"] = json!("x");
                }
                let text = place.refused(tool, args);
                assert!(
                    text.contains("`glob`") && text.contains("most") || text.contains("more than 10"),
                    "{text}"
                );
                assert!(text.len() < 2_000, "{} bytes", text.len());
            }
        }
        let listed =
            place.ok("list_files", json!({ "glob": format!("{}.md", nested(9).replace('a', "README")) }));
        assert_eq!(paths(&listed["files"]), ["README.md"]);
    });
}

#[test]
fn a_glob_of_nested_braces_is_refused_through_the_whole_server() {
    let place = Place::new();
    let runtime = serve::runtime(&place.root(), |builder| builder).unwrap();
    let executor = serve::executor().unwrap();
    executor.block_on(async {
        for tool in ["list_files", "count_lines", "search_text"] {
            let error =
                runtime.call(tool, &json!({ "glob": nested(13_200), "pattern": "x" })).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArguments, "{tool}: {error}");
        }
    });
}

#[test]
fn strings_are_bounded_in_the_schemas_too() {
    let place = Place::new();
    for tool in workbench::tools::all(&place.root()).unwrap() {
        let spec = tool.spec();
        for (name, property) in spec.input_schema()["properties"].as_object().unwrap() {
            let types = &property["type"];
            let is_text =
                types == "string" || types.as_array().is_some_and(|all| all.contains(&json!("string")));
            assert!(
                !is_text || property["maxLength"].is_u64(),
                "{}: {name} has no bound: {property}",
                spec.name()
            );
        }
    }
}

#[test]
fn long_and_deep_lines_of_an_ignore_file_are_skipped_and_counted() {
    in_a_small_stack(|| {
        let place = Place::new();
        let lines = [nested(20_000), "x".repeat(1_025), nested(11), "*.md".into()].join("\n");
        fs::write(place.root().join(".gitignore"), lines).unwrap();
        for (tool, args) in [
            ("list_files", json!({})),
            ("count_lines", json!({})),
            ("search_text", json!({ "pattern": "Title" })),
        ] {
            let output = place.ok(tool, args);
            assert_eq!(output["ignore_lines_skipped"], 3, "{tool}");
        }
        let listed = place.ok("list_files", json!({}));
        assert!(!paths(&listed["files"]).contains(&"README.md"), "the rule behind them counts");
        // The same above the directory that is asked for.
        assert_eq!(place.ok("list_files", json!({ "path": "src" }))["ignore_lines_skipped"], 3);
    });
}

#[test]
fn an_ignore_file_has_a_thousand_rules_and_a_walk_four_thousand() {
    let place = Place::new();
    let rules = |count: usize| (0..count).map(|at| format!("*x{at}*y\n")).collect::<String>();
    write(&place.root().join(".gitignore"), &rules(1_500));
    assert_eq!(place.ok("list_files", json!({}))["ignore_lines_skipped"], 500);
    write(&place.root().join(".gitignore"), &rules(1_000));
    let mut deep = place.root();
    for level in 0..4 {
        deep = deep.join(format!("d{level}"));
        write(&deep.join(".gitignore"), &rules(1_000));
    }
    assert_eq!(place.ok("list_files", json!({ "glob": "x" }))["ignore_lines_skipped"], 1_000);
    // Of a file that is longer than what is read of it, the rest counts as one line.
    write(&place.root().join(".gitignore"), &"#\n".repeat(1 << 20));
    fs::remove_dir_all(place.root().join("d0")).unwrap();
    assert_eq!(place.ok("list_files", json!({}))["ignore_lines_skipped"], 1);
}

#[test]
fn directories_with_rules_are_bounded_along_one_path() {
    let place = Place::new();
    let mut deep = place.root();
    for _ in 0..40 {
        deep = deep.join("d");
        write(&deep.join(".gitignore"), "y\n");
    }
    // The root has rules too.
    assert_eq!(place.ok("list_files", json!({ "path": "d" }))["ignore_lines_skipped"], 40 + 1 - 32);
}

#[test]
fn an_answer_is_bounded_in_bytes() {
    let place = Place::new();
    let mut deep = place.root();
    for _ in 0..12 {
        deep = deep.join("d".repeat(250));
    }
    for at in 0..500 {
        write(&deep.join(format!("{at}")), "x\n");
    }
    let listed = place.ok("list_files", json!({ "limit": 5_000, "path": "d".repeat(250) }));
    assert_eq!(listed["truncated"], true);
    assert!(listed.to_string().len() < 2 << 20);
    let found = place.ok("search_text", json!({ "pattern": "x", "limit": 1_000, "path": "d".repeat(250) }));
    assert_eq!(found["truncated"], true);
    assert!(found.to_string().len() < 2 << 20);
}

#[test]
fn a_file_with_a_line_that_is_too_long_counts_as_skipped() {
    let place = Place::new();
    write(&place.root().join("long.txt"), &"needle ".repeat(300_000));
    let found = place.ok("search_text", json!({ "pattern": "needle" }));
    assert_eq!(found["matches"], json!([]));
    assert!(found["files_skipped"].as_u64() >= Some(1));
}

fn sparse(place: &Place, bytes: u64) {
    let path = place.root().join("sparse.txt");
    fs::write(&path, "some text\n".repeat(10_000)).unwrap();
    File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Each tool that reads below a directory; the first takes hours over a file that is sparse.
fn readers() -> [(&'static str, Value); 3] {
    [
        ("count_lines", json!({ "path": "sparse.txt" })),
        ("search_text", json!({ "pattern": "nowhere" })),
        ("list_files", json!({})),
    ]
}

#[test]
fn a_tool_in_the_middle_of_a_file_stops_when_its_caller_has_left() {
    let place = Place::new();
    sparse(&place, 400 << 30);
    let tools = workbench::tools::all(&place.root()).unwrap();
    for (tool, args) in readers() {
        let (call, caller) = Call::new(&args).unwrap().with_caller();
        // The one without end may be anywhere in its file by then; the others would have ended.
        let caller = (tool == "count_lines").then_some(caller);
        let tool = tools.iter().find(|found| found.spec().name() == tool).unwrap().clone();
        let is_cut = thread::scope(|scope| {
            let thread = scope.spawn(move || run(&tool, call));
            drop(caller);
            thread.join().unwrap()
        });
        assert!(is_cut, "it says that it is not whole");
    }
}

#[test]
fn a_tool_in_the_middle_of_a_file_stops_at_its_deadline() {
    let place = Place::new();
    sparse(&place, 400 << 30);
    let tools = workbench::tools::all(&place.root()).unwrap();
    for (tool, args) in readers() {
        #[expect(clippy::disallowed_methods, reason = "a deadline is a time")]
        let due =
            Instant::now() + if tool == "count_lines" { Duration::from_millis(20) } else { Duration::ZERO };
        let tool = tools.iter().find(|found| found.spec().name() == tool).unwrap();
        assert!(run(tool, Call::new(&args).unwrap().due_by(due)));
    }
}

/// Whether the answer says that it is not whole.
fn run(tool: &AnyTool, call: Call) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let output = runtime.block_on(tool.call(call)).unwrap();
    let output: Value = serde_json::from_str(output.structured().unwrap()).unwrap();
    output["truncated"] == true
}
