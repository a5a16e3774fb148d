//! One process that runs.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::ProcessError;
use crate::stderr::Stderr;

/// A process that runs, led by the program that was started; dropping it ends it and its group.
///
/// The end takes up to the program's grace, in a task of the [`Supervisor`](crate::Supervisor) that nobody has to wait for.
#[derive(Debug)]
pub struct Process {
    pub(crate) id: u32,
    pub(crate) generation: u64,
    pub(crate) stdin: Option<pipe::Sender>,
    pub(crate) stdout: Option<pipe::Receiver>,
    pub(crate) said: Arc<Stderr>,
    /// Dropped, or told, to end it.
    pub(crate) stop: Option<oneshot::Sender<()>>,
    /// Until it has answered.
    pub(crate) exited: Option<oneshot::Receiver<io::Result<ExitStatus>>>,
    pub(crate) status: Option<ExitStatus>,
}

impl Process {
    /// The number that the system has given it, and its group.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Tells it from every other process of its supervisor, those before and after it in the same place: numbers of the
    /// system come again, these do not.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The writing end of its stdin, the first time. Dropping it is the end of its input.
    #[must_use]
    pub const fn take_stdin(&mut self) -> Option<pipe::Sender> {
        self.stdin.take()
    }

    /// The reading end of its stdout, the first time; [`Lines`](crate::Lines) reads bounded lines from it.
    #[must_use]
    pub const fn take_stdout(&mut self) -> Option<pipe::Receiver> {
        self.stdout.take()
    }

    /// The last lines of its stderr, oldest first: at most 64, each cut at 1 KiB. All that it said is there once
    /// [`wait`](Self::wait) has answered.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.said.lines()
    }

    /// Waits until the program has ended; what is left of its group is killed then.
    ///
    /// A pipe that nobody reads may keep it from ending: take its [stdout](Self::take_stdout) and read it to the end, or drop
    /// it, before.
    ///
    /// # Errors
    ///
    /// If it could not be waited for, because the tokio runtime ended say.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, and nothing else.
    pub async fn wait(&mut self) -> Result<ExitStatus, ProcessError> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let gone = || io::Error::other("the process was not waited for");
        let answer = self.exited.as_mut().ok_or_else(gone)?.await;
        self.exited = None;
        let status = answer.map_err(|_dropped| gone())??;
        self.status = Some(status);
        Ok(status)
    }

    /// Ends it: `TERM` to its group, `KILL` after its grace; and waits for that.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// The process ends whether or not the future is dropped.
    pub async fn stop(&mut self) -> Result<ExitStatus, ProcessError> {
        self.stop = None;
        self.wait().await
    }
}
