//! A server that is asked to end answers every call it has taken.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use workbench::load::{Ask, Connection};
use workbench::serve::executor;

use crate::fixture::Place;

const CALLS: usize = 200;

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
