//! The log under many tasks, readers beside it, and what they may rely on.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests spawn, and fail by panic")]

use std::time::{Duration, SystemTime};

use toolpost_journal::rt::{Delivery, Log};
use toolpost_journal::{Durability, LogFilter, LogHead, LogOptions, LogReader, LogWriter, NewRecord};

fn fast() -> LogOptions {
    LogOptions::new().durability(Durability::Process)
}

/// The payloads as numbers, in order.
fn numbers(reader: &mut LogReader) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        numbers.push(u64::from_le_bytes(record.payload().try_into().unwrap()));
    }
    numbers
}

#[tokio::test]
async fn the_first_record_is_one_and_a_batch_is_in_a_row() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), fast()).unwrap();
    assert_eq!(log.append(NewRecord::new("a", b"")).await.unwrap(), 1);
    assert_eq!(log.append_all(&[NewRecord::new("a", b""), NewRecord::new("b", b"")]).await.unwrap(), 2..4);
    assert_eq!(log.append_all(&[]).await.unwrap(), 4..4);
    assert_eq!((log.head().seq(), log.written()), (3, (3, 2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_writers_at_once_give_dense_numbers_in_fewer_groups() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), LogOptions::new()).unwrap();
    let writers: Vec<_> = (0..30_u64)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut own = Vec::new();
                for _ in 0..10 {
                    own.push(log.append(NewRecord::new("k", &n.to_le_bytes())).await.unwrap());
                }
                own
            })
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted(), "a writer's own appends keep their order");
        all.extend(own);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=300).collect::<Vec<_>>());
    let (records, groups) = log.written();
    assert!(records == 300 && groups < 150, "{records} records in {groups} groups");
    log.reader().unwrap().verify(None, &[log.head()]).unwrap();
}

#[tokio::test]
async fn a_second_writer_is_refused_and_readers_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    assert!(LogReader::open(&path).is_err() && !path.exists(), "to look creates nothing");
    let log = Log::open(&path, fast()).unwrap();
    let error = LogWriter::open(&path, fast()).unwrap_err();
    assert!(error.is_in_use() && error.to_string().contains("in use"), "{error}");
    #[cfg(unix)]
    {
        let other = directory.path().join("another name");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert!(Log::open(other, fast()).unwrap_err().is_in_use(), "a link leads to the same lock");
    }
    assert!(LogReader::open(&path).unwrap().next_record().unwrap().is_none());
    let clone = log.clone();
    drop(log);
    assert!(Log::open(&path, fast()).unwrap_err().is_in_use(), "a clone has it open");
    drop(clone);
    Log::open(&path, fast()).unwrap();
}

