//! `survey` says in one call what the other tools say in a dozen.

use std::path::Path;

use serde_json::{Value, json};
use toolpost::{Peers, Runtime};
use toolpost_tool::ToolError;

use crate::fixture::{Place, paths, write};

fn survey(root: &Path, args: &Value) -> Result<Value, ToolError> {
    let peers = Peers::new();
    let tools = workbench::tools::all(root).unwrap();
    let builder = tools.into_iter().fold(Runtime::builder(), |builder, tool| builder.tool(tool));
    let runtime = builder.tool(workbench::workflow::tool(&peers).unwrap()).build().unwrap();
    assert!(peers.bind(&runtime));
    let output = workbench::serve::executor().unwrap().block_on(runtime.call("survey", args))?;
    Ok(serde_json::from_str(output.structured().unwrap()).unwrap())
}

#[test]
fn it_says_what_single_calls_say() {
    let place = Place::new();
    write(&place.root().join("src/later.rs"), "// TODO: all of it\n// FIXME too\n// a TODOLIST is none\n");
    let survey = survey(&place.root(), &json!({})).unwrap();
    let listed = place.ok("list_files", json!({}));
    let counted = place.ok("count_lines", json!({}));
    assert_eq!(survey["files"], listed["files"].as_array().unwrap().len());
    assert_eq!(survey["lines"], counted["total"]["lines"]);
    assert_eq!(survey["languages"][0]["language"], counted["languages"][0]["language"]);
    assert_eq!(survey["readme"], "# Title\n\nOne two three.\n");
    let todos: Vec<_> = survey["todos"].as_array().unwrap().iter().map(|todo| &todo["line"]).collect();
    assert_eq!((paths(&survey["todos"]), todos), (vec!["src/later.rs"; 2], vec![&json!(1), &json!(2)]));
    assert_eq!((&survey["recent"], &survey["hot"]), (&json!([]), &json!([])), "no checkout, and no failure");
}

#[cfg(feature = "git")]
#[test]
fn in_a_checkout_it_knows_what_changes_most() {
    let dir = crate::git::checkout();
    let survey = survey(&dir.path().join("top"), &json!({})).unwrap();
    assert_eq!(
        survey["hot"],
        json!([{ "path": "a.txt", "commits": 2 }, { "path": "b/c.txt", "commits": 1 }])
    );
    assert_eq!(survey["recent"], json!(["Third: Grüße", "Second", "First"]));
    assert_eq!(survey["readme"], Value::Null);
}

#[test]
fn a_directory_without_files_is_surveyed() {
    let dir = tempfile::TempDir::new().unwrap();
    let survey = survey(dir.path(), &json!({})).unwrap();
    assert_eq!((&survey["files"], &survey["lines"], &survey["todos"]), (&json!(0), &json!(0), &json!([])));
}

#[test]
fn a_path_that_leads_out_is_refused_by_the_step_that_takes_it() {
    let place = Place::new();
    let error = survey(&place.root(), &json!({ "path": "../outside" })).unwrap_err().to_string();
    assert!(
        error.starts_with("step `") && error.contains("argument `path`") && error.contains("steps succeeded"),
        "{error}"
    );
}
