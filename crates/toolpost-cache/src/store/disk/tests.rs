//! Restarts, damage, and a crash at every write.
#![expect(clippy::disallowed_methods, reason = "a test picks its own start of time")]

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redb::ReadableTableMetadata;

use super::*;
use crate::cache::{Cache, Lookup};
use crate::options::EntryOptions;
use crate::rt::{Clock, Tiered};
use crate::store::{Capacity, Memory};

fn clock() -> Clock {
    Clock { instant: Instant::now(), wall: SystemTime::now() }
}

fn memory() -> Cache<String> {
    Cache::new(Memory::new(Capacity::entries(1_000)))
}

fn minute() -> EntryOptions {
    EntryOptions::ttl(Duration::from_secs(60))
}

fn key(name: &str) -> CacheKey {
    CacheKey::from(name)
}

fn run<R>(task: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(task)
}

async fn put(
    tiers: &Tiered<String>,
    name: &str,
    value: &str,
    options: &EntryOptions,
    now: Instant,
) -> Result<(), StoreError> {
    let cache = tiers.memory();
    let entry =
        cache.put(&key(name), value.to_owned(), options, cache.epoch(), now).map_err(StoreError::new)?;
    tiers.write_back(&key(name), entry, now).await
}

/// What a process that has just started finds.
async fn found(tiers: &Tiered<String>, name: &str, now: Instant) -> Option<String> {
    match tiers.get(&key(name), now).await {
        Lookup::Fresh(entry) | Lookup::Stale(entry) | Lookup::StaleIfError(entry) => {
            Some(entry.value().clone())
        }
        Lookup::Miss => None,
    }
}

fn open(path: &Path, at: Clock) -> Tiered<String> {
    let disk = Disk::open(path, 1 << 20).expect("the file opens");
    Tiered::over(memory(), disk, at)
}

#[test]
fn entries_survive_a_restart_and_no_longer_than_they_should() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let at = clock();
    run(async {
        let tiers = open(&path, at);
        let options = EntryOptions::ttl(Duration::from_secs(60)).stale(Duration::from_secs(30));
        put(&tiers, "a", "1", &options, at.instant).await.expect("written");
        put(&tiers, "b", "2", &minute(), at.instant).await.expect("written");
    });
    let after = |secs: u64| {
        let by = Duration::from_secs(secs);
        Clock { instant: at.instant + Duration::from_secs(1_000), wall: at.wall + by }
    };
    for (secs, a, b) in [(59, Some("1"), Some("2")), (60, Some("1"), None), (90, None, None)] {
        let at = after(secs);
        let tiers = open(&path, at);
        run(async {
            assert_eq!(found(&tiers, "a", at.instant).await.as_deref(), a, "after {secs} s");
            assert_eq!(found(&tiers, "b", at.instant).await.as_deref(), b, "after {secs} s");
        });
    }
    // The expired records are gone.
    let disk: Disk<String> = Disk::open(&path, 1 << 20).expect("the file opens");
    let reading = disk.file.database.begin_read().expect("readable");
    assert_eq!(reading.open_table(ENTRIES).expect("a table").len().expect("readable"), 0);
    assert_eq!(reading.open_table(ORDER).expect("a table").len().expect("readable"), 0);
}

#[test]
fn a_clock_set_back_makes_nothing_live_longer() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let at = clock();
    run(async {
        put(&open(&path, at), "a", "1", &minute(), at.instant).await.expect("written");
        let back = Clock { wall: at.wall - Duration::from_secs(3_600), ..at };
        assert_eq!(found(&open(&path, back), "a", back.instant).await, None);
    });
}

