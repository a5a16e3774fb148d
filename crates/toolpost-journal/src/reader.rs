//! Readers of a log, beside its writer.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::cursor::{Cursor, Found};
use crate::error::LogError;
use crate::files::{Files, OsFiles};
use crate::filter::LogFilter;
use crate::format::Span;
use crate::record::{LogRecord, nanos};

/// Reads a log, in the process that writes it or another, while it is written or not. It takes no lock and changes nothing.
///
/// A reader stands between two records: [`next_record`](Self::next_record) gives the one behind that place,
/// [`previous_record`](Self::previous_record) the one before it, and either goes past it. A new reader stands before the first.
/// What it gives borrows from its buffer, so that nothing is copied or allocated for a record. Whatever the log's size, a
/// reader takes about 256 KiB, or the longest group, and 24 bytes for each 64 KiB of one segment.
///
/// It sees groups as a whole, as soon as they are written, which may be before they are durable. Each record is held against
/// its checksum; [`verify`](Self::verify) also follows the hash chain.
#[derive(Debug)]
pub struct LogReader {
    pub(crate) cursor: Cursor,
    filter: LogFilter,
    /// Where groups begin, in the part of a segment that is read backwards: their first records, and offsets.
    block: Vec<(u64, u64)>,
    /// The segment of that block.
    block_of: u64,
    /// Where records begin in the group that is read backwards, and that group's first record.
    offsets: Vec<usize>,
    offsets_of: u64,
}