#[tokio::test]
async fn what_was_handed_over_is_written_before_the_log_closes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for n in 0..50_u64 {
        let log = Log::open(&path, fast()).unwrap();
        assert_eq!(log.head().seq(), n);
        log.offer(NewRecord::new("k", &n.to_le_bytes())).unwrap();
    }
    assert_eq!(numbers(&mut LogReader::open(&path).unwrap()), (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_follows_the_writer_over_rotations_without_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = Log::open(&path, fast().segment_bytes(4_096)).unwrap();
    let writing = log.clone();
    let writer = tokio::spawn(async move {
        for n in 0..5_000_u64 {
            writing.append(NewRecord::new("k", &n.to_le_bytes())).await.unwrap();
        }
    });
    let mut reader = LogReader::open(&path).unwrap();
    let mut read = Vec::new();
    while read.len() < 5_000 {
        read.extend(numbers(&mut reader));
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!(read, (0..5_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_gives_or_counts_every_record_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), fast().segment_bytes(8_192)).unwrap();
    log.append(NewRecord::new("before", b"")).await.unwrap();
    let mut all = log.subscribe(100);
    let mut odd = log.subscribe(u64::MAX).filter(LogFilter::new().kind("odd"));
    // Never asked.
    let _idle = log.subscribe(1);
    let writer = tokio::spawn(async move {
        for n in 0..3_000_u64 {
            let kind = if n % 2 == 1 { "odd" } else { "even" };
            log.append(NewRecord::new(kind, &n.to_le_bytes())).await.unwrap();
        }
    });
    let (mut given, mut dropped, mut next) = (0_u64, 0_u64, 2);
    while let Some(delivery) = all.next().await.unwrap() {
        match delivery {
            Delivery::Record(record) => {
                assert_eq!(record.seq(), next);
                (given, next) = (given + 1, next + 1);
            }
            Delivery::Dropped(count) => (dropped, next) = (dropped + count, next + count),
        }
    }
    assert_eq!(given + dropped, 3_000);
    writer.await.unwrap();
    let mut count = 0;
    while let Some(delivery) = odd.next().await.unwrap() {
        let Delivery::Record(record) = delivery else { panic!("nothing is dropped") };
        assert_eq!(record.payload(), (2_u64 * count + 1).to_le_bytes());
        count += 1;
    }
    assert_eq!(count, 1_500);
}

#[tokio::test]
async fn a_subscription_that_is_dropped_while_it_waits_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), fast()).unwrap();
    let mut subscription = log.subscribe(1_000);
    for n in 0..200_u64 {
        log.append(NewRecord::new("k", &n.to_le_bytes())).await.unwrap();
    }
    let mut read = Vec::new();
    while read.len() < 200 {
        // Polled once, and dropped if it is not ready.
        let mut next = Box::pin(subscription.next());
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(match next.as_mut().poll(context) {
                std::task::Poll::Ready(Ok(Some(Delivery::Record(record)))) => Some(record.seq()),
                std::task::Poll::Ready(other) => panic!("{other:?}"),
                std::task::Poll::Pending => None,
            })
        });
        if let Some(seq) = polled.await {
            read.push(seq);
        }
        drop(next);
        tokio::task::yield_now().await;
    }
    assert_eq!(read, (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_correlation_a_kind_and_a_time_are_found_from_either_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut log = LogWriter::open(&path, LogOptions::new().segment_bytes(4_096)).unwrap();
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    for call in 0..100_u64 {
        let id = format!("call {call}");
        log.append(NewRecord::new("call.started", b"{}").correlation(&id), at(10 * call)).unwrap();
        let end = if call % 10 == 3 { "call.failed" } else { "call.finished" };
        log.append(NewRecord::new(end, b"{}").correlation(&id), at(10 * call + 5)).unwrap();
        log.commit().unwrap();
    }
    let mut reader = LogReader::open(&path).unwrap();
    reader.filter(LogFilter::new().correlation("call 57"));
    let mut story = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        story.push((record.seq(), record.kind().to_owned(), record.time()));
    }
    assert_eq!(
        story,
        [(115, "call.started".to_owned(), at(570)), (116, "call.finished".to_owned(), at(575))]
    );
    // The newest first, and as many as are wanted.
    reader.filter(LogFilter::new().kind("call.failed"));
    assert_eq!(reader.seek_end().unwrap(), 201);
    let mut newest = Vec::new();
    while newest.len() < 3 {
        newest.push(reader.previous_record().unwrap().unwrap().correlation().to_owned());
    }
    assert_eq!(newest, ["call 93", "call 83", "call 73"]);
    reader.filter(LogFilter::new());
    reader.seek_time(at(571)).unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().seq(), 116);
    reader.seek_time(at(570)).unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().seq(), 115);
    reader.seek_time(at(5_000)).unwrap();
    assert!(reader.next_record().unwrap().is_none());
}

#[test]
fn a_clock_that_goes_back_changes_no_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    for life in [[100, 50, 101], [20, 101, 102]] {
        let mut log = LogWriter::open(&path, LogOptions::new()).unwrap();
        for second in life {
            log.append(NewRecord::new("k", b""), at(second)).unwrap();
        }
        log.commit().unwrap();
    }
    let mut reader = LogReader::open(&path).unwrap();
    let mut times = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        times.push((record.seq(), record.time()));
    }
    let expected = [100, 100, 101, 101, 101, 102];
    assert_eq!(times, (1..).zip(expected.map(at)).collect::<Vec<_>>());
}

#[test]
fn a_consumer_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut log = LogWriter::open(&path, LogOptions::new()).unwrap();
    let mut read = Vec::new();
    for n in 0..20_u64 {
        log.append(NewRecord::new("k", &n.to_le_bytes()), SystemTime::UNIX_EPOCH).unwrap();
        log.commit().unwrap();
        if n % 3 == 0 {
            let mut reader = LogReader::open(&path).unwrap();
            if let Some(seq) = reader.saved_position("billing").unwrap() {
                reader.seek(seq).unwrap();
            }
            read.extend(numbers(&mut reader));
            reader.save_position("billing", reader.position()).unwrap();
        }
    }
    assert_eq!(read, (0..19).collect::<Vec<_>>());
    let reader = LogReader::open(&path).unwrap();
    assert_eq!(reader.saved_position("mail").unwrap(), None);
    std::fs::write(path.join("billing.position"), b"toolppo1 damaged").unwrap();
    assert!(reader.saved_position("billing").unwrap_err().damaged_at().is_some());
}