#[test]
fn a_damaged_or_foreign_record_is_a_miss_and_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let at = clock();
    let damages: [fn(&mut Vec<u8>); 5] = [
        |record| record[40] ^= 1,
        |record| record.truncate(30),
        |record| record.push(0),
        |record| record.clear(),
        // Whole, and written when keys were written otherwise.
        |record| {
            let sum = *blake3::Hasher::new().update(b"tpcache1").update(&record[16..]).finalize().as_bytes();
            record[..16].copy_from_slice(&sum[..16]);
        },
    ];
    for damage in damages {
        run(async {
            put(&open(&path, at), "a", "1", &minute(), at.instant).await.expect("written");
        });
        let disk: Disk<String> = Disk::open(&path, 1 << 20).expect("the file opens");
        let write = |digest: [u8; 32], record: &[u8]| {
            let writing = disk.file.database.begin_write().expect("writable");
            writing.open_table(ENTRIES).expect("a table").insert(&digest, record).expect("written");
            writing.commit().expect("committed");
        };
        let whole = {
            let reading = disk.file.database.begin_read().expect("readable");
            let entries = reading.open_table(ENTRIES).expect("a table");
            entries.get(&key("a").digest()).expect("readable").expect("there").value().to_vec()
        };
        let mut record = whole.clone();
        damage(&mut record);
        write(key("a").digest(), &record);
        // The whole record of another key, under the name of this one.
        write(key("b").digest(), &whole);
        run(async {
            assert!(disk.get(&key("a"), at.wall).await.expect("readable").is_none());
            assert!(disk.get(&key("b"), at.wall).await.expect("readable").is_none());
        });
        let reading = disk.file.database.begin_read().expect("readable");
        assert_eq!(reading.open_table(ENTRIES).expect("a table").len().expect("readable"), 0);
    }
}

#[test]
fn an_invalidation_outlives_the_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let at = clock();
    run(async {
        let tiers = open(&path, at);
        put(&tiers, "a", "1", &minute().tagged(["t"]), at.instant).await.expect("written");
        put(&tiers, "b", "2", &minute().tagged(["u"]), at.instant).await.expect("written");
        put(&tiers, "c", "3", &minute(), at.instant).await.expect("written");
        assert_eq!(tiers.invalidate("t").await.expect("written"), 1);
        assert!(tiers.remove(&key("c")).await.expect("written"));
    });
    run(async {
        let tiers = open(&path, at);
        assert_eq!(found(&tiers, "a", at.instant).await, None);
        assert_eq!(found(&tiers, "b", at.instant).await.as_deref(), Some("2"));
        assert_eq!(found(&tiers, "c", at.instant).await, None);
        // What was promoted carries its tags with it.
        assert_eq!(tiers.memory().invalidate("u"), 1);
        assert!(matches!(tiers.memory().peek(b"b", at.instant), Lookup::Miss));
        put(&tiers, "a", "4", &minute().tagged(["t"]), at.instant).await.expect("written");
    });
    run(async {
        assert_eq!(found(&open(&path, at), "a", at.instant).await.as_deref(), Some("4"));
    });
}

#[test]
fn an_entry_overtaken_by_an_invalidation_is_not_written_behind_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let at = clock();
    run(async {
        let tiers = open(&path, at);
        let cache = tiers.memory();
        let entry = cache.put(&key("a"), "1".into(), &minute().tagged(["t"]), cache.epoch(), at.instant);
        tiers.invalidate("t").await.expect("written");
        tiers.write_back(&key("a"), entry.expect("kept"), at.instant).await.expect("written");
    });
    run(async {
        assert_eq!(found(&open(&path, at), "a", at.instant).await, None);
    });
}

#[test]
fn the_oldest_give_way_within_the_bound() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = clock();
    let disk: Disk<String> = Disk::open(dir.path().join("cache"), 4_000).expect("the file opens");
    let tiers = Tiered::over(memory(), disk, at);
    run(async {
        for n in 0..20 {
            put(&tiers, &n.to_string(), &"x".repeat(500), &minute(), at.instant).await.expect("written");
        }
        put(&tiers, "huge", &"x".repeat(5_000), &minute(), at.instant).await.expect("refused in silence");
        tiers.memory().clear();
        let mut kept = Vec::new();
        for n in 0..20 {
            if found(&tiers, &n.to_string(), at.instant).await.is_some() {
                kept.push(n);
            }
        }
        assert!((4..8).contains(&kept.len()), "{kept:?}");
        assert!(kept.iter().copied().eq(20 - kept.len()..20), "the newest: {kept:?}");
        assert_eq!(found(&tiers, "huge", at.instant).await, None);
    });
}

