//! Which core does what, by way of taskset: there is no safe call for it.

use std::ffi::OsStr;
use std::process::Command;
use std::str::FromStr;

use crate::serve::Failure;

/// A core for the server and one for the client.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    server: u16,
    client: u16,
}

impl Cores {
    /// Keeps this process, and all threads it starts from now on, to the client's core.
    pub(super) fn keep_client(self) -> Result<(), Failure> {
        let pid = std::process::id().to_string();
        let out = Command::new("taskset").args(["-cp", &self.client.to_string(), &pid]).output();
        match out.map_err(|error| format!("taskset did not start: {error}"))? {
            out if out.status.success() => Ok(()),
            out => Err(format!("taskset: {}", String::from_utf8_lossy(&out.stderr).trim()).into()),
        }
    }

    /// How to start `program` on the server's core.
    pub(super) fn server(self, program: &OsStr) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.server.to_string()]).arg(program);
        command
    }
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cores = text.split_once(',').and_then(|(server, client)| {
            Some(Self { server: server.trim().parse().ok()?, client: client.trim().parse().ok()? })
        });
        cores.ok_or_else(|| "two numbers of cores, such as 0,1".to_owned())
    }
}
