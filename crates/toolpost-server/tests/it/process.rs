//! A server in a process of its own: real pipes, real signals, and an exit code.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The `serve` example, which `cargo test` builds beside this test.
fn serve() -> Child {
    example().spawn().unwrap()
}

fn example() -> Command {
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples/serve");
    let mut command = Command::new(example);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn call(id: u64, name: &str, arguments: &Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": id,
    });
    let params = json!({"name": name, "arguments": arguments, "_meta": meta});
    format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
}

fn terminate(child: &Child) {
    signal(child, "-TERM");
}

fn signal(child: &Child, which: &str) {
    let killed = Command::new("kill").args([which, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn everything_on_stdout_is_a_message_and_the_end_of_input_is_the_end() {
    let mut child = serve();
    let mut stdin = child.stdin.take().unwrap();
    for id in 0..100 {
        stdin.write_all(call(id, "echo", &json!({"text": "x".repeat(1_000)})).as_bytes()).unwrap();
    }
    stdin.write_all(call(100, "count", &json!({"step_ms": 1})).as_bytes()).unwrap();
    drop(stdin);
    let mut ids = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(message["jsonrpc"], "2.0");
        ids.extend(message["id"].as_u64());
    }
    assert_eq!(ids, (0..=100).collect::<Vec<_>>(), "what ran at the end of input is answered");
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn what_a_tool_prints_reaches_no_client() {
    let mut child = serve();
    let mut stdin = child.stdin.take().unwrap();
    for id in 0..10 {
        stdin.write_all(call(id, "print", &json!({"text": "said to nobody"})).as_bytes()).unwrap();
    }
    drop(stdin);
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines:?}");
    assert_eq!(lines.len(), 10);
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "said to nobody\n".repeat(10));
}

/// A shell starts the server, waits for the end of a pipe, and ends; the server's stdin stays open all the time.
#[test]
fn a_server_whose_parent_is_gone_ends_though_its_stdin_is_open() {
    let (directory, example) = (tempfile::tempdir().unwrap(), example());
    let lives = directory.path().join("lives");
    assert!(Command::new("mkfifo").arg(&lives).status().unwrap().success());
    // A shell gives what it runs behind itself no stdin, unless it is called something else.
    let script = r#"exec 3<&0; "$0" <&3 & read -r _ < "$1""#;
    let mut parent = Command::new("sh");
    parent.args(["-c", script]).arg(example.get_program()).arg(&lives);
    let mut parent = parent.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = parent.stdin.take().unwrap();
    stdin.write_all(call(1, "echo", &json!({"text": "x"})).as_bytes()).unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let answer: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(answer["id"], 1, "it serves, and knows its parent");
    stdin.write_all(call(2, "count", &json!({"step_ms": 100_000})).as_bytes()).unwrap();
    drop(std::fs::File::options().write(true).open(lives).unwrap());
    parent.wait().unwrap();
    let gone = std::time::Instant::now();
    // The server has the other end of this pipe, and nobody else.
    lines.for_each(drop);
    assert!(gone.elapsed().as_secs() < 10, "{:?}", gone.elapsed());
    drop(stdin);
}

#[test]
fn told_to_end_it_waits_for_no_long_call_and_exits_with_zero() {
    let mut child = serve();
    let mut stdin = child.stdin.take().unwrap();
    // Ten steps: over a minute and a half.
    stdin.write_all(call(1, "count", &json!({"step_ms": 10_000})).as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It counts, so it runs.
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["method"], "notifications/progress");
    let told = std::time::Instant::now();
    terminate(&child);
    assert_eq!(lines.map_while(Result::ok).count(), 0);
    assert!(child.wait().unwrap().success());
    assert!(told.elapsed().as_secs() < 20, "{:?}", told.elapsed());
    drop(stdin);
}

/// Clients close stdin, wait a little, and send SIGTERM: what runs then is waited for no longer.
#[test]
fn told_to_end_after_the_end_of_its_input_it_ends_at_once() {
    let mut child = serve();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(call(1, "count", &json!({"step_ms": 60_000})).as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["method"], "notifications/progress");
    let told = std::time::Instant::now();
    drop(stdin);
    terminate(&child);
    assert_eq!(lines.map_while(Result::ok).count(), 0);
    assert!(child.wait().unwrap().success());
    assert!(told.elapsed().as_secs() < 20, "{:?}", told.elapsed());
}

/// Neither a pipe nor a socket, and nothing to be read from it: as a terminal before which nobody sits.
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_as_stdin_does_not_keep_it_from_ending() {
    let Ok(terminal) = std::fs::File::options().read(true).write(true).open("/dev/ptmx") else { return };
    let mut child = example().stdin(terminal).spawn().unwrap();
    // Until it catches SIGTERM, the signal would end it anyhow.
    let catches = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 1 << 14 != 0
    };
    while !catches() {
        std::thread::yield_now();
    }
    let told = std::time::Instant::now();
    terminate(&child);
    child.wait().unwrap();
    assert!(told.elapsed().as_secs() < 20, "{:?}", told.elapsed());
}

/// stderr is often the same pipe as stdout, and blocks whoever writes to it, as it did before.
#[test]
#[cfg(target_os = "linux")]
fn a_pipe_that_others_write_to_blocks_as_before() {
    let (reader, writer) = std::io::pipe().unwrap();
    let shared = writer.try_clone().unwrap();
    let mut command = example();
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    child.stdin.as_mut().unwrap().write_all(call(1, "echo", &json!({"text": "x"})).as_bytes()).unwrap();
    let mut lines = BufReader::new(reader);
    lines.read_line(&mut String::new()).unwrap();
    let flags = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", shared.as_raw_fd())).unwrap();
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    let nonblocking = u32::from_str_radix(flags, 8).unwrap() & 0o4000;
    assert_eq!(nonblocking, 0, "{flags}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_client_that_closes_both_ends_leaves_no_process_behind() {
    let mut child = serve();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(call(1, "nothing", &json!({})).as_bytes()).unwrap();
    drop((stdin, child.stdout.take()));
    // Whether writing failed or nothing was left to write, it ends.
    child.wait().unwrap();
}

/// Whether this process ignores SIGHUP, as one does that was started with `nohup`; its children do, too.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_terminal_that_is_closed_loses_no_call() {
    if ignores_hangup() {
        eprintln!("skipped: this run was started to survive its terminal, and so is what it starts");
        return;
    }
    let mut child = serve();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(call(1, "count", &json!({"step_ms": 30})).as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["method"], "notifications/progress");
    signal(&child, "-HUP");
    assert!(lines.map_while(Result::ok).any(|line| line.contains(r#""text":"ten""#)));
    assert!(child.wait().unwrap().success());
    drop(stdin);
}

#[test]
fn told_to_end_a_second_time_it_waits_for_no_call() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = example().arg(address.to_string()).spawn().unwrap();
    let connect = || std::net::TcpStream::connect(address);
    let mut stream = loop {
        match connect() {
            Ok(stream) => break stream,
            Err(_) => assert!(child.try_wait().unwrap().is_none(), "it has ended"),
        }
    };
    let body = call(1, "count", &json!({"step_ms": 60_000}));
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: count\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It counts, so it runs.
    assert_ne!(stream.read(&mut [0; 64]).unwrap(), 0);
    signal(&child, "-TERM");
    // Once nobody new is let in, it has heard that, and it waits for the call.
    while connect().is_ok() {}
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "-TERM");
    assert!(!child.wait().unwrap().success(), "a call was lost");
}
