//! Walks the files below a directory, by handles rather than by names.
//!
//! Every directory is opened relative to its parent's handle and links are not followed, so a
//! directory that is swapped for a link during the walk is skipped, not entered. What `.gitignore`
//! and `.ignore` exclude is left out, and so is `.git` itself; hidden files are not.

use std::ffi::OsString;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use cap_std::fs::{Dir, File};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::root::{Refused, RelPath, Root, Why, open_plain, open_plain_dir};

/// Directories deeper than this below the start are left out: each level holds a handle.
const DEPTH_MAX: usize = 100;

/// The most that is read of one ignore file, in bytes.
const IGNORE_FILE_MAX: u64 = 1 << 20;

/// One regular file that a walk came upon.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its path from the root, joined by `/`.
    pub path: &'a str,
    dir: &'a Dir,
    name: &'a Path,
}

impl Found<'_> {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// If it went away, turned into something else, or may not be read.
    pub fn open(&self) -> io::Result<File> {
        open_plain(self.dir, self.name)
    }

    /// Its size in bytes.
    ///
    /// # Errors
    ///
    /// If it went away.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.dir.symlink_metadata(self.name)?.len())
    }
}

/// Visits every file below `start`, or `start` itself if it is one, in the order of their names.
///
/// # Errors
///
/// If `start` cannot be opened. What cannot be read below it is passed over.
pub fn walk(
    root: &Root,
    start: &RelPath,
    mut visit: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<(), Refused> {
    let top = match root.dir(start) {
        Ok(dir) => dir,
        Err(refused) if refused.why() == Why::NotDirectory => {
            root.file(start)?;
            return visit_file(root, start, visit);
        }
        Err(refused) => return Err(refused),
    };
    let mut levels = ancestors(root, start);
    let below = levels.len();
    levels.push(Level::open(top, start.as_str().to_owned()));
    while let Some(level) = levels.last_mut() {
        let Some((name, is_dir)) = level.entries.next() else {
            levels.pop();
            if levels.len() == below {
                break;
            }
            continue;
        };
        let path = level.child(&name);
        if is_ignored(&levels, &path, is_dir) {
            continue;
        }
        let Some(level) = levels.last() else { break };
        if !is_dir {
            if visit(Found { path: &path, dir: &level.dir, name: Path::new(&name) }).is_break() {
                break;
            }
        } else if levels.len() < below + DEPTH_MAX
            && let Ok(dir) = open_plain_dir(&level.dir, Path::new(&name))
        {
            levels.push(Level::open(dir, path));
        }
    }
    Ok(())
}

fn visit_file(
    root: &Root,
    start: &RelPath,
    mut visit: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<(), Refused> {
    let (parent, name) = start.as_str().rsplit_once('/').unwrap_or(("", start.as_str()));
    let dir = root.dir(&RelPath::parse(parent)?)?;
    let _ = visit(Found { path: start.as_str(), dir: &dir, name: Path::new(name) });
    Ok(())
}

/// One open directory of the walk.
struct Level {
    dir: Dir,
    /// From the root; empty for the root.
    path: String,
    ignore: Gitignore,
    /// Names still to be visited, and whether each is a directory.
    entries: std::vec::IntoIter<(OsString, bool)>,
}

impl Level {
    fn open(dir: Dir, path: String) -> Self {
        let mut entries = Vec::new();
        for entry in dir.entries().into_iter().flatten().flatten() {
            // The type of the entry itself: a link is neither file nor directory.
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            if (kind.is_dir() && name != ".git") || kind.is_file() {
                entries.push((name, kind.is_dir()));
            }
        }
        entries.sort_unstable();
        Self { ignore: ignore_rules(&dir, &path), dir, path, entries: entries.into_iter() }
    }

    fn child(&self, name: &OsString) -> String {
        let name = name.to_string_lossy();
        if self.path.is_empty() { name.into_owned() } else { format!("{}/{name}", self.path) }
    }
}

/// The directories above `start`: only their ignore rules are wanted.
fn ancestors(root: &Root, start: &RelPath) -> Vec<Level> {
    let mut levels = Vec::new();
    if start.is_root() {
        return levels;
    }
    let cuts = std::iter::once(0).chain(start.as_str().match_indices('/').map(|(at, _)| at));
    for path in cuts.map(|at| &start.as_str()[..at]) {
        let Ok(dir) = RelPath::parse(path).and_then(|path| root.dir(&path)) else { break };
        let ignore = ignore_rules(&dir, path);
        levels.push(Level { dir, path: path.to_owned(), ignore, entries: Vec::new().into_iter() });
    }
    levels
}

/// The deepest rule that speaks of `path` decides.
fn is_ignored(levels: &[Level], path: &str, is_dir: bool) -> bool {
    for level in levels.iter().rev() {
        let matched = level.ignore.matched(path, is_dir);
        if !matched.is_none() {
            return matched.is_ignore();
        }
    }
    false
}

fn ignore_rules(dir: &Dir, path: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new(path);
    let mut any = false;
    let exclude = if path.is_empty() { Some(".git/info/exclude") } else { None };
    for name in exclude.into_iter().chain([".gitignore", ".ignore"]) {
        let Ok(file) = open_plain(dir, Path::new(name)) else { continue };
        let mut text = String::new();
        if file.take(IGNORE_FILE_MAX).read_to_string(&mut text).is_err() {
            continue;
        }
        for line in text.lines() {
            // A line that is no rule is passed over, as git does.
            any |= builder.add_line(None, line).is_ok();
        }
    }
    match any {
        true => builder.build().unwrap_or_else(|_| Gitignore::empty()),
        false => Gitignore::empty(),
    }
}
