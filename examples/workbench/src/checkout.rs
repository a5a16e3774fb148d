//! Finds the git repository whose checkout the root is.
//!
//! A `.git` directory in the root is one, if all of its parts lie in it: nothing outside of the root is read. A `.git`
//! *file* (a linked worktree) leads to a repository elsewhere, and is believed only if that repository lists this very
//! root as one of its worktrees, which is then as its owner wants it.
//!
//! This is looked at for each call, since a repository changes.

mod inside;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use gix::open::Options;

use crate::root::{Root, open_plain_dir, top};

/// The largest object that is taken into memory, in bytes: a commit, a tag, a directory, and what they are differences
/// from. A directory of 100,000 files takes about this.
pub(crate) const OBJECT_MAX: usize = 4 << 20;

/// The root, as the checkout of a repository.
#[derive(Clone, Debug)]
pub struct Checkout(Arc<Root>);

/// Why the root is not the checkout of a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoCheckout {
    /// There is no `.git` in it.
    Absent,
    /// Its `.git` has parts that lie elsewhere.
    Elsewhere,
    /// The process has no descriptors left to look.
    Exhausted,
    /// Its `.git` leads to a repository that knows nothing of it.
    Foreign,
    /// Its `.git` holds more than is looked through.
    TooLarge,
    /// Its `.git` is damaged, or of a kind that is not known here.
    Unreadable,
}

impl Checkout {
    /// The repository of `root`, if there is one when it is opened.
    #[must_use]
    pub const fn of(root: Arc<Root>) -> Self {
        Self(root)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.0
    }

    /// Opens the repository.
    ///
    /// # Errors
    ///
    /// If the root is not the checkout of one, or reading it would lead out of the root.
    pub fn repository(&self) -> Result<gix::Repository, NoCheckout> {
        let git_dir = git_dir(&self.0)?;
        // Isolated: neither the environment nor a user's or the system's configuration matters, and what the
        // repository's own says of these two does not either.
        let own =
            [format!("gitoxide.objects.allocLimit={OBJECT_MAX}"), "gitoxide.core.shallowFile=shallow".into()];
        let options = Options::isolated().open_path_as_is(true).config_overrides(own);
        gix::open_opts(git_dir, options).map_err(|_| NoCheckout::Unreadable)
    }
}

impl fmt::Display for NoCheckout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the root is not a git checkout: there is no .git in it, so there is no log to read",
            Self::Elsewhere => {
                "the root's .git has parts that lie elsewhere (a link, a commondir, objects/info/alternates), and \
                 nothing outside of the root is read, so there is no log to read"
            }
            Self::Exhausted => "the server has too many files open to read the log now; try again in a moment",
            Self::TooLarge => {
                "the root's .git holds more than is looked through (loose objects, references, configuration); \
                 `git gc` may help"
            }
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
            let git = open_plain_dir(dir, Path::new(".git")).map_err(|_| NoCheckout::Unreadable)?;
            inside::check(&git)?;
            Ok(own)
        }
        Ok(metadata) if metadata.is_file() => {
            let link = inside::link(dir, ".git").map_err(|_| NoCheckout::Unreadable)?;
            let target = link.trim_end().strip_prefix("gitdir: ").ok_or(NoCheckout::Unreadable)?;
            linked(&own, &root.path().join(target))
        }
        Ok(_) => Err(NoCheckout::Foreign),
    }
}

/// The directory that a `.git` file leads to, if that leads back to the file, and lies among the worktrees of the
/// repository that it says it belongs to. A repository lists there what its owner has made of it; a directory that only
/// points at a repository is not listed.
fn linked(own: &Path, target: &Path) -> Result<PathBuf, NoCheckout> {
    let foreign = |_| NoCheckout::Foreign;
    let target = target.canonicalize().map_err(foreign)?;
    let dir = Dir::open_ambient_dir(&target, ambient_authority()).map_err(foreign)?;
    let leads_to = |name| target.join(inside::link(&dir, name)?.trim_end()).canonicalize();
    let (back, common) = (leads_to("gitdir").map_err(foreign)?, leads_to("commondir").map_err(foreign)?);
    let own = own.canonicalize().map_err(|_| NoCheckout::Unreadable)?;
    if back != own || target.parent() != Some(&common.join("worktrees")) {
        return Err(NoCheckout::Foreign);
    }
    inside::check_worktree(&dir)?;
    inside::check(&Dir::open_ambient_dir(&common, ambient_authority()).map_err(foreign)?)?;
    Ok(target)
}
