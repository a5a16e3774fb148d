//! Named cases, timed in interleaved rounds.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(60);
const CASE: &str = "TOOLPOST_BENCH_CASE";
const COUNT: &str = "TOOLPOST_BENCH_COUNT";

/// What one operation of a case costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Nanoseconds, the best round.
    pub ns: f64,
    /// Instructions in user space; `None` without valgrind.
    pub instructions: Option<f64>,
    /// Heap allocations; zero unless the binary installs [`Counting`](crate::Counting).
    pub allocations: f64,
}

impl Figures {
    /// What this costs more than `base`.
    pub fn over(self, base: Self) -> Self {
        Self {
            ns: self.ns - base.ns,
            instructions: self.instructions.zip(base.instructions).map(|(own, base)| own - base),
            allocations: self.allocations - base.allocations,
        }
    }
}

/// Runs so many operations.
type Run<'a> = Box<dyn FnMut(u64) -> Spent + 'a>;

/// What operations took that were counted.
#[derive(Clone, Copy, Default)]
struct Spent {
    time: Duration,
    allocations: u64,
}

/// So many inputs are prepared at a time: few enough to stay in a core's caches.
const PREPARED: u64 = 16;

/// The cases of one bench, in the order they were added.
#[derive(Default)]
pub struct Cases<'a> {
    cases: Vec<(&'static str, Run<'a>)>,
    on_one_thread: bool,
}

impl<'a> Cases<'a> {
    /// No cases yet.
    pub fn new() -> Self {
        Self { cases: Vec::new(), on_one_thread: false }
    }

    /// Counts instructions inside the cases alone, so that what is made before them adds no noise of its own (a hash
    /// that is seeded anew in each process, say). What a case does on other threads is not counted then.
    pub fn on_one_thread(mut self) -> Self {
        self.on_one_thread = true;
        self
    }

    /// Adds a case whose operation is `op`; its result is kept from the optimizer.
    pub fn case<R>(mut self, name: &'static str, mut op: impl FnMut() -> R + 'a) -> Self {
        let run = move |n| {
            counted(&mut || {
                for _ in 0..n {
                    black_box(op());
                }
            })
        };
        self.cases.push((name, Box::new(run)));
        self
    }

    /// Adds a case whose operation needs a new input each time, which is prepared beforehand and not counted; of its
    /// instructions that is true on [one thread](Self::on_one_thread) only.
    pub fn prepared<T, R>(
        mut self,
        name: &'static str,
        mut prepare: impl FnMut() -> T + 'a,
        mut op: impl FnMut(T) -> R + 'a,
    ) -> Self {
        let run = move |mut n: u64| {
            let mut spent = Spent::default();
            while 0 < n {
                let some = n.min(PREPARED);
                let mut inputs: Vec<T> = (0..some).map(|_| prepare()).collect();
                let Spent { time, allocations } = counted(&mut || {
                    for input in inputs.drain(..) {
                        black_box(op(input));
                    }
                });
                (spent.time, spent.allocations) = (spent.time + time, spent.allocations + allocations);
                n -= some;
            }
            spent
        };
        self.cases.push((name, Box::new(run)));
        self
    }

    /// Adds a case that runs `n` operations itself, so that set-up per batch is its own affair.
    pub fn batch(mut self, name: &'static str, mut run: impl FnMut(u64) + 'a) -> Self {
        self.cases.push((name, Box::new(move |n| counted(&mut || run(n)))));
        self
    }

    /// Runs every case, prints the table, and returns the figures by name.
    ///
    /// Under valgrind (the environment names one case) it runs just that case and exits.
    pub fn main(mut self) -> BTreeMap<&'static str, Figures> {
        if let Ok(wanted) = std::env::var(CASE) {
            let count = std::env::var(COUNT).ok().and_then(|n| n.parse().ok()).unwrap_or(1);
            if let Some((_, run)) = self.cases.iter_mut().find(|(name, _)| *name == wanted) {
                run(1);
                run(count);
            }
            std::process::exit(0);
        }
        let mut out: BTreeMap<&'static str, Figures> = BTreeMap::new();
        let batches: Vec<u64> = self.cases.iter_mut().map(|(_, run)| calibrate(run)).collect();
        for round in 0..ROUNDS {
            for ((name, run), batch) in self.cases.iter_mut().zip(&batches) {
                let Spent { time, allocations } = run(*batch);
                let ns = time.as_nanos() as f64 / *batch as f64;
                let figures = out.entry(name).or_default();
                figures.allocations = allocations as f64 / *batch as f64;
                figures.ns = if round == 0 { ns } else { figures.ns.min(ns) };
            }
        }
        for (name, figures) in &mut out {
            figures.instructions = instructions(name, figures.ns, self.on_one_thread);
        }
        println!("{:44} {:>12} {:>14} {:>8}", "case", "ns/op", "instructions", "allocs");
        for (name, _) in &self.cases {
            let f = out[name];
            let counted = f.instructions.map_or("-".to_owned(), |n| format!("{n:.0}"));
            println!("{name:44} {:>12.1} {counted:>14} {:>8.2}", f.ns, f.allocations);
        }
        out
    }
}

fn calibrate(run: &mut dyn FnMut(u64) -> Spent) -> u64 {
    // What a case makes the first time it is run is no part of what an operation costs.
    run(1);
    let mut n = 1;
    loop {
        let start = Instant::now();
        run(n);
        let took = start.elapsed();
        if ROUND / 4 < took || n == 1 << 30 {
            return (n as f64 * ROUND.as_secs_f64() / took.as_secs_f64().max(1e-9)).max(1.0) as u64;
        }
        n *= 4;
    }
}

/// Where counting begins and ends: callgrind knows it by this name.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) -> Spent {
    let (before, start) = (crate::allocations(), Instant::now());
    run();
    Spent { time: start.elapsed(), allocations: crate::allocations() - before }
}

/// Instructions per operation by the slope between two runs under callgrind.
fn instructions(case: &str, ns: f64, alone: bool) -> Option<f64> {
    // About 1 ms and 3 ms of native work: enough to drown start-up, quick under valgrind.
    let few = ((1e6 / ns.max(0.5)) as u64).clamp(2, 200_000);
    let many = few * 3;
    let slope = count(case, many, alone)?.checked_sub(count(case, few, alone)?)?;
    assert!(0 < slope, "nothing was counted of {case}");
    Some(slope as f64 / (many - few) as f64)
}

/// Valgrind's counter of instructions, whose profile nobody reads. It goes to a file of the bench's own: what stands at the name is
/// removed and made anew, which of `/dev/null` would leave a plain file, if the bench runs as root.
pub fn callgrind() -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile().display()));
    valgrind
}

/// The instructions that [`callgrind`] says it has counted, in what it wrote to stderr. Removes the profile.
pub fn counted_in(stderr: &str) -> Option<u64> {
    let _none = std::fs::remove_file(profile());
    let line = stderr.lines().find(|line| line.contains("Collected :"))?;
    line.split_whitespace().last()?.parse().ok()
}

fn profile() -> PathBuf {
    std::env::temp_dir().join(format!("toolpost-callgrind-{}", std::process::id()))
}

fn count(case: &str, n: u64, alone: bool) -> Option<u64> {
    let me = std::env::current_exe().ok()?;
    let out = callgrind()
        .args(alone.then_some("--toggle-collect=*harness*cases*counted*"))
        .arg(me)
        .env(CASE, case)
        .env(COUNT, n.to_string())
        .output()
        .ok()?;
    counted_in(&String::from_utf8_lossy(&out.stderr))
}