#[test]
fn a_file_in_use_is_said_to_be_and_a_damaged_one_is_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let first: Disk<String> = Disk::open(&path, 1 << 20).expect("the file opens");
    let second: Result<Disk<String>, _> = Disk::open(&path, 1 << 20);
    assert!(second.is_err_and(|error| error.is_in_use()));
    drop(first);
    let other = dir.path().join("letter");
    std::fs::write(&other, b"Dear Sir or Madam, this is not a cache.").expect("written");
    let foreign: Result<Disk<String>, _> = Disk::open(&other, 1 << 20);
    assert!(foreign.is_err(), "a file that is not a cache is left alone");
    assert_eq!(std::fs::read(&other).expect("readable"), b"Dear Sir or Madam, this is not a cache.");
}

/// A file in memory that writes down every change, so that it can be cut short anywhere.
#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<Changes>>);

#[derive(Debug, Default)]
struct Changes {
    image: Vec<u8>,
    log: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

impl Change {
    /// Applies the change, or the first `part` bytes of it.
    fn apply(&self, image: &mut Vec<u8>, part: usize) {
        match self {
            Self::Length(length) => image.resize(*length as usize, 0),
            Self::Write(offset, data) => {
                let data = &data[..part.min(data.len())];
                image[*offset as usize..*offset as usize + data.len()].copy_from_slice(data);
            }
        }
    }
}

impl Tape {
    fn starting(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Changes { image, log: Vec::new() })))
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut changes = self.0.lock().expect("whole");
        change.apply(&mut changes.image, usize::MAX);
        changes.log.push(change);
        Ok(())
    }
}

impl StorageBackend for Tape {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().expect("whole").image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.0.lock().expect("whole");
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(changes.image.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Length(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }
}

#[test]
fn a_process_killed_between_any_two_writes_leaves_the_old_value_or_the_new() {
    let at = clock();
    let tape = Tape::default();
    let on = |tape: &Tape| {
        let disk = Disk::with_backend(tape.clone(), 1 << 20).expect("the file opens");
        Tiered::over(memory(), disk, at)
    };
    let (old, new) = ("old".repeat(300), "new".repeat(400));
    run(async {
        let tiers = on(&tape);
        put(&tiers, "a", &old, &minute(), at.instant).await.expect("written");
        put(&tiers, "other", "stays", &minute(), at.instant).await.expect("written");
    });
    // From here on every change is on the tape, the closing of the file included.
    let before = tape.0.lock().expect("whole").image.clone();
    let tape = Tape::starting(before.clone());
    run(async {
        put(&on(&tape), "a", &new, &minute(), at.instant).await.expect("written");
    });
    let log = tape.0.lock().expect("whole").log.clone();
    assert!(10 < log.len(), "only {} changes", log.len());
    let (mut olds, mut news) = (0, 0);
    for cut in 0..=log.len() {
        // Cut before the change, and (a write can be torn) in the middle of it.
        for part in [None, Some(1), Some(100)] {
            let mut image = before.clone();
            log[..cut].iter().for_each(|change| change.apply(&mut image, usize::MAX));
            match (part, log.get(cut)) {
                (None, _) => {}
                (Some(part), Some(change @ Change::Write(..))) => change.apply(&mut image, part),
                (Some(_), _) => continue,
            }
            run(async {
                let tiers = on(&Tape::starting(image));
                let value = found(&tiers, "a", at.instant).await;
                match value {
                    Some(value) if value == old => olds += 1,
                    Some(value) if value == new => news += 1,
                    other => panic!("cut {cut}, part {part:?}: {other:?}"),
                }
                assert_eq!(found(&tiers, "other", at.instant).await.as_deref(), Some("stays"));
                // And it goes on from there.
                put(&tiers, "a", "next", &minute(), at.instant).await.expect("written");
            });
        }
    }
    assert!(0 < olds && 0 < news, "{olds} old, {news} new");
}
