//! What a program or a client can fill, as `docs/bounds.md` lists it, with the test that fills it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use tokio::task::JoinSet;
use toolpost_process::{Lines, ProcessError, Program, Supervisor, Workers, WorkersOptions};
use toolpost_tool::{ErrorKind, Refusal, Tool as _, ToolSpec};

use crate::common::{call, sh, soon, spawn};

const BOUNDS: &[(&str, fn())] = &[
    ("processes that run", || run(bound_processes())),
    ("lines of stderr that are kept", || run(bound_stderr())),
    ("length of a line", || run(bound_line())),
    ("length of a secret", || run(bound_secret())),
    ("calls that wait for a worker", || run(bound_waiting())),
];

#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let doc = include_str!("../../../../docs/bounds.md");
    let section =
        doc.split("\n## ").find(|section| section.starts_with("toolpost-process\n")).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let listed: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(listed, BOUNDS.iter().map(|(what, _)| *what).collect::<Vec<_>>());
    BOUNDS.iter().for_each(|(_, fill)| fill());
}

fn run(fill: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(soon(fill));
}

async fn bound_processes() {
    let supervisor = Supervisor::with_at_most(3);
    let running: Vec<_> = (0..3).map(|_| spawn(&supervisor, &Program::new("cat"))).collect();
    let error = supervisor.spawn(&Program::new("cat"), |_| {}).unwrap_err();
    assert!(matches!(error, ProcessError::TooMany(3)), "{error}");
    drop(running);
    supervisor.idle().await;
}

async fn bound_stderr() {
    let flood = sh(
        "dd if=/dev/zero bs=65536 count=64 2>/dev/null | tr '\\0' '\\n' >&2; head -c 100000 /dev/zero >&2",
    );
    let mut process = spawn(&Supervisor::new(), &flood);
    process.wait().await.unwrap();
    let kept = process.stderr();
    assert_eq!((kept.len(), kept[63].len()), (64, 1_024));
}

async fn bound_line() {
    let mut process = spawn(&Supervisor::new(), &sh("exec cat /dev/zero"));
    let mut lines = Lines::new(process.take_stdout().unwrap(), 100_000);
    let error = lines.next().await.unwrap_err();
    let ProcessError::LongLine { limit: 100_000, seen } = error else { panic!("{error}") };
    assert!(seen <= 100_000 + (8 << 10), "{seen}");
}

async fn bound_secret() {
    let program = |bytes| Program::new("true").secret("TOKEN", vec![b'x'; bytes]);
    let supervisor = Supervisor::new();
    assert!(spawn(&supervisor, &program(4_096)).wait().await.unwrap().success());
    let error = supervisor.spawn(&program(4_097), |_| {}).unwrap_err();
    assert!(matches!(error, ProcessError::LongSecret(_)), "{error}");
}

async fn bound_waiting() {
    let never = sh("sleep 1000");
    let workers = Workers::start(&Supervisor::new(), never, WorkersOptions::new().queue(5));
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let tool = workers.tool(ToolSpec::new("any").unwrap());
        calls.spawn(async move { tool.call(call()).await.map(drop).map_err(|error| error.kind()) });
    }
    let first = calls.join_next().await.unwrap().unwrap();
    assert_eq!(first, Err(ErrorKind::Refused(Refusal::QueueFull)));
    assert_eq!(calls.len(), 5);
}
