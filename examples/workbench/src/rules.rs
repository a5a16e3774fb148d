//! What the ignore files of one directory say.
//!
//! Whoever wrote a repository wrote its ignore files, so they are read as a stranger's: bounded in lines and in what a
//! line may hold, and over all directories that a walk has open.

use std::io::Read;
use std::path::Path;

use cap_std::fs::Dir;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::glob::has_few_braces;
use crate::root::open_plain;

/// The most that is read of one ignore file, in bytes.
const FILE_MAX: usize = 64 << 10;

/// The longest line that is taken for a rule, in bytes.
const LINE_MAX: usize = 1 << 10;

/// The most rules of one ignore file.
const RULES_MAX: usize = 1_000;

/// The most rules that are held at once, and the most directories that have some: each may build an automaton.
const RULES_HELD_MAX: usize = 4_000;
const DIRECTORIES_HELD_MAX: usize = 32;

/// The rules of one directory.
#[derive(Debug)]
pub(crate) struct Rules {
    ignore: Gitignore,
    count: usize,
    skipped: u64,
}

impl Rules {
    /// Reads the ignore files of `dir`, which is at `path` from the root, beside the rules that are `held`.
    pub(crate) fn read<'r>(dir: &Dir, path: &str, held: impl Iterator<Item = &'r Self>) -> Self {
        let (mut room, mut directories) = (RULES_HELD_MAX, DIRECTORIES_HELD_MAX);
        for rules in held.filter(|rules| rules.count > 0) {
            room = room.saturating_sub(rules.count);
            directories = directories.saturating_sub(1);
        }
        if directories == 0 {
            room = 0;
        }
        let mut builder = GitignoreBuilder::new(path);
        let (mut count, mut skipped) = (0, 0);
        let exclude = if path.is_empty() { Some(".git/info/exclude") } else { None };
        for name in exclude.into_iter().chain([".gitignore", ".ignore"]) {
            let Some((lines, is_cut)) = read(dir, name) else { continue };
            skipped += u64::from(is_cut);
            let most = RULES_MAX.min(room - count);
            let mut of_file = 0;
            for line in lines.split(|byte| *byte == b'\n') {
                let Ok(line) = std::str::from_utf8(line) else {
                    skipped += 1;
                    continue;
                };
                if line.starts_with('#') || line.trim().is_empty() {
                    continue;
                }
                if line.len() > LINE_MAX || !has_few_braces(line) || of_file == most {
                    skipped += 1;
                    continue;
                }
                // A line that is no rule is passed over, as git does.
                of_file += usize::from(builder.add_line(None, line).is_ok());
            }
            count += of_file;
        }
        let ignore = match count {
            0 => Gitignore::empty(),
            _ => builder.build().unwrap_or_else(|_| {
                skipped += count as u64;
                Gitignore::empty()
            }),
        };
        Self { ignore, count, skipped }
    }

    /// Lines that were passed over; what follows the part of a file that is read counts as one.
    pub(crate) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether the rules leave `path` out; `None` if they do not speak of it.
    pub(crate) fn decide(&self, path: &str, is_dir: bool) -> Option<bool> {
        let matched = self.ignore.matched(path, is_dir);
        if matched.is_none() { None } else { Some(matched.is_ignore()) }
    }
}

/// The whole lines of an ignore file, as far as it is read, and whether that is not all.
fn read(dir: &Dir, name: &str) -> Option<(Vec<u8>, bool)> {
    let file = open_plain(dir, Path::new(name)).ok()?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    let is_cut = bytes.len() > FILE_MAX;
    if is_cut {
        bytes.truncate(FILE_MAX);
        let whole = memchr::memrchr(b'\n', &bytes).unwrap_or(0);
        bytes.truncate(whole);
    }
    Some((bytes, is_cut))
}
