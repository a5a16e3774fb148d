//! Walks the files below a directory, by handles rather than by names.
//!
//! Every directory is opened relative to its parent's handle and links are not followed, so a
//! directory that is swapped for a link during the walk is skipped, not entered. What `.gitignore`
//! and `.ignore` exclude is left out, and so is `.git` itself; hidden files are not.
//!
//! Nothing grows with what lies below: neither handles nor names nor rules.

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use cap_std::fs::{Dir, File};

use crate::root::{Refused, RelPath, Root, Why, is_exhausted, open_plain, open_plain_dir};
use crate::rules::Rules;

/// Directories deeper than this below the start are left out: each level holds a handle.
const DEPTH_MAX: usize = 100;

/// Names that are held at once, of all directories on the way; of a directory with more, the rest is left out.
const NAMES_MAX: usize = 200_000;

/// One regular file that a walk came upon.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its path from the root, joined by `/`.
    pub path: &'a str,
    dir: &'a Dir,
    name: &'a Path,
    /// Set when there are no descriptors left: then the walk has failed, not the file.
    exhausted: &'a Cell<bool>,
}

/// How a walk went.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Walked {
    /// Lines of ignore files that were passed over: too long, with too many `{`, too many, or not to be read. What they
    /// name is not left out.
    pub rules_skipped: u64,
    /// Whether it ended before everything was visited, other than by what the visitor said.
    pub is_cut: bool,
}

impl Found<'_> {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// If it went away, turned into something else, or may not be read.
    pub fn open(&self) -> io::Result<File> {
        self.noting(open_plain(self.dir, self.name))
    }

    /// Its size in bytes.
    ///
    /// # Errors
    ///
    /// If it went away.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.noting(self.dir.symlink_metadata(self.name))?.len())
    }

    fn noting<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(is_exhausted) {
            self.exhausted.set(true);
        }
        result
    }
}

