//! Who starts programs, and owns what runs.

use std::io::PipeWriter;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

use crate::exit::Exit;
use crate::guardian;
use crate::keeper::{Keeper, Kept};
use crate::stderr::Stderr;
use crate::{Process, ProcessError, Program};

/// How many processes may run at once, unless told otherwise.
const PROCESSES_MAX: usize = 256;

/// Starts programs, and owns the processes until they have ended: it counts them, bounds how many run, and reaps each.
///
/// A clone is the same supervisor. A host registers it as `Background` work of its runtime, so that a drain waits for
/// its processes.
#[derive(Clone)]
pub struct Supervisor(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    running: watch::Sender<usize>,
    most: usize,
    generations: AtomicU64,
    /// Whether nothing is kept warm any more.
    closed: watch::Sender<bool>,
    /// Whether every process is to end.
    stopped: watch::Sender<bool>,
}

impl Supervisor {
    /// A supervisor under which 256 processes may run at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with_at_most(PROCESSES_MAX)
    }

    /// A supervisor under which that many processes may run at once, those that are ending counted.
    #[must_use]
    pub fn with_at_most(processes: usize) -> Self {
        Self(Arc::new(Shared {
            running: watch::Sender::new(0),
            most: processes,
            generations: AtomicU64::new(0),
            closed: watch::Sender::new(false),
            stopped: watch::Sender::new(false),
        }))
    }

    /// Starts a program, and tells `on_stderr` each line that it says on stderr, cut at 1 KiB: it is called in a task, and
    /// should return at once. A start takes this thread about a millisecond.
    ///
    /// Before that, every descriptor of **this** process but the standard three is marked to be closed in programs that are
    /// started, those inherited from whoever started this process and those that a C library opened included.
    ///
    /// # Errors
    ///
    /// If there is no such program, or it cannot be started as its [`Program`] says.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without I/O or time.
    pub fn spawn(
        &self,
        program: &Program,
        on_stderr: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Process, ProcessError> {
        let place = Place::take(&self.0)?;
        // Looked at with a place taken, so that whoever stops this has waited for it, or it is seen here.
        if *self.0.stopped.borrow() {
            return Err(ProcessError::Stopped);
        }
        if !cfg!(target_os = "linux") && !program.limits.are_none() {
            return Err(ProcessError::Unsupported("limit what a process may take"));
        }
        let (child, gate) = start(program)?;
        let pid = child.id();
        let mut kept = Kept::new(child, place);
        if !program.limits.are_none() {
            program.limits.set(kept.group)?;
        }
        drop(gate);
        kept.watch().map_err(|source| ProcessError::Start { program: guardian::PROGRAM.into(), source })?;
        let (stdin, stdout, stderr) = kept.pipes()?;
        let said = Arc::new(Stderr::new(on_stderr));
        let (stop, dropped) = oneshot::channel();
        let (status, exited) = oneshot::channel();
        let keeper = Keeper {
            exit: Exit::of(kept.group)?,
            kept,
            grace: program.grace,
            stderr,
            said: Arc::clone(&said),
            dropped,
            all: self.0.stopped.subscribe(),
            status,
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the process, which this supervisor counts")]
        drop(tokio::spawn(keeper.run()));
        Ok(Process {
            id: pid,
            generation: self.0.generations.fetch_add(1, Ordering::Relaxed) + 1,
            stdin: Some(stdin),
            stdout: Some(stdout),
            said,
            stop: Some(stop),
            exited: Some(exited),
            status: None,
        })
    }

    /// How many processes run, those that are ending counted.
    #[must_use]
    pub fn running(&self) -> usize {
        *self.0.running.borrow()
    }

    /// Keeps nothing warm any more: workers that have no call end, the others after their calls. Programs may still be
    /// started, for calls that were begun. This cannot be undone.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    /// Waits until no process runs.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, and nothing else.
    pub async fn idle(&self) {
        let mut running = self.0.running.subscribe();
        // The sender is this supervisor's.
        drop(running.wait_for(|running| *running == 0).await);
    }

    /// Ends every process: `TERM` to its group, `KILL` after its grace; and waits for that. No program is started any more.
    ///
    /// # Cancel safety
    ///
    /// The processes end whether or not the future is dropped.
    pub async fn stop(&self) {
        self.close();
        self.0.stopped.send_replace(true);
        self.idle().await;
    }

    /// Turns true when nothing is to be kept warm any more.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.0.closed.subscribe()
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("running", &self.running()).finish_non_exhaustive()
    }
}

/// One of the processes that may run at once, given back when dropped.
pub(crate) struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Result<Self, ProcessError> {
        let taken = shared.running.send_if_modified(|running| {
            let free = *running < shared.most;
            *running += usize::from(free);
            free
        });
        if taken { Ok(Self(Arc::clone(shared))) } else { Err(ProcessError::TooMany(shared.most)) }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

fn start(program: &Program) -> Result<(Child, Option<PipeWriter>), ProcessError> {
    let (mut command, gate) = program.command()?;
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    #[cfg(feature = "landlock")]
    let started = program.paths.spawn(&mut command)?;
    #[cfg(not(feature = "landlock"))]
    let started = command.spawn();
    started.map(|child| (child, gate)).map_err(|source| {
        let program = program.executable().to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ProcessError::NotFound(program),
            io::ErrorKind::PermissionDenied => ProcessError::NotPermitted(program),
            _ => ProcessError::Start { program, source },
        }
    })
}

/// The three ends that are the server's.
pub(crate) type Pipes = (pipe::Sender, pipe::Receiver, pipe::Receiver);

/// Takes the ends of a child's pipes.
pub(crate) fn pipes(child: &mut Child) -> io::Result<Pipes> {
    let missing = || io::Error::other("a pipe is missing");
    let stdin = OwnedFd::from(child.stdin.take().ok_or_else(missing)?);
    let stdout = OwnedFd::from(child.stdout.take().ok_or_else(missing)?);
    let stderr = OwnedFd::from(child.stderr.take().ok_or_else(missing)?);
    Ok((
        pipe::Sender::from_owned_fd(stdin)?,
        pipe::Receiver::from_owned_fd(stdout)?,
        pipe::Receiver::from_owned_fd(stderr)?,
    ))
}
