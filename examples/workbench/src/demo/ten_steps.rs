//! Ten steps as one call, against the ten calls made one by one.

use serde_json::{Value, json};
use toolpost::layers::ResultCache;

use super::workflow::forget;
use crate::client::Client;
use crate::plan::{Expected, Made, Planned, make};
use crate::report::Report;
use crate::serve::Failure;

/// How many times fewer bytes one call has to bring.
const FEWER: usize = 10;

/// Results that are shorter than this together cannot be made much shorter: those of an empty directory.
const SHORT: usize = 5_000;

/// The patterns that are searched for, by the name of their step.
const PATTERNS: [(&str, &str); 4] = [
    ("todos", r"\b(TODO|FIXME)\b"),
    ("functions", r"\b(fn|def|func|function)\s+\w+"),
    ("imports", r"^\s*(use|import|from|#include)\b"),
    ("links", r"https?://"),
];

/// The document, and what a client does that makes the calls itself.
pub(super) async fn show(client: &Client, cache: &ResultCache, report: &mut Report) -> Result<(), Failure> {
    report.section("Ten steps as one call against ten calls, nothing remembered")?;
    forget(cache).await;
    report.running("calling one by one");
    let (single, expected) = one_by_one(client).await?;
    let (calls, bytes) = (single.calls, single.bytes);
    report.call(single)?;
    forget(cache).await;
    report.running("calling run_workflow");
    let planned = Planned {
        tool: "run_workflow",
        arguments: json!({ "workflow": document() }),
        expected: Expected::Result,
    };
    let (call, result) = make(client, &planned).await?;
    let answer = result.structured_content.unwrap_or_default();
    let times = bytes as f64 / call.bytes.max(1) as f64;
    let is_shorter = FEWER * call.bytes <= bytes || bytes < SHORT;
    let note = match (answer == expected, is_shorter) {
        (false, _) => format!("1 call, which says {answer}, and the single ones say {expected}"),
        (true, true) => format!("1 call in place of {calls}, equal answers, {times:.0} times fewer bytes"),
        (true, false) => format!("1 call in place of {calls}, and only {times:.1} times fewer bytes"),
    };
    Ok(report.call(call.noting(answer == expected && is_shorter, &note))?)
}

/// Ten steps: three that list, four that search, two that count and survey, and one that reads what another listed.
fn document() -> Value {
    let mut steps = json!({
        "files": { "tool": "list_files", "arguments": { "limit": 5_000 } },
        "sources": { "tool": "list_files", "arguments": { "glob": "*.{rs,py,js,ts,go,c,java}", "limit": 5_000 } },
        "pages": { "tool": "list_files", "arguments": { "glob": "*.md", "limit": 500 } },
        "count": { "tool": "count_lines", "arguments": {} },
        "survey": { "tool": "survey", "arguments": {} },
        "first": {
            "tool": "read_file",
            "when": "size(steps.pages.output.files) > 0",
            "arguments": { "path": { "$ref": "/steps/pages/output/files/0/path" }, "start_line": 1, "end_line": 60 }
        }
    });
    let mut output = json!({
        "files": { "$cel": "size(steps.files.output.files)" },
        "sources": { "$cel": "size(steps.sources.output.files)" },
        "pages": { "$cel": "size(steps.pages.output.files)" },
        "lines": { "$ref": "/steps/count/output/total/lines" },
        "hot": { "$cel": "size(steps.survey.output.hot)" },
        "first": { "$ref": "/steps/first/output/path", "default": null }
    });
    for (name, pattern) in PATTERNS {
        steps[name] = json!({ "tool": "search_text", "arguments": { "pattern": pattern, "limit": 200 } });
        output[name] = json!({ "$cel": format!("size(steps.{name}.output.matches)") });
    }
    json!({ "name": "ten steps", "steps": steps, "output": output })
}

/// The same calls, each after the one before, and what a client makes of them.
async fn one_by_one(client: &Client) -> Result<(Made, Value), Failure> {
    let mut calls = Vec::new();
    let mut call = async |tool: &'static str, arguments: Value| {
        let (made, result) = make(client, &Planned { tool, arguments, expected: Expected::Result }).await?;
        calls.push(made);
        Ok::<_, Failure>(result.structured_content.unwrap_or_default())
    };
    let size = |list: &Value| list.as_array().map_or(0, Vec::len);
    let files = call("list_files", json!({ "limit": 5_000 })).await?;
    let sources = call("list_files", json!({ "glob": "*.{rs,py,js,ts,go,c,java}", "limit": 5_000 })).await?;
    let pages = call("list_files", json!({ "glob": "*.md", "limit": 500 })).await?;
    let count = call("count_lines", json!({})).await?;
    let survey = call("survey", json!({})).await?;
    let mut answer = json!({
        "files": size(&files["files"]),
        "sources": size(&sources["files"]),
        "pages": size(&pages["files"]),
        "lines": count["total"]["lines"],
        "hot": size(&survey["hot"]),
        "first": null,
    });
    if let Some(path) = pages["files"][0]["path"].as_str() {
        let first = call("read_file", json!({ "path": path, "start_line": 1, "end_line": 60 })).await?;
        answer["first"] = first["path"].clone();
    }
    for (name, pattern) in PATTERNS {
        let found = call("search_text", json!({ "pattern": pattern, "limit": 200 })).await?;
        answer[name] = size(&found["matches"]).into();
    }
    let made = Made {
        tool: "one by one",
        arguments: json!({}),
        ok: calls.iter().all(|call| call.ok),
        outcome: format!("{} calls", calls.len()),
        micros: calls.iter().map(|call| call.micros).sum(),
        bytes: calls.iter().map(|call| call.bytes).sum(),
        calls: calls.len(),
    };
    Ok((made, answer))
}
