//! What is seen of sessions, all of them of the old era.

use std::io::Write;

use bench_http::requests::{INITIALIZE, INITIALIZED, post};
use bench_http::servers::Peer;
use serde_json::json;

use crate::process::{Answer, Outcome, Seen, Server, connect, field, receive, send};

const MANY: usize = 20_000;
const WARM: usize = 500;

/// Opens a session; gives back its id.
fn open(server: &Server, revision: &str) -> Outcome<String> {
    let answer = send(server.port, &post(INITIALIZE.replace("2025-11-25", revision).as_bytes(), None))?;
    let session =
        field(&answer.head, "mcp-session-id").ok_or_else(|| format!("no session: {}", answer.told()))?;
    send(server.port, &post(INITIALIZED.as_bytes(), Some(session)))?;
    Ok(session.to_owned())
}

fn echo() -> String {
    let params = json!({ "name": "echo", "arguments": { "message": "here" } });
    json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }).to_string()
}

pub(crate) fn replica(peer: Peer) -> Seen {
    let (one, other) = (Server::start(peer, "sessions")?, Server::start(peer, "sessions")?);
    let session = open(&one, "2025-11-25")?;
    let at_home = send(one.port, &post(echo().as_bytes(), Some(&session)))?;
    drop(one);
    let away = send(other.port, &post(echo().as_bytes(), Some(&session)))?;
    Ok(format!("there: {}; elsewhere: {}", at_home.status, away.told()))
}

pub(crate) fn abandoned(peer: Peer) -> Seen {
    growth(peer, &post(INITIALIZE.as_bytes(), None))
}

pub(crate) fn sessionless(peer: Peer) -> Seen {
    let mut call = String::from_utf8(post(echo().as_bytes(), None))?;
    call = call.replacen("\r\n", "\r\nMCP-Protocol-Version: 2025-11-25\r\n", 1);
    growth(peer, call.as_bytes())
}

/// How much memory grows with each of many such requests.
fn growth(peer: Peer, request: &[u8]) -> Seen {
    let server = Server::start(peer, "sessions")?;
    let memory = || harness::Process(server.id()).memory().unwrap_or(0);
    let mut stream = connect(server.port)?;
    let mut before = 0;
    let mut last: Option<Answer> = None;
    for nth in 0..WARM + MANY {
        if nth == WARM {
            before = memory();
        }
        if stream.write_all(request).is_err() {
            stream = connect(server.port)?;
            stream.write_all(request)?;
        }
        last = Some(receive(&mut stream)?);
        // An answer by events may have a rest that is not read yet.
        if last.as_ref().is_some_and(|answer| field(&answer.head, "content-length").is_none()) {
            stream = connect(server.port)?;
        }
    }
    let grown = memory().saturating_sub(before);
    let told = last.map(|answer| answer.status).unwrap_or_default();
    Ok(format!("{} bytes each ({} MiB more); status {told}", grown / MANY as u64, grown >> 20))
}

pub(crate) fn batch(peer: Peer) -> Seen {
    let server = Server::start(peer, "sessions")?;
    let session = open(&server, "2025-03-26")?;
    let one = echo();
    let body = format!("[{one},{}]", one.replace("\"id\":2", "\"id\":3"));
    let request = String::from_utf8(post(body.as_bytes(), Some(&session)))?;
    let answer = send(server.port, request.replace("Version: 2025-11-25", "Version: 2025-03-26").as_bytes())?;
    let both = answer.body.contains("\"id\":2") && answer.body.contains("\"id\":3");
    Ok(if both { "both answered".to_owned() } else { answer.told() })
}
