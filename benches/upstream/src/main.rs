//! What a hop adds: a gateway between a client and a server, beside bare hyper and other gateways, and with upstreams that are no
//! help.
//!
//! `--quick` for a look that proves nothing, at what is built and installed already, `--only CASE` for some of the cases. Each process has one thread. For
//! the processor time of a hop the load has a core to itself; for throughput the three processes share the cores as the system
//! likes.
#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and spawns the servers that are no help"
)]

mod bad;
mod hops;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench_http::load::{Load, Measured, Served, Until, once};
use bench_http::requests::{Ask, Era, INITIALIZE, Random, Route, bare};
use bench_http::servers::{Peer, build};
use harness::{Goals, machine, median, record};
use hops::Hop;
use served::{Part, pin};

/// What is measured: a name, who passes on (`None` is nobody), who serves, and which clients come.
type Case = (&'static str, &'static [Option<Hop>], Peer, Era);

const SMALL: &str = "small, 32 connections";
const SESSIONS: &str = "small, 32 sessions";
const FREE: &str = "throughput, to toolpost";
const FREE_RMCP: &str = "throughput, to rmcp";

const CASES: &[Case] = &[
    (SMALL, &[None, Some(Hop::Hyper), Some(Hop::Toolpost)], Peer::Toolpost, Era::Modern),
    (
        SESSIONS,
        &[None, Some(Hop::Hyper), Some(Hop::Toolpost), Some(Hop::McpProxy), Some(Hop::FastMcp)],
        Peer::Toolpost,
        Era::Sessions,
    ),
    (FREE, &[None, Some(Hop::Hyper), Some(Hop::Toolpost)], Peer::Toolpost, Era::Modern),
    (FREE_RMCP, &[None, Some(Hop::Hyper), Some(Hop::Toolpost)], Peer::Rmcp, Era::Modern),
];

/// Cases whose processes run on whichever core the system likes.
const FREE_CASES: &[&str] = &[FREE, FREE_RMCP];

const CONNECTIONS: usize = 32;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut plan = Plan { quick: false, only: None };
    let mut options = arguments.iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "--quick" => plan.quick = true,
            "--only" => plan.only = options.next().cloned(),
            other => {
                eprintln!("bench-upstream: no option {other}; --quick, --only CASE");
                return ExitCode::FAILURE;
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(measure(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Plan {
    quick: bool,
    /// Only cases whose name holds this.
    only: Option<String>,
}

impl Plan {
    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    const fn repeats(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    fn warm(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 300 })
    }

    fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 1_500 })
    }
}

