//! Keeps what a process prints out of the stream of messages.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::stdio::dup2_stdout;

/// Sends to stderr what is written to descriptor 1, by whatever code, until it is dropped.
pub(crate) struct PrintGuard(OwnedFd);

impl PrintGuard {
    /// None if the system does not let it; then nothing has changed.
    pub(crate) fn new() -> Option<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned().ok()?;
        // What was printed before was meant for stdout.
        let _said = io::stdout().flush();
        dup2_stdout(io::stderr()).ok()?;
        Some(Self(own))
    }
}

impl Drop for PrintGuard {
    fn drop(&mut self) {
        let _said = io::stdout().flush();
        // What cannot be set back stays as it is: there is nobody left to tell.
        let _set = dup2_stdout(&self.0);
    }
}
