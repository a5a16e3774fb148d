//! `survey`: the other tools, put together. One call in place of a dozen, and one answer.

use std::cmp::Reverse;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use toolpost::workflow::{MapOptions, OnFailure, StepError, StepHandle, StepPolicy, Workflow};
use toolpost::{CallStep as _, Peers, WorkflowTool};
use toolpost_tool::{AnyTool, CachePolicy, Call, Json, ToolSpec};

use crate::serve::Failure;
use crate::tools::local;

/// Files whose history is looked at: the largest.
pub(crate) const FILES_HOT: usize = 12;

/// How many of them are looked at at once.
const AT_ONCE: usize = 4;

/// Lines of the README that are shown.
pub(crate) const README_LINES: u64 = 12;

/// What marks work to be done.
pub(crate) const TODOS: &str = r"\b(TODO|FIXME)\b";

/// The most of it that is shown.
pub(crate) const TODOS_MAX: usize = 50;

/// Surveys a directory in one call: its files, its languages, what its README begins with, which of its
/// larger files change most often, and which lines are marked TODO or FIXME.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SurveyArgs {
    /// What to survey, a directory relative to the root; the root itself if left out.
    #[schemars(length(max = 4_096))]
    path: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Survey {
    /// How many files were listed, at most 5,000.
    files: usize,
    /// By language, most lines first.
    languages: Vec<Language>,
    /// All lines together.
    lines: u64,
    /// How the README begins; null if there is none.
    readme: Option<String>,
    /// The newest commits' subjects; empty outside of a git checkout, and without `git_log`.
    recent: Vec<String>,
    /// Of the larger files, those that changed most often, first; empty where `recent` is.
    hot: Vec<Hot>,
    /// Lines marked TODO or FIXME, at most 50.
    todos: Vec<Todo>,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
struct Language {
    language: String,
    files: u64,
    lines: u64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Hot {
    /// Relative to the root.
    path: String,
    /// How many commits changed it; 200 stands for 200 or more.
    commits: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
struct Todo {
    /// Relative to the root.
    path: String,
    /// From 1.
    line: u64,
    text: String,
}

// What is read of the other tools' results.

#[derive(Deserialize)]
struct Listed {
    files: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    path: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct Counted {
    languages: Vec<Language>,
    total: Total,
}

#[derive(Deserialize)]
struct Total {
    lines: u64,
}

#[derive(Deserialize)]
struct Read {
    content: String,
}

#[derive(Deserialize)]
struct Found {
    matches: Vec<Todo>,
}

#[derive(Deserialize)]
struct Log {
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    subject: String,
}

/// The tool, over those that `peers` will have.
///
/// # Errors
///
/// If a name in it is no tool name, or the workflow no workflow.
pub fn tool(peers: &Peers) -> Result<AnyTool, Failure> {
    // What a directory need not have: the survey goes on without it.
    let extra = StepPolicy::new().on_failure(OnFailure::Allow);

    let mut w = Workflow::<Call>::new("survey");
    let args = w.step("arguments").arguments::<SurveyArgs>();
    let listed: StepHandle<Listed> = w.step("list").call_for(
        peers.tool("list_files")?,
        args,
        |args| json!({ "path": args.path, "limit": 5_000 }),
    );
    let counted: StepHandle<Counted> =
        w.step("count").call_for(peers.tool("count_lines")?, args, |args| json!({ "path": args.path }));
    let todos: StepHandle<Found> = w.step("todos").call_for(
        peers.tool("search_text")?,
        args,
        |args| json!({ "path": args.path, "pattern": TODOS, "limit": TODOS_MAX }),
    );
    let readme: StepHandle<Read> =
        w.step("readme").policy(extra.clone()).when(listed, |listed| listed.readme().is_some()).call_for(
            peers.tool("read_file")?,
            listed,
            |listed| json!({ "path": listed.readme(), "start_line": 1, "end_line": README_LINES }),
        );
    let recent: StepHandle<Log> = w
        .step("recent")
        .policy(extra)
        .when(args, |_| cfg!(feature = "git"))
        .call_for(peers.tool("git_log")?, args, |args| json!({ "path": args.path, "limit": 5 }));
    let large = w.step("large").compute(listed, |listed| listed.large());
    // Where one file has no history, the others may have.
    let each = MapOptions::new(AT_ONCE).tolerate(FILES_HOT);
    let logs: StepHandle<Vec<Result<Log, StepError>>> = w
        .step("history")
        .when(recent.optional(), |recent| recent.is_some())
        .call_for_each(each, peers.tool("git_log")?, large, |path| json!({ "path": path, "limit": 200 }));
    let hot = w.step("hot").compute((large, logs.optional()), |(large, logs)| {
        hot(&large, logs.as_deref().map_or(&[], Vec::as_slice))
    });
    let survey = w.step("summary").compute(
        (listed, counted, todos, readme.optional(), recent.optional(), hot),
        |(listed, counted, todos, readme, recent, hot)| {
            Json(Survey {
                files: listed.files.len(),
                languages: counted.languages.clone(),
                lines: counted.total.lines,
                readme: readme.map(|readme| readme.content.clone()),
                recent: recent
                    .iter()
                    .flat_map(|log| &log.commits)
                    .map(|commit| commit.subject.clone())
                    .collect(),
                hot: hot.to_vec(),
                todos: todos.matches.clone(),
            })
        },
    );
    let spec = local(ToolSpec::new("survey")?, "Survey", Duration::from_secs(30))
        .with_cache(CachePolicy::new(Duration::from_secs(5)).public().tagged("files").tagged("history"));
    Ok(AnyTool::new(WorkflowTool::new(spec, w.build(survey)?).taking::<SurveyArgs>()))
}

/// The README nearest to the top.
pub(crate) fn readme<'a>(paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let is_readme =
        |path: &&str| path.rsplit('/').next().is_some_and(|name| name.to_lowercase().starts_with("readme"));
    paths.filter(is_readme).min_by_key(|path| path.matches('/').count())
}

/// The paths of the `most` largest files, of paths and sizes.
pub(crate) fn largest(mut files: Vec<(&str, u64)>, most: usize) -> Vec<String> {
    files.sort_by_key(|(_, bytes)| Reverse(*bytes));
    files.into_iter().take(most).map(|(path, _)| path.to_owned()).collect()
}

impl Listed {
    fn readme(&self) -> Option<&str> {
        readme(self.files.iter().map(|file| file.path.as_str()))
    }

    fn large(&self) -> Vec<String> {
        largest(self.files.iter().map(|file| (file.path.as_str(), file.bytes)).collect(), FILES_HOT)
    }
}

fn hot(large: &[String], logs: &[Result<Log, StepError>]) -> Vec<Hot> {
    let of = |(path, log): (&String, &Result<Log, StepError>)| {
        let commits = log.as_ref().ok()?.commits.len();
        Some(Hot { path: path.clone(), commits })
    };
    let mut hot: Vec<Hot> = large.iter().zip(logs).filter_map(of).collect();
    hot.sort_by_key(|hot| Reverse(hot.commits));
    hot
}
