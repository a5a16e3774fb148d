//! Bytes that were changed, records that were removed or moved, ends that were cut off.

use super::disk::Disk;
use super::*;
use crate::LogHead;

const KEY: [u8; 32] = [9; 32];

/// A log of several segments with 100 records.
fn written(options: LogOptions) -> (Disk, LogHead) {
    let disk = Disk::new();
    let mut log = open(&disk, options).unwrap();
    for n in 0..50 {
        group(&mut log, 2 * n, 2).unwrap();
    }
    (disk, log.head())
}

#[test]
fn a_bit_that_flips_is_found_wherever_it_is_and_nothing_is_cut() {
    for options in [small(), small().key(KEY)] {
        let key = options.chain().key_check(1) != 0;
        let key = key.then_some(&KEY);
        let (disk, head) = written(options.clone());
        let image = disk.image();
        let last = image.keys().next_back().unwrap();
        for (name, bytes) in &image {
            let step = if key.is_some() { 11 } else { 3 };
            // The last segment is looked at when the log is opened, so there it is every byte.
            let step = if name == last && key.is_none() { 1 } else { step };
            for at in (0..bytes.len()).step_by(step) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (at % 8);
                let disk = Disk::of(&image);
                disk.put(name, damaged.clone());
                let error = reader(&disk).verify(key, &[head]).unwrap_err();
                if let Some((path, offset)) = error.damaged_at() {
                    // Seals and heads are told by the segment that is behind them.
                    assert!(
                        path.ends_with(name) || path.exists() || offset == 0 || at < 80,
                        "{name} {at}: {error}"
                    );
                }
                // Who reads gets what was written, up to the damage.
                let read = numbers(&disk).unwrap_or_else(|(read, _)| read);
                assert_eq!(read, (0..read.len() as u64).collect::<Vec<_>>());
                match open(&disk, options.clone()) {
                    Err(error) => {
                        assert!(error.damaged_at().is_some() || error.is_wrong_key() || at < 8, "{error}");
                    }
                    Ok(log) => {
                        assert!(
                            name != last,
                            "{name} {at}: damage of the last segment is seen when it is opened"
                        );
                        assert_eq!((log.cut(), log.head()), (0, head));
                    }
                }
                assert_eq!(disk.bytes(name), damaged, "it was changed");
            }
        }
    }
}

#[test]
fn a_record_that_is_removed_moved_doubled_or_changed_is_found() {
    let disk = Disk::new();
    let mut log = open(&disk, LogOptions::new()).unwrap();
    let name = segments(&disk).remove(0);
    let mut places = vec![disk.bytes(&name).len()];
    for n in 0..5 {
        group(&mut log, n, 1).unwrap();
        places.push(disk.bytes(&name).len());
    }
    let head = log.head();
    let bytes = disk.bytes(&name);
    let part = |n: usize| &bytes[places[n]..places[n + 1]];
    let parts = |order: &[usize]| {
        let groups = order.iter().flat_map(|n| part(*n)).copied();
        let disk = disk.after_kill();
        disk.put(&name, bytes[..places[0]].iter().copied().chain(groups).collect());
        disk
    };
    reader(&parts(&[0, 1, 2, 3, 4])).verify(None, &[head]).unwrap();
    for order in
        [&[0, 2, 3, 4][..], &[1, 2, 3, 4], &[0, 2, 1, 3, 4], &[0, 1, 1, 2, 3, 4], &[0, 1, 2, 3, 4, 4]]
    {
        let disk = parts(order);
        assert!(reader(&disk).verify(None, &[]).unwrap_err().damaged_at().is_some());
        assert!(numbers(&disk).is_err(), "{order:?}: and whoever reads finds out");
        assert!(open(&disk, LogOptions::new()).is_err());
    }
    // A group too few at the end is a log that ends there, for whoever does not know better.
    let cut = parts(&[0, 1, 2, 3]);
    assert_eq!(reader(&cut).verify(None, &[]).unwrap().head().seq(), 4);
    let error = reader(&cut).verify(None, &[head]).unwrap_err();
    assert!(error.to_string().contains("head of record 5"), "{error}");
}

