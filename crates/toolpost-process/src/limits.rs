//! What a process may take of the machine.

use std::io;

use rustix::process::Pid;

/// Limits what each process of a program may take; nothing is limited unless it is said here.
///
/// They are resource limits of the kernel (`setrlimit`): inherited by what the program starts, each process by itself but for
/// [`processes`](Self::processes), and never above those of the server. They hold before the program begins: the system's `sh`
/// stands in its place until they are set, at the price of one more `exec`. On Linux alone; elsewhere a program with limits is
/// not started.
///
/// ```
/// use toolpost_process::{ProcessLimits, Program};
///
/// let limits = ProcessLimits::new().cpu_seconds(10).memory(512 << 20).open_files(64);
/// let program = Program::new("convert").limits(limits);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ProcessLimits {
    cpu_seconds: Option<u64>,
    memory: Option<u64>,
    open_files: Option<u64>,
    processes: Option<u64>,
    file_size: Option<u64>,
}

impl ProcessLimits {
    /// No limits.
    #[must_use]
    pub const fn new() -> Self {
        Self { cpu_seconds: None, memory: None, open_files: None, processes: None, file_size: None }
    }

    /// Limits time on a processor, in seconds; at the limit the process is killed (`RLIMIT_CPU`).
    #[must_use]
    pub const fn cpu_seconds(mut self, seconds: u64) -> Self {
        self.cpu_seconds = Some(seconds);
        self
    }

    /// Limits the address space, in bytes; past the limit allocations fail (`RLIMIT_AS`).
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Limits open descriptors, the three standard ones counted (`RLIMIT_NOFILE`): 12 at least, for
    /// the `sh` that stands in the program's place takes so many.
    #[must_use]
    pub const fn open_files(mut self, files: u64) -> Self {
        self.open_files = Some(files);
        self
    }

    /// Limits processes **of the user that the server runs as**, all of them counted; past the limit starting one more
    /// fails (`RLIMIT_NPROC`; not for root).
    #[must_use]
    pub const fn processes(mut self, processes: u64) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Limits how long a file it writes may become, in bytes; at the limit the process is killed (`RLIMIT_FSIZE`).
    #[must_use]
    pub const fn file_size(mut self, bytes: u64) -> Self {
        self.file_size = Some(bytes);
        self
    }

    pub(crate) fn are_none(&self) -> bool {
        *self == Self::new()
    }

    /// Sets them for a process that runs.
    #[cfg(target_os = "linux")]
    pub(crate) fn set(&self, process: Pid) -> io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
        let Self { cpu_seconds, memory, open_files, processes, file_size } = *self;
        for (resource, most) in [
            (Resource::Nproc, processes),
            (Resource::As, memory),
            (Resource::Nofile, open_files),
            (Resource::Fsize, file_size),
            (Resource::Cpu, cpu_seconds),
        ] {
            if let Some(most) = most {
                // More than the server may have itself is not to be had.
                let most = getrlimit(resource).maximum.map_or(most, |own| own.min(most));
                prlimit(Some(process), resource, Rlimit { current: Some(most), maximum: Some(most) })?;
            }
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn set(&self, _process: Pid) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
