//! Which calls to make over a directory that nobody has seen before, and what to make of the answers.

use std::time::Duration;

use rmcp::model::CallToolResult;
use serde_json::{Value, json};
use toolpost_tool::Priority;

use crate::client::Client;
use crate::clock::now;
use crate::serve::Failure;

/// Every tool that must be there, in the order in which they are listed.
pub const TOOLS: &[&str] = &[
    "count_lines",
    #[cfg(feature = "git")]
    "git_log",
    "list_files",
    "read_file",
    "run_workflow",
    "search_text",
    "survey",
];

/// What came of a call whose result has no words of its own.
const A_RESULT: &str = "a result";

/// A call to make, and what must come of it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The tool.
    pub tool: &'static str,
    /// Its arguments.
    pub arguments: Value,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Expected {
    /// A result.
    Result,
    /// A result, or a refusal with this in its text: what the directory does not have.
    ResultOr(&'static str),
    /// A refusal with this in its text.
    Refusal(&'static str),
}

/// A call that was made.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Made {
    /// The tool.
    pub tool: &'static str,
    /// Its arguments.
    pub arguments: Value,
    /// Whether what had to come came.
    pub ok: bool,
    /// What came, in a few words.
    pub outcome: String,
    /// How long it took, in microseconds.
    pub micros: u128,
    /// The result's size in bytes, as JSON.
    pub bytes: usize,
    /// How many calls these are.
    pub calls: usize,
}

impl Made {
    /// Says more of what came; unless `ok`, it is not what had to come.
    pub(crate) fn noting(mut self, ok: bool, note: &str) -> Self {
        self.ok &= ok;
        self.outcome = match &*self.outcome {
            "" | A_RESULT => note.to_owned(),
            outcome => format!("{note}; {outcome}"),
        };
        self
    }
}

/// Each tool once, on files that `listed` (a result of `list_files`) shows to be there.
#[must_use]
pub fn each_tool(listed: &Value) -> Vec<Planned> {
    let result = |tool, arguments| Planned { tool, arguments, expected: Expected::Result };
    let mut plan = vec![result("list_files", json!({ "glob": "*.{rs,md,toml}", "limit": 500 }))];
    // Without a file to read, what there is to see is how that is said.
    plan.push(match a_text_file(listed) {
        Some(path) => result("read_file", json!({ "path": path, "start_line": 1, "end_line": 40 })),
        None => Planned {
            tool: "read_file",
            arguments: json!({ "path": "no-such-file" }),
            expected: Expected::Refusal("does not exist"),
        },
    });
    plan.push(result("search_text", json!({ "pattern": r"\b(fn|def|func|class|the)\s+\w+", "limit": 200 })));
    plan.push(result("count_lines", json!({})));
    #[cfg(feature = "git")]
    plan.push(Planned {
        tool: "git_log",
        arguments: json!({ "limit": 20 }),
        expected: Expected::ResultOr("not a git checkout"),
    });
    plan.push(result("survey", json!({})));
    let steps = json!({
        "files": { "tool": "list_files", "arguments": { "glob": "*.{rs,md,toml}", "limit": 500 } },
        "count": { "tool": "count_lines", "arguments": {} }
    });
    let output = json!({
        "files": { "$cel": "size(steps.files.output.files)" }, "lines": { "$ref": "/steps/count/output/total/lines" }
    });
    plan.push(result("run_workflow", json!({ "workflow": { "steps": steps, "output": output } })));
    plan
}

/// Calls that must be refused, with an answer from which they can be repaired.
#[must_use]
pub fn refusals() -> Vec<Planned> {
    let refusal = |tool, arguments, text| Planned { tool, arguments, expected: Expected::Refusal(text) };
    vec![
        refusal("read_file", json!({ "path": "../outside" }), "without `..`"),
        refusal("read_file", json!({ "path": "/etc/passwd" }), "relative to the root"),
        refusal("search_text", json!({ "pattern": "fn main(" }), "`pattern`"),
        refusal("list_files", json!({ "limit": "ten" }), "limit"),
    ]
}

/// Makes a call.
///
/// # Errors
///
/// If the server answers with a JSON-RPC error, or not at all.
///
/// # Cancel safety
///
/// Dropping the future cancels the call.
pub async fn make(client: &Client, planned: &Planned) -> Result<(Made, CallToolResult), Failure> {
    make_at(client, planned, None).await
}

/// Makes a call of this priority.
///
/// # Errors
///
/// As [`make`].
///
/// # Cancel safety
///
/// Dropping the future cancels the call.
pub async fn make_at(
    client: &Client,
    planned: &Planned,
    priority: Option<Priority>,
) -> Result<(Made, CallToolResult), Failure> {
    let start = now();
    let result = client.call_at(planned.tool, &planned.arguments, priority).await?;
    let took: Duration = now() - start;
    let (ok, outcome) = judge(client, planned.tool, planned.expected, &result);
    let made = Made {
        tool: planned.tool,
        arguments: planned.arguments.clone(),
        ok,
        outcome,
        micros: took.as_micros(),
        bytes: serde_json::to_vec(&result)?.len(),
        calls: 1,
    };
    Ok((made, result))
}

fn judge(client: &Client, tool: &str, expected: Expected, result: &CallToolResult) -> (bool, String) {
    let text = result.content.first().and_then(|block| block.as_text()).map_or("", |text| &text.text);
    match (expected, result.is_error == Some(true)) {
        (Expected::Result | Expected::ResultOr(_), false) => match &result.structured_content {
            Some(value) => match client.keeps(tool, value) {
                Ok(()) => (true, summary(tool, value)),
                Err(broken) => (false, broken),
            },
            None => (false, "a result without structured content".into()),
        },
        (Expected::Refusal(part) | Expected::ResultOr(part), true) if text.contains(part) => {
            (true, format!("refused: {text}"))
        }
        (_, true) => (false, format!("failed: {text}")),
        (Expected::Refusal(_), false) => (false, "was not refused".into()),
    }
}

fn summary(tool: &str, value: &Value) -> String {
    let count = |list: &str| value[list].as_array().map_or(0, Vec::len);
    let more = if value["truncated"] == true { " (and more)" } else { "" };
    match tool {
        "list_files" => format!("{} files{more}", count("files")),
        "read_file" => {
            let lines = value["content"].as_str().unwrap_or("").lines().count();
            format!("{lines} lines of {}", value["path"].as_str().unwrap_or("?"))
        }
        "search_text" => {
            format!("{} matches{more} in {} files", count("matches"), value["files_searched"])
        }
        "count_lines" => {
            let total = &value["total"];
            format!("{} lines, {} words in {} languages", total["lines"], total["words"], count("languages"))
        }
        "survey" => format!(
            "{} files, {} lines, {} hot files, {} TODOs",
            value["files"],
            value["lines"],
            count("hot"),
            count("todos"),
        ),
        "git_log" => format!("{} commits{more}", count("commits")),
        "run_workflow" => value.to_string(),
        _ => A_RESULT.into(),
    }
}

/// A file whose name promises text; one that greets newcomers, if there is one.
fn a_text_file(listed: &Value) -> Option<&str> {
    const TEXT: [&str; 12] =
        [".md", ".rs", ".toml", ".txt", ".py", ".js", ".ts", ".go", ".c", ".java", ".json", ".yml"];
    let files = listed["files"].as_array()?;
    let paths = || files.iter().filter_map(|file| file["path"].as_str());
    paths()
        .find(|path| *path == "README.md")
        .or_else(|| paths().find(|path| TEXT.iter().any(|end| path.ends_with(end))))
}
