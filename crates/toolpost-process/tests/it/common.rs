//! What these tests share: shell scripts as programs, and a look at what runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, Interest};
use toolpost_process::{Process, Program, Supervisor};
use toolpost_tool::{Call, CallParts, LogLevel, Sink};

/// A program that is a script of the shell.
pub(crate) fn sh(script: &str) -> Program {
    Program::new("/bin/sh").args(["-c", script]).env("PATH", "/usr/bin:/bin")
}

/// One that runs, without its stderr.
pub(crate) fn spawn(supervisor: &Supervisor, program: &Program) -> Process {
    supervisor.spawn(program, |_| {}).unwrap()
}

/// All of its stdout.
pub(crate) async fn said(process: &mut Process) -> String {
    let mut said = String::new();
    process.take_stdout().unwrap().read_to_string(&mut said).await.unwrap();
    said
}

/// A test that hangs fails.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it takes too long")
}

/// Whether there is a process of that number, a zombie counted.
pub(crate) fn exists(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

/// Waits until a process has ended; whether it is reaped is another's affair if it is an orphan.
pub(crate) async fn gone(process: u32) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    #[expect(deprecated, reason = "its successor is unsafe")]
    let readable = AsyncFd::with_interest(descriptor, Interest::READABLE).unwrap();
    drop(soon(readable.readable()).await.unwrap());
}

/// The children of this process that have not been reaped, the guardian left out.
pub(crate) fn children() -> Vec<u32> {
    of_this_process().filter(|(_, line)| !line.contains(GUARDIAN)).map(|(process, _)| process).collect()
}

/// The guardians of this process.
pub(crate) fn guardians() -> Vec<u32> {
    of_this_process().filter(|(_, line)| line.contains(GUARDIAN)).map(|(process, _)| process).collect()
}

const GUARDIAN: &str = "toolpost-guardian";

/// Each child, and its command line.
fn of_this_process() -> impl Iterator<Item = (u32, String)> {
    let own = std::process::id();
    let ours = move |entry: std::fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let parent: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        (parent == own).then_some((process, line))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(move |entry| ours(entry.ok()?))
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What a call was told while it ran.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl Heard {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Heard {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        self.0.lock().unwrap().push(format!("{done} of {total:?}: {message:?}"));
    }

    fn log(&self, level: LogLevel, _logger: Option<&str>, data: &str) {
        self.0.lock().unwrap().push(format!("{}: {data}", level.as_str()));
    }

    fn log_level(&self) -> Option<LogLevel> {
        Some(LogLevel::Debug)
    }
}

/// A call that is listened to.
pub(crate) fn heard() -> (Call, Arc<Heard>) {
    let heard = Arc::<Heard>::default();
    let mut parts = CallParts::default();
    parts.set_sink(Some(Arc::<Heard>::clone(&heard)));
    (Call::from_parts(parts), heard)
}

/// A call without arguments.
pub(crate) fn call() -> Call {
    Call::from_parts(CallParts::default())
}
