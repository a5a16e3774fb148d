//! The end of a process, seen before it is reaped: until then its number, and that of its group, is nobody else's.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

/// Waits for one process to end.
#[derive(Debug)]
pub(crate) enum Exit {
    /// By a descriptor that becomes readable (Linux).
    Descriptor(AsyncFd<OwnedFd>),
    /// By a thread that waits.
    Thread(JoinHandle<io::Result<()>>),
    Over,
}

impl Exit {
    /// Of a child of this process.
    pub(crate) fn of(process: Pid) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(descriptor) = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()) {
            #[expect(
                deprecated,
                reason = "its successor is unsafe, for types whose descriptor changes; this one does not"
            )]
            let readable = AsyncFd::with_interest(descriptor, tokio::io::Interest::READABLE)?;
            return Ok(Self::Descriptor(readable));
        }
        let wait = move || {
            let unreaped = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            rustix::io::retry_on_intr(|| waitid(WaitId::Pid(process), unreaped))?;
            Ok(())
        };
        Ok(Self::Thread(tokio::task::spawn_blocking(wait)))
    }

    /// Resolves when it has ended, at once if it had. Cancel safe.
    pub(crate) async fn ended(&mut self) {
        match self {
            Self::Descriptor(descriptor) => drop(descriptor.readable().await),
            Self::Thread(waits) => drop(waits.await),
            Self::Over => {}
        }
        *self = Self::Over;
    }
}
