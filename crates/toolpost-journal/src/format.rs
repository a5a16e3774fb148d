//! The bytes of a segment: its head, groups of records, and the seal at the end. Little-endian throughout.
//!
//! ```text
//! segment   head(80) group* [seal]
//! group     head(72) record+                     written at once; its head says how long it is and carries the hash chain
//! record    head(20) kind correlation payload
//! seal      head(72) entry(24)* trailer(16)      last of a segment that is full: where its records are
//! ```
//!
//! Checksums are CRC-32C, begun with the id of the log, and of a record also with its sequence number: bytes of another
//! log, or of another place of this one, do not fit.

/// A link of the hash chain.
pub(crate) type Hash = [u8; 32];

/// What a segment begins with.
pub(crate) const MAGIC: &[u8; 8] = b"toolplg1";
pub(crate) const SEGMENT_HEAD: usize = 80;
pub(crate) const GROUP_HEAD: usize = 72;
pub(crate) const RECORD_HEAD: usize = 20;
pub(crate) const SEAL_ENTRY: usize = 24;
pub(crate) const SEAL_TRAILER: usize = 16;

/// Bytes of a record's kind, correlation and payload together, at most.
pub(crate) const RECORD_MAX: usize = 1 << 30;

const GROUP: u32 = u32::from_le_bytes(*b"TPG1");
const SEAL: u32 = u32::from_le_bytes(*b"TPS1");
const TRAILER: u32 = u32::from_le_bytes(*b"TPE1");

