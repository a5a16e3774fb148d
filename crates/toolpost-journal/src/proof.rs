//! A log on a disk that fails, tears and forgets.

mod crashes;
mod damage;
mod disk;
mod model;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::files::Files;
use crate::{Durability, LogError, LogOptions, LogReader, LogWriter, NewRecord};
use disk::Disk;

fn open(disk: &Disk, options: LogOptions) -> Result<LogWriter, LogError> {
    LogWriter::open_on(Arc::new(disk.clone()), Path::new("log"), options, None)
}

fn reader(disk: &Disk) -> LogReader {
    LogReader::open_on(Arc::new(disk.clone()), Path::new("log")).unwrap()
}

fn small() -> LogOptions {
    LogOptions::new().segment_bytes(4 << 10)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Appends a group of `count` records whose payloads are the numbers from `from` on, each twice over with some filling.
fn group(log: &mut LogWriter, from: u64, count: u64) -> Result<(), LogError> {
    for number in from..from + count {
        let payload = payload(number);
        let run = format!("run {}", number % 3);
        let record = NewRecord::new(if number.is_multiple_of(2) { "even" } else { "odd" }, &payload);
        log.append(record.correlation(&run), at(number))?;
    }
    log.commit().map(drop)
}

fn payload(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + (number as usize * 37) % 150, number as u8);
    bytes
}

/// The numbers that the log holds from its first record on; `Err` with those before the first error.
fn numbers(disk: &Disk) -> Result<Vec<u64>, (Vec<u64>, LogError)> {
    let mut reader = reader(disk);
    let mut numbers = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => {
                let number = u64::from_le_bytes(record.payload()[..8].try_into().unwrap());
                assert_eq!(record.payload(), payload(number));
                assert_eq!(record.kind(), if number.is_multiple_of(2) { "even" } else { "odd" });
                assert_eq!(record.time(), at(number));
                assert_eq!(record.correlation(), format!("run {}", number % 3));
                numbers.push(number);
            }
            Ok(None) => return Ok(numbers),
            Err(error) => return Err((numbers, error)),
        }
    }
}

/// The segments that are there.
fn segments(disk: &Disk) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(".log")).collect()
}

#[test]
fn durability_is_a_sync_for_each_group_or_none() {
    let syncs = |durability| {
        let disk = Disk::new();
        let mut log = open(&disk, LogOptions::new().durability(durability)).unwrap();
        let before = disk.syncs();
        for n in 0..10 {
            group(&mut log, n, 1).unwrap();
        }
        let written = disk.syncs() - before;
        log.sync().unwrap();
        log.sync().unwrap();
        (written, disk.syncs() - before)
    };
    assert_eq!(syncs(Durability::Machine), (10, 10));
    assert_eq!(syncs(Durability::Interval(Duration::from_millis(50))), (0, 1));
    assert_eq!(syncs(Durability::Process), (0, 1));
}
