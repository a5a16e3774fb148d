//! What each tool answers.

use std::sync::{Arc, Mutex};

use serde_json::json;
use toolpost_tool::{Call, CallParts, LogLevel, Sink, Tool};

use crate::fixture::{Place, paths, write};

const KEPT: [&str; 10] = [
    ".ci/run",
    ".git-not",
    ".gitignore",
    "README.md",
    "image.bin",
    "keep.log",
    "latin.txt",
    "src/.gitignore",
    "src/deep/lib.rs",
    "src/main.rs",
];

#[test]
fn list_files_sorts_and_respects_gitignore() {
    let place = Place::new();
    let listed = place.ok("list_files", json!({}));
    assert_eq!(paths(&listed["files"]), KEPT);
    assert_eq!(listed["truncated"], false);
    assert_eq!(listed["files"][0]["bytes"], 11);
}

#[test]
fn list_files_takes_a_name_at_any_depth_and_a_path_from_the_root() {
    let place = Place::new();
    let glob = |glob: &str| place.ok("list_files", json!({ "glob": glob }))["files"].clone();
    assert_eq!(paths(&glob("*.rs")), ["src/deep/lib.rs", "src/main.rs"]);
    assert_eq!(paths(&glob("src/*.rs")), ["src/main.rs"]);
    assert_eq!(paths(&glob("./src/**/*.rs")), ["src/deep/lib.rs", "src/main.rs"]);
    assert_eq!(paths(&glob("*.{md,log}")), ["README.md", "keep.log"]);
    assert_eq!(paths(&glob("*.nothing")), Vec::<&str>::new());
}

#[test]
fn list_files_starts_where_told() {
    let place = Place::new();
    let below = |path: &str| place.ok("list_files", json!({ "path": path }))["files"].clone();
    // The rules above the start count as well.
    assert_eq!(paths(&below("src")), ["src/.gitignore", "src/deep/lib.rs", "src/main.rs"]);
    assert_eq!(paths(&below("./src//deep/")), ["src/deep/lib.rs"]);
    assert_eq!(paths(&below("README.md")), ["README.md"]);
    assert_eq!(paths(&below(".")), KEPT);
    // What is named outright is shown, ignored or not.
    assert_eq!(paths(&below("target")), ["target/out.rs"]);
}

#[test]
fn list_files_stops_at_the_limit_and_says_so() {
    let place = Place::new();
    let listed = place.ok("list_files", json!({ "limit": 2 }));
    assert_eq!(paths(&listed["files"]), KEPT[..2]);
    assert_eq!(listed["truncated"], true);
    let listed = place.ok("list_files", json!({ "limit": KEPT.len() }));
    assert_eq!(listed["truncated"], false);
}

#[test]
fn read_file_reads_all_of_it() {
    let place = Place::new();
    let text = place.ok("read_file", json!({ "path": "./README.md" }));
    let expected = json!({
        "path": "README.md", "content": "# Title\n\nOne two three.\n",
        "offset": 0, "next_offset": null, "file_bytes": 24,
    });
    assert_eq!(text, expected);
}

#[test]
fn read_file_reads_lines() {
    let place = Place::new();
    let read = |start: u64, end: u64| {
        let text =
            place.ok("read_file", json!({ "path": "README.md", "start_line": start, "end_line": end }));
        (
            text["content"].as_str().unwrap().to_owned(),
            text["offset"].as_u64().unwrap(),
            text["next_offset"].as_u64(),
        )
    };
    assert_eq!(read(1, 1), ("# Title\n".into(), 0, Some(8)));
    assert_eq!(read(3, 3), ("One two three.\n".into(), 9, None));
    assert_eq!(read(2, 900), ("\nOne two three.\n".into(), 8, None));
}

#[test]
fn read_file_reads_bytes_and_cuts_no_character() {
    let place = Place::new();
    // `ü` stands at bytes 28 and 29.
    let read = |offset: u64, length: u64| {
        let text =
            place.ok("read_file", json!({ "path": "src/main.rs", "offset": offset, "length": length }));
        (text["content"].as_str().unwrap().to_owned(), text["offset"].as_u64().unwrap())
    };
    assert_eq!(read(26, 3), ("Gr".into(), 26));
    assert_eq!(read(29, 2), (String::new(), 30));
    assert_eq!(read(29, 3), ("ß".into(), 30));
    let whole =
        place.ok("read_file", json!({ "path": "src/main.rs" }))["content"].as_str().unwrap().to_owned();
    // However short the parts are, reading on comes to the end.
    for length in 1..6 {
        let (mut at, mut read_on) = (0, String::new());
        while at < whole.len() as u64 {
            let (part, from) = read(at, length);
            assert_eq!(from, at, "a part goes on where the one before ended");
            assert!(!part.is_empty(), "at {at}");
            at += part.len() as u64;
            read_on.push_str(&part);
        }
        assert_eq!(read_on, whole);
    }
}