type Figures = BTreeMap<(&'static str, Option<Hop>), Vec<Measured>>;

async fn measure(plan: &Plan) -> io::Result<bool> {
    let hops = hops::build(plan.quick)?;
    let servers = [Peer::Toolpost, Peer::Rmcp];
    let servers = match plan.quick && servers.iter().all(|peer| peer.binary().is_ok_and(|path| path.exists()))
    {
        true => servers.to_vec(),
        false => build(&servers)?,
    };
    let mut figures = Figures::new();
    let mut random = Random(std::process::id().into());
    // Once pinned, this process and those it starts stay so.
    let free = (1..=plan.repeats()).map(|repeat| (repeat, true));
    for (repeat, is_free) in free.chain((1..=plan.repeats()).map(|repeat| (repeat, false))) {
        eprintln!("repeat {repeat} of {}{}", plan.repeats(), if is_free { ", throughput" } else { "" });
        let each = CASES.iter().filter(|case| plan.wants(case.0) && servers.contains(&case.2));
        let each = each.filter(|case| is_free == FREE_CASES.contains(&case.0));
        if !is_free {
            pin(Part::Load);
        }
        let each = each.flat_map(|case| case.1.iter().map(move |hop| (*case, *hop)));
        let mut runs: Vec<_> = each.filter(|(_, hop)| hop.is_none_or(|hop| hops.contains(&hop))).collect();
        random.shuffle(&mut runs);
        for ((name, _, server, era), hop) in runs {
            let who = hop.map_or("nobody", Hop::name);
            let measured = one(plan, name, server, era, hop).await;
            let measured = measured.map_err(|error| io::Error::other(format!("{name}, {who}: {error}")))?;
            figures.entry((name, hop)).or_default().push(measured);
        }
    }
    let bad = match plan.wants("ten upstreams") {
        true => Some(with_bad(plan).await?),
        false => None,
    };
    let mut text = format!("{}\n\n", machine());
    writeln!(text, "```text\n{}", table(&figures)).map_err(io::Error::other)?;
    print!("{text}");
    let goals = judged(&figures, bad.as_ref());
    if !plan.quick && plan.only.is_none() {
        record("upstream", &format!("{text}{}\n```", goals.lines().join("\n")))?;
    }
    Ok(goals.finish())
}

/// One run of a case. Of a hop it is the hop's processor time; of nobody, the server's.
async fn one(plan: &Plan, name: &str, server: Peer, era: Era, hop: Option<Hop>) -> io::Result<Measured> {
    let free = FREE_CASES.contains(&name);
    let transport = if era == Era::Sessions { "sessions" } else { "http" };
    let start = if free { Served::start_free } else { Served::start };
    let served = start(server, &[transport, "0"])?;
    let port = match era {
        Era::Sessions => format!("old:{}", served.port()),
        Era::Modern => served.port().to_string(),
    };
    let between = hop.map(|hop| hop.start(&[port], free)).transpose()?;
    let route = hop.map_or(Route::DIRECT, Hop::route);
    let asked = between.as_ref().unwrap_or(&served);
    let mut load = Load::connect_by(route, asked, era, Ask::Small, CONNECTIONS).await?;
    load.run(Until::Over(plan.warm())).await?;
    load.run(Until::Over(plan.window())).await
}

/// What ten upstreams cost of which five are no help.
struct Bad {
    discover: f64,
    initialize: f64,
    list: f64,
    p99: Vec<f64>,
}

async fn with_bad(plan: &Plan) -> io::Result<Bad> {
    pin(Part::Load);
    let served = Served::start(Peer::Toolpost, &["http", "0"])?;
    let good = vec![served.port().to_string(); 5];
    let mut all = good.clone();
    all.extend(bad::all().await?);
    let (alone, crowded) = (Hop::Toolpost.start(&good, false)?, Hop::Toolpost.start(&all, false)?);
    let mut figures = Bad { discover: 0.0, initialize: 0.0, list: 0.0, p99: Vec::new() };
    for (figure, request, holds) in [
        (
            &mut figures.discover,
            Route::DIRECT.modern("server/discover", &bare("server/discover", 1)),
            "supportedVersions",
        ),
        (&mut figures.initialize, Route::DIRECT.post(INITIALIZE.as_bytes(), None), "serverInfo"),
        (&mut figures.list, Route::DIRECT.modern("tools/list", &bare("tools/list", 1)), "u4_echo"),
    ] {
        let mut times = Vec::new();
        for _ in 0..21 {
            let start = Instant::now();
            let answer = once(&crowded, &request).await?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            if !String::from_utf8_lossy(&answer).contains(holds) {
                return Err(io::Error::other(format!("no {holds} in {}", String::from_utf8_lossy(&answer))));
            }
        }
        *figure = median(times);
    }
    let mut alone = Load::connect(&alone, Era::Modern, Ask::Small, CONNECTIONS).await?;
    let mut crowded = Load::connect(&crowded, Era::Modern, Ask::Small, CONNECTIONS).await?;
    for _ in 0..plan.repeats() {
        let mut p99 = [0.0; 2];
        for (p99, load) in p99.iter_mut().zip([&mut alone, &mut crowded]) {
            load.run(Until::Over(plan.warm())).await?;
            *p99 = load.run(Until::Over(plan.window())).await?.p99;
        }
        figures.p99.push(p99[1] / p99[0]);
    }
    Ok(figures)
}

fn of(
    figures: &Figures,
    name: &'static str,
    hop: Option<Hop>,
    figure: impl Fn(&Measured) -> f64,
) -> Option<f64> {
    Some(median(figures.get(&(name, hop))?.iter().map(figure)))
}

fn table(figures: &Figures) -> String {
    let mut text = format!(
        "{:26} {:10} {:>11} {:>10} {:>9} {:>9}\n",
        "case", "between", "CPU us/req", "req/s", "p50 us", "p99 us"
    );
    for ((name, hop), all) in figures {
        let of = |figure: fn(&Measured) -> f64| median(all.iter().map(figure));
        let who = hop.map_or("nobody", Hop::name);
        let (cpu, rate, p50, p99) = (of(|m| m.cpu), of(|m| m.rate), of(|m| m.p50), of(|m| m.p99));
        text += &format!("{name:26} {who:10} {cpu:>11.1} {rate:>10.0} {p50:>9.0} {p99:>9.0}\n");
    }
    text
}

fn judged(figures: &Figures, bad: Option<&Bad>) -> Goals {
    let mut goals = Goals::new();
    let ours = Some(Hop::Toolpost);
    let mut cpu = |name: &'static str, peer: Hop, most: f64| {
        let of = |hop| of(figures, name, hop, |measured| measured.cpu);
        if let (Some(own), Some(theirs)) = (of(ours), of(Some(peer))) {
            goals.at_most(&format!("CPU of the hop, {name} / {}", peer.name()), own / theirs, most);
        }
    };
    cpu(SMALL, Hop::Hyper, 1.6);
    cpu(SESSIONS, Hop::Hyper, 1.6);
    cpu(SESSIONS, Hop::McpProxy, 0.6);
    cpu(SESSIONS, Hop::FastMcp, 0.2);
    for name in [FREE_RMCP, FREE] {
        let of = |hop| of(figures, name, hop, |measured| measured.rate);
        if let (Some(through), Some(direct)) = (of(ours), of(None)) {
            goals.at_least(&format!("{name}, of direct"), through / direct, 0.6);
        }
    }
    if let Some(Bad { discover, initialize, list, p99 }) = bad {
        goals.at_most("ten upstreams, five no help: discover, ms (median)", *discover, 20.0);
        goals.at_most("ten upstreams, five no help: initialize, ms (median)", *initialize, 20.0);
        goals.at_most("ten upstreams, five no help: tools/list, ms (median)", *list, 1_000.0);
        goals.at_most("ten upstreams, five no help: p99 / without them", median(p99.iter().copied()), 1.05);
    }
    goals
}
