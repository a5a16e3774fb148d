//! What is seen over HTTP.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bench_http::requests::{INITIALIZE, post};
use bench_http::servers::Peer;
use serde_json::{Value, json};

use crate::process::{Answer, Outcome, Seen, Server, call, connect, head, receive, send};

/// The host as clients say it, with its port: rust-mcp-sdk takes no other.
fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Calls `tool` once.
fn ask(server: &Server, tool: &str, arguments: &Value) -> Outcome<Answer> {
    raw(server, tool, &call(1, tool, arguments).to_string())
}

fn raw(server: &Server, tool: &str, body: &str) -> Outcome<Answer> {
    send(server.port, (head(&local(server.port), tool, "", body.len()) + body).as_bytes())
}

/// Whether it goes on, after whatever was done to it.
fn goes_on(server: &mut Server) -> &'static str {
    let echoed = ask(server, "echo", &json!({ "message": "after" }));
    match (server.lives(), echoed) {
        (true, Ok(answer)) if answer.body.contains("after") => "serves on",
        (true, _) => "serves no more",
        (false, _) => "the process ended",
    }
}

fn then(server: &mut Server, seen: Outcome<Answer>) -> Seen {
    let seen = seen.map_or_else(|error| error.to_string(), |answer| answer.told());
    Ok(format!("{seen}; {}", goes_on(server)))
}

pub(crate) fn revisions(peer: Peer) -> Seen {
    let mut known = Vec::new();
    let transport = if peer == Peer::RustMcpSdk { "http" } else { "sessions" };
    let server = Server::start(peer, transport)?;
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = send(server.port, &post(INITIALIZE.replace("2025-11-25", revision).as_bytes(), None));
        let agreed = answer.is_ok_and(|answer| answer.message()["result"]["protocolVersion"] == revision);
        known.extend(agreed.then_some(revision));
    }
    let modern = ask(&server, "echo", &json!({ "message": "modern" }));
    known.extend(
        modern
            .is_ok_and(|answer| answer.status == 200 && answer.body.contains("modern"))
            .then_some("2026-07-28"),
    );
    Ok(known.join(", "))
}

pub(crate) fn gone(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    let body = call(1, "wait", &json!({ "ms": 3_000 })).to_string();
    let mut stream = connect(server.port)?;
    stream.write_all((head(&local(server.port), "wait", "", body.len()) + &body).as_bytes())?;
    if !server.says("waiting", Duration::from_secs(5)) {
        return Err("the call did not begin".into());
    }
    drop(stream);
    let start = Instant::now();
    Ok(match server.says("stopped", Duration::from_secs(2)) {
        true => format!("the tool is stopped, after {} ms", start.elapsed().as_millis()),
        false => "the tool runs to its end".to_owned(),
    })
}

pub(crate) fn panic(peer: Peer) -> Seen {
    let mut server = Server::start(peer, "http")?;
    let seen = ask(&server, "panic", &json!({}));
    then(&mut server, seen)
}

pub(crate) fn garbage(peer: Peer) -> Seen {
    let mut server = Server::start(peer, "http")?;
    let start = Instant::now();
    let seen = raw(&server, "echo", "{nope");
    let took = start.elapsed().as_millis();
    Ok(format!("{}; {took} ms", then(&mut server, seen)?))
}

pub(crate) fn deep(peer: Peer) -> Seen {
    let mut server = Server::start(peer, "http")?;
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let body =
        call(1, "echo", &json!({ "message": "@" })).to_string().replace("\"@\"", &format!("{open}{close}"));
    let seen = raw(&server, "echo", &body);
    then(&mut server, seen)
}

pub(crate) fn large(peer: Peer) -> Seen {
    let mut server = Server::start(peer, "http")?;
    let body = call(1, "echo", &json!({ "message": "a".repeat(32_000_000) })).to_string();
    let mut stream = connect(server.port)?;
    // Who refuses it may close before all of it is sent.
    let _sent = stream.write_all((head(&local(server.port), "echo", "", body.len()) + &body).as_bytes());
    let seen = receive(&mut stream);
    let peak = harness::Process(server.id()).peak_memory().unwrap_or(0) >> 20;
    Ok(format!("{}; peak {peak} MiB", then(&mut server, seen)?))
}

pub(crate) fn slow(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    let mut stream = connect(server.port)?;
    write!(stream, "POST /mcp HTTP/1.1\r\nHost: {}\r\n", local(server.port))?;
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    while start.elapsed() < Duration::from_secs(45) {
        let sent = stream.write_all(b"x");
        match stream.read(&mut [0; 1024]) {
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && sent.is_ok() => {}
            _ => return Ok(format!("ended after {} s", start.elapsed().as_secs())),
        }
    }
    Ok("held".to_owned())
}

pub(crate) fn host(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    let body = call(1, "echo", &json!({ "message": "reached" })).to_string();
    let seen = send(server.port, (head("evil.example", "echo", "", body.len()) + &body).as_bytes())?;
    Ok(seen.told())
}

pub(crate) fn origin(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    let body = call(1, "echo", &json!({ "message": "reached" })).to_string();
    let head = head(&local(server.port), "echo", "Origin: https://evil.example\r\n", body.len());
    Ok(send(server.port, (head + &body).as_bytes())?.told())
}

pub(crate) fn wrong(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    Ok(ask(&server, "echo", &json!({ "message": 5 }))?.told())
}

pub(crate) fn unknown(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    Ok(ask(&server, "wait", &json!({ "ms": 1, "seconds": 5 }))?.told())
}

pub(crate) fn twice(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    let body = call(1, "echo", &json!({ "message": "@" })).to_string();
    Ok(raw(&server, "echo", &body.replace("\"@\"", r#""first","message":"second""#))?.told())
}

pub(crate) fn missing(peer: Peer) -> Seen {
    let server = Server::start(peer, "http")?;
    Ok(ask(&server, "ecko", &json!({ "message": "a" }))?.told())
}
