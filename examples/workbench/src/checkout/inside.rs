//! Whether all parts of a repository lie in its own directory.
//!
//! Git lets a repository borrow: objects from another one (`objects/info/alternates`), everything from another one
//! (`commondir`), and whatever a link leads to. Its reader follows all of that by name. So this looks first, by handles
//! and without following anything, and refuses what borrows.
//!
//! This is a look before the reading, at each call: whoever may write in the directory at that very moment could still
//! slip a link in between.

use std::io::{self, Read};
use std::path::Path;

use cap_std::fs::Dir;

use super::NoCheckout;
use crate::root::{is_exhausted, open_plain, open_plain_dir};

/// The most names that are looked through; most of them are loose objects.
const NAMES_MAX: usize = 500_000;

/// Directories in directories: `objects/info/commit-graphs`, and branches with a `/` in their names.
const DEPTH_MAX: usize = 32;

/// The longest file of a reference, in bytes: it holds an id or a name.
const REFERENCE_MAX: u64 = 4 << 10;

/// Files that are read whole, and how long they may be in bytes.
const FILES_MAX: [(&str, u64); 5] = [
    ("HEAD", 4 << 10),
    ("config", 1 << 20),
    ("config.worktree", 1 << 20),
    ("shallow", 16 << 20),
    ("packed-refs", 256 << 20),
];

/// Looks through the directory of a repository.
///
/// # Errors
///
/// If a part of it lies elsewhere, or is too large to be looked at.
pub(super) fn check(git: &Dir) -> Result<(), NoCheckout> {
    top(git, false, NAMES_MAX)?;
    let mut names = 0;
    for (part, most) in [("objects", u64::MAX), ("refs", REFERENCE_MAX)] {
        let Some(dir) = open_part(git, part)? else { continue };
        below(dir, most, &mut names)?;
    }
    if let Some(info) =
        open_part(git, "objects")?.map(|objects| open_part(&objects, "info")).transpose()?.flatten()
    {
        absent(&info, "alternates")?;
    }
    Ok(())
}

/// Looks at the directory that a linked worktree has of its own in the repository.
///
/// # Errors
///
/// As [`check`].
pub(super) fn check_worktree(git: &Dir) -> Result<(), NoCheckout> {
    top(git, true, NAMES_MAX)
}

/// The first 4 KiB of a file that names a path.
///
/// # Errors
///
/// If there is no such file.
pub(super) fn link(dir: &Dir, name: &str) -> io::Result<String> {
    let mut text = String::new();
    open_plain(dir, Path::new(name))?.take(REFERENCE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Looks at what lies right in the directory of a repository: `most` names, and no more may be there.
fn top(git: &Dir, is_worktree: bool, most: usize) -> Result<(), NoCheckout> {
    if !is_worktree {
        absent(git, "commondir")?;
    }
    for (at, entry) in git.entries().map_err(unreadable)?.enumerate() {
        // What is not looked at could be a link.
        if at == most {
            return Err(NoCheckout::TooLarge);
        }
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        // What is run on commits is nothing that is read here.
        if entry.file_type().map_err(unreadable)?.is_symlink() && name != "hooks" {
            return Err(NoCheckout::Elsewhere);
        }
        if let Some((_, longest)) = FILES_MAX.iter().find(|(file, _)| name == *file)
            && entry.metadata().map_err(unreadable)?.len() > *longest
        {
            return Err(NoCheckout::TooLarge);
        }
    }
    Ok(())
}

/// Everything below `dir` is a directory or a file, and no file is longer than `most`. Holds as many handles as it is deep.
fn below(dir: Dir, most: u64, names: &mut usize) -> Result<(), NoCheckout> {
    let mut levels = vec![(dir.entries().map_err(unreadable)?, dir)];
    while let Some((entries, dir)) = levels.last_mut() {
        let Some(entry) = entries.next() else {
            levels.pop();
            continue;
        };
        let entry = entry.map_err(unreadable)?;
        *names += 1;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            let dir = open_plain_dir(dir, Path::new(&entry.file_name())).map_err(unreadable)?;
            levels.push((dir.entries().map_err(unreadable)?, dir));
        } else if !kind.is_file() {
            return Err(NoCheckout::Elsewhere);
        } else if most < u64::MAX && entry.metadata().map_err(unreadable)?.len() > most {
            return Err(NoCheckout::TooLarge);
        }
        if *names > NAMES_MAX || levels.len() > DEPTH_MAX {
            return Err(NoCheckout::TooLarge);
        }
    }
    Ok(())
}

fn open_part(dir: &Dir, name: &str) -> Result<Option<Dir>, NoCheckout> {
    match dir.symlink_metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error)),
        Ok(metadata) if metadata.is_dir() => {
            open_plain_dir(dir, Path::new(name)).map(Some).map_err(unreadable)
        }
        Ok(_) => Err(NoCheckout::Elsewhere),
    }
}

fn absent(dir: &Dir, name: &str) -> Result<(), NoCheckout> {
    match dir.symlink_metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(error)),
        Ok(_) => Err(NoCheckout::Elsewhere),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unreadable(error: io::Error) -> NoCheckout {
    if is_exhausted(&error) { NoCheckout::Exhausted } else { NoCheckout::Unreadable }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn what_is_not_looked_at_is_not_taken_for_plain() {
        let dir = tempfile::TempDir::new().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let git = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        assert_eq!(top(&git, false, 3), Ok(()));
        assert_eq!(top(&git, false, 2), Err(NoCheckout::TooLarge));
    }
}
