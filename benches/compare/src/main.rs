//! Does the same to toolpost and to its peers, as each comes, and prints what a user would see: `cargo xtask bench compare [ROW]`. Nothing is
//! judged. The servers are those of the benches (`servers/`), each in the set-up that its own documentation begins with.
#![allow(clippy::disallowed_methods, reason = "it is about real clocks")]

mod http;
mod pipe;
mod process;
mod sessions;

use std::process::ExitCode;

use bench_http::servers::{Peer, build};
use process::Seen;

/// What is done to each server.
struct Row {
    name: &'static str,
    what: &'static str,
    see: fn(Peer) -> Seen,
}

const PEERS: [Peer; 5] = [Peer::Toolpost, Peer::Rmcp, Peer::TowerMcp, Peer::Pmcp, Peer::RustMcpSdk];

const ROWS: &[Row] = &[
    Row { name: "revisions", what: "the revisions that it agrees to", see: http::revisions },
    Row {
        name: "replica",
        what: "a session opened at one process, a call in it at another one with the same secrets",
        see: sessions::replica,
    },
    Row { name: "abandoned", what: "20,000 sessions opened and never used", see: sessions::abandoned },
    Row {
        name: "sessionless",
        what: "20,000 calls of 2025-11-25 that name no session",
        see: sessions::sessionless,
    },
    Row { name: "batch", what: "a batch of 2025-03-26", see: sessions::batch },
    Row { name: "gone", what: "a client over HTTP (2026-07-28) leaves its call", see: http::gone },
    Row { name: "cancel", what: "`notifications/cancelled` on stdio", see: pipe::cancel },
    Row { name: "panic", what: "a tool panics, over HTTP", see: http::panic },
    Row { name: "panic-stdio", what: "a tool panics, on stdio", see: pipe::panic },
    Row { name: "print", what: "a tool prints to stdout, on stdio", see: pipe::print },
    Row { name: "garbage", what: "a body that is no JSON", see: http::garbage },
    Row { name: "garbage-stdio", what: "a line that is no JSON", see: pipe::garbage },
    Row { name: "deep", what: "arguments nested 100,000 deep", see: http::deep },
    Row { name: "large", what: "a body of 32 MB", see: http::large },
    Row { name: "slow", what: "a head that takes for ever (looked at for 45 s)", see: http::slow },
    Row { name: "host", what: "a request to another host, as by DNS rebinding", see: http::host },
    Row { name: "origin", what: "a request of a foreign page", see: http::origin },
    Row { name: "wrong", what: "an argument of the wrong type", see: http::wrong },
    Row { name: "unknown", what: "an argument that is not declared", see: http::unknown },
    Row { name: "twice", what: "an argument given twice", see: http::twice },
    Row { name: "missing", what: "a tool that does not exist", see: http::missing },
    Row { name: "order", what: "a slow call before a quick one, on stdio", see: pipe::order },
    Row { name: "eof", what: "the end of stdin while a call runs", see: pipe::eof },
];

fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let rows: Vec<&Row> =
        ROWS.iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.name)).collect();
    if rows.is_empty() {
        let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        eprintln!("there is no such row; there are: {}", known.join(", "));
        return ExitCode::FAILURE;
    }
    let built = match build(&PEERS) {
        Ok(built) => built,
        Err(error) => {
            eprintln!("compare: {error}");
            return ExitCode::FAILURE;
        }
    };
    for Row { name, what, see } in rows {
        println!("{name}: {what}");
        // At once: some take long, and none is about speed.
        std::thread::scope(|scope| {
            let seeing: Vec<_> = built.iter().map(|peer| (peer, scope.spawn(move || see(*peer)))).collect();
            for (peer, seen) in seeing {
                let seen = seen.join().unwrap_or_else(|_| Err("the comparison itself failed".into()));
                let seen = seen.unwrap_or_else(|error| format!("({error})"));
                println!("  {:12} {seen}", peer.name());
            }
        });
    }
    ExitCode::SUCCESS
}