#[test]
fn read_file_is_capped_and_says_where_to_go_on() {
    let place = Place::new();
    let line = "ü".repeat(50) + "\n";
    let whole = line.repeat(6_000);
    write(&place.root().join("big.txt"), &whole);
    let (mut read, mut at) = (String::new(), Some(0));
    while let Some(offset) = at {
        let text = place.ok("read_file", json!({ "path": "big.txt", "offset": offset }));
        let content = text["content"].as_str().unwrap();
        assert!(content.len() <= 256 << 10);
        read.push_str(content);
        at = text["next_offset"].as_u64();
    }
    assert_eq!(read, whole);
    let text = place.ok("read_file", json!({ "path": "big.txt", "start_line": 10 }));
    assert_eq!(text["offset"], 9 * line.len());
    assert!(text["next_offset"].as_u64().is_some());
}

#[test]
fn read_file_of_an_empty_file_is_empty() {
    let place = Place::new();
    write(&place.root().join("empty"), "");
    assert_eq!(place.ok("read_file", json!({ "path": "empty" }))["content"], "");
    assert_eq!(place.ok("read_file", json!({ "path": "empty", "start_line": 1 }))["content"], "");
}

#[test]
fn read_file_refuses_binary() {
    let place = Place::new();
    let text = place.refused("read_file", json!({ "path": "image.bin" }));
    assert!(text.contains("`path`") && text.contains("is binary (a NUL at byte 4)"), "{text}");
    let text = place.refused("read_file", json!({ "path": "latin.txt" }));
    assert!(text.contains("is binary (no UTF-8 at byte 2)"), "{text}");
    // A range that leaves the bad bytes out does not make text of it.
    let text = place.refused("read_file", json!({ "path": "image.bin", "offset": 7 }));
    assert!(text.contains("is binary"), "{text}");
}

#[test]
fn search_text_finds_lines() {
    let place = Place::new();
    let hits = place.ok("search_text", json!({ "pattern": r"Gr\w+e" }));
    let expected =
        json!([{ "path": "src/main.rs", "line": 2, "column": 15, "text": "    println!(\"Grüße\");" }]);
    assert_eq!(hits["matches"], expected);
    assert_eq!(hits["truncated"], false);
    assert_eq!(hits["files_skipped"], 1, "the binary file");
    assert_eq!(hits["files_searched"], KEPT.len() - 1);
}

#[test]
fn search_text_respects_gitignore_glob_case_and_literal() {
    let place = Place::new();
    let search = |args| place.ok("search_text", args)["matches"].clone();
    assert_eq!(paths(&search(json!({ "pattern": "fn main" }))), ["src/main.rs"]);
    assert_eq!(paths(&search(json!({ "pattern": "fn main", "glob": "*.md" }))), Vec::<&str>::new());
    assert_eq!(paths(&search(json!({ "pattern": "FN MAIN", "ignore_case": true }))), ["src/main.rs"]);
    assert_eq!(paths(&search(json!({ "pattern": "main()", "literal": true }))), ["src/main.rs"]);
    assert_eq!(paths(&search(json!({ "pattern": "fn main", "path": "target" }))), ["target/out.rs"]);
}

#[test]
fn search_text_stops_at_the_limit_and_says_so() {
    let place = Place::new();
    write(&place.root().join("many.txt"), &"needle\n".repeat(50));
    let hits = place.ok("search_text", json!({ "pattern": "needle", "limit": 7 }));
    assert_eq!(hits["matches"].as_array().unwrap().len(), 7);
    assert_eq!(hits["truncated"], true);
    let hits = place.ok("search_text", json!({ "pattern": "needle", "limit": 50 }));
    assert_eq!(hits["truncated"], false);
}

