//! From exec to the answered `tools/list`, and the memory that is resident then: a server on stdio is started by every
//! session of every client. Ours and rmcp's in turn, each in a binary of its own; judged by ratios within the run.
//!
//! rmcp lets the type of the arguments decide what it reads, and has no validator of schemas; toolpost as it comes has none
//! either. Of its feature `validate` (a row of its own) what memory it takes is held where it is.
//!
//! Resident memory counts every page of the binary that the loader or a call has touched, with its neighbours; memory of
//! its own is what two servers on one machine do not share.
//!
//! `--quick` for a look that proves nothing; `gate` judges instructions and memory alone, which a busy machine does not
//! change, and with some room.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use harness::{Goals, Process, callgrind, counted_in, machine, median, record};

const PEERS: [&str; 3] = ["toolpost", "validate", "rmcp"];
const TOOLS: [usize; 3] = [1, 20, 100];
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1.0"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => measure(101, Judged::All),
        ["--quick"] => measure(11, Judged::All),
        ["gate"] => measure(7, Judged::Steady),
        _ => Err(io::Error::other("no such option; there are `gate` and --quick")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-startup: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Which goals are judged.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Judged {
    All,
    /// Those that the load of the machine does not change.
    Steady,
}

/// What one start took.
#[derive(Clone, Copy)]
struct Start {
    wall: f64,
    cpu: f64,
    /// Resident in all, and that part of it which is no file's.
    memory: f64,
    anonymous: f64,
}

fn measure(repeats: usize, judged: Judged) -> io::Result<bool> {
    let binaries = build()?;
    let mut starts: BTreeMap<(&str, usize), Vec<Start>> = BTreeMap::new();
    for repeat in 0..=repeats {
        for tools in TOOLS {
            // Who goes first changes from one repeat to the next.
            for at in 0..PEERS.len() {
                let peer = PEERS[(repeat + at) % PEERS.len()];
                let start = start(&binaries.join(format!("startup-{peer}")), tools)?;
                // The first finds its binary on the disk.
                if repeat != 0 {
                    starts.entry((peer, tools)).or_default().push(start);
                }
            }
        }
    }
    let mut instructions = BTreeMap::new();
    for tools in TOOLS {
        for peer in PEERS {
            let counted = count(&binaries.join(format!("startup-{peer}")), tools);
            instructions.insert((peer, tools), counted);
        }
    }
    let text = table(&starts, &instructions);
    print!("{text}");
    let mut goals = Goals::new();
    for tools in TOOLS {
        let room = |gate: f64| if judged == Judged::Steady { gate } else { 1.0 };
        for peer in ["toolpost", "validate"] {
            let (ours, theirs) = (&starts[&(peer, tools)], &starts[&("rmcp", tools)]);
            let of = |what: &str| format!("{tools} tools: {what}, {peer} / rmcp");
            let ratio = |figure: fn(&Start) -> f64| middle(ours, figure) / middle(theirs, figure);
            if judged == Judged::All {
                goals.at_most(&of("exec to the answered tools/list"), ratio(|start| start.wall), 1.0);
                goals.at_most(&of("CPU time"), ratio(|start| start.cpu), 1.0);
            }
            let (ours, theirs) = (instructions[&(peer, tools)], instructions[&("rmcp", tools)]);
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                // A fiftieth is the loader's: it relocates what a validator brings.
                let most = if peer == "toolpost" { 1.0 } else { 1.06 };
                goals.at_most(&of("instructions"), ours / theirs, most);
            }
            if peer == "toolpost" {
                // Which pages of a file are resident differs by a fiftieth from run to run.
                goals.at_most(&of("resident memory"), ratio(|start| start.memory), room(1.04));
                goals.at_most(&of("memory of its own"), ratio(|start| start.anonymous), 1.0);
                continue;
            }
            // What a validator costs is the same for one tool and for a hundred: 1.65 to 1.77 MiB and 0.19 to 0.25 were measured.
            let plain = &starts[&("toolpost", tools)];
            let more = |figure: fn(&Start) -> f64| {
                (middle(&starts[&(peer, tools)], figure) - middle(plain, figure)) / f64::from(1 << 20)
            };
            let of = |what: &str| format!("{tools} tools: {what} with a validator, MiB more");
            goals.at_most(&of("resident memory"), more(|start| start.memory), 1.9);
            goals.at_most(&of("memory of its own"), more(|start| start.anonymous), 0.27);
        }
    }
    if judged == Judged::All && 100 < repeats {
        record("startup", &format!("{}\n\n```text\n{text}\n{}\n```", machine(), goals.lines().join("\n")))?;
    }
    Ok(goals.finish())
}

