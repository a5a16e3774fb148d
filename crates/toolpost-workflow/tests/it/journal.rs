//! Kills a recorded run everywhere, and resumes it.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests spawn, and fail by panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use toolpost_journal::{Durability, LogOptions};
use toolpost_runs::FileJournal;
use toolpost_workflow::rt::RunReport;
use toolpost_workflow::{
    Cause, EventKind, Journal, JournalEntry, MapOptions, OnFailure, OnUnknown, Plan, Record, RunOutcome,
    StepError, StepHandle, StepPolicy, StepState, Workflow, any,
};

/// How often each step has run, over all lives of a run.
type Ran = Arc<Mutex<BTreeMap<String, u32>>>;

/// Twenty steps in a mesh: every other one not safe to repeat, one that fails at first, one that
/// always fails, one that is skipped, one that joins on any.
fn plan(ran: &Ran) -> Plan<u64, u64> {
    let mut w = Workflow::<u64>::new("twenty");
    let input = w.input();
    let mut handles: Vec<StepHandle<u64>> = Vec::new();
    let mut steps = handles.clone();
    for i in 0..20_usize {
        let ran = Arc::clone(ran);
        let note = move |name: &str| *ran.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        let once = StepPolicy::new().expected(Duration::from_millis(i as u64 % 3 + 1));
        let policy = if i % 2 == 0 { once.repeatable() } else { once };
        let name = format!("step {i}");
        let own = name.clone();
        let at = |back: usize| steps.get(i.wrapping_sub(back)).copied().unwrap_or(input);
        let handle =
            match i {
                5 => {
                    w.step(&name).policy(policy.retry(3, Duration::ZERO)).run_with(at(2), move |cx, _, x| {
                        note(&own);
                        async move {
                            if cx.attempt() == 1 { Err(StepError::message("at first")) } else { Ok(*x + 5) }
                        }
                    })
                }
                8 => w.step(&name).policy(policy.on_failure(OnFailure::Allow)).run(at(1), move |_| {
                    note(&own);
                    async { Err(StepError::message("always")) }
                }),
                11 => w.step(&name).policy(policy).when(at(1), |_| false).run(at(1), move |x| {
                    note(&own);
                    async move { Ok(*x) }
                }),
                12 => w.step(&name).policy(policy).run(any([at(1), at(2), at(4)]), move |x| {
                    note(&own);
                    async move { Ok(*x + 12) }
                }),
                _ => w.step(&name).policy(policy).run((at(1).optional(), at(3).optional()), move |(a, b)| {
                    note(&own);
                    async move {
                        tokio::task::yield_now().await;
                        Ok(a.map_or(1, |a| *a) * 3 % 1_000_003 + b.map_or(7, |b| *b) + i as u64)
                    }
                }),
            };
        w.record(handle);
        handles.push(handle);
        steps.push(handle);
    }
    w.build(handles[19]).unwrap()
}

async fn life(
    plan: &Plan<u64, u64>,
    journal: FileJournal,
    answer: OnUnknown,
) -> (RunReport<u64>, BTreeSet<String>) {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let log = Arc::clone(&asked);
    let ask = move |step: &str| {
        log.lock().unwrap().insert(step.to_owned());
        answer
    };
    let report = plan.start(3).journal(Arc::new(journal), "run").decide_unknown(ask).run().await;
    let asked = asked.lock().unwrap().clone();
    (report, asked)
}

fn open(path: &Path) -> FileJournal {
    open_or_not(path).unwrap()
}

fn open_or_not(path: &Path) -> Result<FileJournal, toolpost_journal::LogError> {
    FileJournal::open_with(path, LogOptions::new().durability(Durability::Process))
}

/// The one segment of a journal.
fn segment(path: &Path) -> PathBuf {
    path.join("00000000000000000001.log")
}

/// Puts a journal there whose one segment has these bytes.
fn put(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_dir_all(path);
    std::fs::create_dir(path).unwrap();
    std::fs::write(segment(path), bytes).unwrap();
}

/// The steps whose end is in the record, and those that have only a start.
async fn record(plan: &Plan<u64, u64>, journal: &FileJournal) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut ended, mut open) = (BTreeSet::new(), BTreeSet::new());
    for entry in journal.load("run").await.unwrap() {
        match entry {
            JournalEntry::Started { step } => drop(open.insert(plan.graph().step_name(step).to_owned())),
            JournalEntry::Succeeded { step, .. }
            | JournalEntry::Failed { step, .. }
            | JournalEntry::Skipped { step } => {
                open.remove(plan.graph().step_name(step));
                ended.insert(plan.graph().step_name(step).to_owned());
            }
            JournalEntry::Retrying { step } => drop(open.remove(plan.graph().step_name(step))),
            _ => {}
        }
    }
    (ended, open)
}

