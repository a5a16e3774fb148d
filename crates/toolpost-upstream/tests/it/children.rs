//! Servers that are programs: killed, ended, started again.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use toolpost_process::{Program, Supervisor};
use toolpost_tool::{Call, ErrorKind, NoArgs, Output, ToolError};
use toolpost_upstream::{Endpoint, Upstream, UpstreamOptions, UpstreamState};

use crate::common::{called, is_down, start, tool, until};

/// A server of 2025-11-25 in the shell, which answers by its own number; the tool `hang` is never answered.
const SERVER: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case $line in
    *'"method":"initialize"'*) r='"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"method":"tools/list"'*) r='"result":{"tools":[{"name":"number","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}},{"name":"look","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}]}' ;;
    *'"method":"tools/call"'*'"number"'*) r='"result":{"content":[{"type":"text","text":"'$$'"}]}' ;;
    *'"method":"tools/call"'*) echo asked >&2; continue ;;
    *'"id":'*) r='"error":{"code":-32601,"message":"no"}' ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$r"
done
"#;

fn server(supervisor: &Supervisor) -> Endpoint {
    Endpoint::program(supervisor, Program::new("/bin/sh").args(["-c", SERVER]).env("PATH", "/usr/bin:/bin"))
}

async fn number(upstream: &Upstream) -> i32 {
    let output = called(upstream, "number", json!({})).await.unwrap();
    let text = output.encode();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn kill(process: i32) {
    kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_is_killed_costs_its_calls_and_serves_again() {
    let supervisor = Supervisor::new();
    let begun = Instant::now();
    let upstream = start("sh", server(&supervisor), UpstreamOptions::new()).await;
    let start_time = begun.elapsed();
    let first = number(&upstream).await;
    let (hang, look) = (tool(&upstream, "hang"), tool(&upstream, "look"));
    let call = |tool: toolpost_tool::AnyTool| async move {
        let ended: Result<Output, ToolError> = tool.call_owned(Call::new(&NoArgs {}).unwrap()).await;
        (ended.unwrap_err(), Instant::now())
    };
    let in_flight = async { tokio::join!(call(hang), call(look)) };
    let killed = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        kill(first);
        Instant::now()
    };
    let (((order, ended), (look, also)), killed) = tokio::join!(in_flight, killed);
    assert_eq!((order.kind(), look.kind()), (ErrorKind::OutcomeUnknown, ErrorKind::Unavailable), "{order}");
    let late = ended.max(also).saturating_duration_since(killed);
    until(&upstream, |status| status.handshakes == 2).await;
    let back = killed.elapsed();
    assert_ne!(number(&upstream).await, first);
    // On a machine that has nothing else to do: 50 ms, and the start time and 100 ms.
    assert!(late < Duration::from_secs(5), "{late:?}");
    assert!(back < start_time * 10 + Duration::from_secs(5), "{back:?}, started in {start_time:?}");
    println!("in flight: {late:?}; back: {back:?}; start: {start_time:?}");
    upstream.stop().await;
    assert_eq!(supervisor.running(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_ends_leave_no_process_and_no_descriptor() {
    let supervisor = Supervisor::new();
    let upstream = start("sh", server(&supervisor), UpstreamOptions::new()).await;
    let cycles: u64 =
        std::env::var("TOOLPOST_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(20);
    kill(number(&upstream).await);
    until(&upstream, |status| status.handshakes == 2 && status.state == UpstreamState::Ready).await;
    let before = descriptors();
    for cycle in 3..3 + cycles {
        kill(number(&upstream).await);
        until(&upstream, |status| status.handshakes == cycle && status.state == UpstreamState::Ready).await;
    }
    assert!(supervisor.running() <= 1, "{}", supervisor.running());
    assert!(descriptors() <= before + 4, "{before} and then {}", descriptors());
    upstream.stop().await;
    assert_eq!(supervisor.running(), 0);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_ends_at_once_says_why_and_is_started_ever_more_slowly() {
    let supervisor = Supervisor::new();
    let script = "echo \"no license: token=abcdefgh12345678 nor $LICENSE\" >&2; exit 3";
    let program = Program::new("/bin/sh").args(["-c", script]).env("PATH", "/usr/bin:/bin");
    let program = program.env("LICENSE", "open sesame");
    let upstream = Upstream::start("broken", Endpoint::program(&supervisor, program), UpstreamOptions::new());
    until(&upstream, is_down).await;
    let UpstreamState::Down { reason, .. } = upstream.status().state else { panic!("it is not down") };
    assert!(reason.contains("its stderr ends in: no license"), "{reason}");
    assert!(!reason.contains("abcdefgh12345678") && !reason.contains("sesame"), "{reason}");
    upstream.stop().await;
    supervisor.idle().await;

    let missing = Endpoint::program(&supervisor, Program::new("/no/such/program"));
    let upstream = Upstream::start("missing", missing, UpstreamOptions::new());
    until(&upstream, is_down).await;
    let UpstreamState::Down { reason, .. } = upstream.status().state else { panic!("it is not down") };
    assert_eq!(&*reason, "the program `/no/such/program` was not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_ends_with_the_last_handle() {
    let supervisor = Supervisor::new();
    let upstream = start("sh", server(&supervisor), UpstreamOptions::new()).await;
    assert_eq!(supervisor.running(), 1);
    drop(upstream);
    tokio::time::timeout(Duration::from_secs(10), supervisor.idle()).await.unwrap();
}
