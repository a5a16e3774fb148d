//! Any bytes as the segment of a log, and a log with any damage: what is read back was written, in its place.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use toolpost_journal::{Durability, LogFilter, LogOptions, LogReader, LogWriter, NewRecord};

struct Bench {
    path: PathBuf,
    /// The one segment of a log of eight records in four groups.
    whole: Vec<u8>,
}

const RECORDS: u64 = 8;

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("toolpost-fuzz-journal-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let mut log = LogWriter::open(&path, options()).expect("a log");
    for n in 0..RECORDS {
        log.append(NewRecord::new("kind", &[n as u8; 5]).correlation("run"), time(n)).expect("appends");
        if n % 2 == 1 {
            log.commit().expect("commits");
        }
    }
    drop(log);
    let whole = std::fs::read(segment(&path)).expect("the segment");
    Bench { path, whole }
});

/// The bytes as a segment; then, the first byte saying where, the rest written over a sound one, and behind it.
pub(crate) fn run(bytes: &[u8]) {
    let whole = &BENCH.whole;
    assert_eq!(read_back(whole, true), RECORDS);
    read_back(bytes, false);
    let at = bytes.first().map_or(0, |at| usize::from(*at) * 3 % whole.len());
    let mut damaged = whole.clone();
    for (to, from) in damaged[at..].iter_mut().zip(bytes.iter().skip(1)) {
        *to = *from;
    }
    read_back(&damaged, true);
    read_back(&whole[..at], true);
    read_back(&[whole, bytes].concat(), true);
}

/// Reads a segment with these bytes in every way; how many records it holds. `ours`: it is ours, with damage.
fn read_back(bytes: &[u8], ours: bool) -> u64 {
    let path = &BENCH.path;
    std::fs::write(segment(path), bytes).expect("writes");
    let mut reader = LogReader::open(path).expect("lists");
    let mut count = 0;
    while let Ok(Some(record)) = reader.next_record() {
        count += 1;
        if ours {
            assert_eq!((record.seq(), record.payload()), (count, &[count as u8 - 1; 5][..]));
            assert_eq!(
                (record.kind(), record.correlation(), record.time()),
                ("kind", "run", time(count - 1))
            );
        }
        assert!(count <= bytes.len() as u64, "a record takes bytes");
    }
    // From the end, as far as it is whole: what is damaged before is no reason not to show the newest.
    if let Ok(end) = reader.seek_end() {
        let mut before = end;
        while let Ok(Some(record)) = reader.previous_record() {
            before -= 1;
            assert!(record.seq() == before && (!ours || record.payload() == [before as u8 - 1; 5]));
        }
    }
    let _ = reader.seek_time(time(3));
    let _ = reader.seek(2);
    reader.filter(LogFilter::new().kind("other"));
    while let Ok(Some(_)) = reader.next_record() {}
    let verified = reader.verify(None, &[]);
    match LogWriter::open(path, options()) {
        Ok(mut log) => {
            assert_eq!(log.head().seq(), verified.map_or(log.head().seq(), |report| report.head().seq()));
            assert!(!ours || log.head().seq() <= RECORDS);
            let next = log.head().seq() + 1;
            assert_eq!(log.append(NewRecord::new("new", b""), time(0)).expect("appends"), next);
            assert_eq!(log.commit().expect("commits").seq(), next);
        }
        Err(error) => {
            assert!(verified.is_err(), "whoever verifies sees what the writer sees: {error}");
            assert_eq!(std::fs::read(segment(path)).expect("the segment"), bytes, "it is left alone");
        }
    }
    count
}

fn options() -> LogOptions {
    LogOptions::new().durability(Durability::Process)
}

fn segment(path: &std::path::Path) -> PathBuf {
    path.join("00000000000000000001.log")
}

fn time(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(n)
}
