//! Real processes: killed, beside each other, and with a full disk.
#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use toolpost_journal::rt::Log;
use toolpost_journal::{Durability, LogOptions, LogReader, NewRecord};

fn options() -> LogOptions {
    LogOptions::new().durability(Durability::Process).segment_bytes(64 << 10)
}

/// This test binary again, doing `task` with the log at `path`; each line it prints is a promise.
fn child(task: &str, path: &Path) -> Child {
    let exe = std::env::current_exe().unwrap();
    let mut command = match task {
        // Files of at most 64 blocks: the disk is full.
        "fill" => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"").arg(exe);
            shell
        }
        _ => Command::new(exe),
    };
    command
        .args(["--exact", "processes::the_child", "--ignored", "--nocapture"])
        .env("TOOLPOST_LOG_TASK", task)
        .env("TOOLPOST_LOG_PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The numbers that a child has promised, `count` of them or all.
fn promised(output: &mut impl BufRead, count: usize) -> Vec<u64> {
    let lines = output.lines();
    lines.filter_map(|line| line.unwrap().strip_prefix("done ")?.parse().ok()).take(count).collect()
}

fn numbers(path: &Path) -> Vec<u64> {
    let mut reader = LogReader::open(path).unwrap();
    let mut numbers = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        numbers.push(u64::from_le_bytes(record.payload()[..8].try_into().unwrap()));
    }
    numbers
}

#[tokio::test]
#[ignore = "what other tests start as a process of its own"]
async fn the_child() {
    let (Ok(task), Ok(path)) = (std::env::var("TOOLPOST_LOG_TASK"), std::env::var("TOOLPOST_LOG_PATH"))
    else {
        return;
    };
    let length = if task == "fill" { 5_000 } else { 300 };
    let payload = |n: u64| {
        let mut payload = n.to_le_bytes().to_vec();
        payload.resize(length, 7);
        payload
    };
    let options = if task == "fill" { options().segment_bytes(1 << 30) } else { options() };
    let log = Log::open(&path, options).unwrap();
    let first = log.head().seq();
    if task == "fill" {
        let (mut kept, mut refused) = (0, 0);
        for n in 0..20_000 {
            match log.append(NewRecord::new("k", &payload(n))).await {
                Ok(_) => kept += 1,
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge, "{error}");
                    refused += 1;
                }
            }
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next());
        println!("done {kept}\ndone {refused}\ndone {}", peak.unwrap_or("0"));
        return;
    }
    for n in first.. {
        log.append(NewRecord::new("k", &payload(n))).await.unwrap();
        println!("done {n}");
    }
}

#[test]
fn killed_at_any_time_a_writer_has_kept_what_it_promised() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut before = 0;
    for count in [1, 7, 40, 150, 500, 1_000, 3, 2] {
        let mut writer = child("append", &path);
        let mut output = BufReader::new(writer.stdout.take().unwrap());
        let promised = promised(&mut output, count);
        // While it lives, nobody else opens the log, and readers see whole groups.
        assert!(Log::open(&path, options()).is_err_and(|error| error.is_in_use()));
        let seen = numbers(&path).len() as u64;
        writer.kill().unwrap();
        writer.wait().unwrap();
        let kept = numbers(&path);
        assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>());
        assert!(promised.len() == count && seen <= kept.len() as u64);
        assert!(before + count as u64 <= kept.len() as u64, "{} of {before} and {count}", kept.len());
        LogReader::open(&path).unwrap().verify(None, &[]).unwrap();
        before = kept.len() as u64;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_refused_at_once_and_fills_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut filler = child("fill", &path);
    let output = promised(&mut BufReader::new(filler.stdout.take().unwrap()), usize::MAX);
    assert!(filler.wait().unwrap().success());
    let [kept, refused, peak] = output[..] else { panic!("{output:?}") };
    assert!(0 < kept && kept + refused == 20_000);
    assert!(peak < 40_000, "{peak} kB, and 100 MB were refused");
    let log = Log::open(&path, options()).unwrap();
    assert_eq!(numbers(&path), (0..kept).collect::<Vec<_>>(), "what was acknowledged, and no more");
    assert!(0 < log.cut(), "the half of a group that there was room for");
    // With room again, it goes on.
    assert_eq!(log.append(NewRecord::new("k", &[0; 8])).await.unwrap(), kept + 1);
}
