//! `list_files`: what is there.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpost_tool::{AnyTool, CachePolicy, Call, Json, ToolError, blocking_fn};

use super::{local, start};
use crate::glob::Glob;
use crate::meter::Meter;
use crate::root::Root;
use crate::walk::walk;

const LIMIT: usize = 200;
const LIMIT_MAX: usize = 5_000;

/// The most that the paths of one answer take together, in bytes.
const PATHS_MAX: usize = 1 << 20;

/// Lists files below a directory, in the order of their paths, leaving out what .gitignore excludes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListFiles {
    /// Where to start, relative to the root; the root itself if left out.
    #[schemars(length(max = 4_096))]
    path: Option<String>,
    /// Which files: `*.rs` takes a name at any depth, `src/**/*.rs` a path from the root; all if left out.
    #[schemars(length(min = 1, max = 1_000))]
    glob: Option<String>,
    /// The most files to list; 200 if left out.
    #[schemars(range(min = 1, max = 5_000))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// The files, sorted by path.
    files: Vec<ListedFile>,
    /// Whether there are more than the limit let through.
    truncated: bool,
    /// Lines of ignore files that were passed over: too long, too deeply nested, or too many. What they name is not
    /// left out.
    ignore_lines_skipped: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ListedFile {
    /// Relative to the root, as every tool takes it.
    path: String,
    /// The size of the file.
    bytes: u64,
}

pub(super) fn tool(root: Arc<Root>) -> AnyTool {
    let tool = blocking_fn("list_files", move |args: ListFiles, call| run(&root, &args, &call).map(Json));
    AnyTool::new(tool.with_spec(|spec| {
        local(spec, "List files", Duration::from_secs(10))
            // What is shown of a live directory may be this old, and no older.
            .with_cache(CachePolicy::new(Duration::from_secs(1)).public().tagged("files"))
    }))
}

fn run(root: &Root, args: &ListFiles, call: &Call) -> Result<Listed, ToolError> {
    let limit = args.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let glob = Glob::parse(args.glob.as_deref())?;
    let start = start(args.path.as_deref())?;
    let mut listed = Listed { files: Vec::new(), truncated: false, ignore_lines_skipped: 0 };
    let meter = Meter::new(call, "looked at", "files");
    let mut room = PATHS_MAX;
    let walked = walk(
        root,
        &start,
        || meter.is_over(),
        |found| {
            meter.count()?;
            if !glob.matches(found.path) {
                return ControlFlow::Continue(());
            }
            if listed.files.len() == limit || found.path.len() > room {
                listed.truncated = true;
                return ControlFlow::Break(());
            }
            if let Ok(bytes) = found.bytes() {
                room -= found.path.len();
                listed.files.push(ListedFile { path: found.path.to_owned(), bytes });
            }
            ControlFlow::Continue(())
        },
    )
    .map_err(|refused| refused.answer("path"))?;
    listed.truncated |= meter.is_late() || walked.is_cut;
    listed.ignore_lines_skipped = walked.rules_skipped;
    Ok(listed)
}
