//! A server of ours in a process of its own, which ends with the value that stands for it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// The lines by which our servers say where they serve.
const SAYINGS: [&str; 3] = ["listening on ", "workbench: serving ", "gateway: serving "];

/// A server on a loopback port; ends with this value.
pub(crate) struct Served {
    pub(crate) url: String,
    child: Child,
    /// Kept open: a server that says more must not end for it.
    stderr: BufReader<ChildStderr>,
}

impl Served {
    /// Starts the binary `name` of the workspace, which must be built, and waits until it says where it serves.
    pub(crate) fn start(root: &Path, name: &str, args: &[&str]) -> Result<Self, String> {
        let mut child = Command::new(root.join("target/debug").join(name))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} did not start: {error}"))?;
        let Some(stderr) = child.stderr.take() else { return Err(format!("{name} has no stderr")) };
        let mut served = Self { url: String::new(), child, stderr: BufReader::new(stderr) };
        let mut line = String::new();
        let read = served.stderr.read_line(&mut line);
        read.map_err(|error| format!("{name} said nothing: {error}"))?;
        match SAYINGS.iter().find_map(|saying| line.trim().strip_prefix(saying)) {
            Some(url) => served.url = url.to_owned(),
            None => return Err(format!("{name} said `{}`", line.trim())),
        }
        Ok(served)
    }

    /// `ADDRESS:PORT` of its URL.
    pub(crate) fn address(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn end(&mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
    }

    /// Ends the process by force (`kill -9`), as a crash would.
    pub(crate) fn kill(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}
