//! Servers on stdin and stdout, each in a process on one core, the client on the other, 64 requests
//! always under way, of 2026-07-28 and in a session of 2025-11-25. `--quick` for a look that proves nothing.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use bench_http::requests::{Era, INITIALIZE, INITIALIZED, Random, bare, call, within_session};
use bench_http::servers::{Peer, build};
use calls::messages;
use harness::{Goals, Process, machine, median, record};
use served::{Part, pin};

const MODERN: [Peer; 5] = [Peer::Toolpost, Peer::Rmcp, Peer::TowerMcp, Peer::Pmcp, Peer::RustMcpSdk];
/// Those that have sessions.
const SESSIONS: [Peer; 4] = [Peer::Toolpost, Peer::Rmcp, Peer::TowerMcp, Peer::Pmcp];
const WINDOW: usize = 64;
/// The first id; it and all others have as many digits.
const FIRST: usize = 100_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => measure(5, 500_000, false),
        ["--quick"] => measure(2, 30_000, true),
        _ => Err(io::Error::other("no such option; there is --quick")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-stdio: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Processor time per request in microseconds, and requests per second.
type Repeats = Vec<(f64, f64)>;

fn measure(repeats: usize, requests: usize, quick: bool) -> io::Result<bool> {
    let pinned = pin(Part::Load);
    let mut random = Random(std::process::id().into());
    let built = build(&MODERN)?;
    let modern = MODERN.map(|peer| (Era::Modern, peer));
    let sessions = SESSIONS.map(|peer| (Era::Sessions, peer));
    let mut runs = [&modern[..], &sessions[..]].concat();
    runs.retain(|(_, peer)| built.contains(peer));
    let mut figures: BTreeMap<(bool, Peer), Repeats> = BTreeMap::new();
    for repeat in 1..=repeats {
        eprintln!("repeat {repeat} of {repeats}");
        random.shuffle(&mut runs);
        for (era, peer) in &runs {
            let failed = |error| io::Error::other(format!("{}: {error}", peer.name()));
            let mut client = Client::start(*peer, *era).map_err(failed)?;
            client.run(requests / 10).map_err(failed)?;
            let repeat = client.run(requests).map_err(failed)?;
            figures.entry((*era == Era::Sessions, *peer)).or_default().push(repeat);
        }
    }
    let cpu = |old, peer| median(figures[&(old, peer)].iter().map(|(cpu, _)| *cpu));
    let mut text =
        format!("{}; {}\n\n```text\n", machine(), if pinned { "one core each" } else { "NOT PINNED" });
    text += &format!("{:36} {:12} {:>11} {:>10}\n", "case", "server", "CPU us/req", "req/s");
    for ((old, peer), repeats) in &figures {
        let rate = median(repeats.iter().map(|(_, rate)| *rate));
        let case = if *old { "small, in a session" } else { "small, a window of 64" };
        text += &format!("{case:36} {:12} {:>11.2} {rate:>10.0}\n", peer.name(), cpu(*old, *peer));
    }
    text += "rust-mcp-sdk has no sessions: it speaks 2026-07-28 alone.\n";
    print!("{text}");
    let mut goals = Goals::new();
    for peer in built.iter().filter(|peer| **peer != Peer::Toolpost) {
        let ratio = cpu(false, Peer::Toolpost) / cpu(false, *peer);
        goals.at_most(&format!("CPU of small, a window of 64 / {}", peer.name()), ratio, 0.5);
    }
    if built.contains(&Peer::TowerMcp) {
        let ratio = cpu(true, Peer::Toolpost) / cpu(true, Peer::TowerMcp);
        goals.at_most("CPU of small, in a session / tower-mcp", ratio, 0.65);
    }
    if !quick {
        record("stdio", &format!("{text}\n{}\n```", goals.lines().join("\n")))?;
    }
    Ok(goals.finish())
}

/// One server and its client; the server is killed when this is dropped.
struct Client {
    server: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next: usize,
    body: Vec<u8>,
    /// Where the id stands in the body.
    id_at: usize,
    /// What every answer holds.
    echoed: String,
    line: String,
}

impl Client {
    fn start(peer: Peer, era: Era) -> io::Result<Self> {
        let mut command = Command::new(peer.binary()?);
        let mut server = command.args(["stdio", "0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (server.stdin.take(), server.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let small = match era {
            Era::Modern => messages::small(),
            Era::Sessions => within_session(&messages::small()),
        };
        let body = String::from_utf8(call(small, FIRST)).map_err(io::Error::other)? + "\n";
        let id_at = body.find(&FIRST.to_string()).expect("the id was just written");
        let stdout = BufReader::with_capacity(1 << 16, stdout);
        let (body, echoed, line) = (body.into_bytes(), "a".repeat(100), String::new());
        let mut client = Self { server, stdin, stdout, next: FIRST, body, id_at, echoed, line };
        let (first, said) = match era {
            Era::Modern => (bare("server/discover", 1), "2026-07-28"),
            Era::Sessions => (INITIALIZE.to_owned(), "2025-11-25"),
        };
        client.stdin.write_all((first + "\n").as_bytes())?;
        client.read_line()?;
        if !client.line.contains(said) {
            return Err(io::Error::other(format!("no {said} in {}", client.line)));
        }
        if era == Era::Sessions {
            client.stdin.write_all(format!("{INITIALIZED}\n").as_bytes())?;
        }
        Ok(client)
    }

    /// Sends that many requests, 64 at a time, and reads their answers, in any order.
    fn run(&mut self, requests: usize) -> io::Result<(f64, f64)> {
        let process = Process(self.server.id());
        let cpu =
            || process.cpu().ok_or_else(|| io::Error::other("no /proc/<pid>/stat: this bench needs Linux"));
        let mut open: BTreeSet<usize> = BTreeSet::new();
        let (mut sent, mut answered) = (0, 0);
        let (before, start) = (cpu()?, Instant::now());
        let mut batch = Vec::new();
        while answered < requests {
            batch.clear();
            while open.len() < WINDOW && sent < requests {
                self.write(&mut batch);
                open.insert(self.next);
                self.next += 1;
                sent += 1;
            }
            // Requests and answers under way are fewer bytes than a pipe holds, so this never waits
            // for a server that waits for us.
            self.stdin.write_all(&batch)?;
            // All that is here already, and at least one.
            loop {
                self.read_line()?;
                let id = id_of(&self.line).filter(|id| open.remove(id));
                if id.is_none() || !self.line.contains(&self.echoed) {
                    return Err(io::Error::other(format!("not an answer: {}", self.line)));
                }
                answered += 1;
                if answered == requests || !self.stdout.buffer().contains(&b'\n') {
                    break;
                }
            }
        }
        let took = start.elapsed().as_secs_f64();
        let cpu = (cpu()? - before).as_secs_f64();
        Ok((cpu * 1e6 / requests as f64, requests as f64 / took))
    }

    fn write(&self, batch: &mut Vec<u8>) {
        let at = batch.len() + self.id_at;
        batch.extend_from_slice(&self.body);
        batch[at..at + 9].copy_from_slice(self.next.to_string().as_bytes());
    }

    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        match self.stdout.read_line(&mut self.line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Fails only if it ended by itself.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn id_of(answer: &str) -> Option<usize> {
    let (_, rest) = answer.split_once(r#""id":"#)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