/// The head of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    /// The same in all segments of a log, and drawn when it is created.
    pub(crate) id: u64,
    /// The sequence number of its first record.
    pub(crate) first: u64,
    /// The time of the last record before it.
    pub(crate) time: u64,
    /// The chain's link at the end of the segment before it.
    pub(crate) previous: Hash,
    /// What tells whether a key is the one; zero without a key.
    pub(crate) key_check: u64,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD] {
        let mut bytes = [0; SEGMENT_HEAD];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.time.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.previous);
        bytes[64..72].copy_from_slice(&self.key_check.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..76]);
        bytes[76..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` when the bytes, which begin with the magic, are not whole.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SEGMENT_HEAD] = bytes.first_chunk()?;
        let whole = bytes.starts_with(MAGIC) && crc32c::crc32c(&bytes[..76]) == u32_at(bytes, 76);
        whole.then(|| Self {
            id: u64_at(bytes, 8),
            first: u64_at(bytes, 16),
            time: u64_at(bytes, 24),
            previous: hash_at(bytes, 32),
            key_check: u64_at(bytes, 64),
        })
    }
}

/// The head of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupHead {
    /// The sequence number of its first record.
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// Bytes of the records.
    pub(crate) bytes: u64,
    /// The time of its last record, which is its highest.
    pub(crate) time: u64,
    /// The chain's link behind it.
    pub(crate) link: Hash,
}

/// Where in the head of a group the link stands; while it is computed, the link before stands there.
pub(crate) const LINK: std::ops::Range<usize> = 40..72;
/// Where its checksum stands; zero while the link is computed.
pub(crate) const SUM: std::ops::Range<usize> = 4..8;

impl GroupHead {
    /// Writes everything but the checksum.
    pub(crate) fn write(&self, bytes: &mut [u8]) {
        bytes[..4].copy_from_slice(&GROUP.to_le_bytes());
        bytes[SUM].fill(0);
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.count.to_le_bytes());
        bytes[20..24].fill(0);
        bytes[24..32].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.time.to_le_bytes());
        bytes[LINK].copy_from_slice(&self.link);
    }

    /// The first record behind it.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.count as u64
    }

    /// The whole group.
    pub(crate) const fn size(&self) -> u64 {
        GROUP_HEAD as u64 + self.bytes
    }
}

/// Writes the checksum of a group's head.
pub(crate) fn sum_group(bytes: &mut [u8], id: u64) {
    let sum = checksum(id, &bytes[8..GROUP_HEAD]);
    bytes[SUM].copy_from_slice(&sum.to_le_bytes());
}

/// What stands at a place of a segment where a group or a seal may begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Group(GroupHead),
    Seal,
    Damaged,
}

/// Reads the head of a group, or sees a seal, in at least [`GROUP_HEAD`] bytes.
pub(crate) fn part(bytes: &[u8], id: u64) -> Part {
    let Some(bytes) = bytes.first_chunk::<GROUP_HEAD>() else { return Part::Damaged };
    let whole = checksum(id, &bytes[8..]) == u32_at(bytes, 4);
    match u32_at(bytes, 0) {
        GROUP if whole => {
            let head = GroupHead {
                first: u64_at(bytes, 8),
                count: u32_at(bytes, 16),
                bytes: u64_at(bytes, 24),
                time: u64_at(bytes, 32),
                link: hash_at(bytes, 40),
            };
            let plausible = 0 < head.count
                && u64::from(head.count) * RECORD_HEAD as u64 <= head.bytes
                && head.bytes < u64::MAX >> 8
                && head.first < u64::MAX >> 1;
            if plausible { Part::Group(head) } else { Part::Damaged }
        }
        SEAL if whole => Part::Seal,
        _ => Part::Damaged,
    }
}

/// Appends a record; `seq` is part of its checksum and stands nowhere.
#[inline]
pub(crate) fn write_record(
    out: &mut Vec<u8>,
    id: u64,
    seq: u64,
    time: u64,
    kind: &str,
    correlation: &str,
    payload: &[u8],
) {
    let at = out.len();
    let length = kind.len() + correlation.len() + payload.len();
    out.reserve(RECORD_HEAD + length);
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&time.to_le_bytes());
    out.extend_from_slice(&(correlation.len() as u16).to_le_bytes());
    out.extend_from_slice(&[kind.len() as u8, 0]);
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(correlation.as_bytes());
    out.extend_from_slice(payload);
    let sum = record_sum(id, seq, &out[at..]);
    out[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
}

/// What a record's head says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) time: u64,
    kind: usize,
    correlation: usize,
    pub(crate) size: usize,
}

impl Span {
    /// Kind, correlation and payload of the record, whose bytes begin here. The first two are not known to be text.
    #[inline]
    pub(crate) fn parts<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let (kind, rest) = bytes[RECORD_HEAD..self.size].split_at(self.kind);
        let (correlation, payload) = rest.split_at(self.correlation);
        (kind, correlation, payload)
    }
}

/// The size of the record at the start of `bytes`, if its head and its end lie within them.
#[inline]
pub(crate) fn record_size(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let size = RECORD_HEAD + length;
    (length <= RECORD_MAX && size <= bytes.len()).then_some(size)
}

/// Reads the head of the record at the start of `bytes`; `None` when the record is not whole.
#[inline]
pub(crate) fn record(bytes: &[u8], id: u64, seq: u64) -> Option<Span> {
    let size = record_size(bytes)?;
    let bytes = &bytes[..size];
    let correlation = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
    let span = Span { time: u64_at(bytes, 8), kind: usize::from(bytes[18]), correlation, size };
    let whole = record_sum(id, seq, bytes) == u32_at(bytes, 4)
        && bytes[19] == 0
        && RECORD_HEAD + span.kind + span.correlation <= size;
    whole.then_some(span)
}

/// An entry of the sparse index: a group that begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) first: u64,
    /// Of the group's last record.
    pub(crate) time: u64,
    pub(crate) offset: u64,
}

/// What a seal says of its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The first record behind the segment.
    pub(crate) end: u64,
    /// The time of its last record.
    pub(crate) time: u64,
    pub(crate) link: Hash,
    pub(crate) index: Vec<IndexEntry>,
}

impl Seal {
    /// The seal as it stands at `offset` of its segment.
    pub(crate) fn encode(&self, id: u64, offset: u64) -> Vec<u8> {
        let mut bytes = vec![0; GROUP_HEAD];
        bytes[..4].copy_from_slice(&SEAL.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.end.to_le_bytes());
        bytes[16..20].copy_from_slice(&(self.index.len() as u32).to_le_bytes());
        bytes[32..40].copy_from_slice(&self.time.to_le_bytes());
        bytes[LINK].copy_from_slice(&self.link);
        sum_group(&mut bytes, id);
        for entry in &self.index {
            for part in [entry.first, entry.time, entry.offset] {
                bytes.extend_from_slice(&part.to_le_bytes());
            }
        }
        let sum = checksum(id, &bytes);
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(&TRAILER.to_le_bytes());
        bytes
    }

    /// Where the seal begins, by the trailer at the end of a segment.
    pub(crate) fn offset(trailer: &[u8; SEAL_TRAILER]) -> Option<u64> {
        (u32_at(trailer, 12) == TRAILER).then(|| u64_at(trailer, 0))
    }

    /// Reads the seal that stands at `offset`; the bytes are all of it.
    pub(crate) fn decode(bytes: &[u8], id: u64, offset: u64) -> Option<Self> {
        let (body, trailer) = bytes.split_last_chunk::<SEAL_TRAILER>()?;
        let (head, entries) = body.split_first_chunk::<GROUP_HEAD>()?;
        let whole = part(head, id) == Part::Seal
            && Self::offset(trailer) == Some(offset)
            && checksum(id, body) == u32_at(trailer, 8)
            && entries.len() == u32_at(head, 16) as usize * SEAL_ENTRY;
        let entries = entries.chunks_exact(SEAL_ENTRY);
        let entry = |e: &[u8]| IndexEntry { first: u64_at(e, 0), time: u64_at(e, 8), offset: u64_at(e, 16) };
        whole.then(|| Self {
            end: u64_at(head, 8),
            time: u64_at(head, 32),
            link: hash_at(head, 40),
            index: entries.map(entry).collect(),
        })
    }
}

fn checksum(id: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(id as u32, bytes)
}

/// Of everything but itself.
#[inline]
fn record_sum(id: u64, seq: u64, record: &[u8]) -> u32 {
    // The length and the sequence number in one go; then all behind the checksum.
    let mut head = [0; 12];
    head[..4].copy_from_slice(&record[..4]);
    head[4..].copy_from_slice(&seq.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(id as u32, &head), &record[8..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn hash_at(bytes: &[u8], at: usize) -> Hash {
    bytes[at..].first_chunk().copied().unwrap_or_default()
}
