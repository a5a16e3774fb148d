//! The task that owns one process: reads its stderr, ends it when that is due, and reaps it.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

use crate::exit::Exit;
use crate::guardian;
use crate::stderr::Stderr;
use crate::strays::Strays;
use crate::supervisor::{self, Pipes, Place};

/// How much is read at once.
const READ: usize = 8 << 10;
/// How much that was said before the end is read after it: what a pipe holds, and that again.
const REST: usize = 128 << 10;

/// What the task needs.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) kept: Kept,
    pub(crate) exit: Exit,
    pub(crate) grace: Duration,
    pub(crate) stderr: pipe::Receiver,
    pub(crate) said: Arc<Stderr>,
    /// Whoever has the process drops the other end.
    pub(crate) dropped: oneshot::Receiver<()>,
    /// Whether all processes are to end.
    pub(crate) all: watch::Receiver<bool>,
    pub(crate) status: oneshot::Sender<io::Result<ExitStatus>>,
}

impl Keeper {
    pub(crate) async fn run(self) {
        let Self { kept, mut exit, grace, stderr, said, mut dropped, mut all, status } = self;
        let mut stderr = Reading { from: Some(stderr), to: &said, buffer: Vec::with_capacity(READ) };
        let by_itself = loop {
            tokio::select! {
                biased;
                _ = &mut dropped => break false,
                _ = all.wait_for(|all| *all) => break false,
                () = exit.ended() => break true,
                () = stderr.next() => {}
            }
        };
        let mut strays = Strays::default();
        if !by_itself {
            strays.find(kept.group);
            kept.signal(Signal::TERM);
            strays.signal(Signal::TERM);
            // What is stopped hears nothing.
            kept.signal(Signal::CONT);
            if tokio::time::timeout(grace, until(&mut exit, &mut stderr)).await.is_err() {
                strays.find(kept.group);
            }
        }
        kept.signal(Signal::KILL);
        strays.signal(Signal::KILL);
        until(&mut exit, &mut stderr).await;
        stderr.rest();
        drop(status.send(kept.reap()));
    }
}

/// Reads until the process has ended.
async fn until(exit: &mut Exit, stderr: &mut Reading<'_>) {
    loop {
        tokio::select! {
            biased;
            () = exit.ended() => return,
            () = stderr.next() => {}
        }
    }
}

struct Reading<'a> {
    from: Option<pipe::Receiver>,
    to: &'a Stderr,
    buffer: Vec<u8>,
}

impl Reading<'_> {
    /// Takes what comes next; never resolves once the stream has ended. Cancel safe.
    async fn next(&mut self) {
        let Some(from) = &mut self.from else { return std::future::pending().await };
        self.buffer.clear();
        match from.read_buf(&mut self.buffer).await {
            Ok(read) if read != 0 => self.to.take(&self.buffer),
            _ => self.from = None,
        }
    }

    /// Takes what is there. Whoever still holds the other end is not waited for.
    fn rest(&mut self) {
        let mut left = REST;
        while let Some(from) = &self.from {
            // Of the system, for tokio may not have heard yet that there is something.
            self.buffer.resize(READ, 0);
            match rustix::io::read(from, &mut *self.buffer) {
                Ok(read) if read != 0 => {
                    self.to.take(&self.buffer[..read]);
                    left = left.saturating_sub(read);
                }
                _ => left = 0,
            }
            if left == 0 {
                self.from = None;
            }
        }
        self.to.finish();
    }
}

/// A child that is reaped whatever happens, its group killed before.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) group: Pid,
    child: Option<(Child, Place)>,
}

impl Kept {
    pub(crate) fn new(child: Child, place: Place) -> Self {
        let group = Pid::from_child(&child);
        Self { group, child: Some((child, place)) }
    }

    fn number(&self) -> u32 {
        self.group.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn watch(&self) -> io::Result<()> {
        guardian::watch(self.number())
    }

    pub(crate) fn pipes(&mut self) -> io::Result<Pipes> {
        match &mut self.child {
            Some((child, _)) => supervisor::pipes(child),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn signal(&self, signal: Signal) {
        // Fails if nobody is left who could be killed.
        let _nobody = kill_process_group(self.group, signal);
    }

    /// Of a leader that has ended, so that this does not wait.
    fn reap(mut self) -> io::Result<ExitStatus> {
        guardian::forget(self.number());
        match self.child.take() {
            Some((mut child, _place)) => child.wait(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// The tokio runtime ends, or the start came to nothing.
impl Drop for Kept {
    fn drop(&mut self) {
        let Some((child, place)) = self.child.take() else { return };
        self.signal(Signal::KILL);
        guardian::forget(self.number());
        // Where no thread is to be had, this one waits for what was killed.
        let left = Arc::new(Mutex::new(Some((child, place))));
        let reap = |left: &Mutex<Option<(Child, Place)>>| {
            if let Some((mut child, _place)) = left.lock().unwrap_or_else(PoisonError::into_inner).take() {
                drop(child.wait());
            }
        };
        let taken = Arc::clone(&left);
        // It ends with a child that was killed, whose place counts it.
        if std::thread::Builder::new().spawn(move || reap(&taken)).is_err() {
            reap(&left);
        }
    }
}

/// The resident memory of a process, in bytes; nothing where that cannot be read.
pub(crate) fn memory_of(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}
