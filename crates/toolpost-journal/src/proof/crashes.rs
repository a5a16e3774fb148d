//! Kills, lost power, full disks and failed syncs, at every operation and every byte.

use super::disk::{Disk, Fault};
use super::*;

/// Groups of 1, 2, 3 records and so on, over several segments; how many records each writing acknowledged before it ended.
fn fill(disk: &Disk, durability: Durability) -> u64 {
    let Ok(mut log) = open(disk, small().durability(durability)) else { return 0 };
    let mut acknowledged = 0;
    for count in [1, 2, 3, 9, 4, 1, 12, 1, 20, 5, 1] {
        if group(&mut log, acknowledged, count).is_err() {
            let tries = acknowledged + 1;
            assert!(group(&mut log, tries, 1).is_err() && log.rotate().is_err() && log.sync().is_err());
            break;
        }
        acknowledged += count;
    }
    acknowledged
}

/// The ends of the groups that `fill` writes.
fn ends() -> Vec<u64> {
    let mut ends = vec![0];
    for count in [1, 2, 3, 9, 4, 1, 12, 1, 20, 5, 1] {
        ends.push(ends.last().unwrap() + count);
    }
    ends
}

/// What is left is a beginning of what was appended, in whole groups, with all that was acknowledged; and it goes on.
fn holds(disk: &Disk, acknowledged: u64) {
    let mut log = open(disk, small()).unwrap();
    let kept = numbers(disk).unwrap();
    assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>(), "nothing is invented");
    assert!(acknowledged <= kept.len() as u64, "{} of {acknowledged}", kept.len());
    assert!(ends().contains(&(kept.len() as u64)), "{} is no end of a group", kept.len());
    assert_eq!(log.head().seq(), kept.len() as u64);
    group(&mut log, kept.len() as u64, 3).unwrap();
    assert_eq!(numbers(disk).unwrap().len(), kept.len() + 3);
    reader(disk).verify(None, &[log.head()]).unwrap();
}

#[test]
fn a_log_that_is_cut_at_every_byte_keeps_the_groups_before_and_goes_on() {
    let disk = Disk::new();
    fill(&disk, Durability::Machine);
    let image = disk.image();
    assert!(1 < image.len(), "several segments");
    let (last, bytes) = image.last_key_value().unwrap();
    for end in crate::format::SEGMENT_HEAD..=bytes.len() {
        let mut image = image.clone();
        image.insert(last.clone(), bytes[..end].to_vec());
        let disk = Disk::of(&image);
        let before = numbers(&disk).unwrap().len() as u64;
        let torn = reader(&disk).verify(None, &[]).unwrap().torn();
        let log = open(&disk, small()).unwrap();
        assert_eq!((log.cut(), log.head().seq()), (torn, before), "what is cut is said");
        drop(log);
        holds(&disk, before);
    }
    // The head is written before the segment has its name: without one it is no torn write.
    let mut image = image.clone();
    image.insert(last.clone(), bytes[..20].to_vec());
    assert!(open(&Disk::of(&image), small()).unwrap_err().damaged_at().is_some());
}

#[test]
fn killed_at_every_operation_and_in_the_middle_of_it() {
    for durability in [Durability::Machine, Durability::Process] {
        let whole = Disk::new();
        fill(&whole, durability);
        for after in 0..whole.operations() {
            for bytes in [0, 1, 71, 72, 100, usize::MAX] {
                let disk = Disk::new();
                disk.fail(after, Fault::Killed(bytes));
                let acknowledged = fill(&disk, durability);
                holds(&disk.after_kill(), acknowledged);
            }
        }
    }
}

#[test]
fn without_power_at_every_operation() {
    let whole = Disk::new();
    fill(&whole, Durability::Machine);
    for after in 0..whole.operations() {
        for kept in [0, 1, 72, 300, usize::MAX] {
            let disk = Disk::new();
            disk.fail(after, Fault::Killed(usize::MAX));
            let acknowledged = fill(&disk, Durability::Machine);
            holds(&disk.after_power_loss(kept), acknowledged);
        }
    }
}

#[test]
fn a_full_disk_or_a_failed_sync_at_every_operation_ends_the_log_until_it_is_opened_anew() {
    let whole = Disk::new();
    fill(&whole, Durability::Machine);
    for after in 0..whole.operations() {
        for bytes in [0, 1, 100] {
            let disk = Disk::new();
            disk.fail(after, Fault::Fails(bytes));
            let acknowledged = fill(&disk, Durability::Machine);
            // In this life of the machine, and, without what never reached the disk, in the next.
            holds(&disk.after_power_loss(0), acknowledged);
            holds(&disk.after_kill().after_power_loss(usize::MAX), acknowledged);
            holds(&disk, acknowledged);
            // What it then acknowledges is on disk as well, whatever the failed sync has lost.
            assert_eq!(numbers(&disk.after_power_loss(0)).unwrap(), numbers(&disk).unwrap());
        }
    }
}

#[test]
fn a_failed_sync_is_not_repeated_as_if_nothing_had_been() {
    let disk = Disk::new();
    let mut log = open(&disk, LogOptions::new()).unwrap();
    group(&mut log, 0, 2).unwrap();
    disk.fail(1, Fault::Fails(0));
    let error = group(&mut log, 2, 1).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let syncs = disk.syncs();
    for error in [group(&mut log, 2, 1).unwrap_err(), log.sync().unwrap_err(), log.commit().unwrap_err()] {
        assert!(error.to_string().contains("takes no more"), "{error}");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
    assert_eq!(disk.syncs(), syncs, "none is tried");
    // Nobody takes for durable what the system still has in memory.
    assert_eq!(numbers(&disk).unwrap(), [0, 1]);
}

#[test]
fn a_short_write_and_an_interrupted_one_go_on() {
    let whole = Disk::new();
    let all = fill(&whole, Durability::Machine);
    for fault in [Fault::Short, Fault::Interrupted] {
        let mut went_on = 0;
        for after in 0..whole.operations() {
            let disk = Disk::new();
            disk.fail(after, fault);
            let acknowledged = fill(&disk, Durability::Machine);
            went_on += u64::from(acknowledged == all);
            holds(&disk, acknowledged);
        }
        assert!(10 < went_on, "{fault:?}: {went_on}");
    }
}

#[test]
fn zeros_where_the_last_write_was_to_be_are_a_torn_write() {
    let disk = Disk::new();
    fill(&disk, Durability::Machine);
    let whole = numbers(&disk).unwrap().len() as u64;
    let name = segments(&disk).pop().unwrap();
    let bytes = disk.bytes(&name);
    for zeros in [512_usize, 4_096, 10_000] {
        let disk = disk.after_kill();
        disk.put(&name, [bytes.clone(), vec![0; zeros]].concat());
        holds(&disk, whole);
    }
    // Of a group, the first sectors arrived.
    let disk = Disk::new();
    let mut log = open(&disk, LogOptions::new()).unwrap();
    group(&mut log, 0, 1).unwrap();
    group(&mut log, 1, 40).unwrap();
    let mut bytes = disk.bytes(&segments(&disk)[0]);
    bytes[1_024..].fill(0);
    disk.put(&segments(&disk)[0], bytes);
    assert_eq!(open(&disk, LogOptions::new()).unwrap().head().seq(), 1);
}
