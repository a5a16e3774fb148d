//! What these tests share: shell scripts as programs, and a look at what runs.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use toolpost_process::{Process, Program, Supervisor};

/// A program that is a script of the shell.
pub(crate) fn sh(script: &str) -> Program {
    Program::new("/bin/sh").args(["-c", script])
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

/// Waits until a process is gone, or is a zombie of somebody else's: an orphan that was killed is reaped by whom it fell to.
pub(crate) async fn gone(process: u32) {
    let stat = format!("/proc/{process}/stat");
    soon(async {
        while let Ok(text) = std::fs::read_to_string(&stat) {
            if text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[expect(dead_code, reason = "for what comes next")]
/// The children of this process that have not been reaped, the guardian left out.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id();
    let ours = |entry: std::fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let parent: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        (parent == own && !line.contains("toolpost-guardian")).then_some(process)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| ours(entry.ok()?)).collect()
}

#[expect(dead_code, reason = "for what comes next")]
/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