#[test]
fn a_record_as_a_line_of_json_has_every_character() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut log = LogWriter::open(&path, LogOptions::new()).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234);
    let records = [
        NewRecord::new("a \"kind\"", "line\nbreak \\ \u{1} \u{2028} é 😀".as_bytes()),
        NewRecord::new("bytes", &[0xff, 0, 0x10]).correlation("c\td"),
    ];
    for record in records {
        log.append(record, at).unwrap();
    }
    log.commit().unwrap();
    let mut lines = String::new();
    let mut reader = LogReader::open(&path).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        record.write_json_line(&mut lines);
    }
    let first = r#"{"seq":1,"time":1234,"kind":"a \"kind\"","payload":"line\nbreak \\ \u0001 \u2028 é 😀"}"#;
    let second = r#"{"seq":2,"time":1234,"kind":"bytes","correlation":"c\u0009d","payload_hex":"ff0010"}"#;
    assert_eq!(lines, format!("{first}\n{second}\n"));
}

#[test]
fn a_head_is_text_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = LogWriter::open(directory.path().join("log"), LogOptions::new().key([1; 32])).unwrap();
    assert_eq!(log.head().seq(), 0);
    log.append(NewRecord::new("k", b""), SystemTime::UNIX_EPOCH).unwrap();
    let head = log.commit().unwrap();
    let text = head.to_string();
    assert_eq!(text.parse::<LogHead>().unwrap(), head);
    for wrong in
        ["", "1", "1:", "x:00", &text[..text.len() - 1], &format!("{text}0"), &text.replace(':', ":é")]
    {
        assert!(wrong.parse::<LogHead>().is_err(), "{wrong}");
    }
}

/// While something is written, a paused clock stands: a wait does not end before a write that was begun before it.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_waits_for_a_write() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), LogOptions::new()).unwrap();
    for _ in 0..20 {
        let append = log.append(NewRecord::new("k", b""));
        tokio::time::timeout(Duration::from_millis(1), append).await.unwrap().unwrap();
    }
}

#[test]
fn whoever_appends_outside_of_a_runtime_writes_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), LogOptions::new()).unwrap();
    assert_eq!(log.offer(NewRecord::new("k", b"")).unwrap(), 1);
    assert_eq!((log.head().seq(), log.written()), (1, (1, 1)));
}

/// What a runtime that shuts down has dropped is written by the end of the log.
#[test]
fn a_runtime_that_ends_takes_nothing_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for n in 0..20_u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let log = Log::open(&path, fast()).unwrap();
        runtime.block_on(async {
            let (go, wait) = std::sync::mpsc::channel::<()>();
            drop(tokio::task::spawn_blocking(move || wait.recv()));
            log.offer(NewRecord::new("k", &n.to_le_bytes())).unwrap();
            drop(go);
        });
        drop(runtime);
        drop(log);
    }
    assert_eq!(numbers(&mut LogReader::open(&path).unwrap()), (0..20).collect::<Vec<_>>());
}

/// A run's start in another runtime asks for what was appended before it.
#[test]
fn a_flush_writes_what_a_runtime_that_ended_has_left() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path().join("log"), fast()).unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ended = runtime();
    let handle = ended.handle().clone();
    drop(ended);
    // As of a task that is dropped with its runtime.
    {
        let _within = handle.enter();
        log.offer(NewRecord::new("k", b"")).unwrap();
    }
    assert_eq!(log.head().seq(), 0, "nothing is written");
    runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(10), log.flush()).await.expect("it waits for ever").unwrap();
    });
    assert_eq!(log.head().seq(), 1);
}

#[tokio::test]
async fn what_is_synced_by_the_interval_is_done_once_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for interval in [Duration::ZERO, Duration::from_millis(5), Duration::from_secs(3_600)] {
        let log = Log::open(&path, LogOptions::new().durability(Durability::Interval(interval))).unwrap();
        let first = log.head().seq();
        for n in 1..=50 {
            assert_eq!(log.append(NewRecord::new("k", b"")).await.unwrap(), first + n);
        }
        log.rotate().await.unwrap();
    }
    // An hour was not waited for.
    assert_eq!(LogReader::open(&path).unwrap().seek_end().unwrap(), 151);
}
