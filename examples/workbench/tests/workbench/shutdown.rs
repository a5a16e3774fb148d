//! A server that is asked to end answers every call it has taken.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use workbench::load::{Ask, Connection};
use workbench::serve::executor;

use crate::fixture::Place;

const CALLS: usize = 200;

/// Serves `place` over HTTP; what it is asked for, and where.
fn serve(place: &Place, tool: &str, args: &Value) -> (Child, Ask) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args(["serve", "--http", "localhost:0", "--with-sleep", "--root"])
        .arg(place.root())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let url = said.trim_end().strip_prefix("workbench: serving ").unwrap();
    (server, Ask::new(url, tool, args, &json!({ "progressToken": 1 })).unwrap())
}

fn signal(server: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &server.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let place = Place::new();
    let (mut server, ask) = serve(&place, "hold", &json!({}));
    let _held = server.stdin.take();
    executor().unwrap().block_on(async {
        let mut connection = Connection::open(&ask).await.unwrap();
        let mut body = connection.send(&ask).await.unwrap().into_body();
        until(&mut body, "notifications/progress").await;
        signal(&server, "-TERM");
        while Connection::open(&ask).await.is_ok() {}
        assert!(server.try_wait().unwrap().is_none(), "the call may go on");
        signal(&server, "-TERM");
        assert!(!server.wait().unwrap().success(), "a call was cut off");
    });
}

/// The file takes hours to read; nobody waits for that when its caller has left.
#[test]
fn sigterm_with_an_abandoned_call_ends_it() {
    let place = Place::new();
    let path = place.root().join("sparse.txt");
    std::fs::write(&path, "some text\n".repeat(10_000)).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_len(400 << 30).unwrap();
    let (mut server, ask) = serve(&place, "count_lines", &json!({ "path": "sparse.txt" }));
    executor().unwrap().block_on(async {
        let mut connection = Connection::open(&ask).await.unwrap();
        let sent = tokio::time::timeout(Duration::from_millis(100), connection.send(&ask)).await;
        assert!(!sent.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() != 200)));
        drop(connection);
    });
    signal(&server, "-TERM");
    assert!(server.wait().unwrap().success());
}

#[test]
fn sigterm_with_200_calls_in_flight_loses_none() {
    let place = Place::new();
    let mut server = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args(["serve", "--http", "127.0.0.1:0", "--with-sleep", "--root"])
        .arg(place.root())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let release = server.stdin.take().unwrap();
    let mut said = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let url = said.trim_end().strip_prefix("workbench: serving ").unwrap();
    let ask = Ask::new(url, "hold", &json!({}), &json!({ "progressToken": "hold" })).unwrap();
    let pid = server.id().to_string();

    let answers = executor().unwrap().block_on(async move {
        // Each is in its tool: it has said so.
        let ask = Arc::new(ask);
        let mut starting = JoinSet::new();
        for _ in 0..CALLS {
            let ask = Arc::clone(&ask);
            starting.spawn(async move {
                let mut connection = Connection::open(&ask).await.unwrap();
                let mut body = connection.send(&ask).await.unwrap().into_body();
                let said = until(&mut body, "notifications/progress").await;
                assert!(!said.contains(r#""result""#), "{said}");
                (connection, body)
            });
        }
        let started = starting.join_all().await;
        assert_eq!(started.len(), CALLS);

        // Asked to end, it takes nobody in any more; only then the tools go on.
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        while Connection::open(&ask).await.is_ok() {}
        drop(release);

        let mut answers = Vec::new();
        for (connection, mut body) in started {
            answers.push(until(&mut body, r#""result""#).await);
            drop(connection);
        }
        answers
    });
    let status = server.wait().unwrap();

    assert_eq!(answers.len(), CALLS);
    for answer in answers {
        let data =
            answer.lines().find_map(|line| line.strip_prefix("data:")?.contains("result").then_some(line));
        let message: Value = serde_json::from_str(data.unwrap().trim_start_matches("data:")).unwrap();
        assert_eq!(message["result"]["content"][0]["text"], "released", "{message}");
    }
    assert!(status.success(), "{status}");
}

/// Reads on until `part` was said, and the event that it is in is whole.
async fn until(body: &mut Incoming, part: &str) -> String {
    let mut said = String::new();
    while !said.split_once(part).is_some_and(|(_, rest)| rest.contains("\n\n")) {
        let frame = body.frame().await.unwrap_or_else(|| panic!("no `{part}` in {said}")).unwrap();
        said.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    said
}
