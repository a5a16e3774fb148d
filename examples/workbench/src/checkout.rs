//! Finds the git repository whose checkout the root is.
//!
//! A `.git` directory in the root is one. A `.git` *file* (a linked worktree) leads out of the root,
//! and is believed only if the repository it leads to names this very root as one of its worktrees.
//! This is decided once, when the server starts; what the repository holds is trusted from then on.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use gix::open::Options;

use crate::root::{Root, open_plain, open_plain_dir, top};

/// The most that a `.git` file may hold, in bytes.
const LINK_MAX: u64 = 4096;

/// Where the repository of the root is, or why there is none.
#[derive(Clone, Debug)]
pub struct Checkout(Result<PathBuf, NoCheckout>);

/// Why the root is not the checkout of a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoCheckout {
    /// There is no `.git` in it.
    Absent,
    /// Its `.git` leads to a repository that knows nothing of it.
    Foreign,
    /// Its `.git` is damaged, or of a kind that is not known here.
    Unreadable,
}

impl Checkout {
    /// Looks for the repository of `root`.
    #[must_use]
    pub fn find(root: &Root) -> Self {
        Self(git_dir(root))
    }

    /// Opens the repository.
    ///
    /// # Errors
    ///
    /// If the root is not the checkout of one.
    pub fn repository(&self) -> Result<gix::Repository, NoCheckout> {
        let git_dir = self.0.as_ref().map_err(|no| *no)?;
        // Isolated: neither the environment nor a user's or the system's configuration matters.
        let options = Options::isolated().open_path_as_is(true);
        gix::open_opts(git_dir, options).map_err(|_| NoCheckout::Unreadable)
    }
}

impl fmt::Display for NoCheckout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the root is not a git checkout: there is no .git in it, so there is no log to read",
            Self::Foreign => {
                "the root is not a git checkout: its .git leads to a repository that does not know it as a worktree"
            }
            Self::Unreadable => "the root's .git cannot be read as a git repository",
        })
    }
}

impl std::error::Error for NoCheckout {}

fn git_dir(root: &Root) -> Result<PathBuf, NoCheckout> {
    let dir = top(root);
    let own = root.path().join(".git");
    match dir.symlink_metadata(".git") {
        Err(_) => Err(NoCheckout::Absent),
        Ok(metadata) if metadata.is_dir() => {
            open_plain_dir(dir, Path::new(".git")).map(|_| own).map_err(|_| NoCheckout::Unreadable)
        }
        Ok(metadata) if metadata.is_file() => {
            let mut link = String::new();
            open_plain(dir, Path::new(".git"))
                .and_then(|file| file.take(LINK_MAX).read_to_string(&mut link))
                .map_err(|_| NoCheckout::Unreadable)?;
            let target = link.trim_end().strip_prefix("gitdir: ").ok_or(NoCheckout::Unreadable)?;
            linked(&own, &root.path().join(target))
        }
        Ok(_) => Err(NoCheckout::Foreign),
    }
}

/// The directory that a `.git` file leads to, if that directory leads back to the file.
fn linked(own: &Path, target: &Path) -> Result<PathBuf, NoCheckout> {
    let back = std::fs::read_to_string(target.join("gitdir")).map_err(|_| NoCheckout::Foreign)?;
    let back = target.join(back.trim_end()).canonicalize().map_err(|_| NoCheckout::Foreign)?;
    let own = own.canonicalize().map_err(|_| NoCheckout::Unreadable)?;
    if back == own { Ok(target.to_owned()) } else { Err(NoCheckout::Foreign) }
}
