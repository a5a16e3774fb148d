//! Programs that mean harm cost bounded memory and a clear error, and the next call is served.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::process::{Command, Stdio};

use tokio::io::AsyncReadExt as _;
use toolpost_process::{Lines, ProcessError, Supervisor, Workers, WorkersOptions};
use toolpost_tool::{Tool as _, ToolSpec};

use crate::common::{call, said, sh, soon, spawn};

/// Set in the process whose memory is measured.
const INSIDE: &str = "TOOLPOST_HOSTILE_INSIDE";
const LIMIT: usize = 1 << 20;

#[test]
fn hostile_programs_cost_bounded_memory() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["hostile::inside", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let supervisor = Supervisor::new();
    let served = async || assert_eq!(said(&mut spawn(&supervisor, &sh("echo served"))).await, "served\n");
    served().await;
    let before = peak();
    for script in [
        "exec dd if=/dev/zero bs=1048576 count=60 2>/dev/null",
        "exec dd if=/dev/zero bs=1048576 2>/dev/null",
        "trap '' TERM; while :; do echo; done",
        "sleep 1000 & yes > /dev/null & exec dd if=/dev/zero bs=65536 2>/dev/null",
    ] {
        let mut process = spawn(&supervisor, &sh(script).grace(std::time::Duration::from_millis(50)));
        let mut kept = Vec::new();
        soon(process.take_stdout().unwrap().take(LIMIT as u64).read_to_end(&mut kept)).await.unwrap();
        assert_eq!(kept.len(), LIMIT);
        assert!(!soon(process.stop()).await.unwrap().success());
        let mut process = spawn(&supervisor, &sh(script).grace(std::time::Duration::from_millis(50)));
        let mut lines = Lines::new(process.take_stdout().unwrap(), LIMIT);
        match soon(lines.next()).await {
            Err(ProcessError::LongLine { limit: LIMIT, .. }) | Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
        drop(process);
        served().await;
    }
    let mut flood =
        spawn(&supervisor, &sh("dd if=/dev/zero bs=1048576 count=60 2>/dev/null >&2; exec >&-; sleep 1000"));
    assert_eq!(soon(said(&mut flood)).await, "");
    assert!(!soon(flood.stop()).await.unwrap().success());
    served().await;
    let endless =
        sh("read -r hello; echo '{\"toolpost\":1}'; read -r line; exec dd if=/dev/zero bs=65536 2>/dev/null");
    let workers = Workers::start(&supervisor, endless, WorkersOptions::new().processes(1).line_limit(LIMIT));
    let tool = workers.tool(ToolSpec::new("any").unwrap());
    let error = soon(tool.call(call())).await.unwrap_err().to_string();
    assert!(error.contains("limit of 1048576 bytes"), "{error}");
    let grown = peak() - before;
    assert!(grown <= (LIMIT + (8 << 20)) as u64, "{grown} bytes");
    drop((workers, tool));
    soon(supervisor.idle()).await;
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
