//! The server itself is killed: nothing that it started is left.
//!
//! The server is this test binary once more, which runs the one test that is called `server` and is told so by its
//! environment.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, and looks at the clock")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use toolpost_process::{Process, Supervisor};

use crate::common::{exists, gone, guardians, sh, soon, spawn};

const SERVER: &str = "TOOLPOST_TEST_SERVER";

/// Starts children that ignore what asks them to end, tells their numbers, and waits to be killed.
#[tokio::test]
async fn server() {
    if std::env::var_os(SERVER).is_none() {
        return;
    }
    let supervisor = Supervisor::new();
    let family = "trap '' TERM HUP INT; (trap '' TERM; sleep 1000) & echo $$ $!; wait; sleep 1000";
    let leaves = "trap '' TERM; setsid sh -c 'echo $$ $$; exec sleep 1000' & sleep 1000";
    let mut running = Vec::new();
    for script in [family, family, leaves] {
        let mut process = spawn(&supervisor, &sh(script));
        let mut stdout = process.take_stdout().unwrap();
        let mut said = Vec::new();
        while !said.contains(&b'\n') {
            stdout.read_buf(&mut said).await.unwrap();
        }
        print!("pids {} {}", process.id(), String::from_utf8(said).unwrap());
        running.push((process, stdout));
    }
    println!("ready");
    // Starts more until it is killed, so that it is killed in the middle of a start as well.
    let mut more: Vec<Process> = Vec::new();
    loop {
        more.push(spawn(&supervisor, &sh("trap '' TERM; sleep 1000")));
        if more.len() == 20 {
            more.clear();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_killed_server_leaves_no_child_and_no_grandchild() {
    for _ in 0..3 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["killed::server", "--exact", "--nocapture"]).env(SERVER, "1");
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut pids = Vec::new();
        for line in BufReader::new(server.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.contains("ready") {
                break;
            }
            if let Some((_, numbers)) = line.split_once("pids ") {
                pids.extend(numbers.split_whitespace().map(|number| number.parse::<u32>().unwrap()));
            }
        }
        assert_eq!(pids.len(), 9);
        assert!(pids.iter().all(|pid| exists(*pid)));
        let mark = format!("TOOLPOST_SERVER={}-", server.id());
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.kill().unwrap();
        server.wait().unwrap();
        let killed = Instant::now();
        for pid in pids {
            gone(pid).await;
        }
        // Nor is one left of those whose start it did not live to tell.
        soon(async {
            while 0 < marked(&mark) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(marked(&mark), 0);
    }
}

/// How many processes have this in their environment.
fn marked(mark: &str) -> usize {
    let has = |entry: std::fs::DirEntry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(has).filter(|has| *has).count()
}

#[tokio::test]
async fn a_guardian_that_was_killed_is_replaced() {
    let supervisor = Supervisor::new();
    drop(spawn(&supervisor, &sh("exit 0")));
    // Other tests of this process have it too, and have it replaced.
    for guardian in guardians() {
        let pid = Pid::from_raw(i32::try_from(guardian).unwrap()).unwrap();
        let _replaced = kill_process(pid, Signal::KILL);
    }
    for _ in 0..3 {
        let mut process = spawn(&supervisor, &sh("exit 0"));
        assert!(process.wait().await.unwrap().success());
    }
    soon(supervisor.idle()).await;
}
