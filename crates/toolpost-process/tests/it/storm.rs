//! Thousands of calls with kills, time-outs, drops and crashes, and a drain in the middle: nothing is left.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use toolpost_process::{Supervisor, Workers, WorkersOptions};
use toolpost_tool::{Tool as _, ToolSpec};

use crate::common::{call, children, descriptors, sh, soon};

/// Set to how many calls the storm has, for the long form.
const CALLS: &str = "TOOLPOST_STORM_CALLS";
/// Set in the process that the storm runs in, so that it counts its own children alone.
const INSIDE: &str = "TOOLPOST_STORM_INSIDE";

const WORKER: &str = r#"
read -r hello
echo '{"toolpost":1,"tools":[]}'
while read -r line; do
    id=${line#*:}; id=${id%%[,\}]*}
    case $line in
    *'"call":"fine"'*) echo "{\"id\":$id,\"result\":\"fine\"}" ;;
    *'"call":"crash"'*) exit 1 ;;
    *'"call":"hang"'*) sleep 1000 ;;
    *'"call":"noise"'*) echo noise ;;
    esac
done
"#;

#[test]
fn of_a_storm_of_calls_nothing_is_left() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["storm::inside", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let calls: usize = std::env::var(CALLS).map_or(400, |calls| calls.parse().unwrap());
    let before = {
        // The guardian, and what tokio opens once.
        let supervisor = Supervisor::new();
        drop(supervisor.spawn(&sh("exit 0"), |_| {}).unwrap());
        soon(supervisor.idle()).await;
        descriptors()
    };
    let ended = Arc::new(AtomicUsize::new(0));
    for half in 0..2 {
        let supervisor = Supervisor::new();
        let options = WorkersOptions::new().processes(3).recycle_after(20).queue(1_000);
        let workers = Workers::start(&supervisor, sh(WORKER), options.cancel_grace(Duration::from_millis(5)));
        let mut running = JoinSet::new();
        let mut seed = 0x9e37_79b9_u64 + half;
        for n in 0..calls / 2 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = seed >> 33;
            if n == calls / 4 {
                supervisor.close();
            }
            let (supervisor, ended) = (supervisor.clone(), Arc::clone(&ended));
            let tool = ["fine", "fine", "fine", "crash", "hang", "noise"][(draw % 6) as usize];
            let tool = workers.tool(ToolSpec::new(tool).unwrap());
            running.spawn(async move {
                let limit = Duration::from_millis(draw % 7);
                match draw % 5 {
                    0 | 1 => {
                        drop(tokio::time::timeout(limit + Duration::from_millis(20), tool.call(call())).await)
                    }
                    2 => {
                        let mut process = supervisor.spawn(&sh("sleep 1000 & wait"), |_| {}).unwrap();
                        drop(tokio::time::timeout(limit, process.wait()).await);
                    }
                    3 => {
                        let process =
                            supervisor.spawn(&sh("trap '' TERM; sleep 1000").grace(limit), |_| {}).unwrap();
                        let pid = process.id().to_string();
                        drop(Command::new("kill").args(["-KILL", &pid]).status());
                        drop(process);
                    }
                    _ => {
                        let mut process = supervisor.spawn(&sh("echo said; exit 3"), |_| {}).unwrap();
                        let mut text = String::new();
                        process.take_stdout().unwrap().read_to_string(&mut text).await.unwrap();
                        assert_eq!((&*text, process.wait().await.unwrap().code()), ("said\n", Some(3)));
                    }
                }
                ended.fetch_add(1, Ordering::SeqCst);
            });
            while 40 < running.len() {
                running.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(end) = running.join_next().await {
            end.unwrap();
        }
        // Nothing is kept warm, and nothing runs: so it is idle by itself.
        soon(supervisor.idle()).await;
        drop(workers);
    }
    assert_eq!(ended.load(Ordering::SeqCst), calls / 2 * 2);
    assert!(children().is_empty(), "no child, and no zombie");
    assert_eq!(descriptors(), before);
}
