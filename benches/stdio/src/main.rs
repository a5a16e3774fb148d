//! Servers on stdin and stdout, each in a process on one core, the client on the other, 64 requests
//! always under way. `--quick` for a look that proves nothing.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use ::rmcp::ServiceExt;
use bench_http::cores::{Part, pin};
use bench_http::requests::{Random, bare, call};
use bench_http::servers::{Peer, ours, rmcp};
use bench_spine::messages;
use harness::{Goals, Process, machine, median, record};

const PEERS: [Peer; 2] = [Peer::Toolpost, Peer::Rmcp];
const WINDOW: usize = 64;
/// The first id; it and all others have as many digits.
const FIRST: usize = 100_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["serve", peer] => serve(Peer::named(peer)).map(|()| true),
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

fn serve(peer: Option<Peer>) -> io::Result<()> {
    pin(Part::Server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match peer {
            Some(Peer::Toolpost) => ours::server(0).stdio().await.map_err(io::Error::other),
            Some(Peer::Rmcp) => {
                let service = rmcp::handler(0).serve(::rmcp::transport::stdio_pipes());
                let running = service.await.map_err(io::Error::other)?;
                running.waiting().await.map(drop).map_err(io::Error::other)
            }
            _ => Err(io::Error::other("serve toolpost|rmcp")),
        }
    })
}

/// Processor time per request in microseconds, and requests per second.
type Repeats = Vec<(f64, f64)>;

fn measure(repeats: usize, requests: usize, quick: bool) -> io::Result<bool> {
    let pinned = pin(Part::Load);
    let mut random = Random(std::process::id().into());
    let mut figures: BTreeMap<Peer, Repeats> = BTreeMap::new();
    for repeat in 1..=repeats {
        eprintln!("repeat {repeat} of {repeats}");
        let mut peers = PEERS;
        random.shuffle(&mut peers);
        for peer in peers {
            let mut client = Client::start(peer)?;
            let failed = |error| io::Error::other(format!("{}: {error}", peer.name()));
            client.run(requests / 10).map_err(failed)?;
            let repeat = client.run(requests).map_err(failed)?;
            figures.entry(peer).or_default().push(repeat);
        }
    }
    let cpu = |peer: Peer| median(figures[&peer].iter().map(|(cpu, _)| *cpu));
    let mut text =
        format!("{}; {}\n\n```text\n", machine(), if pinned { "one core each" } else { "NOT PINNED" });
    text += &format!("{:36} {:9} {:>11} {:>10}\n", "case", "server", "CPU us/req", "req/s");
    for peer in PEERS {
        let rate = median(figures[&peer].iter().map(|(_, rate)| *rate));
        text +=
            &format!("{:36} {:9} {:>11.2} {rate:>10.0}\n", "small, a window of 64", peer.name(), cpu(peer));
    }
    print!("{text}");
    let mut goals = Goals::new();
    goals.at_most("CPU of small, a window of 64 / rmcp", cpu(Peer::Toolpost) / cpu(Peer::Rmcp), 0.5);
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
    fn start(peer: Peer) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut server =
            command.args(["serve", peer.name()]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (server.stdin.take(), server.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let body = String::from_utf8(call(messages::small(), FIRST)).map_err(io::Error::other)? + "\n";
        let id_at = body.find(&FIRST.to_string()).expect("the id was just written");
        let stdout = BufReader::with_capacity(1 << 16, stdout);
        let (body, echoed, line) = (body.into_bytes(), "a".repeat(100), String::new());
        let mut client = Self { server, stdin, stdout, next: FIRST, body, id_at, echoed, line };
        client.stdin.write_all((bare("server/discover", 1) + "\n").as_bytes())?;
        client.read_line()?;
        match client.line.contains("2026-07-28") {
            true => Ok(client),
            false => Err(io::Error::other(format!("discovered {}", client.line))),
        }
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
