//! Servers over HTTP, each in a process on one core, under load from the other.
//!
//! `--quick` for a look that proves nothing, `--only CASE` for some of the cases, `--calls N` for how many calls memory must stay flat
//! over (2,000,000 for the real thing). The main figure is the server's processor time per request, as
//! the operating system counts it, the kernel's work on its sockets included.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench_http::load::{Load, Measured, Served, Until, list};
use bench_http::requests::{Ask, Era, Random};
use bench_http::servers::{Peer, build};
use harness::{Goals, machine, median, record};
use served::{Part, pin};

/// What is measured: a name, who serves, which clients come, what is asked, connections, and how many tools
/// there are (0 for `echo` and `price`).
type Case = (&'static str, &'static [Peer], Era, Ask, usize, usize);

const ALL: &[Peer] = &Peer::ALL;
const OURS: &[Peer] = &[Peer::Toolpost];
/// Those that speak MCP.
const MCP: &[Peer] = &[Peer::Toolpost, Peer::Rmcp, Peer::TowerMcp, Peer::Pmcp, Peer::RustMcpSdk];
/// Those that have sessions.
const OLD: &[Peer] = &[Peer::Toolpost, Peer::Rmcp, Peer::TowerMcp, Peer::Pmcp];

const SMALL: usize = 0;
const CROWD: usize = 1;
const STRUCTURED: usize = 2;
const LIST: usize = 3;
const AMONG: [usize; 3] = [4, 5, 6];
const SESSION: usize = 7;

const CASES: &[Case] = &[
    ("small, 16 connections", ALL, Era::Modern, Ask::Small, 16, 0),
    ("small, 256 connections", ALL, Era::Modern, Ask::Small, 256, 0),
    ("8 KB structured, 16 connections", ALL, Era::Modern, Ask::Structured, 16, 0),
    ("list of 100 tools, 16 connections", ALL, Era::Modern, Ask::List, 16, 100),
    ("small among 1 tool", OURS, Era::Modern, Ask::Among(1), 16, 1),
    ("small among 100 tools", MCP, Era::Modern, Ask::Among(100), 16, 100),
    ("small among 10,000 tools", OURS, Era::Modern, Ask::Among(10_000), 16, 10_000),
    ("small, 16 sessions of 2025-11-25", OLD, Era::Sessions, Ask::Small, 16, 0),
    ("8 KB structured, 16 sessions", OLD, Era::Sessions, Ask::Structured, 16, 0),
    ("list of 100 tools, 16 sessions", OLD, Era::Sessions, Ask::List, 16, 100),
];

/// What a reader of the table has to know.
const NOTES: &str =
    "rmcp answers in sessions by events; rust-mcp-sdk has no sessions: it speaks 2026-07-28 alone.\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let pinned = pin(Part::Load);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = Plan::read(&arguments).and_then(|plan| runtime.block_on(measure(&plan, pinned)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-http: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long and how often.
struct Plan {
    quick: bool,
    /// Only cases whose name holds this.
    only: Option<String>,
    repeats: usize,
    warm: Duration,
    window: Duration,
    calls: usize,
}

impl Plan {
    fn read(options: &[&str]) -> io::Result<Self> {
        let ms = Duration::from_millis;
        let mut plan =
            Self { quick: false, only: None, repeats: 5, warm: ms(250), window: ms(1_500), calls: 300_000 };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match *option {
                "--quick" => {
                    let only = plan.only;
                    plan =
                        Self { quick: true, only, repeats: 2, warm: ms(60), window: ms(300), calls: 20_000 };
                }
                "--calls" => {
                    let calls = options.next().and_then(|calls| calls.replace('_', "").parse().ok());
                    plan.calls = calls.ok_or_else(|| io::Error::other("--calls takes a number"))?;
                }
                "--only" => plan.only = options.next().map(|only| (*only).to_owned()),
                other => {
                    return Err(io::Error::other(format!(
                        "no option {other}; --quick, --only CASE, --calls N"
                    )));
                }
            }
        }
        Ok(plan)
    }
}

/// The repeats of one server in one case.
#[derive(Default)]
struct Repeats {
    measured: Vec<Measured>,
    peaks: Vec<f64>,
}

impl Repeats {
    fn of(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.measured.iter().map(figure))
    }

    fn cpu(&self) -> f64 {
        self.of(|measured| measured.cpu)
    }

    /// MiB.
    fn peak(&self) -> f64 {
        median(self.peaks.iter().copied())
    }
}

