//! Any bytes as a journal's file, and a journal with any damage: what is read back was written whole.

use std::path::PathBuf;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use toolpost_workflow::rt::{Durability, FileJournal};
use toolpost_workflow::{Journal, JournalEntry};

const MAGIC: &[u8] = b"toolpwj1";

/// The runs whose records are looked at; one name is the beginning of the other.
const RUNS: [&str; 3] = ["a", "ab", ""];

struct Bench {
    runtime: Runtime,
    path: PathBuf,
    /// A journal of a few entries of two runs.
    whole: Vec<u8>,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let path = std::env::temp_dir().join(format!("toolpost-fuzz-journal-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let journal = FileJournal::open_with(&path, Durability::Process).expect("a journal");
    for (i, run) in [0, 1, 0, 0, 1].into_iter().enumerate() {
        runtime.block_on(journal.append(RUNS[run], &[value(i as u8)])).expect("appends");
    }
    let whole = std::fs::read(&path).expect("the file");
    Bench { runtime, path, whole }
});

/// The end of a step, with its number as its value.
fn value(step: u8) -> JournalEntry {
    JournalEntry::decode(&[4, step, 0, 0, 0, step]).expect("an entry")
}

/// The bytes as a file; then, the first byte saying where, the rest written over a sound file.
pub(crate) fn run(bytes: &[u8]) {
    let whole = &BENCH.whole;
    assert_eq!(expected(whole, "a").expect("sound").len(), 3);
    read_back(whole);
    read_back(bytes);
    read_back(&[MAGIC, bytes].concat());
    let at = bytes.first().map_or(0, |at| usize::from(*at) % whole.len());
    let mut damaged = whole.clone();
    for (to, from) in damaged[at..].iter_mut().zip(bytes.iter().skip(1)) {
        *to = *from;
    }
    read_back(&damaged);
    read_back(&[whole, bytes].concat());
    std::fs::remove_file(&BENCH.path).expect("the file is there");
}

fn read_back(bytes: &[u8]) {
    let Bench { runtime, path, .. } = &*BENCH;
    std::fs::write(path, bytes).expect("writes");
    let journal = match FileJournal::open_with(path, Durability::Process) {
        Ok(journal) => journal,
        Err(error) => {
            let foreign = !bytes.starts_with(MAGIC) && !MAGIC.starts_with(bytes);
            assert_eq!(error.damaged_at().is_none(), foreign, "{error}");
            assert!(foreign || damaged(bytes), "{error}");
            return assert_eq!(std::fs::read(path).expect("the file"), bytes, "it is left alone");
        }
    };
    assert!(!damaged(bytes), "a whole frame was cut off");
    for run in RUNS {
        let loaded = runtime.block_on(journal.load(run)).ok();
        assert_eq!(loaded, expected(bytes, run));
        // What is appended after a torn write is read back behind what was whole.
        runtime.block_on(journal.append(run, &[value(9)])).expect("appends");
        let more = runtime.block_on(journal.load(run)).ok();
        assert_eq!(more, loaded.map(|loaded| [loaded, vec![value(9)]].concat()));
    }
}

/// The entries of a run in the whole frames at the start of a file, by a reader of its own; `None` if
/// a whole frame holds no entry.
fn expected(file: &[u8], run: &str) -> Option<Vec<JournalEntry>> {
    let mut entries = Vec::new();
    let mut rest = file.get(MAGIC.len()..).unwrap_or_default();
    while let Some((payload, after)) = frame(rest) {
        rest = after;
        let named = [&(run.len() as u16).to_le_bytes(), run.as_bytes()].concat();
        match payload.strip_prefix(&*named) {
            Some([255]) => entries.clear(),
            Some(entry) => entries.push(JournalEntry::decode(entry)),
            None => {}
        }
    }
    entries.into_iter().collect()
}

/// Whether a whole frame with a run's name and a known tag stands behind one that is not whole.
fn damaged(file: &[u8]) -> bool {
    let mut rest = file.get(MAGIC.len()..).unwrap_or_default();
    while let Some((_, after)) = frame(rest) {
        rest = after;
    }
    (1..rest.len()).any(|at| {
        let Some(([low, high, after @ ..], _)) = frame(&rest[at..]) else { return false };
        let name = usize::from(u16::from_le_bytes([*low, *high]));
        let tag = after.get(name).is_some_and(|tag| *tag <= 9 || *tag == 255);
        tag && std::str::from_utf8(&after[..name]).is_ok()
    })
}

/// The payload of a whole frame, and what follows it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [a, b, c, d, w, x, y, z, after @ ..] = bytes else { return None };
    let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    let payload = after.get(..length)?;
    let sum = crc32c([*a, *b, *c, *d].iter().chain(payload));
    (sum == u32::from_le_bytes([*w, *x, *y, *z])).then(|| (payload, &after[length..]))
}

/// Castagnoli's checksum, bit by bit.
fn crc32c<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
    })
}
