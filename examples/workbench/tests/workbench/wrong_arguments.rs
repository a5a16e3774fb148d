//! Wrong arguments get an answer from which the call can be repaired: it names the argument, what
//! is wrong with it, and what would be right. Here are those whose shape is right; the shape is
//! checked before a tool is called, and so tested over the wire.

use serde_json::{Value, json};

use crate::fixture::Place;

#[track_caller]
fn check(place: &Place, tool: &str, args: Value, argument: &str, fix: &str) {
    let text = place.refused(tool, args.clone());
    assert!(text.contains(&format!("`{argument}`")), "{tool} {args}: {text} does not name `{argument}`");
    assert!(text.contains(fix), "{tool} {args}: {text} does not say `{fix}`");
}

#[test]
fn of_list_files() {
    let place = Place::new();
    check(&place, "list_files", json!({ "path": "nowhere" }), "path", "list_files shows what does");
    check(&place, "list_files", json!({ "path": "README.md/x" }), "path", "goes through a file");
    check(&place, "list_files", json!({ "glob": "" }), "glob", "leave the argument out");
    check(&place, "list_files", json!({ "glob": "/src/*" }), "glob", "relative to the root");
    check(&place, "list_files", json!({ "glob": "!*.rs" }), "glob", "what to take");
    check(&place, "list_files", json!({ "glob": "../*" }), "glob", "nothing outside");
    check(&place, "list_files", json!({ "glob": "a{b" }), "glob", "patterns look like");
}

#[test]
fn of_read_file() {
    let place = Place::new();
    check(&place, "read_file", json!({ "path": "" }), "path", "give a file");
    check(&place, "read_file", json!({ "path": "src" }), "path", "is a directory");
    check(&place, "read_file", json!({ "path": "." }), "path", "is a directory");
    check(&place, "read_file", json!({ "path": "nowhere" }), "path", "list_files shows what does");
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "start_line": 4 }),
        "start_line",
        "the file has 3 lines",
    );
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "start_line": 90 }),
        "start_line",
        "the file has 3 lines",
    );
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "start_line": 0 }),
        "start_line",
        "counted from 1",
    );
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "start_line": 3, "end_line": 2 }),
        "end_line",
        "give 3 or more",
    );
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "start_line": 1, "offset": 2 }),
        "offset",
        "either start_line",
    );
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "end_line": 1, "length": 2 }),
        "length",
        "either start_line",
    );
    check(
        &place,
        "read_file",
        json!({ "path": "README.md", "offset": 25 }),
        "offset",
        "the file has 24 bytes",
    );
    check(&place, "read_file", json!({ "path": "README.md", "length": 0 }), "length", "give 1 or more");
}

#[test]
fn of_search_text() {
    let place = Place::new();
    check(&place, "search_text", json!({ "pattern": "" }), "pattern", "give the text");
    check(&place, "search_text", json!({ "pattern": "fn main(" }), "pattern", "set `literal` to true");
    check(&place, "search_text", json!({ "pattern": "(?=x)" }), "pattern", "look-around");
    check(&place, "search_text", json!({ "pattern": "a\nb" }), "pattern", "one line");
    check(&place, "search_text", json!({ "pattern": "x".repeat(1_001) }), "pattern", "1000 are the most");
    check(&place, "search_text", json!({ "pattern": "(a{1000}){1000}" }), "pattern", "size limit");
    check(
        &place,
        "search_text",
        json!({ "pattern": "x", "path": "nowhere" }),
        "path",
        "list_files shows what does",
    );
    check(&place, "search_text", json!({ "pattern": "x", "glob": "[" }), "glob", "patterns look like");
}

#[test]
fn of_count_lines() {
    let place = Place::new();
    check(&place, "count_lines", json!({ "path": "nowhere" }), "path", "list_files shows what does");
    check(&place, "count_lines", json!({ "glob": "{" }), "glob", "patterns look like");
}

#[cfg(feature = "git")]
#[test]
fn of_git_log() {
    let place = Place::new();
    check(&place, "git_log", json!({ "path": "../x" }), "path", "without `..`");
    let error = place.call("git_log", json!({})).unwrap_err();
    assert!(error.to_string().contains("not a git checkout"), "{error}");
}