#[test]
fn a_segment_that_is_missing_or_of_another_log_is_found() {
    let (disk, head) = written(small());
    let names = segments(&disk);
    assert!(3 <= names.len());
    let (other, _) = written(small());
    for name in &names[1..] {
        let without = disk.after_kill();
        without.take(name);
        if name != names.last().unwrap() {
            assert!(open(&without, small()).unwrap_err().damaged_at().is_some());
            assert!(numbers(&without).is_err());
        }
        assert!(reader(&without).verify(None, &[head]).is_err());
        let swapped = disk.after_kill();
        swapped.put(name, other.bytes(name));
        assert!(open(&swapped, small()).is_err() && reader(&swapped).verify(None, &[]).is_err());
    }
    // Without the first, it is a log of which the first was not retained.
    let without = disk.after_kill();
    without.take(&names[0]);
    let report = reader(&without).verify(None, &[head]).unwrap();
    assert!(1 < report.first() && report.head() == head);
}

#[test]
fn without_the_key_nothing_can_be_made_up_and_a_wrong_one_is_an_error() {
    let (disk, head) = written(small().key(KEY));
    reader(&disk).verify(Some(&KEY), &[head]).unwrap();
    for key in [None, Some(&[8; 32])] {
        assert!(reader(&disk).verify(key, &[]).unwrap_err().is_wrong_key());
        let options = key.map_or(small(), |key| small().key(*key));
        let error = open(&disk, options).unwrap_err();
        assert!(error.is_wrong_key() && error.to_string().contains("key"), "{error}");
    }
    let (plain, _) = written(small());
    let error = open(&plain, small().key(KEY)).unwrap_err();
    assert!(error.to_string().contains("without a key"), "{error}");
    // All that a forger without the key can do is to write the chain with another.
    let (forged, _) = written(small().key([7; 32]));
    let image = forged.image();
    let disk = disk.after_kill();
    for (name, bytes) in &image {
        disk.put(name, bytes.clone());
    }
    assert!(reader(&disk).verify(Some(&KEY), &[]).is_err() && open(&disk, small().key(KEY)).is_err());
    // Whoever reads needs no key.
    assert_eq!(numbers(&disk).unwrap().len(), 100);
}

#[test]
fn what_is_no_log_is_refused() {
    let disk = Disk::new();
    disk.put(
        "00000000000000000001.log",
        b"something else entirely, and long enough to be the head of a segment, or more".to_vec(),
    );
    let error = open(&disk, small()).unwrap_err();
    assert!(error.to_string().contains("no log of this version"), "{error}");
    let disk = Disk::new();
    assert!(LogReader::open_on(Arc::new(disk), Path::new("log")).is_err());
}

#[test]
fn numbers_and_names_are_never_given_twice() {
    let disk = Disk::new();
    let options = || small().retain_bytes(0);
    let mut seen = std::collections::BTreeSet::new();
    let mut count = 0;
    for life in 0..10_u64 {
        let mut log = open(&disk, options()).unwrap();
        assert_eq!(log.head().seq(), count);
        for _ in 0..20 {
            group(&mut log, count, 3).unwrap();
            count += 3;
        }
        log.rotate().unwrap();
        // Retention leaves the newest two.
        assert_eq!(segments(&disk).len(), 2);
        let new: Vec<_> = segments(&disk).into_iter().filter(|name| !seen.contains(name)).collect();
        assert!(!new.is_empty() && life < 10);
        seen.extend(new);
        assert_eq!(log.remove_before(u64::MAX).unwrap().min(1), 1);
        assert_eq!((log.first(), segments(&disk).len()), (count + 1, 1), "an empty log knows where it was");
    }
    assert!(reader(&disk).seek(5).unwrap_err().gone() == Some(601));
}

#[test]
fn a_hundred_in_are_a_hundred_out_over_rotations_and_restarts() {
    let disk = Disk::new();
    for n in 0..100 {
        let mut log = open(&disk, small()).unwrap();
        group(&mut log, n, 1).unwrap();
        if n % 10 == 9 {
            log.rotate().unwrap();
        }
    }
    assert_eq!(numbers(&disk).unwrap(), (0..100).collect::<Vec<_>>());
    assert_eq!(segments(&disk).len(), 11);
}

#[test]
fn retention_by_age_goes_by_the_newest_record() {
    let disk = Disk::new();
    let mut log = open(&disk, small().retain_for(Duration::from_secs(30))).unwrap();
    for n in 0..100 {
        group(&mut log, n, 1).unwrap();
        if n % 10 == 9 {
            log.rotate().unwrap();
        }
    }
    let kept = numbers(&disk).unwrap();
    assert!((40..=70).contains(&kept[0]) && kept.last() == Some(&99), "{kept:?}");
    reader(&disk).verify(None, &[log.head()]).unwrap();
}
