//! A workflow against the calls it stands for, made one by one.

use serde_json::{Value, json};
use toolpost::layers::ResultCache;

use crate::client::Client;
use crate::plan::{Expected, Made, Planned, make};
use crate::report::Report;
use crate::serve::Failure;
use crate::workflow::{FILES_HOT, README_LINES, TODOS, TODOS_MAX, largest, readme};

/// The same survey twice, each time with nothing remembered.
pub(super) async fn show(client: &Client, cache: &ResultCache, report: &mut Report) -> Result<(), Failure> {
    report.section("A workflow against its single calls, nothing remembered")?;
    forget(cache).await;
    report.running("calling one by one");
    let (single, files, lines) = one_by_one(client).await?;
    let singles = single.calls;
    report.call(single)?;
    forget(cache).await;
    report.running("calling survey");
    let planned = Planned { tool: "survey", arguments: json!({}), expected: Expected::Result };
    let (call, result) = make(client, &planned).await?;
    let survey = result.structured_content.unwrap_or_default();
    let agrees = (&survey["files"], &survey["lines"]) == (&json!(files), &lines);
    let note = match agrees {
        true => format!("1 call in place of {singles}"),
        false => "1 call, which says something else than the single ones".into(),
    };
    Ok(report.call(call.noting(agrees, &note))?)
}

pub(super) async fn forget(cache: &ResultCache) {
    for tag in ["files", "history"] {
        cache.invalidate(tag).await;
    }
}

/// What a client does that has no survey: the same calls, each after the one before. Says how many files and lines.
async fn one_by_one(client: &Client) -> Result<(Made, usize, Value), Failure> {
    let mut calls = Vec::new();
    let mut call = async |tool: &'static str, arguments: Value| {
        // Outside of a checkout there is no history; the survey does without it, too.
        let expected = if tool == "git_log" { Expected::ResultOr("") } else { Expected::Result };
        let (made, result) = make(client, &Planned { tool, arguments, expected }).await?;
        calls.push(made);
        Ok::<_, Failure>(result.structured_content.unwrap_or_default())
    };
    let listed = call("list_files", json!({ "limit": 5_000 })).await?;
    let counted = call("count_lines", json!({})).await?;
    call("search_text", json!({ "pattern": TODOS, "limit": TODOS_MAX })).await?;
    let files = listed["files"].as_array().map_or(&[][..], Vec::as_slice);
    let paths = || files.iter().filter_map(|file| Some((file["path"].as_str()?, file["bytes"].as_u64()?)));
    if let Some(path) = readme(paths().map(|(path, _)| path)) {
        call("read_file", json!({ "path": path, "start_line": 1, "end_line": README_LINES })).await?;
    }
    if cfg!(feature = "git") && !call("git_log", json!({ "limit": 5 })).await?.is_null() {
        for path in largest(paths().collect(), FILES_HOT) {
            call("git_log", json!({ "path": path, "limit": 200 })).await?;
        }
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
    Ok((made, files.len(), counted["total"]["lines"].clone()))
}
