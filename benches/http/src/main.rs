//! Servers over HTTP, each in a process on one core, under load from the other.
//!
//! `--quick` for a look that proves nothing, `--calls N` for how many calls memory must stay flat
//! over (2,000,000 for the real thing). The main figure is the server's processor time per request, as
//! the operating system counts it, the kernel's work on its sockets included.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use bench_http::cores::{Part, pin};
use bench_http::load::{Load, Measured, Served, Until};
use bench_http::requests::{Ask, Random};
use bench_http::servers::{Peer, serve};
use harness::{Goals, machine, median, record};

/// What is measured: a name, who serves, what is asked, connections, and how many tools
/// there are (0 for `echo` and `price`).
type Case = (&'static str, &'static [Peer], Ask, usize, usize);

const ALL: &[Peer] = &[Peer::Hyper, Peer::Toolpost, Peer::Rmcp];
const OURS: &[Peer] = &[Peer::Toolpost];

const CASES: &[Case] = &[
    ("small, 16 connections", ALL, Ask::Small, 16, 0),
    ("small, 256 connections", ALL, Ask::Small, 256, 0),
    ("8 KB structured, 16 connections", ALL, Ask::Structured, 16, 0),
    ("list of 100 tools, 16 connections", ALL, Ask::List, 16, 100),
    ("small among 1 tool", OURS, Ask::Among(1), 16, 1),
    ("small among 100 tools", OURS, Ask::Among(100), 16, 100),
    ("small among 10,000 tools", OURS, Ask::Among(10_000), 16, 10_000),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let part = if arguments.first() == Some(&"serve") { Part::Server } else { Part::Load };
    let pinned = pin(part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = match arguments.as_slice() {
        ["serve", peer, many] => match (Peer::named(peer), many.parse()) {
            (Some(peer), Ok(many)) => runtime.block_on(serve(peer, many)).map(|()| true),
            _ => Err(io::Error::other("serve <peer> <tools>")),
        },
        options => Plan::read(options).and_then(|plan| runtime.block_on(measure(&plan, pinned))),
    };
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
    repeats: usize,
    warm: Duration,
    window: Duration,
    calls: usize,
}

impl Plan {
    fn read(options: &[&str]) -> io::Result<Self> {
        let ms = Duration::from_millis;
        let mut plan = Self { quick: false, repeats: 5, warm: ms(250), window: ms(1_500), calls: 300_000 };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match *option {
                "--quick" => {
                    plan = Self { quick: true, repeats: 2, warm: ms(60), window: ms(300), calls: 20_000 }
                }
                "--calls" => {
                    let calls = options.next().and_then(|calls| calls.replace('_', "").parse().ok());
                    plan.calls = calls.ok_or_else(|| io::Error::other("--calls takes a number"))?;
                }
                other => return Err(io::Error::other(format!("no option {other}; --quick, --calls N"))),
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
    let mut figures = Figures::new();
    let mut random = Random(std::process::id().into());
    for repeat in 1..=plan.repeats {
        eprintln!("repeat {repeat} of {}", plan.repeats);
        let each = CASES.iter().flat_map(|case| case.1.iter().map(move |peer| (*case, *peer)));
        let mut runs: Vec<(Case, Peer)> = each.collect();
        random.shuffle(&mut runs);
        for ((name, _, ask, connections, many), peer) in runs {
            let served = Served::start(&["serve", peer.name(), &many.to_string()])?;
            let failed = |error| io::Error::other(format!("{name}, {}: {error}", peer.name()));
            let mut load = Load::connect(&served, ask, connections).await?;
            load.run(Until::Over(plan.warm)).await.map_err(failed)?;
            let measured = load.run(Until::Over(plan.window)).await.map_err(failed)?;
            let repeats = figures.entry((name, peer)).or_default();
            repeats.measured.push(measured);
            repeats.peaks.extend(served.process().peak_memory().map(mib));
        }
    }
    let growth = growth(plan.calls).await?;
    let mut text = format!("{}; {}\n\n", machine(), if pinned { "one core each" } else { "NOT PINNED" });
    writeln!(text, "```text\n{}", table(&figures)).map_err(io::Error::other)?;
    print!("{text}");
    let goals = judged(&figures, growth);
    if !plan.quick {
        record("http", &format!("{text}{}\n```", goals.lines().join("\n")))?;
    }
    Ok(goals.finish())
}

/// How much more memory is resident after that many calls than after a tenth of them, MiB.
async fn growth(calls: usize) -> io::Result<(usize, f64)> {
    let served = Served::start(&["serve", "toolpost", "0"])?;
    let mut load = Load::connect(&served, Ask::Small, 256).await?;
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
        "{:36} {:9} {:>11} {:>10} {:>9} {:>9} {:>10}\n",
        "case", "server", "CPU us/req", "req/s", "p50 us", "p99 us", "peak MiB"
    );
    for (name, peers, ..) in CASES {
        for peer in *peers {
            let repeats = &figures[&(*name, *peer)];
            text += &format!(
                "{name:36} {:9} {:>11.1} {:>10.0} {:>9.0} {:>9.0} {:>10.1}\n",
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

fn judged(figures: &Figures, (calls, growth): (usize, f64)) -> Goals {
    let of = |case: usize, peer: Peer| &figures[&(CASES[case].0, peer)];
    let cpu = |case: usize, other: Peer| of(case, Peer::Toolpost).cpu() / of(case, other).cpu();
    let mut goals = Goals::new();
    for (case, hyper, rmcp) in [(0, 1.35, 0.5), (1, 1.35, 0.5), (2, 1.5, 0.25)] {
        goals.at_most(&format!("CPU of {} / hyper", CASES[case].0), cpu(case, Peer::Hyper), hyper);
        goals.at_most(&format!("CPU of {} / rmcp", CASES[case].0), cpu(case, Peer::Rmcp), rmcp);
    }
    goals.at_most("CPU of list of 100 tools / hyper with the same bytes", cpu(3, Peer::Hyper), 1.3);
    let among = [4, 5, 6].map(|case| of(case, Peer::Toolpost).cpu());
    let (least, most) = (among.into_iter().fold(f64::MAX, f64::min), among.into_iter().fold(0.0, f64::max));
    goals.at_most("CPU among 1, 100 and 10,000 tools, most / least", most / least, 1.2);
    let p99 = |peer: Peer| of(1, peer).of(|measured| measured.p99);
    goals.at_most("p99 at 256 connections / hyper", p99(Peer::Toolpost) / p99(Peer::Hyper), 1.5);
    goals.at_most("peak memory at 256 connections, MiB", of(1, Peer::Toolpost).peak(), 16.0);
    goals.at_most(&format!("growth of memory over {calls} calls, MiB"), growth, 0.5);
    goals
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