/// Visits every file below `start`, or `start` itself if it is one, in the order of their names, until `is_over`: asked
/// for each name.
///
/// # Errors
///
/// If `start` cannot be opened, or the process has no descriptors left. What else cannot be read below it is passed over.
pub fn walk(
    root: &Root,
    start: &RelPath,
    is_over: impl Fn() -> bool,
    visit: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<Walked, Refused> {
    walk_holding(NAMES_MAX, root, start, is_over, visit)
}

fn walk_holding(
    names: usize,
    root: &Root,
    start: &RelPath,
    is_over: impl Fn() -> bool,
    mut visit: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<Walked, Refused> {
    let top = match root.dir(start) {
        Ok(dir) => dir,
        Err(refused) if refused.why() == Why::NotDirectory => {
            root.file(start)?;
            return visit_file(root, start, visit);
        }
        Err(refused) => return Err(refused),
    };
    let mut walked = Walked::default();
    let exhausted = Cell::new(false);
    let mut levels = ancestors(root, start, &mut walked);
    let below = levels.len();
    Level::push(&mut levels, top, start.as_str().to_owned(), names, &is_over, &mut walked)?;
    while let Some(level) = levels.last_mut() {
        if is_over() {
            walked.is_cut = true;
            break;
        }
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
        let name = Path::new(&name);
        if !is_dir {
            let visited = visit(Found { path: &path, dir: &level.dir, name, exhausted: &exhausted });
            if exhausted.get() {
                return Err(Refused::exhausted(&path));
            }
            if visited.is_break() {
                break;
            }
        } else if levels.len() < below + DEPTH_MAX {
            match open_plain_dir(&level.dir, name) {
                Ok(dir) => Level::push(&mut levels, dir, path, names, &is_over, &mut walked)?,
                Err(error) if is_exhausted(&error) => return Err(Refused::exhausted(&path)),
                Err(_) => {}
            }
        }
    }
    Ok(walked)
}

fn visit_file(
    root: &Root,
    start: &RelPath,
    mut visit: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<Walked, Refused> {
    let (parent, name) = start.as_str().rsplit_once('/').unwrap_or(("", start.as_str()));
    let dir = root.dir(&RelPath::parse(parent)?)?;
    let exhausted = Cell::new(false);
    let _ = visit(Found { path: start.as_str(), dir: &dir, name: Path::new(name), exhausted: &exhausted });
    match exhausted.get() {
        true => Err(Refused::exhausted(start.as_str())),
        false => Ok(Walked::default()),
    }
}

/// One open directory of the walk.
struct Level {
    dir: Dir,
    /// From the root; empty for the root.
    path: String,
    rules: Rules,
    /// Names still to be visited, and whether each is a directory.
    entries: std::vec::IntoIter<(OsString, bool)>,
}

impl Level {
    /// Opens a directory below those that are open.
    fn push(
        levels: &mut Vec<Self>,
        dir: Dir,
        path: String,
        names: usize,
        is_over: impl Fn() -> bool,
        walked: &mut Walked,
    ) -> Result<(), Refused> {
        let held = levels.iter().map(|level| level.entries.len()).sum();
        let room = names.saturating_sub(held);
        let mut entries = Vec::new();
        let listed = match dir.entries() {
            Err(error) if is_exhausted(&error) => return Err(Refused::exhausted(&path)),
            listed => listed.into_iter().flatten().flatten(),
        };
        for entry in listed {
            // The type of the entry itself: a link is neither file nor directory.
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            if (kind.is_dir() && name != ".git") || kind.is_file() {
                if entries.len() == room || is_over() {
                    walked.is_cut = true;
                    break;
                }
                entries.push((name, kind.is_dir()));
            }
        }
        entries.sort_unstable();
        let rules = rules(levels, &dir, &path, walked);
        levels.push(Self { rules, dir, path, entries: entries.into_iter() });
        Ok(())
    }

    fn child(&self, name: &OsString) -> String {
        let name = name.to_string_lossy();
        if self.path.is_empty() { name.into_owned() } else { format!("{}/{name}", self.path) }
    }
}

/// The directories above `start`: only their ignore rules are wanted.
fn ancestors(root: &Root, start: &RelPath, walked: &mut Walked) -> Vec<Level> {
    let mut levels = Vec::new();
    if start.is_root() {
        return levels;
    }
    let cuts = std::iter::once(0).chain(start.as_str().match_indices('/').map(|(at, _)| at));
    for path in cuts.map(|at| &start.as_str()[..at]).take(DEPTH_MAX) {
        let Ok(dir) = RelPath::parse(path).and_then(|path| root.dir(&path)) else { break };
        let rules = rules(&levels, &dir, path, walked);
        levels.push(Level { dir, path: path.to_owned(), rules, entries: Vec::new().into_iter() });
    }
    levels
}

/// The rules of a directory below those that are open.
fn rules(levels: &[Level], dir: &Dir, path: &str, walked: &mut Walked) -> Rules {
    let held = levels.iter().map(|level| &level.rules);
    let rules = Rules::read(dir, path, held);
    walked.rules_skipped += rules.skipped();
    rules
}

/// The deepest rule that speaks of `path` decides.
fn is_ignored(levels: &[Level], path: &str, is_dir: bool) -> bool {
    levels.iter().rev().find_map(|level| level.rules.decide(path, is_dir)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn visited(names: usize, root: &Path) -> (Vec<String>, Walked) {
        let mut paths = Vec::new();
        let root = Root::open(root).unwrap();
        let walked = walk_holding(
            names,
            &root,
            &RelPath::root(),
            || false,
            |found| {
                paths.push(found.path.to_owned());
                ControlFlow::Continue(())
            },
        );
        (paths, walked.unwrap())
    }

    #[test]
    fn names_are_bounded() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        for at in 0..8 {
            fs::write(dir.path().join(format!("a/{at}")), "").unwrap();
        }
        fs::write(dir.path().join("b"), "").unwrap();
        let (paths, walked) = visited(9, dir.path());
        assert!(paths.len() == 9 && !walked.is_cut, "{paths:?}");
        // `b` is held while `a` is visited.
        let (paths, walked) = visited(5, dir.path());
        assert!(paths.len() == 5 && walked.is_cut, "{paths:?}");
    }

    #[test]
    fn depth_is_bounded() {
        let dir = tempfile::TempDir::new().unwrap();
        let deep = dir.path().join("d/".repeat(DEPTH_MAX + 5));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("out of reach"), "").unwrap();
        fs::write(dir.path().join("d/".repeat(DEPTH_MAX - 1)).join("in reach"), "").unwrap();
        let (paths, _) = visited(NAMES_MAX, dir.path());
        assert!(paths.len() == 1 && paths[0].ends_with("in reach"), "{paths:?}");
    }
}
