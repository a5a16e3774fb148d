//! An append-only log beside bare writes, SQLite and redb, with the same durability. `--quick` for a look that proves nothing.
//!
//! Of each case the median of several rounds counts, and cases are interleaved. Files are on the disk of this checkout.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and spawns")]

mod peers;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use harness::{Goals, Process, machine, median, record};
use tempfile::TempDir;
use toolpost_journal::rt::Log;
use toolpost_journal::{Durability, LogFilter, LogOptions, LogReader, LogWriter, NewRecord};

/// Appends that are outstanding at once, and so records of a group.
pub(crate) const GROUP: usize = 64;
pub(crate) const KIND: &str = "call.ended";
/// Events a second that the fastest of the systems which this one replaces claims to write without a sync, and its memory
/// when it has started, in MB.
const SEED: (f64, f64) = (802_000.0, 132.8);

pub(crate) fn payload() -> Vec<u8> {
    (0..256).map(|n| n as u8).collect()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => measure(false),
        ["--quick"] => measure(true),
        ["--open", path] => open(Path::new(path)),
        _ => {
            eprintln!("bench-journal: no such option; there is --quick");
            ExitCode::FAILURE
        }
    }
}

/// Runs a case in a directory of its own; records a second.
fn rate(records: usize, run: impl FnOnce(&Path)) -> f64 {
    let directory = directory();
    let start = Instant::now();
    run(directory.path());
    records as f64 / start.elapsed().as_secs_f64()
}

/// On the disk of this checkout: the one for temporary files may be memory.
fn directory() -> TempDir {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target");
    tempfile::tempdir_in(target).expect("a directory")
}

