//! The tools, one module each.

mod count_lines;
#[cfg(feature = "git")]
mod git_log;
mod list_files;
mod read_file;
mod search_text;
#[cfg(feature = "commands")]
pub(crate) mod wait;

#[cfg(feature = "git")]
pub use git_log::{answer as answer_git_log, read_in_children_of};

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::File;
use toolpost_tool::{AnyTool, ErrorKind, ToolAnnotations, ToolError, ToolSpec};

use crate::glob::Glob;
use crate::meter::Meter;
use crate::root::{RelPath, Root};
use crate::walk::{Found, Walked, walk};

/// Bytes at the head of a file that are looked at to tell text from binary.
const SNIFFED: usize = 8 << 10;

/// Every tool over the directory at `path`.
///
/// # Errors
///
/// If there is no directory that can be read at `path`.
pub fn all(path: &Path) -> std::io::Result<Vec<AnyTool>> {
    let root = Arc::new(Root::open(path)?);
    Ok(vec![
        list_files::tool(Arc::clone(&root)),
        read_file::tool(Arc::clone(&root)),
        search_text::tool(Arc::clone(&root)),
        count_lines::tool(Arc::clone(&root)),
        #[cfg(feature = "git")]
        git_log::tool(root),
    ])
}

/// What all of the tools say of themselves: they read, and talk to nobody.
pub(crate) fn local(spec: ToolSpec, title: &str, limit: Duration) -> ToolSpec {
    let mut annotations = ToolAnnotations::default();
    annotations.read_only = Some(true);
    annotations.destructive = Some(false);
    annotations.idempotent = Some(true);
    annotations.open_world = Some(false);
    spec.with_title(title).with_category("files").with_annotations(annotations).with_time_limit(limit)
}

/// Reads the argument `path` of a tool that starts at a directory, or at the root without one.
fn start(path: Option<&str>) -> Result<RelPath, ToolError> {
    match path {
        None => Ok(RelPath::root()),
        Some(path) => RelPath::parse(path).map_err(|refused| refused.answer("path")),
    }
}

/// Visits each file below the argument `path` that `glob` takes, counted by `meter`, until the visitor has enough or the
/// call is over.
fn each_file(
    root: &Root,
    path: Option<&str>,
    glob: &Glob,
    meter: &Meter<'_>,
    mut visit: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<Walked, ToolError> {
    let start = start(path)?;
    let counted = |found: Found<'_>| {
        if !glob.matches(found.path) {
            return ControlFlow::Continue(());
        }
        meter.count()?;
        visit(found)?;
        if meter.is_late() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    walk(root, &start, || meter.is_over(), counted).map_err(|refused| refused.answer("path"))
}

/// Opens the file that the argument `path` names.
fn open_file(root: &Root, path: &str) -> Result<(RelPath, File), ToolError> {
    let path = match path {
        "" => {
            return Err(ToolError::invalid_arguments(
                "argument `path`: is empty; give a file, as list_files shows it",
            ));
        }
        path => RelPath::parse(path).map_err(|refused| refused.answer("path"))?,
    };
    let file = root.file(&path).map_err(|refused| refused.answer("path"))?;
    Ok((path, file))
}

/// An answer that names the argument, what is wrong with it and what would be right.
fn wrong(argument: &str, text: std::fmt::Arguments<'_>) -> ToolError {
    ToolError::with_kind(ErrorKind::InvalidArguments, format!("argument `{argument}`: {text}"))
}

/// The longest head of `text` of at most `max` bytes.
fn head(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