#[test]
fn search_text_cuts_long_lines() {
    let place = Place::new();
    write(&place.root().join("long.txt"), &("ü".repeat(100_000) + "needle"));
    let hits = place.ok("search_text", json!({ "pattern": "needle" }));
    assert!(hits["matches"][0]["text"].as_str().unwrap().len() < 410);
    assert_eq!(hits["matches"][0]["column"], 100_001);
}

#[test]
fn search_text_is_linear_in_what_is_hostile_elsewhere() {
    let place = Place::new();
    write(&place.root().join("as.txt"), &("a".repeat(50_000) + "!"));
    let hits = place.ok("search_text", json!({ "pattern": "^(a+)+$", "path": "as.txt" }));
    assert_eq!(hits["matches"], json!([]));
}

#[test]
fn count_lines_counts_by_language() {
    let place = Place::new();
    let counted = place.ok("count_lines", json!({}));
    let rust = json!({ "language": "Rust", "files": 2, "lines": 4, "words": 10, "bytes": 39 + 17 });
    let markdown = json!({ "language": "Markdown", "files": 1, "lines": 3, "words": 5, "bytes": 24 });
    let languages = counted["languages"].as_array().unwrap();
    assert!(languages.contains(&markdown), "{counted}");
    assert!(languages.contains(&rust), "{counted}");
    assert_eq!(counted["total"]["files"], KEPT.len() - 1);
    assert_eq!(counted["files_skipped"], 1);
    let counted = place.ok("count_lines", json!({ "glob": "*.rs", "path": "src/deep" }));
    assert_eq!(counted["total"], json!({ "files": 1, "lines": 1, "words": 5, "bytes": 17 }));
}

#[test]
fn every_tool_says_what_it_is() {
    let place = Place::new();
    for tool in workbench::tools::all(&place.root()).unwrap() {
        let spec = tool.spec();
        assert_eq!(spec.annotations().read_only, Some(true), "{}", spec.name());
        assert_eq!(spec.annotations().open_world, Some(false), "{}", spec.name());
        assert!(spec.policy().time_limit.is_some() && spec.policy().blocking, "{}", spec.name());
        assert!(spec.description().len() > 40 && spec.output_schema().is_some(), "{}", spec.name());
        assert_eq!(spec.input_schema()["additionalProperties"], false, "{}", spec.name());
        for (name, argument) in spec.input_schema()["properties"].as_object().unwrap() {
            assert!(
                argument["description"].as_str().is_some_and(|text| text.len() > 15),
                "{} {name}",
                spec.name()
            );
        }
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<f64>>);

impl Sink for Heard {
    fn progress(&self, done: f64, _: Option<f64>, message: Option<&str>) {
        assert!(message.unwrap().ends_with(" files"));
        self.0.lock().unwrap().push(done);
    }

    fn log(&self, _: LogLevel, _: Option<&str>, _: &str) {}

    fn log_level(&self) -> Option<LogLevel> {
        None
    }
}

#[test]
fn long_work_reports_progress_and_stops_at_its_deadline() {
    let place = Place::new();
    for n in 0..200 {
        write(&place.root().join(format!("many/{n}.txt")), "needle\n");
    }
    let tools = workbench::tools::all(&place.root()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, args) in
        [("list_files", json!({})), ("search_text", json!({ "pattern": "x" })), ("count_lines", json!({}))]
    {
        let tool = tools.iter().find(|tool| tool.spec().name() == name).unwrap();
        let heard = Arc::new(Heard::default());
        let call = Call::new(&args).unwrap();
        let mut parts = CallParts::default();
        parts.set_sink(Some(Arc::clone(&heard) as Arc<dyn Sink>));
        // Arguments left out stand for none.
        let observed = if name == "search_text" { None } else { Some(Call::from_parts(parts)) };
        if let Some(observed) = observed {
            runtime.block_on(tool.call(observed)).unwrap();
            assert_eq!(*heard.0.lock().unwrap(), [64.0, 128.0, 192.0], "{name}");
        }
        #[expect(clippy::disallowed_methods, reason = "a deadline that has just passed")]
        let past = std::time::Instant::now();
        let output = runtime.block_on(tool.call(call.due_by(past))).unwrap();
        let output: serde_json::Value = serde_json::from_str(output.structured().unwrap()).unwrap();
        assert_eq!(output["truncated"], true, "{name}");
    }
}
