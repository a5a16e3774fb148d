//! A journal under two openers, damage, a full disk, and kill -9.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests spawn, speak to each other by pipes, and fail by panic"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use toolpost_journal::{Durability, LogError, LogOptions};
use toolpost_runs::{FileJournal, JournalView};
use toolpost_workflow::{Journal, JournalEntry, RunOutcome};

/// The end of a step whose value is this number.
fn value(number: u64) -> JournalEntry {
    let bytes = [&[4, 0, 0, 0, 0][..], &number.to_le_bytes()].concat();
    JournalEntry::decode(&bytes).unwrap()
}

fn number(entry: &JournalEntry) -> u64 {
    match entry {
        JournalEntry::Succeeded { value: Some(value), .. } => {
            u64::from_le_bytes(value[..8].try_into().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn open(path: &Path) -> FileJournal {
    open_or_not(path).unwrap()
}

fn open_or_not(path: &Path) -> Result<FileJournal, LogError> {
    FileJournal::open_with(path, LogOptions::new().durability(Durability::Process))
}

/// The last segment of a journal.
fn segment(path: &Path) -> PathBuf {
    let names = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    names.filter(|name| name.extension().is_some_and(|ending| ending == "log")).max().unwrap()
}

/// The bytes of all segments.
fn size(path: &Path) -> u64 {
    let files = fs::read_dir(path).unwrap().map(|file| file.unwrap());
    files
        .filter(|file| file.file_name().to_string_lossy().ends_with(".log"))
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

/// A directory, and the path of a journal in it with `count` entries of the run `r`.
async fn written(count: u64) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let journal = open(&path);
    for n in 0..count {
        journal.append("r", &[value(n)]).await.unwrap();
    }
    (directory, path)
}

async fn numbers(journal: &FileJournal, run: &str) -> Vec<u64> {
    journal.load(run).await.unwrap().iter().map(number).collect()
}

#[tokio::test]
async fn a_second_opener_is_refused_and_loses_nobody_anything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let journal = open(&path);
    let writing = journal.clone();
    let writer = tokio::spawn(async move {
        for n in 0..500 {
            writing.append("r", &[value(n)]).await.unwrap();
        }
    });
    let mut refused = 0;
    while !writer.is_finished() {
        let error = open_or_not(&path).unwrap_err();
        assert!(error.is_in_use() && error.to_string().contains("in use"), "{error}");
        assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
        refused += 1;
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert!(0 < refused);
    assert_eq!(numbers(&journal, "r").await, (0..500).collect::<Vec<_>>());
    #[cfg(unix)]
    {
        let other = directory.path().join("another name");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert!(FileJournal::open(other).unwrap_err().is_in_use(), "a link leads to the same lock");
    }
    drop(journal);
    let journal = open(&path);
    assert_eq!(journal.truncated(), 0);
    assert_eq!(numbers(&journal, "r").await.len(), 500);
}

/// Nothing can be lost between a run that is dropped and the next opening of its journal.
#[tokio::test]
async fn what_was_handed_over_is_written_before_the_journal_closes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    for n in 0..100 {
        let journal = open(&path);
        assert_eq!(journal.load("r").await.unwrap().len(), n);
        let entry = [value(n as u64)];
        begun(std::pin::pin!(journal.append("r", &entry))).await;
        if n % 2 == 0 {
            // Who loads sees what others appended before, durable or not yet.
            assert_eq!(journal.load("r").await.unwrap().len(), n + 1);
        }
    }
}

#[tokio::test]
async fn damage_is_an_error_that_names_the_offset_and_cuts_nothing() {
    let (_directory, path) = written(100).await;
    let segment = segment(&path);
    let whole = fs::read(&segment).unwrap();
    let size = (whole.len() - 80) / 100;
    for entry in [0, 50, 99] {
        for within in 0..size {
            let mut bytes = whole.clone();
            let offset = 80 + entry * size;
            bytes[offset + within] ^= 1 << (within % 8);
            fs::write(&segment, &bytes).unwrap();
            let error = open_or_not(&path).unwrap_err();
            let (file, at) = error.damaged_at().unwrap();
            assert_eq!(file.file_name(), segment.file_name());
            assert!(at == offset as u64 || at == offset as u64 + 72, "its group, or its record: {error}");
            assert!(error.to_string().contains(&format!("damaged at byte {at}")), "{error}");
            assert_eq!(fs::read(&segment).unwrap(), bytes, "it was changed");
            let mut view = JournalView::read(&path).unwrap();
            let seen = view.load("r").unwrap().len();
            // Who only looks does not follow the chain, which alone a few bits of a head are part of.
            assert!(
                seen == entry && view.damage().is_some() || within < 72 && seen == 100,
                "{entry} {within}"
            );
        }
    }
    // Every torn write is cut off.
    for end in whole.len() - size + 1..whole.len() {
        fs::write(&segment, &whole[..end]).unwrap();
        let journal = open(&path);
        assert_eq!(journal.truncated(), (end + size - whole.len()) as u64);
        assert_eq!(numbers(&journal, "r").await.len(), 99);
    }
}

#[tokio::test]
async fn a_journal_is_looked_at_from_outside_while_its_owner_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    assert!(JournalView::read(&path).is_err(), "looking creates nothing");
    assert!(!path.exists());
    let journal = open(&path);
    journal.append("a", &[value(1), value(2)]).await.unwrap();
    journal.append("b", &[value(3), JournalEntry::Ended { outcome: RunOutcome::Failed }]).await.unwrap();
    let mut view = JournalView::read(&path).unwrap();
    assert_eq!(view.list(), journal.list().unwrap());
    assert_eq!(view.load("a").unwrap(), [value(1), value(2)]);
    assert_eq!(view.load("c").unwrap(), []);
    assert!(view.damage().is_none());
    journal.append("a", &[value(4)]).await.unwrap();
    assert_eq!(numbers(&journal, "a").await, [1, 2, 4]);
}

#[tokio::test]
async fn runs_are_listed_removed_and_compacted_away() {
    let (_directory, path) = written(100).await;
    let journal = FileJournal::open(&path).unwrap();
    for n in 0..50 {
        journal.append("done", &[value(n)]).await.unwrap();
        journal.append("left", &[value(n)]).await.unwrap();
    }
    journal.append("done", &[JournalEntry::Ended { outcome: RunOutcome::Succeeded }]).await.unwrap();
    let list = journal.list().unwrap();
    let names: Vec<_> = list.iter().map(|run| (run.name(), run.entries(), run.is_finished())).collect();
    assert_eq!(names, [("done", 51, true), ("left", 50, false), ("r", 100, false)]);
    assert_eq!(list[0].outcome(), Some(RunOutcome::Succeeded));
    assert_eq!(list[1].bytes(), 50 * 13);
    let bytes = size(&path);
    assert_eq!(journal.unfinished().unwrap(), ["left", "r"]);

    assert!(journal.remove("r").await.unwrap());
    assert!(!journal.remove("r").await.unwrap());
    assert_eq!(journal.load("r").await.unwrap(), []);
    assert!(bytes < size(&path), "it is still there");
    assert!(JournalView::read(&path).unwrap().load("r").unwrap().is_empty());
    let before = size(&path);
    let saved = journal.compact().await.unwrap();
    assert!(before / 2 < saved);
    assert_eq!(size(&path) + saved, before);
    // It goes on in a new segment, under the same lock, and the name is free.
    journal.append("r", &[value(7)]).await.unwrap();
    journal.append("left", &[value(50)]).await.unwrap();
    assert!(FileJournal::open(&path).unwrap_err().is_in_use());
    assert_eq!(numbers(&journal, "left").await, (0..51).collect::<Vec<_>>());
    assert_eq!(numbers(&journal, "r").await, [7]);
    assert_eq!(journal.load("done").await.unwrap().len(), 51);
    drop(journal);
    let journal = FileJournal::open(&path).unwrap();
    assert_eq!(numbers(&journal, "left").await, (0..51).collect::<Vec<_>>());
    assert_eq!(numbers(&journal, "r").await, [7]);
    assert_eq!(journal.unfinished().unwrap(), ["left", "r"]);
    journal.compact().await.unwrap();
    assert_eq!(journal.compact().await.unwrap(), 0, "nothing more is to be had");
}

/// Polls once.
async fn begun(future: std::pin::Pin<&mut impl Future>) {
    let mut future = future;
    std::future::poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        std::task::Poll::Ready(())
    })
    .await;
}