type Figures = BTreeMap<(&'static str, Peer), Repeats>;

async fn measure(plan: &Plan, pinned: bool) -> io::Result<bool> {
    let built = build(ALL)?;
    let list = list_of_ours().await?;
    let wanted = |case: &Case| plan.only.as_deref().is_none_or(|only| case.0.contains(only));
    let mut figures = Figures::new();
    let mut random = Random(std::process::id().into());
    for repeat in 1..=plan.repeats {
        eprintln!("repeat {repeat} of {}", plan.repeats);
        let each = CASES.iter().filter(|case| wanted(case));
        let each = each.flat_map(|case| case.1.iter().map(move |peer| (*case, *peer)));
        let each = each.filter(|(_, peer)| built.contains(peer));
        let mut runs: Vec<(Case, Peer)> = each.collect();
        random.shuffle(&mut runs);
        for ((name, _, era, ask, connections, many), peer) in runs {
            let transport = if era == Era::Sessions { "sessions" } else { "http" };
            let served = Served::start(peer, &[transport, &many.to_string(), &list.display().to_string()])?;
            let failed = |error| io::Error::other(format!("{name}, {}: {error}", peer.name()));
            let mut load = Load::connect(&served, era, ask, connections).await.map_err(failed)?;
            load.run(Until::Over(plan.warm)).await.map_err(failed)?;
            let measured = load.run(Until::Over(plan.window)).await.map_err(failed)?;
            let repeats = figures.entry((name, peer)).or_default();
            repeats.measured.push(measured);
            repeats.peaks.extend(served.process().peak_memory().map(mib));
        }
    }
    std::fs::remove_file(&list)?;
    if plan.only.is_some() {
        print!("{}", table(&figures));
        return Ok(judged(&figures, None).finish());
    }
    let growth = growth(plan.calls).await?;
    let mut text = format!("{}; {}\n\n", machine(), if pinned { "one core each" } else { "NOT PINNED" });
    writeln!(text, "```text\n{}{NOTES}", table(&figures)).map_err(io::Error::other)?;
    print!("{text}");
    let goals = judged(&figures, Some(growth));
    if !plan.quick {
        record("http", &format!("{text}{}\n```", goals.lines().join("\n")))?;
    }
    Ok(goals.finish())
}

/// A file with toolpost's answer to `tools/list`, which bare hyper gives too.
async fn list_of_ours() -> io::Result<PathBuf> {
    let served = Served::start(Peer::Toolpost, &["http", "100"])?;
    let file = std::env::temp_dir().join(format!("bench-http-{}.json", std::process::id()));
    std::fs::write(&file, list(&served).await?)?;
    Ok(file)
}

/// How much more memory is resident after that many calls than after a tenth of them, MiB.
async fn growth(calls: usize) -> io::Result<(usize, f64)> {
    let served = Served::start(Peer::Toolpost, &["http", "0"])?;
    let mut load = Load::connect(&served, Era::Modern, Ask::Small, 256).await?;
    let resident =
        || served.process().memory().map(mib).ok_or_else(|| io::Error::other("no /proc/<pid>/status"));
    let mut sent = load.run(Until::Count(calls / 10)).await?.requests;
    let before = resident()?;
    // In parts, so that the load's own record of latencies stays small.
    for _ in 1..10 {
        sent += load.run(Until::Count(calls / 10)).await?.requests;
    }
    Ok((sent, resident()? - before))
}

fn table(figures: &Figures) -> String {
    let mut text = format!(
        "{:36} {:12} {:>11} {:>10} {:>9} {:>9} {:>10}\n",
        "case", "server", "CPU us/req", "req/s", "p50 us", "p99 us", "peak MiB"
    );
    for (name, peers, ..) in CASES {
        for peer in *peers {
            let Some(repeats) = figures.get(&(*name, *peer)) else { continue };
            text += &format!(
                "{name:36} {:12} {:>11.1} {:>10.0} {:>9.0} {:>9.0} {:>10.1}\n",
                peer.name(),
                repeats.cpu(),
                repeats.of(|measured| measured.rate),
                repeats.of(|measured| measured.p50),
                repeats.of(|measured| measured.p99),
                repeats.peak(),
            );
        }
    }
    text
}

fn judged(figures: &Figures, growth: Option<(usize, f64)>) -> Goals {
    let of = |case: usize, peer: Peer| figures.get(&(CASES[case].0, peer));
    let mut goals = Goals::new();
    let mut cpu = |case: usize, peer: Peer, most: f64| {
        if let (Some(ours), Some(theirs)) = (of(case, Peer::Toolpost), of(case, peer)) {
            let what = format!("CPU of {} / {}", CASES[case].0, peer.name());
            goals.at_most(&what, ours.cpu() / theirs.cpu(), most);
        }
    };
    for (case, hyper, rmcp) in [(SMALL, 1.35, 0.5), (CROWD, 1.35, 0.5), (STRUCTURED, 1.5, 0.25)] {
        cpu(case, Peer::Hyper, hyper);
        cpu(case, Peer::Rmcp, rmcp);
    }
    // Bare hyper answers with the same bytes.
    cpu(LIST, Peer::Hyper, 1.3);
    for peer in [Peer::TowerMcp, Peer::Pmcp, Peer::RustMcpSdk] {
        cpu(SMALL, peer, 0.5);
    }
    for case in [SESSION, SESSION + 1, SESSION + 2] {
        cpu(case, Peer::TowerMcp, 0.65);
    }
    let among: Option<Vec<f64>> = AMONG.iter().map(|case| Some(of(*case, Peer::Toolpost)?.cpu())).collect();
    if let Some(among) = among {
        let (least, most) =
            (among.iter().copied().fold(f64::MAX, f64::min), among.into_iter().fold(0.0, f64::max));
        goals.at_most("CPU among 1, 100 and 10,000 tools, most / least", most / least, 1.2);
    }
    if let (Some(ours), Some(hyper)) = (of(CROWD, Peer::Toolpost), of(CROWD, Peer::Hyper)) {
        let p99 = |repeats: &Repeats| repeats.of(|measured| measured.p99);
        goals.at_most("p99 at 256 connections / hyper", p99(ours) / p99(hyper), 1.5);
        goals.at_most("peak memory at 256 connections, MiB", ours.peak(), 16.0);
    }
    if let Some((calls, growth)) = growth {
        goals.at_most(&format!("growth of memory over {calls} calls, MiB"), growth, 0.5);
    }
    goals
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
