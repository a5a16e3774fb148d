//! The commands, as a person or a script runs them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use workbench::client::{Client, Era};
use workbench::plan::TOOLS;
use workbench::serve::executor;

use crate::fixture::Place;

fn workbench(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_workbench")).args(args).arg("--root").arg(root).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn demo_calls_every_tool_and_ends_well() {
    let place = Place::new();
    let output = workbench(&place.root(), &["demo"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    for tool in TOOLS {
        assert!(text.contains(&format!("ok   {tool}")), "{tool} is not in {text}");
    }
    for shown in [
        "from the cache",
        "stale: failure 1 is covered",
        "stale: the breaker is open, nobody was asked",
        "no answer to fall back on, come back in",
        "fresh again",
        "run as number 2 of 9",
        "1 call in place of 10, equal answers",
        if cfg!(feature = "git") { "1 call in place of 5" } else { "1 call in place of 4" },
    ] {
        assert!(text.contains(shown), "`{shown}` is not in {text}");
    }
    assert!(text.trim_end().ends_with("all as it should be"), "{text}");
    assert!(!text.contains('\x1b'), "no color where there is no terminal");
}

#[test]
fn demo_over_an_empty_directory_ends_well() {
    let dir = tempfile::TempDir::new().unwrap();
    let output = workbench(dir.path(), &["demo"]);
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn demo_speaks_json() {
    let place = Place::new();
    let output = workbench(&place.root(), &["demo", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["ok"], &document["total"]["failed"]), (&Value::from(true), &Value::from(0)));
    let tables = document["sections"].as_array().unwrap().iter();
    let rows: Vec<_> = tables.map(|table| table["calls"].as_array().unwrap().len()).collect();
    assert_eq!((rows.len(), &rows[0], &rows[2]), (7, &(1 + TOOLS.len()), &4), "every part is shown");
    let counters = &document["counters"];
    assert!(counters["cache"]["hits"].as_u64() >= Some(4), "{counters}");
    assert!(counters["breaker"]["opened"].as_u64() >= Some(1), "{counters}");
    assert_eq!(counters["queue"]["got it"], 8, "all but the one that found the permit free: {counters}");
}

#[test]
fn selftest_passes() {
    let place = Place::new();
    let output = workbench(&place.root(), &["selftest", "--json"]);
    assert!(output.status.success(), "{}", stdout(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["sections"].as_array().unwrap().len(), 4, "two transports, two eras");
    assert_eq!(document["total"]["calls"], 4 * TOOLS.len());
}

#[test]
fn what_is_no_directory_is_said_and_ends_badly() {
    let place = Place::new();
    for command in [&["demo"][..], &["serve"], &["serve", "--http", "127.0.0.1:0"]] {
        let output = workbench(&place.root().join("README.md"), command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains("cannot open the root"), "{command:?}: {text}");
        assert!(output.stdout.is_empty(), "{command:?}");
    }
    let output = workbench(&place.root().join("nowhere"), &["selftest"]);
    let text = stdout(&output);
    assert!(!output.status.success() && text.contains("cannot open the root"), "{text}");
}

#[test]
fn serve_http_says_where_and_serves_there() {
    let place = Place::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args(["serve", "--http", "127.0.0.1:0", "--root"])
        .arg(place.root())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("workbench: serving ").unwrap().to_owned();
    let listed = executor().unwrap().block_on(async {
        let mut listed = Vec::new();
        for era in Era::ALL {
            let client = Client::over_http(&url, era).await.unwrap();
            listed.push(client.list().await.unwrap().len());
            client.close().await.unwrap();
        }
        listed
    });
    // Before anything is asserted, so that a failure leaves no server behind.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(listed, [TOOLS.len(); 2]);
}

#[test]
fn serve_http_refuses_strangers_by_default() {
    let place = Place::new();
    let output = workbench(&place.root(), &["serve", "--http", "0.0.0.0:0"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("refusing to serve unauthenticated"), "{text}");
    assert!(!text.contains("workbench: serving"), "it says so only once it does: {text}");
}

#[test]
fn a_port_in_use_is_said_in_plain_words() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = workbench(&place.root(), &["serve", "--http", &address]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("the port is in use"), "{text}");
    assert!(text.contains(&address) && !text.contains("workbench: serving"), "{text}");
}

#[test]
fn serve_needs_nobody_who_reads_its_stderr() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (unread, stderr) = std::io::pipe().unwrap();
    drop(unread);
    let mut child = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args(["serve", "--http", &port, "--allow-host", "lathe", "--session-idle", "60", "--root"])
        .arg(place.root())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let listed = executor().unwrap().block_on(async {
        loop {
            if let Ok(client) = Client::over_http(&url, Era::Discover).await {
                break client.list().await.map(|tools| tools.len());
            }
            if child.try_wait().unwrap().is_some() {
                break Err("it ended".into());
            }
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(listed.unwrap(), TOOLS.len());
}
