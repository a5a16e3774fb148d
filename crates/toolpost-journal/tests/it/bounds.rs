//! Each bound of the crate, filled.
#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use toolpost_journal::rt::{Delivery, Log};
use toolpost_journal::{Durability, LogOptions, LogReader, LogWriter, NewRecord};

type Fill = fn();

const BOUNDS: &[(&str, Fill)] = &[
    ("bound_record", bound_record),
    ("bound_names", bound_names),
    ("bound_pending", bound_pending),
    ("bound_segment", bound_segment),
    ("bound_retained", bound_retained),
    ("bound_behind", bound_behind),
    ("bound_consumer", bound_consumer),
];

#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let page = include_str!("../../../../docs/bounds.md");
    let section = page.split("\n## ").find(|section| section.starts_with("toolpost-journal\n")).unwrap();
    let listed: Vec<&str> = section.split('`').filter(|word| word.starts_with("bound_")).collect();
    let own: Vec<&str> = BOUNDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, own);
    for (_, fill) in BOUNDS {
        fill();
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH
}

fn writer(options: LogOptions) -> (tempfile::TempDir, LogWriter) {
    let directory = tempfile::tempdir().unwrap();
    let log = LogWriter::open(directory.path().join("log"), options).unwrap();
    (directory, log)
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn bound_record() {
    let (_directory, mut log) = writer(LogOptions::new().record_bytes(100));
    log.append(NewRecord::new("k", &[0; 99]), now()).unwrap();
    let error = log.append(NewRecord::new("k", &[0; 100]), now()).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("record_bytes"), "{error}");
    assert_eq!(log.commit().unwrap().seq(), 1, "it harms nobody else");
}

fn bound_names() {
    let (_directory, mut log) = writer(LogOptions::new());
    let long = "x".repeat(65_536);
    log.append(NewRecord::new(&long[..255], &[]).correlation(&long[..65_535]), now()).unwrap();
    for record in [NewRecord::new(&long[..256], &[]), NewRecord::new("", &[]).correlation(&long)] {
        assert_eq!(log.append(record, now()).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    log.commit().unwrap();
    let mut reader = log.reader().unwrap();
    let record = reader.next_record().unwrap().unwrap();
    assert_eq!((record.kind().len(), record.correlation().len()), (255, 65_535));
}

fn bound_pending() {
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions::new().pending_bytes(10_000).durability(Durability::Process);
    let log = Log::open(directory.path().join("log"), options).unwrap();
    let big = [0; 6_000];
    // The only thread that may write is busy, until it is told.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        drop(tokio::task::spawn_blocking(move || wait.recv()));
        assert_eq!(log.offer(NewRecord::new("big", &big)).unwrap(), 1);
        assert!(log.offer(NewRecord::new("big", &big)).unwrap_err().is_full());
        // Whoever waits is let in once there is room.
        drop(go);
        assert_eq!(log.append(NewRecord::new("big", &big)).await.unwrap(), 2);
        let all: Vec<_> = (0..10).map(|_| [0; 20_000]).collect();
        let records: Vec<_> = all.iter().map(|bytes| NewRecord::new("batch", bytes)).collect();
        assert_eq!(log.append_all(&records).await.unwrap(), 3..13, "one batch alone may be longer");
    });
}

fn bound_segment() {
    let (directory, mut log) = writer(LogOptions::new().segment_bytes(4_096));
    for length in [3_000, 3_000, 50_000, 10] {
        log.append(NewRecord::new("k", &vec![0; length]), now()).unwrap();
        log.commit().unwrap();
    }
    let mut sizes: Vec<_> = std::fs::read_dir(directory.path().join("log"))
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.file_name().to_string_lossy().ends_with(".log"))
        .map(|file| file.metadata().unwrap().len() / 1_000)
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [0, 3, 3, 50]);
}

fn bound_retained() {
    let (_directory, mut log) = writer(LogOptions::new().segment_bytes(10_000).retain_bytes(50_000));
    for _ in 0..1_000 {
        log.append(NewRecord::new("k", &[0; 1_000]), now()).unwrap();
        log.commit().unwrap();
        assert!(log.bytes() <= 60_000, "{}", log.bytes());
    }
    assert!(900 < log.first());
    let (_directory, mut log) = writer(LogOptions::new().retain_for(Duration::from_secs(60)));
    for minute in 0..10 {
        log.append(NewRecord::new("k", &[]), now() + Duration::from_secs(60 * minute)).unwrap();
        log.commit().unwrap();
        log.rotate().unwrap();
    }
    assert_eq!(log.first(), 9);
}

fn bound_behind() {
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions::new().durability(Durability::Process);
    let log = Log::open(directory.path().join("log"), options).unwrap();
    block_on(async {
        let mut subscription = log.subscribe(10);
        for n in 0..100_u64 {
            log.append(NewRecord::new("k", &n.to_le_bytes())).await.unwrap();
        }
        assert_eq!(subscription.next().await.unwrap(), Some(Delivery::Dropped(90)));
        for n in 90..100_u64 {
            let Some(Delivery::Record(record)) = subscription.next().await.unwrap() else {
                panic!("a record")
            };
            assert_eq!((record.seq(), record.payload()), (n + 1, &n.to_le_bytes()[..]));
        }
        drop(log);
        assert_eq!(subscription.next().await.unwrap(), None);
    });
}

fn bound_consumer() {
    let (directory, log) = writer(LogOptions::new());
    let reader = LogReader::open(directory.path().join("log")).unwrap();
    let name = "x".repeat(65);
    reader.save_position(&name[..64], 7).unwrap();
    assert_eq!(reader.saved_position(&name[..64]).unwrap(), Some(7));
    for name in [&*name, "", "../escape", "a.b"] {
        assert_eq!(reader.save_position(name, 7).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(reader.saved_position(name).is_err());
    }
    drop(log);
}
