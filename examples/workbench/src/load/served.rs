//! A server in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::Cores;
use crate::serve::Failure;

/// This program, serving in a process of its own on a free loopback port. Dropping it ends it by force.
#[derive(Debug)]
pub struct Served {
    child: Child,
    url: String,
}

impl Served {
    /// Starts it over `root`, with these options of `serve`, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not start, with what it said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the process.
    pub async fn start(root: &Path, options: &[&str], cores: Option<Cores>) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let mut command =
            cores.map_or_else(|| Command::new(&program), |cores| cores.server(program.as_os_str()));
        command.args(["serve", "--http", "127.0.0.1:0"]).args(options).arg("--root").arg(root);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            BufReader::new(stderr).read_line(&mut said).await?;
        }
        match said.trim_end().strip_prefix("workbench: serving ") {
            Some(url) => Ok(Self { url: url.to_owned(), child }),
            None => Err(format!("the server did not start: {}", said.trim_end()).into()),
        }
    }

    /// The memory of the process that is resident, in bytes; an error where there is no `/proc`, or no process any more.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn memory(&self) -> Result<u64, Failure> {
        resident(&self.child.id().ok_or("the server has ended")?.to_string())
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The memory of a process that is resident, in bytes: `self`, or a process by its number.
///
/// # Errors
///
/// If there is no `/proc`, or no such process.
pub(crate) fn resident(process: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes << 10)
}