fn table(
    starts: &BTreeMap<(&str, usize), Vec<Start>>,
    instructions: &BTreeMap<(&str, usize), Option<f64>>,
) -> String {
    let mut text = format!(
        "{:9} {:>5} {:>9} {:>9} {:>9} {:>9} {:>13} {:>9} {:>9}\n",
        "server", "tools", "ms", "least", "CPU ms", "least", "instructions", "RSS KiB", "anon KiB"
    );
    for tools in TOOLS {
        for peer in PEERS {
            let these = &starts[&(peer, tools)];
            let least = |figure: fn(&Start) -> f64| these.iter().map(figure).fold(f64::INFINITY, f64::min);
            let counted = instructions[&(peer, tools)].map_or("-".to_owned(), |n| format!("{n:.0}"));
            text += &format!(
                "{peer:9} {tools:>5} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {counted:>13} {:>9.0} {:>9.0}\n",
                middle(these, |start| start.wall) * 1e3,
                least(|start| start.wall) * 1e3,
                middle(these, |start| start.cpu) * 1e3,
                least(|start| start.cpu) * 1e3,
                middle(these, |start| start.memory) / 1024.0,
                middle(these, |start| start.anonymous) / 1024.0,
            );
        }
    }
    text
}

fn middle(starts: &[Start], figure: fn(&Start) -> f64) -> f64 {
    median(starts.iter().map(figure))
}

/// Builds the servers, each a binary of its own, and says where they are.
fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let build = |options: &[&str]| {
        let built = Command::new(&cargo)
            .args(["build", "--release", "--quiet", "--manifest-path"])
            .arg(&manifest)
            .args(options)
            .status()?;
        if built.success() { Ok(()) } else { Err(io::Error::other("the servers do not compile")) }
    };
    let binaries = std::env::current_exe()?;
    let binaries = binaries.parent().ok_or_else(|| io::Error::other("no folder of binaries"))?;
    build(&["--features", "validate", "--bin", "startup-toolpost"])?;
    std::fs::copy(binaries.join("startup-toolpost"), binaries.join("startup-validate"))?;
    build(&["--bin", "startup-toolpost", "--bin", "startup-rmcp"])?;
    Ok(binaries.to_path_buf())
}

/// Starts a server, asks it for its tools, and looks at what that took.
fn start(binary: &Path, tools: usize) -> io::Result<Start> {
    let began = Instant::now();
    let mut server = Running::spawn(Command::new(binary).arg(tools.to_string()))?;
    server.ask(tools)?;
    let wall = began.elapsed().as_secs_f64();
    let process = Process(server.0.id());
    let missing = || io::Error::other("no /proc: this bench needs Linux");
    let cpu = process.running().ok_or_else(missing)?.as_secs_f64();
    // Threads that were about to sleep do so.
    std::thread::sleep(Duration::from_millis(5));
    let memory = process.memory().ok_or_else(missing)? as f64;
    let anonymous = process.anonymous_memory().ok_or_else(missing)? as f64;
    Ok(Start { wall, cpu, memory, anonymous })
}

/// The instructions of a start, the question and the end; `None` without valgrind.
fn count(binary: &Path, tools: usize) -> Option<f64> {
    let mut valgrind = callgrind();
    valgrind.arg(binary).arg(tools.to_string());
    let mut server = Running::spawn(valgrind.stderr(Stdio::piped())).ok()?;
    server.ask(tools).ok()?;
    drop(server.0.stdin.take());
    let mut text = String::new();
    server.0.stderr.take()?.read_to_string(&mut text).ok()?;
    counted_in(&text).map(|counted| counted as f64)
}

/// A server, killed when this is dropped.
struct Running(Child);

impl Running {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map(Self)
    }

    fn ask(&mut self, tools: usize) -> io::Result<()> {
        let (Some(stdin), Some(stdout)) = (self.0.stdin.as_mut(), self.0.stdout.as_mut()) else {
            return Err(io::Error::other("no pipes"));
        };
        let mut stdout = BufReader::with_capacity(1 << 18, stdout);
        let mut line = String::new();
        for (request, expected) in
            [(INITIALIZE, "2025-11-25".to_owned()), (LIST, bench_startup::name(tools - 1))]
        {
            stdin.write_all(format!("{request}\n").as_bytes())?;
            line.clear();
            stdout.read_line(&mut line)?;
            if !line.contains(&expected) {
                return Err(io::Error::other(format!("no `{expected}` in the answer {line}")));
            }
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
