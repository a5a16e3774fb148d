//! How many workers there are, and for how long.

use std::time::Duration;

/// Says how many workers there are, how many calls each has at once, and when one is replaced.
///
/// ```
/// use std::time::Duration;
/// use toolpost_process::WorkersOptions;
///
/// let options = WorkersOptions::new().processes(4).recycle_after(500).max_memory(256 << 20);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WorkersOptions {
    pub(super) processes: usize,
    pub(super) at_once: u32,
    pub(super) queue: usize,
    pub(super) recycle_after: u64,
    pub(super) max_age: Duration,
    pub(super) max_memory: Option<u64>,
    pub(super) line_limit: usize,
    pub(super) start_limit: Duration,
    pub(super) cancel_grace: Duration,
}

impl WorkersOptions {
    /// Two processes with one call each at a time, replaced after a thousand calls or an hour.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            processes: 2,
            at_once: 1,
            queue: 64,
            recycle_after: 1_000,
            max_age: Duration::from_secs(3_600),
            max_memory: None,
            line_limit: 8 << 20,
            start_limit: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(1),
        }
    }

    /// How many processes are kept, 1 at least. While one is replaced there is one more.
    #[must_use]
    pub const fn processes(mut self, processes: usize) -> Self {
        self.processes = if processes == 0 { 1 } else { processes };
        self
    }

    /// How many calls each process has at once, 1 unless told otherwise: only for programs that answer in any order.
    #[must_use]
    pub const fn at_once(mut self, calls: u32) -> Self {
        self.at_once = if calls == 0 { 1 } else { calls };
        self
    }

    /// How many calls may wait for a worker, 64 unless told otherwise. A runtime's scheduler lets no more calls come here
    /// than workers can take, so that calls wait there, by its rules.
    #[must_use]
    pub const fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// After how many calls a process is replaced, up to a tenth sooner or later by chance, so that not all are at once.
    #[must_use]
    pub const fn recycle_after(mut self, calls: u64) -> Self {
        self.recycle_after = calls;
        self
    }

    /// How old a process may become, up to a tenth younger or older by chance.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// How much resident memory a process may have after a call, in bytes; not looked at unless told (Linux).
    #[must_use]
    pub const fn max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = Some(bytes);
        self
    }

    /// The longest line of an answer, in bytes: 8 MiB unless told otherwise. A longer one ends the worker.
    #[must_use]
    pub const fn line_limit(mut self, bytes: usize) -> Self {
        self.line_limit = bytes;
        self
    }

    /// How long a process may take from its start to telling its tools: 30 s unless told otherwise.
    #[must_use]
    pub const fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = limit;
        self
    }

    /// How long a worker may go on with a call that was cancelled, before it is killed: 1 s unless told otherwise.
    #[must_use]
    pub const fn cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// How many calls all workers have at once.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.processes).unwrap_or(u32::MAX).saturating_mul(self.at_once)
    }
}

impl Default for WorkersOptions {
    fn default() -> Self {
        Self::new()
    }
}