/// Resumes from these bytes and checks that exactly what is missing ran.
async fn resume(bytes: &[u8], whole: &RunReport<u64>, answer: OnUnknown, path: &Path) {
    let ran = Ran::default();
    let plan = plan(&ran);
    put(path, bytes);
    let journal = open(path);
    let (ended, started) = record(&plan, &journal).await;
    let repeatable = |name: &str| name[5..].parse::<u32>().unwrap() % 2 == 0;
    let (report, asked) = life(&plan, journal, answer).await;

    let unknown: BTreeSet<String> = started.into_iter().filter(|name| !repeatable(name)).collect();
    assert_eq!(
        asked, unknown,
        "whoever resumes is asked about every unknown outcome, and about nothing else"
    );
    for (step, count) in ran.lock().unwrap().iter() {
        assert!(!ended.contains(step), "{step} had ended and ran again");
        assert!(answer == OnUnknown::Retry || !unknown.contains(step), "{step} was silently repeated");
        assert!(*count <= if step == "step 5" { 2 } else { 1 }, "{step} ran {count} times");
    }
    for step in plan.graph().steps().filter(|&step| ended.contains(plan.graph().step_name(step))) {
        assert_eq!(report.run().state(step), whole.run().state(step), "the recorded end stands");
    }
    match (answer, unknown.is_empty()) {
        (OnUnknown::Retry, _) | (_, true) => {
            assert_eq!(report.output(), whole.output(), "no result is lost");
            assert_eq!(report.outcome(), RunOutcome::Succeeded);
        }
        (OnUnknown::GiveUp, _) => assert_eq!(report.outcome(), RunOutcome::Failed),
        _ => assert_eq!(report.outcome(), RunOutcome::Unknown),
    }
    // And once more: what ended stays ended, and only what was left unknown is asked about again.
    ran.lock().unwrap().clear();
    let (again, asked) = life(&plan, open(path), OnUnknown::Ask).await;
    assert_eq!(again.outcome(), report.outcome());
    assert_eq!(asked, if answer == OnUnknown::Ask { unknown } else { BTreeSet::new() });
    assert!(ran.lock().unwrap().is_empty(), "{:?}", ran.lock().unwrap());
}

#[tokio::test]
async fn killed_at_every_byte_of_its_journal_a_run_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let ran = Ran::default();
    let plan = plan(&ran);
    let (whole, _) = life(&plan, open(&path), OnUnknown::Ask).await;
    assert_eq!(whole.outcome(), RunOutcome::Succeeded);
    assert_eq!(ran.lock().unwrap().values().sum::<u32>(), 20, "one skipped, one retried");
    let bytes = std::fs::read(segment(&path)).unwrap();
    let next = directory.path().join("next");
    for end in 0..=bytes.len() {
        for answer in [OnUnknown::Retry, OnUnknown::GiveUp, OnUnknown::Ask] {
            // The second and third answer where they make a difference: at one byte in seven.
            if answer == OnUnknown::Retry || end % 7 == 0 {
                resume(&bytes[..end], &whole, answer, &next).await;
            }
        }
    }
    // A flipped bit is damage, wherever it is, and nothing is cut off.
    for at in (8..bytes.len()).step_by(11) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        put(&next, &bytes);
        let error = open_or_not(&next).unwrap_err();
        let (path, offset) = error.damaged_at().unwrap();
        assert!(path.ends_with("00000000000000000001.log"), "{error}");
        assert!(offset as usize <= at && at < offset as usize + 200, "{error}");
        assert_eq!(std::fs::read(segment(&next)).unwrap(), bytes, "it was changed");
    }
}

/// A journal in memory, each append of which takes a while.
#[derive(Default)]
struct Memory {
    entries: Mutex<Vec<JournalEntry>>,
    broken: Mutex<bool>,
    /// What never answers.
    hangs: Mutex<&'static str>,
    panics: Mutex<&'static str>,
}