type Case = (&'static str, usize, Box<dyn Fn(&Path)>);

fn measure(quick: bool) -> ExitCode {
    let rounds = if quick { 3 } else { 9 };
    let (synced, unsynced) = if quick { (40, 2_000) } else { (150, 10_000) };
    let cases: Vec<Case> = vec![
        (
            "durable, groups of 64: write and fdatasync",
            synced * GROUP,
            boxed(move |path| peers::raw(path, synced, GROUP, true)),
        ),
        (
            "durable, 64 tasks: rt::Log",
            synced * GROUP,
            boxed(move |path| tasks(path, LogOptions::new(), synced)),
        ),
        (
            "durable, groups of 64: LogWriter",
            synced * GROUP,
            boxed(move |path| groups(path, LogOptions::new(), synced)),
        ),
        (
            "durable, one at a time: write and fdatasync",
            synced,
            boxed(move |path| peers::raw(path, synced, 1, true)),
        ),
        ("durable, one at a time: rt::Log", synced, boxed(move |path| one(path, synced))),
        ("durable, one at a time: SQLite", synced, boxed(move |path| peers::sqlite(path, synced, 1, true))),
        ("durable, one at a time: redb", synced, boxed(move |path| peers::redb(path, synced, 1, true))),
        (
            "durable, groups of 64: SQLite",
            synced * GROUP,
            boxed(move |path| peers::sqlite(path, synced, GROUP, true)),
        ),
        (
            "durable, groups of 64: redb",
            synced * GROUP,
            boxed(move |path| peers::redb(path, synced, GROUP, true)),
        ),
        (
            "system, groups of 64: copy and write",
            unsynced * GROUP,
            boxed(move |path| peers::raw(path, unsynced, GROUP, false)),
        ),
        (
            "system, groups of 64: LogWriter",
            unsynced * GROUP,
            boxed(move |path| groups(path, process(), unsynced)),
        ),
        (
            "system, groups of 64, keyed: LogWriter",
            unsynced * GROUP,
            boxed(move |path| groups(path, process().key([7; 32]), unsynced)),
        ),
        (
            "system, 64 tasks: rt::Log",
            unsynced / 4 * GROUP,
            boxed(move |path| tasks(path, process(), unsynced / 4)),
        ),
        (
            "system, offered: rt::Log",
            unsynced / 4 * GROUP,
            boxed(move |path| offers(path, unsynced / 4 * GROUP)),
        ),
        (
            "system, groups of 64: SQLite",
            unsynced / 10 * GROUP,
            boxed(move |path| peers::sqlite(path, unsynced / 10, GROUP, false)),
        ),
        (
            "system, groups of 64: redb",
            unsynced / 10 * GROUP,
            boxed(move |path| peers::redb(path, unsynced / 10, GROUP, false)),
        ),
    ];
    let mut figures = vec![Vec::new(); cases.len()];
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        for ((_, records, run), figures) in cases.iter().zip(&mut figures) {
            figures.push(rate(*records, run));
        }
    }
    let mut text = format!("{:48} {:>12}\n", "case", "records/s");
    for ((name, _, _), figures) in cases.iter().zip(&figures) {
        text += &format!("{name:48} {:>12.0}\n", median(figures.iter().copied()));
    }
    // A ratio of two cases is made in each round, so that what disturbs a round disturbs both.
    let of = |name: &str| cases.iter().position(|(own, _, _)| *own == name).expect("a case");
    let ratio = |ours: &str, theirs: &str| {
        let (ours, theirs) = (&figures[of(ours)], &figures[of(theirs)]);
        median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    };
    let best = |name: &str| median(figures[of(name)].iter().copied());

    let opened = large(if quick { 1_000_000 } else { 10_000_000 });
    text += &format!(
        "\n{} records of {:.0} MB in {} segments: opened by a writer in {:.1} ms, by a reader at the end in {:.1} ms, both in {:.1} MB of\n\
         memory; a log of 1,000 takes {:.1} MB. Verified at {:.0} MB/s, read at {:.1} million records/s, sought by correlation at {:.1}.\n",
        opened.records,
        opened.bytes / 1e6,
        opened.segments,
        opened.writer * 1e3,
        opened.reader * 1e3,
        opened.memory / 1e6,
        opened.small / 1e6,
        opened.verified / 1e6,
        opened.read / 1e6,
        opened.filtered / 1e6,
    );
    println!("{text}");

    let mut goals = Goals::new();
    goals.at_least(
        "64 outstanding appends, durable / the raw loop of write and fdatasync",
        ratio("durable, 64 tasks: rt::Log", "durable, groups of 64: write and fdatasync"),
        0.8,
    );
    goals.at_least(
        "left to the system / copy and write",
        ratio("system, groups of 64: LogWriter", "system, groups of 64: copy and write"),
        0.5,
    );
    let (ours, alone) = ("durable, 64 tasks: rt::Log", "durable, one at a time: ");
    goals.at_least(
        "64 outstanding appends, durable / SQLite, whose writers take turns",
        ratio(ours, &format!("{alone}SQLite")),
        3.0,
    );
    goals.at_least(
        "64 outstanding appends, durable / redb, whose writers take turns",
        ratio(ours, &format!("{alone}redb")),
        3.0,
    );
    goals.at_least(
        "left to the system / SQLite in transactions of 64",
        ratio("system, groups of 64: LogWriter", "system, groups of 64: SQLite"),
        3.0,
    );
    goals.at_least(
        "left to the system / redb in transactions of 64",
        ratio("system, groups of 64: LogWriter", "system, groups of 64: redb"),
        3.0,
    );
    goals.at_most("seconds to open the large log", opened.writer.max(opened.reader), 1.0);
    goals.at_most(
        "memory of opening it / of opening one of 1,000 records",
        opened.memory / opened.small,
        1.5,
    );
    goals.at_least(
        "events/s without a sync / the 802,000 of before",
        best("system, groups of 64: LogWriter") / SEED.0,
        1.0,
    );
    goals.at_most("memory once started / the 132.8 MB of before", opened.memory / 1e6 / SEED.1, 0.5);
    if !quick {
        let text = format!("{}\n\n```text\n{text}\n{}\n```", machine(), goals.lines().join("\n"));
        if let Err(error) = record("journal", &text) {
            eprintln!("bench-journal: {error}");
        }
    }
    match goals.finish() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn boxed(run: impl Fn(&Path) + 'static) -> Box<dyn Fn(&Path)> {
    Box::new(run)
}

fn process() -> LogOptions {
    LogOptions::new().durability(Durability::Process)
}

/// As many tasks as a group has records, each of which waits for its append and appends again.
fn tasks(path: &Path, options: LogOptions, each: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let log = Log::open(path.join("log"), options).expect("opens");
        let tasks: Vec<_> = (0..GROUP)
            .map(|_| {
                let log = log.clone();
                tokio::spawn(async move {
                    let payload = payload();
                    for _ in 0..each {
                        log.append(NewRecord::new(KIND, &payload)).await.expect("appends");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("ends");
        }
    });
}

fn groups(path: &Path, options: LogOptions, groups: usize) {
    let mut log = LogWriter::open(path.join("log"), options).expect("opens");
    let (payload, now) = (payload(), SystemTime::now());
    for _ in 0..groups {
        for _ in 0..GROUP {
            log.append(NewRecord::new(KIND, &payload), now).expect("appends");
        }
        log.commit().expect("commits");
    }
}

fn one(path: &Path, records: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let log = Log::open(path.join("log"), LogOptions::new()).expect("opens");
        for _ in 0..records {
            log.append(NewRecord::new(KIND, &payload())).await.expect("appends");
        }
    });
}

/// Of one who waits for nothing but room.
fn offers(path: &Path, records: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let log = Log::open(path.join("log"), process()).expect("opens");
        let payload = payload();
        for _ in 0..records {
            if log.offer(NewRecord::new(KIND, &payload)).is_err() {
                log.append(NewRecord::new(KIND, &payload)).await.expect("appends");
            }
        }
        log.flush().await.expect("flushes");
    });
}

