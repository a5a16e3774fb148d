//! A log beside a list.

use proptest::prelude::*;

use super::disk::Disk;
use super::*;
use crate::{LogFilter, LogRecord};

#[derive(Clone, Debug)]
enum Step {
    /// Appends a group: kind, correlation, length and second of each record.
    Group(Vec<(u8, u8, u16, u8)>),
    Rotate,
    Reopen,
    /// Appends without a commit, and is killed.
    Kill(u8),
    RemoveBefore(u8),
    /// Reads from a record on, forwards or backwards, with filters.
    Read {
        from: u8,
        back: bool,
        kind: Option<u8>,
        correlation: Option<u8>,
    },
    /// Reads from a second on.
    ReadTime(u8),
    /// Goes back and forth.
    Walk(u8, Vec<bool>),
    /// A reader that stays reads what is new.
    Follow,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    seq: u64,
    time: u64,
    kind: String,
    correlation: String,
    payload: Vec<u8>,
}

impl Entry {
    fn of(record: &LogRecord<'_>) -> Self {
        Self {
            seq: record.seq(),
            time: record.time().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(),
            kind: record.kind().into(),
            correlation: record.correlation().into(),
            payload: record.payload().into(),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = (0_u8..3, 0_u8..4, prop_oneof![0_u16..200, Just(3_000_u16)], any::<u8>());
    let step = prop_oneof![
        6 => prop::collection::vec(record, 0..12).prop_map(Step::Group),
        1 => Just(Step::Rotate),
        1 => Just(Step::Reopen),
        1 => any::<u8>().prop_map(Step::Kill),
        1 => any::<u8>().prop_map(Step::RemoveBefore),
        3 => (any::<u8>(), any::<bool>(), prop::option::of(0_u8..3), prop::option::of(0_u8..4))
            .prop_map(|(from, back, kind, correlation)| Step::Read { from, back, kind, correlation }),
        1 => any::<u8>().prop_map(Step::ReadTime),
        1 => (any::<u8>(), prop::collection::vec(any::<bool>(), 0..30)).prop_map(|(from, ways)| Step::Walk(from, ways)),
        2 => Just(Step::Follow),
    ];
    prop::collection::vec(step, 1..40)
}

struct Bench {
    disk: Disk,
    log: LogWriter,
    entries: Vec<Entry>,
    /// The next record.
    next: u64,
    follower: LogReader,
    followed: u64,
}

impl Bench {
    fn new() -> Self {
        let disk = Disk::new();
        let log = open(&disk, small()).unwrap();
        let follower = reader(&disk);
        Self { disk, log, entries: Vec::new(), next: 1, follower, followed: 1 }
    }

    fn reopen(&mut self) {
        self.disk = self.disk.after_kill();
        self.log = open(&self.disk, small()).unwrap();
        self.follower = reader(&self.disk);
        self.followed = self.first();
    }

    fn first(&self) -> u64 {
        self.log.first()
    }

    /// The entry at a number that any byte stands for; that behind the last is one.
    fn some(&self, byte: u8) -> u64 {
        let first = self.first();
        first + u64::from(byte) % (self.next - first + 1)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Group(records) => {
                for (kind, correlation, length, second) in records {
                    let (kind, correlation) = (format!("kind {kind}"), format!("run {correlation}"));
                    let payload = vec![second; length.into()];
                    let record = NewRecord::new(&kind, &payload).correlation(&correlation);
                    let seq = self.log.append(record, at(second.into())).unwrap();
                    let before = self.entries.last().map_or(0, |entry| entry.time);
                    self.entries.push(Entry {
                        seq,
                        time: before.max(second.into()),
                        kind,
                        correlation,
                        payload,
                    });
                    assert_eq!(seq, self.next);
                    self.next += 1;
                }
                assert_eq!(self.log.commit().unwrap().seq(), self.next - 1);
            }
            Step::Rotate => self.log.rotate().unwrap(),
            Step::Reopen => self.reopen(),
            Step::Kill(length) => {
                self.log.append(NewRecord::new("lost", &vec![0; length.into()]), at(0)).unwrap();
                self.reopen();
            }
            Step::RemoveBefore(byte) => {
                let seq = self.some(byte);
                self.log.remove_before(seq).unwrap();
                assert!(self.first() <= seq);
            }
            Step::Read { from, back, kind, correlation } => {
                let from = self.some(from);
                let mut reader = reader(&self.disk);
                let mut filter = LogFilter::new();
                let kind = kind.map(|kind| format!("kind {kind}"));
                let correlation = correlation.map(|correlation| format!("run {correlation}"));
                if let Some(kind) = &kind {
                    filter = filter.kind(kind);
                }
                if let Some(correlation) = &correlation {
                    filter = filter.correlation(correlation);
                }
                reader.filter(filter);
                reader.seek(from).unwrap();
                assert_eq!(reader.position(), from);
                let wanted = |entry: &&Entry| {
                    kind.as_ref().is_none_or(|kind| *kind == entry.kind)
                        && correlation.as_ref().is_none_or(|own| *own == entry.correlation)
                        && self.first() <= entry.seq
                };
                let mut read = Vec::new();
                let expected: Vec<Entry> = match back {
                    true => {
                        while let Some(record) = reader.previous_record().unwrap() {
                            read.push(Entry::of(&record));
                        }
                        self.entries.iter().rev().filter(|e| e.seq < from).filter(wanted).cloned().collect()
                    }
                    false => {
                        while let Some(record) = reader.next_record().unwrap() {
                            read.push(Entry::of(&record));
                        }
                        self.entries.iter().filter(|e| from <= e.seq).filter(wanted).cloned().collect()
                    }
                };
                assert_eq!(read, expected);
            }
            Step::ReadTime(second) => {
                let mut reader = reader(&self.disk);
                reader.seek_time(at(second.into())).unwrap();
                let first = self.first();
                let expected = self
                    .entries
                    .iter()
                    .find(|entry| first <= entry.seq && u64::from(second) <= entry.time)
                    .map_or(self.next, |entry| entry.seq);
                assert_eq!(reader.position(), expected);
                assert_eq!(reader.next_record().unwrap().map_or(self.next, |record| record.seq()), expected);
            }
            Step::Walk(from, ways) => {
                let mut place = self.some(from);
                let mut reader = reader(&self.disk);
                reader.seek(place).unwrap();
                for forth in ways {
                    let read = if forth { reader.next_record() } else { reader.previous_record() };
                    let read = read.unwrap().map(|record| record.seq());
                    let expected = match forth {
                        true => (place < self.next).then_some(place),
                        false => (self.first() < place).then(|| place - 1),
                    };
                    assert_eq!(read, expected);
                    place = expected.map_or(place, |seq| if forth { seq + 1 } else { seq });
                    assert_eq!(reader.position(), place);
                }
            }
            Step::Follow => {
                loop {
                    match self.follower.next_record() {
                        Ok(Some(record)) => {
                            assert_eq!(record.seq(), self.followed);
                            self.followed += 1;
                        }
                        Ok(None) => break,
                        Err(error) => {
                            // What was removed is said, and it goes on with what is there.
                            let nearest = error.gone().unwrap();
                            assert!(self.followed < nearest && nearest <= self.log.first());
                            self.followed = nearest;
                        }
                    }
                }
                assert_eq!(self.followed, self.next);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_log_is_a_list(steps in steps()) {
        let mut bench = Bench::new();
        for step in steps {
            bench.step(step);
        }
        let report = reader(&bench.disk).verify(None, &[bench.log.head()]).unwrap();
        prop_assert_eq!((report.first(), report.head().seq(), report.torn()), (bench.first(), bench.next - 1, 0));
    }
}