impl Memory {
    async fn misbehave(&self, what: &str) {
        assert!(*self.panics.lock().unwrap() != what, "told to panic");
        if *self.hangs.lock().unwrap() == what {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Journal for Memory {
    async fn append(&self, _run: &str, entries: &[JournalEntry]) -> io::Result<()> {
        self.misbehave("append").await;
        tokio::task::yield_now().await;
        if *self.broken.lock().unwrap() {
            return Err(io::Error::other("the disk is full"));
        }
        self.entries.lock().unwrap().extend_from_slice(entries);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn load(&self, _run: &str) -> io::Result<Vec<JournalEntry>> {
        self.misbehave("load").await;
        Ok(self.entries.lock().unwrap().clone())
    }

    fn identity(&self) -> usize {
        assert!(*self.panics.lock().unwrap() != "identity", "told to panic");
        std::ptr::from_ref(self).addr()
    }
}

// Killed between any two polls rather than any two bytes.
#[tokio::test]
async fn dropped_at_every_poll_a_run_resumes() {
    let whole = plan(&Ran::default()).run(3).await;
    for polls in 0.. {
        let ran = Ran::default();
        let plan = plan(&ran);
        let journal = Arc::new(Memory::default());
        let finished = {
            let mut run = pin!(plan.start(3).journal(Arc::clone(&journal) as _, "run").run());
            let mut left = polls;
            std::future::poll_fn(|cx| match left {
                0 => Poll::Ready(false),
                _ => {
                    left -= 1;
                    run.as_mut().poll(cx).map(|_| true)
                }
            })
            .await
        };
        let report = plan
            .start(3)
            .journal(Arc::clone(&journal) as _, "run")
            .decide_unknown(|_| OnUnknown::Retry)
            .run()
            .await;
        assert_eq!(report.output(), whole.output());
        let mut ends = BTreeMap::<_, u32>::new();
        for entry in journal.entries.lock().unwrap().iter() {
            if let JournalEntry::Succeeded { step, .. }
            | JournalEntry::Failed { step, .. }
            | JournalEntry::Skipped { step } = entry
            {
                *ends.entry(*step).or_default() += 1;
            }
        }
        assert_eq!(ends.len(), 20);
        assert!(ends.values().all(|ends| *ends == 1), "a step ended twice");
        if finished {
            assert!(20 < polls, "the run never waited");
            return;
        }
    }
}

// The key by which a step's effect can be made to happen once.
#[tokio::test]
async fn the_idempotency_key_survives_attempts_and_crashes_and_is_nobody_elses() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let build = |plan: &str, step: &str| {
        let mut w = Workflow::<()>::new(plan);
        let log = Arc::clone(&keys);
        let pay =
            w.step(step).policy(StepPolicy::new().retry(2, Duration::ZERO)).run_with((), move |cx, _, ()| {
                log.lock().unwrap().push(cx.idempotency_key());
                async move { if cx.attempt() == 1 { Err("busy".into()) } else { Ok(()) } }
            });
        w.record(pay);
        w.build(pay).unwrap()
    };
    let run = async |plan: Plan<(), ()>, name: &str| {
        plan.start(()).journal(Arc::new(Memory::default()), name).run().await.into_result().unwrap();
        let keys: Vec<Option<String>> = std::mem::take(&mut *keys.lock().unwrap());
        assert!(keys.len() == 2 && keys[0] == keys[1], "every attempt has the same: {keys:?}");
        keys[0].clone()
    };
    let mut all = BTreeSet::new();
    for plan in ["w", "w/order"] {
        for (name, step) in
            [("7", "pay"), ("7/eu", "pay"), ("7", "eu/pay"), ("7%2Feu", "pay"), ("7", "7/pay")]
        {
            assert!(
                all.insert(run(build(plan, step), name).await.unwrap()),
                "{plan}, {name}, {step}: {all:?}"
            );
        }
    }
    assert!(all.contains("w/7/pay") && all.contains("w%2Forder/7%2Feu/pay"), "{all:?}");
    // Without a name of its own, a run has none.
    build("w", "pay").run(()).await.into_result().unwrap();
    assert_eq!(std::mem::take(&mut *keys.lock().unwrap()), [None, None]);
    assert_eq!(run(build("w", "pay"), "").await, None);

    // Each item of a list has its own.
    let mut w = Workflow::<()>::new("w");
    let list = w.step("list").compute((), |()| vec!["a", "b", "c"]);
    let log = Arc::clone(&keys);
    let charged = w.step("charge").policy(StepPolicy::new().repeatable()).map_with(
        MapOptions::new(2),
        list,
        move |cx, _, _| {
            log.lock().unwrap().push(cx.idempotency_key());
            async { Ok(()) }
        },
    );
    let plan = w.build(charged).unwrap();
    plan.start(()).journal(Arc::new(Memory::default()), "7").run().await.into_result().unwrap();
    let keys: Vec<_> = keys.lock().unwrap().iter().flatten().cloned().collect();
    assert_eq!(keys, ["w/7/charge/0", "w/7/charge/1", "w/7/charge/2"]);
}

#[tokio::test]
async fn a_start_is_durable_before_an_unrepeatable_step_begins_and_an_end_before_its_dependents() {
    let journal = Arc::new(Memory::default());
    let mut w = Workflow::<()>::new("w");
    let seen = |journal: &Arc<Memory>, wanted: JournalEntry| {
        let journal = Arc::clone(journal);
        move || assert!(journal.entries.lock().unwrap().contains(&wanted), "{wanted:?} is not durable")
    };
    let mut probe = Workflow::<()>::new("ids");
    let first = probe.step("a").compute((), |()| ());
    probe.step("b").compute(first, |_| ());
    let ids: Vec<_> = probe.build(first).unwrap().graph().steps().collect();
    let started = seen(&journal, JournalEntry::Started { step: ids[0] });
    let ended = seen(&journal, JournalEntry::Succeeded { step: ids[0], value: Some(Vec::new()) });
    let a = w.step("a").run((), move |()| {
        started();
        async { Ok(()) }
    });
    let b = w.step("b").policy(StepPolicy::new().repeatable()).run(a, move |_| {
        ended();
        async { Ok(()) }
    });
    w.record(a);
    w.record(b);
    let report = w.build(b).unwrap().start(()).journal(journal, "run").run().await;
    report.into_result().unwrap();
}

#[tokio::test]
async fn what_cannot_be_resumed_never_begins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let build = |record: bool, name: &str| {
        let mut w = Workflow::<()>::new("w");
        let a = w.step(name).run((), |()| async { Ok(1_u64) });
        if record {
            w.record(a);
        }
        w.build(a).unwrap()
    };
    let run = async |plan: Plan<(), u64>| plan.start(()).journal(Arc::new(open(&path)), "run").run().await;
    let unrecorded = run(build(false, "a")).await;
    assert_eq!(unrecorded.outcome(), RunOutcome::Cancelled);
    let error = unrecorded.into_result().unwrap_err();
    assert!(
        matches!(error.cause(), Some(Cause::Refused(_))) && error.to_string().contains("must be recorded"),
        "{error}"
    );
    assert_eq!(run(build(true, "a")).await.outcome(), RunOutcome::Succeeded);
    let changed = run(build(true, "b")).await.into_result().unwrap_err();
    assert!(changed.to_string().contains("another version"), "{changed}");
    assert!(changed.step().is_none() && !changed.to_string().contains("journal failed"), "{changed}");
    // A file, as older versions wrote it, or anything else.
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, b"toolpwj1").unwrap();
    assert_eq!(FileJournal::open(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_journal_that_breaks_cancels_the_run_and_it_can_be_resumed() {
    let journal = Arc::new(Memory::default());
    let mut w = Workflow::<()>::new("w");
    let breaker = Arc::clone(&journal);
    let a = w.step("a").run((), move |()| {
        *breaker.broken.lock().unwrap() = true;
        async { Ok(1_u64) }
    });
    let b = w.step("b").compute(a, |a| *a + 1);
    w.record(a);
    w.record(b);
    let plan = w.build(b).unwrap();
    let report = plan.start(()).journal(Arc::clone(&journal) as _, "run").run().await;
    assert_eq!(report.outcome(), RunOutcome::Cancelled);
    assert!(report.into_result().unwrap_err().to_string().contains("the disk is full"));
    *journal.broken.lock().unwrap() = false;
    let report = plan.start(()).journal(Arc::clone(&journal) as _, "run").run().await;
    assert_eq!(report.outcome(), RunOutcome::Unknown, "nobody was there to ask");
    assert_eq!(report.run().state(plan.graph().find("b").unwrap()), StepState::Skipped);
}

#[tokio::test]
async fn steps_without_a_codec_run_again_where_they_are_needed() {
    let ran = Ran::default();
    let mut w = Workflow::<u64>::new("w");
    let input = w.input();
    let log = Arc::clone(&ran);
    let list = w.step("list").policy(StepPolicy::new().repeatable()).run(input, move |x| {
        *log.lock().unwrap().entry("list".to_owned()).or_default() += 1;
        async move { Ok(vec![*x; 3]) }
    });
    let log = Arc::clone(&ran);
    let sum = w.step("sum").run(list, move |list| {
        *log.lock().unwrap().entry("sum".to_owned()).or_default() += 1;
        async move { Ok(list.iter().sum::<u64>()) }
    });
    w.record(sum);
    let plan = w.build(sum).unwrap();
    let journal = Arc::new(Memory::default());
    let counts = async |wanted: (u32, u32)| {
        let run = plan
            .start(2)
            .journal(Arc::clone(&journal) as _, "run")
            .decide_unknown(|_| OnUnknown::Retry)
            .run();
        assert_eq!(*run.await.into_result().unwrap(), 6);
        let counts = ran.lock().unwrap().clone();
        assert_eq!((counts["list"], counts["sum"]), wanted);
    };
    counts((1, 1)).await;
    counts((1, 1)).await;
    // Without the record of the sum, its input is needed again.
    let ended = journal.entries.lock().unwrap().split_off(4);
    assert!(matches!(ended[..], [JournalEntry::Succeeded { .. }, JournalEntry::Ended { .. }]), "{ended:?}");
    counts((2, 2)).await;
}

#[tokio::test]
async fn many_runs_share_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(directory.path().join("journal")).unwrap();
    let mut w = Workflow::<u64>::new("w");
    let input = w.input();
    let mut last = input;
    for i in 0..5_u64 {
        last = w.step(&i.to_string()).run(last, move |x| async move { Ok(*x + i) });
        w.record(last);
    }
    let plan = w.build(last).unwrap();
    let runs: Vec<_> = (0..20)
        .map(|i| tokio::spawn(plan.start(i).journal(Arc::new(journal.clone()), &i.to_string()).run()))
        .collect();
    for (i, run) in runs.into_iter().enumerate() {
        assert_eq!(*run.await.unwrap().into_result().unwrap(), i as u64 + 10);
    }
    let (appends, writes) = journal.writes();
    assert!(100 < appends && writes * 2 < appends, "{appends} appends took {writes} writes");
    drop(journal);
    let journal = FileJournal::open(directory.path().join("journal")).unwrap();
    assert_eq!(journal.truncated(), 0);
    for i in 0..20 {
        assert_eq!(journal.load(&i.to_string()).await.unwrap().len(), 12);
    }
}

#[test]
fn entries_read_back_and_nothing_else_does() {
    let mut w = Workflow::<()>::new("w");
    let a = w.step("a").compute((), |()| ());
    let step = w.build(a).unwrap().graph().steps().next().unwrap();
    let entries = [
        JournalEntry::Opened { version: u128::MAX - 7, plan: "p".to_owned(), input: None },
        JournalEntry::Opened { version: 7, plan: String::new(), input: Some(0) },
        JournalEntry::Started { step },
        JournalEntry::Retrying { step },
        JournalEntry::Succeeded { step, value: None },
        JournalEntry::Succeeded { step, value: Some(b"x".to_vec()) },
        JournalEntry::Failed { step, error: "\u{e9}".to_owned() },
        JournalEntry::Skipped { step },
        JournalEntry::Cleared { step },
        JournalEntry::Ended { outcome: RunOutcome::Failed },
    ];
    for entry in entries {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        assert_eq!(JournalEntry::decode(&bytes), Some(entry.clone()));
        assert_eq!(JournalEntry::decode(&bytes[..(bytes.len() - 1).min(4)]), None);
    }
    assert_eq!(JournalEntry::decode(&[]), None);
    assert_eq!(JournalEntry::decode(&[9, 0, 0, 0, 0]), None);
    assert_eq!(JournalEntry::decode(&[255]), None);
}

/// A step that fails at first, waits, and would succeed then.
fn bank(ran: &Ran) -> Plan<(), u64> {
    let mut w = Workflow::<()>::new("bank");
    let log = Arc::clone(ran);
    let retry = StepPolicy::new().retry(3, Duration::from_secs(60));
    let post = w.step("post").policy(retry).run((), move |()| {
        let mut ran = log.lock().unwrap();
        let times = ran.entry("post".to_owned()).or_default();
        *times += 1;
        let failed = *times == 1;
        async move { if failed { Err("503 from the bank".into()) } else { Ok(7) } }
    });
    w.record(post);
    w.build(post).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_failed_attempt_is_written_before_the_run_waits() {
    let ran = Ran::default();
    let plan = bank(&ran);
    let journal = Arc::new(Memory::default());
    let stopped = plan.start(()).journal(Arc::clone(&journal) as _, "run").run();
    assert!(tokio::time::timeout(Duration::from_secs(10), stopped).await.is_err());
    assert!(matches!(journal.entries.lock().unwrap()[..], [.., JournalEntry::Retrying { .. }]));
    let report = plan.start(()).journal(Arc::clone(&journal) as _, "run").run().await;
    assert_eq!((report.output().as_deref(), ran.lock().unwrap()["post"]), (Some(&7), 2));

    // A step that failed for good, beside one that takes an hour.
    let mut w = Workflow::<()>::new("w");
    let ran = Ran::default();
    let log = Arc::clone(&ran);
    let fails = w.step("fails").policy(StepPolicy::new().on_unknown(OnUnknown::Retry)).run((), move |()| {
        *log.lock().unwrap().entry("fails".to_owned()).or_default() += 1;
        async { Err::<(), _>("no such account".into()) }
    });
    let skipped = w.step("skipped").when((), |()| false).run((), |()| async { Ok(()) });
    let slow = w.step("slow").policy(StepPolicy::new().repeatable()).run((), |()| async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(())
    });
    w.record(fails);
    w.record(skipped);
    w.record(slow);
    let plan = w.build(slow).unwrap();
    let journal = Arc::new(Memory::default());
    let stopped = plan.start(()).journal(Arc::clone(&journal) as _, "run").run();
    assert!(tokio::time::timeout(Duration::from_secs(1800), stopped).await.is_err());
    let known = journal.entries.lock().unwrap().clone();
    assert!(known.iter().any(|entry| matches!(entry, JournalEntry::Failed { .. })), "{known:?}");
    assert!(known.iter().any(|entry| matches!(entry, JournalEntry::Skipped { .. })), "{known:?}");
    let report = plan.start(()).journal(Arc::clone(&journal) as _, "run").run().await;
    assert_eq!((report.outcome(), ran.lock().unwrap()["fails"]), (RunOutcome::Failed, 1));
}

#[tokio::test(start_paused = true)]
async fn one_name_runs_once_at_a_time() {
    let ran = Ran::default();
    let plan = bank(&ran);
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal"));
    let start = |name: &str| plan.start(()).journal(Arc::new(journal.clone()), name).run();
    let first = tokio::spawn(start("order 7"));
    while ran.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = start("order 7").await;
    let error = second.into_result().unwrap_err();
    assert!(matches!(error.cause(), Some(Cause::Refused(_))), "{error}");
    assert_eq!(error.to_string(), "workflow `bank`: run `order 7` is under way already");
    assert_eq!(journal.remove("order 7").await.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    assert_eq!(start("order 8").await.outcome(), RunOutcome::Succeeded, "another name is another run");
    assert_eq!(first.await.unwrap().outcome(), RunOutcome::Succeeded);
    assert_eq!(ran.lock().unwrap()["post"], 3);
    // The name is free again, and nothing is left to do.
    assert_eq!(start("order 7").await.output().as_deref(), Some(&7));
    assert_eq!(ran.lock().unwrap()["post"], 3);
    // A run that is dropped gives it back too, however far one poll has brought it.
    let mut w = Workflow::<()>::new("bank");
    let post = w.step("post").policy(StepPolicy::new().repeatable()).run((), |()| async { Ok(7) });
    let plan = w.build(post).unwrap();
    let start = |name: &str| plan.start(()).journal(Arc::new(journal.clone()), name).run();
    let mut dropped = Box::pin(start("order 9"));
    std::future::poll_fn(|cx| {
        let _ = dropped.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
    drop(dropped);
    assert_eq!(start("order 9").await.outcome(), RunOutcome::Succeeded);
    assert!(journal.remove("order 9").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_hangs_holds_no_run_beyond_its_deadline() {
    for what in ["load", "append"] {
        let plan = bank(&Ran::default());
        let journal = Arc::new(Memory::default());
        *journal.hangs.lock().unwrap() = what;
        let start = tokio::time::Instant::now();
        let deadline = (start + Duration::from_secs(5)).into_std();
        let report = plan.start(()).deadline(deadline).journal(Arc::clone(&journal) as _, "run").run().await;
        assert_eq!((report.outcome(), start.elapsed()), (RunOutcome::Cancelled, Duration::from_secs(5)));
        assert!(matches!(report.into_result().unwrap_err().cause(), Some(Cause::Deadline)));
        *journal.hangs.lock().unwrap() = "";
        assert_eq!(plan.start(()).journal(journal as _, "run").run().await.outcome(), RunOutcome::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_retry_that_would_come_too_late_and_a_later_life_goes_on() {
    let ran = Ran::default();
    let plan = bank(&ran);
    let journal = Arc::new(Memory::default());
    let start = tokio::time::Instant::now();
    let deadline = (start + Duration::from_secs(5)).into_std();
    let report = plan.start(()).deadline(deadline).journal(Arc::clone(&journal) as _, "run").run().await;
    assert_eq!((report.outcome(), start.elapsed()), (RunOutcome::Failed, Duration::ZERO));
    let error = report.into_result().unwrap_err();
    assert_eq!(error.to_string(), "step `post` of workflow `bank` failed: 503 from the bank");
    assert!(
        !journal
            .entries
            .lock()
            .unwrap()
            .iter()
            .any(|e| matches!(e, JournalEntry::Failed { .. } | JournalEntry::Ended { .. }))
    );
    // With more time, it has attempts left.
    let report = plan.start(()).journal(Arc::clone(&journal) as _, "run").run().await;
    assert_eq!((report.output().as_deref(), ran.lock().unwrap()["post"]), (Some(&7), 2));
    assert!(matches!(
        journal.entries.lock().unwrap()[..],
        [.., JournalEntry::Ended { outcome: RunOutcome::Succeeded }]
    ));
}

#[tokio::test]
async fn what_the_host_brings_may_panic() {
    let build = |encode: bool, decode: bool| {
        let mut w = Workflow::<()>::new("w");
        let a = w.step("a").run((), |()| async { Ok(1_u64) });
        w.record_with(
            a,
            move |value, out| {
                assert!(!encode, "told to panic");
                value.encode(out);
            },
            move |bytes| {
                assert!(!decode, "told to panic");
                u64::decode(bytes)
            },
        );
        w.build(a).unwrap()
    };
    let run = async |plan: Plan<(), u64>, journal: &Arc<Memory>| {
        let start = plan.start(()).journal(Arc::clone(journal) as _, "run");
        start
            .decide_unknown(|_| panic!("told to panic"))
            .run()
            .await
            .into_result()
            .map_err(|error| error.to_string())
    };
    let failed = run(build(true, false), &Arc::default()).await.unwrap_err();
    assert!(failed.contains("panicked: recording its value: told to panic"), "{failed}");
    let journal = Arc::new(Memory::default());
    assert_eq!(*run(build(false, false), &journal).await.unwrap(), 1);
    let failed = run(build(false, true), &journal).await.unwrap_err();
    assert!(failed.contains("reading the recorded value of step `a` panicked"), "{failed}");
    // Whoever is asked.
    journal.entries.lock().unwrap().truncate(2);
    let failed = run(build(false, false), &journal).await.unwrap_err();
    assert!(failed.contains("asked about step `a` panicked: told to panic"), "{failed}");
    for what in ["load", "append", "identity"] {
        let journal = Arc::new(Memory::default());
        *journal.panics.lock().unwrap() = what;
        let failed = run(build(false, false), &journal).await.unwrap_err();
        assert!(failed.contains("the journal failed: the journal panicked: told to panic"), "{failed}");
    }
}

#[tokio::test]
async fn a_run_goes_on_under_other_limits_and_says_what_else_changed() {
    let build = |steps: &[&str], policy: StepPolicy, revision: &str| {
        let mut w = Workflow::<()>::new("w");
        w.revision(revision);
        let handles: Vec<_> = steps
            .iter()
            .map(|name| {
                let step = w.step(name).policy(policy.clone()).run((), |()| async { Ok(1_u64) });
                w.record(step);
                step
            })
            .collect();
        w.build(handles[0]).unwrap()
    };
    let journal = Arc::new(Memory::default());
    let run = async |plan: Plan<(), u64>| {
        let report = plan.start(()).journal(Arc::clone(&journal) as _, "r").run().await;
        report.into_result().map_err(|error| error.to_string())
    };
    let plain = StepPolicy::new();
    run(build(&["a"], plain.clone(), "1")).await.unwrap();
    // A limit is raised because runs are stuck: they must not be lost for it.
    let limit = Duration::from_secs(9);
    let other = plain.clone().time_limit(limit).expected(limit).retry(3, limit);
    let other = other.on_failure(OnFailure::Allow).on_unknown(OnUnknown::GiveUp).spawned();
    run(build(&["a"], other, "1")).await.unwrap();
    let refused = |text: Result<_, String>| text.map(|_: Arc<u64>| ()).unwrap_err();
    let begun = "workflow `w`: run `r` began with another version of the plan: ";
    assert_eq!(
        refused(run(build(&["a", "b"], plain.clone(), "2")).await),
        format!("{begun}it was plan `w`, revision `1`, 1 steps, and is plan `w`, revision `2`, 2 steps"),
    );
    let names = refused(run(build(&["b"], plain.clone(), "1")).await);
    assert!(names.contains("other names, other needs, or others are repeatable"), "{names}");
    assert!(refused(run(build(&["a"], plain.repeatable(), "1")).await).contains("repeatable"));
}

#[tokio::test]
async fn of_a_run_that_is_refused_nothing_is_written() {
    let mut w = Workflow::<()>::new("w");
    let a = w.step("a").run((), |()| async { Ok(1_u64) });
    w.record_with(a, |value, out| value.encode(out), |_| None);
    let b = w.step("b").run(a, |_| async { Err::<u64, _>("down".into()) });
    w.record(b);
    let plan = w.build(b).unwrap();
    let journal = Arc::new(Memory::default());
    let start = || plan.start(()).journal(Arc::clone(&journal) as _, "run");
    assert_eq!(start().run().await.outcome(), RunOutcome::Failed);
    let before = journal.entries.lock().unwrap().clone();
    // It would clear what failed, if it could read what succeeded.
    let refused = start().rerun_failed().run().await.into_result().unwrap_err();
    assert!(matches!(refused.cause(), Some(Cause::Refused(_))), "{refused}");
    assert_eq!(*journal.entries.lock().unwrap(), before);
}

#[tokio::test]
async fn what_failed_runs_again_and_what_succeeded_does_not() {
    let ran = Ran::default();
    let mut w = Workflow::<()>::new("w");
    let note = |name: &'static str| {
        let ran = Arc::clone(&ran);
        move || {
            let mut ran = ran.lock().unwrap();
            let times = ran.entry(name.to_owned()).or_default();
            *times += 1;
            *times
        }
    };
    let (first, second, third) = (note("a"), note("b"), note("c"));
    let a = w.step("a").run((), move |()| {
        first();
        async { Ok(1_u64) }
    });
    let b = w.step("b").policy(StepPolicy::new().retry(2, Duration::ZERO)).run(a, move |a| {
        let times = second();
        async move { if times < 4 { Err("down".into()) } else { Ok(*a + 1) } }
    });
    let c = w.step("c").run(b, move |b| {
        third();
        async move { Ok(*b + 1) }
    });
    w.record(a);
    w.record(b);
    w.record(c);
    let plan = w.build(c).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal"));
    let start = || plan.start(()).journal(Arc::new(journal.clone()), "run");
    let counts = || ran.lock().unwrap().values().copied().collect::<Vec<_>>();
    assert_eq!((start().run().await.outcome(), counts()), (RunOutcome::Failed, vec![1, 2]));
    assert_eq!(journal.list().unwrap()[0].outcome(), Some(RunOutcome::Failed));
    assert_eq!(
        (start().run().await.outcome(), counts()),
        (RunOutcome::Failed, vec![1, 2]),
        "it stays failed"
    );
    let entries = journal.list().unwrap()[0].entries();
    assert_eq!(journal.load("run").await.unwrap().len() as u64, entries, "and nothing more is written");
    let report = start().rerun_failed().run().await;
    assert_eq!((report.output().as_deref(), counts()), (Some(&3), vec![1, 4, 1]), "with all its attempts");
    // Later lives know.
    let report = start().run().await;
    assert_eq!((report.output().as_deref(), counts()), (Some(&3), vec![1, 4, 1]));
    assert_eq!(journal.list().unwrap()[0].outcome(), Some(RunOutcome::Succeeded));
    assert!(journal.unfinished().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_stopped_is_listed_as_unfinished() {
    let plan = bank(&Ran::default());
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal"));
    let start = || plan.start(()).journal(Arc::new(journal.clone()), "run");
    assert!(tokio::time::timeout(Duration::from_secs(1), start().run()).await.is_err());
    assert_eq!(journal.unfinished().unwrap(), ["run"]);
    let (stopped, control) = start().control();
    control.cancel();
    assert_eq!(stopped.run().await.outcome(), RunOutcome::Cancelled);
    assert_eq!(journal.unfinished().unwrap(), ["run"]);
    start().run().await.into_result().unwrap();
    assert!(journal.unfinished().unwrap().is_empty() && journal.list().unwrap()[0].is_finished());
}

#[tokio::test]
async fn another_input_is_refused() {
    let mut w = Workflow::<u64>::new("w");
    let input = w.input();
    let a = w.step("a").compute(input, |x| *x + 1);
    let plan = w.build(a).unwrap();
    let journal = Arc::new(Memory::default());
    let run = async |input| {
        let start = plan.start(input).verify_input().journal(Arc::clone(&journal) as _, "run");
        start.run().await.into_result().map_err(|error| error.to_string())
    };
    assert_eq!(*run(1).await.unwrap(), 2);
    assert_eq!(*run(1).await.unwrap(), 2);
    assert_eq!(run(2).await.unwrap_err(), "workflow `w`: run `run` began with another input");
}

#[tokio::test(start_paused = true)]
async fn events_say_why_and_how_long() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&log);
    let plan = bank(&Ran::default());
    plan.start(())
        .listen(move |event| match &event.kind {
            EventKind::Retrying { cause, .. } => heard.lock().unwrap().push(cause.to_string()),
            EventKind::Ended { cause, took, .. } => heard.lock().unwrap().push(format!("{cause:?} {took:?}")),
            _ => {}
        })
        .run()
        .await;
    assert_eq!(*log.lock().unwrap(), ["503 from the bank", "None Some(0ns)"]);
}

#[test]
fn values_read_back() {
    fn check<T: Record + PartialEq + std::fmt::Debug>(value: T) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        assert_eq!(T::decode(&bytes), Some(value));
        bytes.push(0);
        let _ = T::decode(&bytes);
    }
    check(());
    check('\u{e9}');
    check((7_u16, -7_i128));
    check(vec![Some("a".to_owned()), None, Some(String::new())]);
    check((vec![1.5_f64, f64::MAX], (true, usize::MAX)));
    check(vec![vec![1_u8, 2], vec![]]);
    check(Some(Some(())));
    assert_eq!(Vec::<u32>::decode(&[4, 0, 0, 0, 0, 0, 0, 0, 1]), None);
    assert_eq!(Option::<u32>::decode(&[2]), None);
}