struct Large {
    records: usize,
    bytes: f64,
    segments: usize,
    writer: f64,
    reader: f64,
    memory: f64,
    small: f64,
    verified: f64,
    read: f64,
    filtered: f64,
}

/// A log of so many records, and what it takes to open it, in a process of its own.
fn large(records: usize) -> Large {
    let directory = directory();
    let fill = |name: &str, records: usize| {
        let path = directory.path().join(name);
        let mut log = LogWriter::open(&path, process()).expect("opens");
        let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for record in 0..records {
            now += Duration::from_millis(1);
            log.append(NewRecord::new(KIND, &[0; 64]).correlation("1a2b3c4d5e6f7081"), now).expect("appends");
            if record % GROUP == GROUP - 1 {
                log.commit().expect("commits");
            }
        }
        log.commit().expect("commits");
        (path, log.bytes() as f64)
    };
    let (small, _) = fill("small", 1_000);
    let (path, bytes) = fill("large", records);
    let [_, _, small] = opened(&small);
    let [writer, reader, memory] = opened(&path);
    let segments = std::fs::read_dir(&path).expect("reads").count() - 1;
    let mut log = LogReader::open(&path).expect("opens");
    let start = Instant::now();
    let report = log.verify(None, &[]).expect("whole");
    let verified = report.bytes() as f64 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut read = 0;
    while log.next_record().expect("reads").is_some() {
        read += 1;
    }
    assert_eq!(read, records);
    let read = records as f64 / start.elapsed().as_secs_f64();
    log.seek(log.first().expect("there")).expect("seeks");
    log.filter(LogFilter::new().correlation("nobody's"));
    let start = Instant::now();
    assert!(log.next_record().expect("reads").is_none());
    let filtered = records as f64 / start.elapsed().as_secs_f64();
    Large { records, bytes, segments, writer, reader, memory, small, verified, read, filtered }
}

/// Seconds of a writer, seconds of a reader, bytes of memory.
fn opened(path: &Path) -> [f64; 3] {
    let me = std::env::current_exe().expect("this program");
    let output = Command::new(me).arg("--open").arg(path).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    figures.try_into().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn open(path: &Path) -> ExitCode {
    let start = Instant::now();
    let log = LogWriter::open(path, process()).expect("opens");
    let writer = start.elapsed();
    let start = Instant::now();
    let mut reader = LogReader::open(path).expect("opens");
    reader.seek_end().expect("seeks");
    assert_eq!(reader.previous_record().expect("reads").map(|record| record.seq()), Some(log.head().seq()));
    let reader = start.elapsed();
    let memory = Process(std::process::id()).peak_memory().unwrap_or(0);
    println!("{} {} {memory}", writer.as_secs_f64(), reader.as_secs_f64());
    ExitCode::SUCCESS
}
