//! What a program may read and write of the file system, by Landlock.
//!
//! A thread restricts itself, starts the program and ends: what it started is restricted, the server is not.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::{ProcessError, Program};

/// Paths that are allowed; everything, if nothing was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    confined: bool,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

/// What is said about a program whose files cannot be confined.
#[cfg(not(target_os = "linux"))]
const UNSUPPORTED: &str = "confine a program to paths: that takes Linux";
#[cfg(target_os = "linux")]
const UNSUPPORTED: &str = "confine a program to paths: its kernel has no Landlock";

impl Program {
    /// Lets the program read and execute what is beneath these paths, and **nothing else** that neither this nor
    /// [`write_paths`](Self::write_paths) names; what it starts is bound by the same. A path that is not there allows nothing.
    ///
    /// Where the kernel has no Landlock (before 5.13, or not switched on), the program is not started. It keeps programs from
    /// opening, making, moving and removing files; not from what is there to see about them, from changing their mode, nor
    /// from the network; and only from Linux 6.2 on from cutting a file short that they may not open.
    #[must_use]
    pub fn read_paths<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths.confined = true;
        self.paths.read.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Lets the program read, execute and write what is beneath these paths, as [`read_paths`](Self::read_paths) does.
    #[must_use]
    pub fn write_paths<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.paths.confined = true;
        self.paths.write.extend(paths.into_iter().map(Into::into));
        self
    }
}

impl Paths {
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<io::Result<Child>, ProcessError> {
        if !self.confined {
            return Ok(command.spawn());
        }
        let confined = || match self.restrict() {
            true => Ok(command.spawn()),
            false => Err(ProcessError::Unsupported(UNSUPPORTED)),
        };
        let ended = std::thread::scope(|scope| {
            let started = std::thread::Builder::new().spawn_scoped(scope, confined);
            started.map(|thread| thread.join())
        });
        ended?.unwrap_or_else(|_| Err(io::Error::other("the thread that starts programs panicked").into()))
    }

    /// Restricts this thread.
    #[cfg(target_os = "linux")]
    fn restrict(&self) -> bool {
        use landlock::{
            ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
            RulesetStatus, path_beneath_rules,
        };
        let abi = ABI::V3;
        let restricted = || -> Result<_, RulesetError> {
            let rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
            let rules = rules.add_rules(path_beneath_rules(&self.read, AccessFs::from_read(abi)))?;
            let rules = rules.add_rules(path_beneath_rules(&self.write, AccessFs::from_all(abi)))?;
            rules.restrict_self()
        };
        restricted().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
    }

    #[cfg(not(target_os = "linux"))]
    fn restrict(&self) -> bool {
        false
    }
}