#[test]
fn a_compaction_that_begins_after_the_journal_is_closed_leaves_the_file_to_its_next_owner() {
    let one_thread = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.max_blocking_threads(1).build().unwrap()
    };
    let (first, second) = (one_thread(), one_thread());
    let (_directory, path) = second.block_on(written(10));
    let journal = open(&path);
    // Its only thread that may block is busy, until it is told.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    first.block_on(async {
        let _busy = tokio::task::spawn_blocking(move || wait.recv());
        begun(std::pin::pin!(journal.compact())).await;
    });
    drop(journal);
    let journal = open(&path);
    second.block_on(async { journal.append("r", &[value(10)]).await.unwrap() });
    drop(go);
    // Waits for the compaction.
    drop(first);
    second.block_on(async { journal.append("r", &[value(11)]).await.unwrap() });
    drop(journal);
    assert_eq!(second.block_on(numbers(&open(&path), "r")), (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_buffer_is_bounded_by_those_who_wait() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal"));
    let mut big = vec![4, 0, 0, 0, 0];
    big.resize(1 << 20, 7);
    let big = JournalEntry::decode(&big).unwrap();
    let appends: Vec<_> = (0..32)
        .map(|n| {
            let (journal, big) = (journal.clone(), big.clone());
            tokio::spawn(async move { journal.append(&n.to_string(), &[big]).await.unwrap() })
        })
        .collect();
    for append in appends {
        append.await.unwrap();
    }
    let (appends, writes) = journal.writes();
    assert!(appends == 32 && 32 / 4 <= writes, "{appends} appends of 1 MiB took {writes} writes of 4 MiB");
    assert_eq!(journal.list().unwrap().len(), 32);
}

#[tokio::test]
async fn names_and_entries_that_are_too_long_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let journal = open(&path);
    let name = "x".repeat(65_535);
    journal.append(&name, &[value(1)]).await.unwrap();
    let error = journal.append(&format!("{name}x"), &[value(2)]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    // It harms nobody else, and nothing of it is in the file.
    journal.append("r", &[]).await.unwrap();
    journal.append("r", &[value(3)]).await.unwrap();
    assert_eq!(numbers(&journal, &name).await, [1]);
    assert_eq!(JournalView::read(&path).unwrap().list().len(), 2);
}

/// What a run's start reads must not depend on what else is in the file.
#[tokio::test]
async fn a_start_reads_its_own_record_alone() {
    let (_directory, path) = written(20_000).await;
    let journal = open(&path);
    journal.append("small", &[value(1)]).await.unwrap();
    let list = journal.list().unwrap();
    let of = |name: &str| list.iter().find(|run| run.name() == name).unwrap().bytes();
    assert_eq!(numbers(&journal, "small").await, [1]);
    assert!(of("small") * 10_000 < of("r"));
    // Reading only what is near: what the log holds elsewhere may be anything.
    let segment = segment(&path);
    let bytes = fs::read(&segment).unwrap();
    let at = bytes.len() - (200 << 10);
    fs::write(&segment, [&bytes[..80], &vec![0; at - 80], &bytes[at..]].concat()).unwrap();
    assert_eq!(numbers(&journal, "small").await, [1]);
    let error = journal.load("r").await.unwrap_err();
    assert!(error.to_string().contains("damaged at byte 80"), "{error}");
    assert!(journal.compact().await.is_err(), "and no damage is copied");
    journal.append("small", &[value(2)]).await.unwrap();
    assert_eq!(numbers(&journal, "small").await, [1, 2]);
}

/// This test binary again, doing `task` on the journal at `path`; each line it prints is a promise.
fn child(task: &str, path: &Path) -> Child {
    let exe = std::env::current_exe().unwrap();
    let mut command = match task {
        // Files of at most 64 blocks: the disk is full.
        "fill" => {
            let mut shell = Command::new("sh");
            let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
            shell.arg("-c").arg(script).arg(exe);
            shell
        }
        _ => Command::new(exe),
    };
    command
        .args(["--exact", "file_journal::the_child", "--ignored", "--nocapture"])
        .env("TOOLPOST_JOURNAL_TASK", task)
        .env("TOOLPOST_JOURNAL_PATH", path)
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

/// What a child prints; it must be kept until the child is killed.
fn output(child: &mut Child) -> BufReader<std::process::ChildStdout> {
    BufReader::new(child.stdout.take().unwrap())
}

#[tokio::test]
#[ignore = "what other tests start as a process of its own"]
async fn the_child() {
    let (Ok(task), Ok(path)) =
        (std::env::var("TOOLPOST_JOURNAL_TASK"), std::env::var("TOOLPOST_JOURNAL_PATH"))
    else {
        return;
    };
    let journal = open(Path::new(&path));
    match &*task {
        "append" => {
            for n in 0.. {
                journal.append("r", &[value(n)]).await.unwrap();
                println!("done {n}");
            }
        }
        "compact" => {
            for n in 0.. {
                journal.append("r", &[value(n)]).await.unwrap();
                journal.append("gone", &[value(n)]).await.unwrap();
                println!("done {n}");
                if n % 3 == 0 {
                    journal.remove("gone").await.unwrap();
                    journal.compact().await.unwrap();
                }
            }
        }
        _ => fill(&journal).await,
    }
}

/// Appends until the disk is full, and long after that.
async fn fill(journal: &FileJournal) {
    let mut big = vec![4, 0, 0, 0, 0];
    big.resize(5_000, 7);
    let big = JournalEntry::decode(&big).unwrap();
    let mut failed = 0_u64;
    let mut kept = 0_u64;
    for n in 0..20_000 {
        match journal.append(&n.to_string(), std::slice::from_ref(&big)).await {
            Ok(()) => {
                assert_eq!(failed, 0, "it takes more after a failed write");
                kept += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge, "{error}");
                failed += 1;
            }
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next());
    println!("done {kept}");
    println!("done {failed}");
    println!("done {}", peak.and_then(|peak| peak.parse().ok()).unwrap_or(0_u64));
}

#[tokio::test]
async fn killed_at_any_time_a_writer_has_kept_what_it_promised() {
    for count in [1, 7, 100, 1_000] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut writer = child("append", &path);
        let mut output = output(&mut writer);
        let promised = promised(&mut output, count);
        // While it lives, nobody else opens the journal, and to try does it no harm.
        if writer.try_wait().unwrap().is_none() {
            assert!(open_or_not(&path).is_err_and(|error| error.is_in_use()));
        }
        let mut second = child("append", &path);
        assert!(!second.wait().unwrap().success(), "a second process opened it");
        writer.kill().unwrap();
        writer.wait().unwrap();
        let journal = open(&path);
        let kept = numbers(&journal, "r").await;
        assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>());
        assert!(promised.len() == count && count <= kept.len(), "{} of {count}", kept.len());
    }
}

