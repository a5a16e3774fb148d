//! What is seen on stdio.

use std::time::{Duration, Instant};

use bench_http::servers::Peer;
use serde_json::{Value, json};

use crate::process::{Outcome, Seen, Server, call, meta};

const SECONDS: Duration = Duration::from_secs(3);

fn start(peer: Peer) -> Outcome<Server> {
    let mut server = Server::start(peer, "stdio")?;
    let discover =
        json!({ "jsonrpc": "2.0", "id": 100, "method": "server/discover", "params": { "_meta": meta() } });
    server.tell(&discover.to_string())?;
    server.hear("\"id\":100", SECONDS * 3).ok_or("server/discover is not answered")?;
    Ok(server)
}

fn ask(server: &mut Server, id: u32, tool: &str, arguments: &Value) -> Outcome<()> {
    server.tell(&call(id, tool, arguments).to_string())
}

/// Whether a call is still answered.
fn goes_on(server: &mut Server) -> &'static str {
    let told = ask(server, 9, "echo", &json!({ "message": "after" }));
    match (told, server.hear("\"id\":9", SECONDS)) {
        (Ok(()), Some(_)) => "serves on",
        _ if server.lives() => "lives, and answers no more",
        _ => "the process ended",
    }
}

pub(crate) fn cancel(peer: Peer) -> Seen {
    let mut server = start(peer)?;
    ask(&mut server, 1, "wait", &json!({ "ms": 2_000 }))?;
    if !server.says("waiting", SECONDS) {
        return Err("the call did not begin".into());
    }
    let params = json!({ "requestId": 1, "reason": "changed my mind" });
    server.tell(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }).to_string(),
    )?;
    let stopped = server.says("stopped", Duration::from_secs(1));
    let answered =
        server.hear("\"id\":1,", SECONDS).or_else(|| server.hear("\"id\":1}", Duration::ZERO)).is_some();
    Ok(format!(
        "the tool {}; {}",
        if stopped { "is stopped" } else { "runs to its end" },
        if answered { "its call is answered" } else { "no answer" }
    ))
}

pub(crate) fn panic(peer: Peer) -> Seen {
    let mut server = start(peer)?;
    ask(&mut server, 1, "panic", &json!({}))?;
    let answered = match server.hear("\"id\":1", SECONDS) {
        Some(_) => "answered",
        None => "never answered",
    };
    Ok(format!("{answered}; {}", goes_on(&mut server)))
}

pub(crate) fn print(peer: Peer) -> Seen {
    let mut server = start(peer)?;
    ask(&mut server, 1, "print", &json!({}))?;
    let (_, others) = server.hear("\"id\":1", SECONDS).ok_or("not answered")?;
    Ok(match others {
        0 => "frames alone reach the client".to_owned(),
        _ => "the line is among the frames".to_owned(),
    })
}

pub(crate) fn garbage(peer: Peer) -> Seen {
    let mut server = start(peer)?;
    server.tell("{nope")?;
    let answered = match server.hear("-32700", Duration::from_secs(1)) {
        Some(_) => "-32700",
        None => "no answer",
    };
    Ok(format!("{answered}; {}", goes_on(&mut server)))
}

pub(crate) fn order(peer: Peer) -> Seen {
    let mut server = start(peer)?;
    let begin = Instant::now();
    ask(&mut server, 1, "wait", &json!({ "ms": 1_000 }))?;
    ask(&mut server, 2, "echo", &json!({ "message": "quick" }))?;
    server.hear("\"id\":2", SECONDS).ok_or("not answered")?;
    let took = begin.elapsed();
    Ok(match took < Duration::from_millis(700) {
        true => format!("the quick one is answered after {} ms", took.as_millis()),
        false => format!("the quick one waits for the slow one ({} ms)", took.as_millis()),
    })
}

pub(crate) fn eof(peer: Peer) -> Seen {
    let mut server = start(peer)?;
    ask(&mut server, 1, "wait", &json!({ "ms": 500 }))?;
    if !server.says("waiting", SECONDS) {
        return Err("the call did not begin".into());
    }
    drop(server.stdin.take());
    Ok(match server.hear("\"id\":1", SECONDS) {
        Some(_) => "answered",
        None => "the answer is lost",
    }
    .to_owned())
}
