//! Hostile clients of a server, one kind at a time, each beside an innocent client that makes modest calls.
//!
//! `siege [--seconds N] [--only KIND] [WORKBENCH]` starts the release build of the workbench (and a fixture of its own,
//! `siege serve`, for what the workbench does not offer) with 512 MiB of address space and 1,024 descriptors, lets each
//! kind run for N seconds, and prints a line for each. It fails if a server dies or takes more than 256 MiB, if an
//! innocent call fails or the 99th of a hundred takes a second, or if a server without calls in flight takes more than
//! 2 s to end. A kind whose only fault is that something took too long is tried once more: the machine may have been busy
//! with something else. Everything stays on loopback, and is bounded in count and time.
//!
//! `siege replicas [--sessions N] [--modern N] [--kills N] [WORKBENCH]` and `siege abandoned [--sessions N] [WORKBENCH]` are
//! sieges of their own: of two replicas that are killed, and of sessions that nobody uses.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to its terminal")]
#![allow(clippy::disallowed_methods, reason = "it is about real clients and real clocks")]

mod abandoned;
mod fixture;
mod h2;
mod innocent;
mod kinds;
mod replicas;
mod served;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use innocent::Figures;
use kinds::{Kind, Way};
use served::{Ended, Roots, Served};

/// Why a siege cannot be held.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The most memory that a server may take, in KiB.
const MEMORY: u64 = 256 << 10;
/// The 99th of a hundred innocent calls.
const SLOWEST: Duration = Duration::from_secs(1);
/// How soon a server ends that has no call in flight.
const END: Duration = Duration::from_secs(2);

/// What is wrong with a server whose innocent calls took too long, and with one that took too long to end.
const LATENCY: &str = "latency";
const ENDED_LATE: &str = "ended late";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("serve") => fixture::serve().map(|()| true),
        Some("replicas") => Options::read(&arguments[1..]).and_then(|options| {
            let Options { sessions, modern, kills, .. } = options;
            replicas::run(replicas::Size { sessions, modern, kills }, options.workbench()?)
        }),
        Some("abandoned") => Options::read(&arguments[1..])
            .and_then(|options| abandoned::run(options.sessions, options.workbench()?)),
        _ => Options::read(&arguments).and_then(|options| siege(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("siege: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    period: Duration,
    only: Option<String>,
    sessions: usize,
    modern: usize,
    kills: usize,
    workbench: PathBuf,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let beside = std::env::current_exe()?.with_file_name("workbench");
        let mut options = Self {
            period: Duration::from_secs(60),
            only: None,
            sessions: 1_000,
            modern: 1_000,
            kills: 10,
            workbench: beside,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || -> Result<usize, Failure> {
                let number = arguments.next().ok_or_else(|| format!("{argument} takes a number"))?;
                Ok(number.parse()?)
            };
            match argument.as_str() {
                "--seconds" => options.period = Duration::from_secs(number()? as u64),
                "--sessions" => options.sessions = number()?,
                "--modern" => options.modern = number()?,
                "--kills" => options.kills = number()?,
                "--only" => options.only = arguments.next().cloned(),
                path if !path.starts_with('-') => options.workbench = path.into(),
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        Ok(options)
    }

    fn workbench(&self) -> Result<&Path, Failure> {
        match self.workbench.is_file() {
            true => Ok(&self.workbench),
            false => Err(format!("there is no {}: build it first", self.workbench.display()).into()),
        }
    }
}

/// Lets every kind run; says whether all were borne.
fn siege(options: &Options) -> Result<bool, Failure> {
    options.workbench()?;
    let roots = Roots::make()?;
    println!(
        "{:26} {:>6} {:>6} {:>9} {:>9} {:>6} {:>8}",
        "kind", "calls", "failed", "p99 ms", "peak MiB", "lives", "end s"
    );
    let kinds = kinds::ALL.iter().filter(|kind| options.only.as_deref().is_none_or(|only| kind.name == only));
    let (mut all, mut borne) = (0, 0);
    for kind in kinds {
        let mut outcome = lay(kind, options, roots.of(kind))?;
        println!("{}", outcome.line(kind));
        if outcome.is_only_late() {
            // Something else may have had the machine.
            outcome = lay(kind, options, roots.of(kind))?;
            println!("{}  (once more)", outcome.line(kind));
        }
        all += 1;
        borne += usize::from(outcome.faults().is_empty());
    }
    println!("borne {borne}/{all}");
    Ok(borne == all && 0 < all)
}

/// What one kind came to.
struct Outcome {
    figures: Figures,
    /// The most memory that the server took, in KiB.
    peak: u64,
    lives: bool,
    last_words: String,
    ended: Ended,
}

fn lay(kind: &Kind, options: &Options, root: &Path) -> Result<Outcome, Failure> {
    match kind.way {
        Way::Http { fixture, from, calls_go_on, attack } => {
            let mut served = Served::http(fixture, &options.workbench, root)?;
            let until = Instant::now() + options.period;
            let target = kinds::Target { address: served.address(), until };
            let hostile = kinds::Hostile::start(attack, target)?;
            let figures = innocent::calls(served.address(), from, fixture, until)?;
            let (peak, lives) = (served.peak(), served.lives());
            // With calls in flight a server may wait for them: then they leave first.
            let hostile = if calls_go_on {
                drop(hostile);
                std::thread::sleep(Duration::from_millis(500));
                None
            } else {
                Some(hostile)
            };
            let ended = served.end();
            drop(hostile);
            Ok(Outcome { figures, peak, lives, last_words: served.last_words(), ended })
        }
        Way::Stdio(lines) => {
            let (figures, mut served) = kinds::stdio(lines, &options.workbench, root, options.period)?;
            let (peak, lives) = (served.peak(), served.lives());
            let ended = served.end();
            Ok(Outcome { figures, peak, lives, last_words: served.last_words(), ended })
        }
    }
}

impl Outcome {
    /// Whether nothing is wrong but how long something took.
    fn is_only_late(&self) -> bool {
        let faults = self.faults();
        !faults.is_empty() && faults.iter().all(|fault| matches!(&**fault, LATENCY | ENDED_LATE))
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.lives {
            faults.push(format!("the server died ({})", self.last_words));
        }
        if MEMORY < self.peak {
            faults.push("memory".to_owned());
        }
        if 0 < self.figures.failed || self.figures.calls == 0 {
            let first = self.figures.first_failure.as_deref().unwrap_or("no calls");
            faults.push(format!("innocent calls: {first}"));
        }
        if SLOWEST <= self.figures.p99() {
            faults.push(LATENCY.to_owned());
        }
        match self.ended {
            Ended::After(took) if took <= END => {}
            Ended::After(_) => faults.push(ENDED_LATE.to_owned()),
            Ended::Never if self.lives => faults.push("did not end".to_owned()),
            Ended::Never => {}
        }
        faults
    }

    fn line(&self, kind: &Kind) -> String {
        let ended = match self.ended {
            Ended::After(took) => format!("{:.2}", took.as_secs_f64()),
            Ended::Never => "never".to_owned(),
        };
        let faults = self.faults();
        let faults =
            if faults.is_empty() { "borne".to_owned() } else { format!("FAULT: {}", faults.join(", ")) };
        format!(
            "{:26} {:>6} {:>6} {:>9.1} {:>9.1} {:>6} {ended:>8}  {faults}",
            kind.name,
            self.figures.calls,
            self.figures.failed,
            self.figures.p99().as_secs_f64() * 1e3,
            self.peak as f64 / 1024.0,
            if self.lives { "yes" } else { "no" },
        )
    }
}
