//! The bytes of a journal's file: checksummed frames, and what is whole of them.

use std::io;

use crate::journal::{JournalEntry, tag};
use crate::state::RunOutcome;

/// What a journal's file begins with.
pub(super) const MAGIC: &[u8; 8] = b"toolpwj1";

/// Length and checksum, four bytes each.
const HEAD: usize = 8;

/// Bytes whose checksum is computed in search of a whole frame behind a broken one. A file that
/// keeps the search busy for longer was not torn by a crash.
const SEARCH: usize = 1 << 30;

/// What a frame means to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of a run that is under way.
    Entry,
    /// The run has ended.
    Ended(Option<RunOutcome>),
    /// The run is removed, with all that came before.
    Removed,
}

/// A frame without its bytes.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) run: Box<str>,
    pub(super) size: usize,
    pub(super) kind: Kind,
}

/// Frames on their way into a file.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<Frame>,
}

impl Frames {
    /// One frame for each entry.
    ///
    /// # Errors
    ///
    /// When the run's name has more than 65,535 bytes, or an entry more than fit 32 bits.
    pub(super) fn entries(run: &str, entries: &[JournalEntry]) -> io::Result<Self> {
        let mut frames = Self::default();
        for entry in entries {
            frames.push(run, |payload| entry.encode(payload))?;
        }
        Ok(frames)
    }

    /// The frame that removes a run.
    pub(super) fn removal(run: &str) -> io::Result<Self> {
        let mut frames = Self::default();
        frames.push(run, |payload| payload.push(tag::REMOVED))?;
        Ok(frames)
    }

    fn push(&mut self, run: &str, entry: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let too_long =
            || io::Error::new(io::ErrorKind::InvalidInput, "the run's name or the entry is too long");
        let mut payload = u16::try_from(run.len()).map_err(|_| too_long())?.to_le_bytes().to_vec();
        payload.extend(run.as_bytes());
        let named = payload.len();
        entry(&mut payload);
        let length = u32::try_from(payload.len()).map_err(|_| too_long())?.to_le_bytes();
        let kind = kind(&payload[named..]);
        self.bytes.extend(length);
        self.bytes.extend(checksum(length, &payload).to_le_bytes());
        self.bytes.extend(&payload);
        self.frames.push(Frame { run: run.into(), size: HEAD + payload.len(), kind });
        Ok(())
    }

    pub(super) fn append(&mut self, mut more: Self) {
        self.bytes.append(&mut more.bytes);
        self.frames.append(&mut more.frames);
    }
}

/// The payload of the whole frame at the start of `bytes`, and the size of the frame.
pub(super) fn payload(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let sum = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
    let end = HEAD.checked_add(u32::from_le_bytes(length) as usize)?;
    let payload = bytes.get(HEAD..end)?;
    (checksum(length, payload) == sum).then_some((payload, end))
}

/// The name of the run and the bytes of the entry that a payload consists of.
pub(super) fn parts(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = payload.split_first_chunk()?;
    let (name, entry) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(name).ok()?, entry))
}

/// What the bytes of an entry mean to the index.
pub(super) fn kind(entry: &[u8]) -> Kind {
    match entry {
        [tag::REMOVED] => Kind::Removed,
        [tag::ENDED, outcome] => Kind::Ended(tag::outcome(*outcome)),
        _ => Kind::Entry,
    }
}

/// The bytes of a journal's file, judged.
#[derive(Debug)]
pub(super) enum Judged {
    /// Frames up to here, and nothing but a torn write behind.
    Whole(usize),
    /// Damage at this offset, with whole frames behind it.
    Damaged(usize),
    /// Something else.
    Foreign,
}

/// Calls `frame` with the offset, the size and the payload of every whole frame up to the first that
/// is not, and judges what follows.
pub(super) fn scan<'a>(bytes: &'a [u8], mut frame: impl FnMut(usize, usize, &'a [u8])) -> Judged {
    if bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes) {
        return Judged::Whole(0);
    }
    if !bytes.starts_with(MAGIC) {
        return Judged::Foreign;
    }
    let mut at = MAGIC.len();
    while let Some((found, size)) = payload(&bytes[at..]) {
        frame(at, size, found);
        at += size;
    }
    match holds_a_frame(&bytes[at..]) {
        true => Judged::Damaged(at),
        false => Judged::Whole(at),
    }
}

/// Whether a whole frame begins anywhere behind the first byte.
fn holds_a_frame(bytes: &[u8]) -> bool {
    let mut searched = 0_usize;
    (1..bytes.len()).any(|at| {
        let rest = &bytes[at..];
        // Cheap things first: most places are told apart by them.
        let Some(length) = rest.first_chunk().map(|length| u32::from_le_bytes(*length) as usize) else {
            return false;
        };
        let Some(named) = HEAD.checked_add(length).and_then(|end| rest.get(HEAD..end)) else { return false };
        if !parts(named).is_some_and(|(_, entry)| entry.first().is_some_and(|tag| tag::is_known(*tag))) {
            return false;
        }
        searched += length;
        SEARCH < searched || payload(rest).is_some()
    })
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}