#[tokio::test]
async fn killed_at_any_time_a_compaction_leaves_every_run_whole() {
    for count in 1..30 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut writer = child("compact", &path);
        let mut output = output(&mut writer);
        let promised = promised(&mut output, count);
        writer.kill().unwrap();
        writer.wait().unwrap();
        let journal = open(&path);
        let kept = numbers(&journal, "r").await;
        assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>());
        assert!(promised.len() == count && count <= kept.len(), "{} of {count}", kept.len());
        // Whatever was in the middle of it, the next one ends.
        journal.compact().await.unwrap();
        assert_eq!(numbers(&journal, "r").await.len(), kept.len());
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "one segment and the lock: {left:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_refused_at_once_and_fills_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let mut filler = child("fill", &path);
    let numbers = promised(&mut output(&mut filler), usize::MAX);
    assert!(filler.wait().unwrap().success());
    let [kept, failed, peak] = numbers[..] else { panic!("{numbers:?}") };
    assert!(0 < kept && kept + failed == 20_000);
    assert!(peak < 40_000, "{peak} kB, and 100 MB were refused");
    let journal = open(&path);
    assert_eq!(journal.list().unwrap().len() as u64, kept, "what was acknowledged, and no more");
    assert!(0 < journal.truncated());
    // With room again, it goes on.
    journal.append("more", &[value(1)]).await.unwrap();
}