impl LogReader {
    /// Opens the log in the directory `path`.
    ///
    /// # Errors
    ///
    /// When there is no log, or it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LogError> {
        let path = path.as_ref();
        match path.is_file() {
            true => Err(LogError::foreign(path)),
            false => Self::open_on(Arc::new(OsFiles(path.to_owned())), path),
        }
    }

    pub(crate) fn open_on(files: Arc<dyn Files>, path: &Path) -> Result<Self, LogError> {
        Ok(Self {
            cursor: Cursor::new(files, path)?,
            filter: LogFilter::new(),
            block: Vec::new(),
            block_of: 0,
            offsets: Vec::new(),
            offsets_of: 0,
        })
    }

    /// Gives only records that the filter takes from now on; others are passed over.
    pub fn filter(&mut self, filter: LogFilter) {
        self.filter = filter;
    }

    /// The sequence number of the first record that is there, or will be.
    ///
    /// # Errors
    ///
    /// When there is no log any more, or it cannot be read.
    pub fn first(&self) -> Result<u64, LogError> {
        Ok(self.cursor.firsts()?[0])
    }

    /// The sequence number of the record behind the place where the reader stands, be it there or not yet.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.cursor.next()
    }

    /// Goes to the place before the record `seq`; that behind the last record is one.
    ///
    /// # Errors
    ///
    /// When the record is not there, which [`LogError::gone`] says: the reader then stands before the nearest that is, or
    /// will be. When the log is damaged or cannot be read.
    pub fn seek(&mut self, seq: u64) -> Result<(), LogError> {
        let firsts = self.cursor.firsts()?;
        match firsts.partition_point(|first| *first <= seq).checked_sub(1) {
            Some(at) => {
                self.cursor.enter(firsts[at])?;
                self.seek_here(seq)?;
            }
            None => self.cursor.enter(firsts[0])?,
        }
        match self.position() {
            there if there == seq => Ok(()),
            nearest => Err(LogError::missing(&self.cursor.path, seq, nearest)),
        }
    }

    /// Goes behind the last record that is there; the sequence number that the next one will have.
    ///
    /// # Errors
    ///
    /// When the log is damaged or cannot be read.
    pub fn seek_end(&mut self) -> Result<u64, LogError> {
        let firsts = self.cursor.firsts()?;
        self.cursor.enter(firsts[firsts.len() - 1])?;
        self.cursor.extend_index(u64::MAX)?;
        Ok(self.position())
    }

    /// Goes to the place before the first record of this time or later; behind the last one if there is none.
    ///
    /// # Errors
    ///
    /// When the log is damaged or cannot be read.
    pub fn seek_time(&mut self, time: SystemTime) -> Result<(), LogError> {
        let time = nanos(time);
        let firsts = self.cursor.firsts()?;
        // The last segment before which everything is earlier.
        let (mut from, mut to) = (0, firsts.len() - 1);
        while from < to {
            let half = from + (to - from).div_ceil(2);
            self.cursor.enter(firsts[half])?;
            let is_earlier = self.cursor.segment().is_some_and(|(_, before)| before < time);
            (from, to) = if is_earlier { (half, to) } else { (from, half - 1) };
        }
        self.cursor.enter(firsts[from])?;
        self.cursor.extend_index(u64::MAX)?;
        self.cursor.go_near(|index| index.floor_time(time));
        loop {
            match self.cursor.look()? {
                Found::Group(head) if head.time < time => self.cursor.pass(&head),
                Found::Group(head) => break self.cursor.load(head)?,
                Found::Seal if self.cursor.follow()? => {}
                Found::Seal | Found::Nothing => return Ok(()),
            }
        }
        while let Some(span) = self.cursor.span()?.filter(|span| span.time < time) {
            self.cursor.step(&span);
        }
        Ok(())
    }

    /// The record behind the place where the reader stands; `None` at the end, from which it goes on when there is more.
    ///
    /// # Errors
    ///
    /// When the log is damaged or cannot be read, or retention has removed what comes next: [`LogError::gone`] says so, and
    /// the reader goes on with the first record that is there.
    pub fn next_record(&mut self) -> Result<Option<LogRecord<'_>>, LogError> {
        loop {
            if let Some((seq, within, span)) = self.next_taken()? {
                return self.give(seq, within, &span).map(Some);
            }
            if !self.cursor.next_group()? {
                return Ok(None);
            }
        }
    }

    /// The record before the place where the reader stands; `None` before the first.
    ///
    /// # Errors
    ///
    /// When the log is damaged or cannot be read.
    pub fn previous_record(&mut self) -> Result<Option<LogRecord<'_>>, LogError> {
        let (seq, within, span) = loop {
            let Some(seq) = self.position().checked_sub(1).filter(|seq| 0 < *seq) else { return Ok(None) };
            let is_here = self.cursor.group().is_some_and(|group| (group.first..group.end()).contains(&seq));
            if !is_here && !self.group_before(seq)? {
                return Ok(None);
            }
            let Some(first) = self.cursor.group().map(|group| group.first) else { return Ok(None) };
            if self.offsets_of != first || !is_here {
                self.cursor.offsets(&mut self.offsets)?;
                self.offsets_of = first;
            }
            let within = self.offsets[(seq - first) as usize];
            self.cursor.stand(seq, within);
            let Some(span) = self.cursor.span()? else { return Ok(None) };
            if self.takes(within, &span) {
                break (seq, within, span);
            }
        };
        self.give(seq, within, &span).map(Some)
    }

    /// The next record that the filter takes, of the group that is loaded.
    #[inline]
    pub(crate) fn next_taken(&mut self) -> Result<Option<(u64, usize, Span)>, LogError> {
        while let Some(span) = self.cursor.span()? {
            let found = (self.position(), self.cursor.within());
            self.cursor.step(&span);
            if self.takes(found.1, &span) {
                return Ok(Some((found.0, found.1, span)));
            }
        }
        Ok(None)
    }

    /// Whether the next record can be had without reading from a file.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_loaded(&self) -> bool {
        self.cursor.group().is_some_and(|group| self.position() < group.end())
    }

    /// Reads the next group, if the next record is not there yet; `false` if there is none.
    #[cfg(feature = "tokio")]
    pub(crate) fn load_next(&mut self) -> Result<bool, LogError> {
        Ok(self.is_loaded() || self.cursor.next_group()?)
    }

    /// Goes before a record of this segment; behind its end if it is not in it.
    fn seek_here(&mut self, seq: u64) -> Result<(), LogError> {
        self.cursor.extend_index(seq)?;
        self.cursor.go_near(|index| index.floor(seq));
        while let Found::Group(head) = self.cursor.look()? {
            if head.end() <= seq {
                self.cursor.pass(&head);
                continue;
            }
            self.cursor.load(head)?;
            while self.position() < seq
                && let Some(span) = self.cursor.span()?
            {
                self.cursor.step(&span);
            }
            break;
        }
        Ok(())
    }

    /// Goes to the group that a record is in, which is before where the reader stands, and reads it; `false` if it is not
    /// there.
    fn group_before(&mut self, seq: u64) -> Result<bool, LogError> {
        if self.cursor.segment().is_none_or(|(first, _)| seq < first) {
            let firsts = self.cursor.firsts()?;
            let Some(at) = firsts.partition_point(|first| *first <= seq).checked_sub(1) else {
                return Ok(false);
            };
            self.cursor.enter(firsts[at])?;
            self.cursor.extend_index(seq)?;
        }
        let segment = self.cursor.segment().map_or(0, |(first, _)| first);
        let is_in = self.block.first().is_some_and(|(first, _)| *first <= seq)
            && self.block.last().is_some_and(|(first, _)| seq <= *first);
        if segment != self.block_of || !is_in {
            self.note_block(seq)?;
            self.block_of = segment;
        }
        let behind = self.block.partition_point(|(first, _)| *first <= seq);
        let Some((first, offset)) = behind.checked_sub(1).map(|at| self.block[at]) else { return Ok(false) };
        self.cursor.go(offset, first);
        match self.cursor.look()? {
            Found::Group(head) if seq < head.end() => self.cursor.load(head).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Notes where groups begin, from the nearest entry of the index up to the group that the record is in.
    fn note_block(&mut self, seq: u64) -> Result<(), LogError> {
        self.block.clear();
        self.cursor.go_near(|index| index.floor(seq));
        while let Found::Group(head) = self.cursor.look()? {
            self.block.push((head.first, self.cursor.offset()));
            if seq < head.end() {
                break;
            }
            self.cursor.pass(&head);
        }
        Ok(())
    }

    #[inline]
    fn takes(&self, within: usize, span: &Span) -> bool {
        let (kind, correlation, _) = span.parts(self.cursor.bytes(within));
        self.filter.takes(kind, correlation)
    }

    /// A record of the group that is loaded.
    #[inline]
    pub(crate) fn give(&self, seq: u64, within: usize, span: &Span) -> Result<LogRecord<'_>, LogError> {
        let (kind, correlation, payload) = span.parts(self.cursor.bytes(within));
        match (std::str::from_utf8(kind), std::str::from_utf8(correlation)) {
            (Ok(kind), Ok(correlation)) => Ok(LogRecord { seq, time: span.time, kind, correlation, payload }),
            _ => Err(self.cursor.damaged("a record whose kind is no text")),
        }
    }
}
