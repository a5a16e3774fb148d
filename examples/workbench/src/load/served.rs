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
    _child: Child,
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
            Some(url) => Ok(Self { url: url.to_owned(), _child: child }),
            None => Err(format!("the server did not start: {}", said.trim_end()).into()),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
