//! A place in a log: between two records of a group of a segment.

use std::path::Path;
use std::sync::Arc;

use crate::error::LogError;
use crate::files::{Blob, Files};
use crate::format::{
    GROUP_HEAD, GroupHead, Part, SEGMENT_HEAD, SegmentHead, Span, part, record, record_size,
};
use crate::scan::Window;
use crate::segments::{self, Index};

/// The place, and what is in memory around it.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) path: Arc<Path>,
    window: Window,
    segment: Option<Segment>,
    /// The group that the record behind the place is in, or that ends before it.
    group: Option<GroupHead>,
    /// Where in that group the record behind the place begins.
    within: usize,
    /// The record behind the place.
    next: u64,
}

/// The segment of the place.
#[derive(Debug)]
struct Segment {
    head: SegmentHead,
    file: Box<dyn Blob>,
    size: u64,
    index: Index,
    /// Up to where the index goes: an offset, and the record there.
    indexed: (u64, u64),
    /// Where the group is, or the next one if there is none.
    at: u64,
}

/// What stands where a group may begin.
pub(crate) enum Found {
    Group(GroupHead),
    /// The segment is full; the next one is there, or about to be.
    Seal,
    /// Nothing yet.
    Nothing,
}

impl Cursor {
    /// The place before the first record.
    pub(crate) fn new(files: Arc<dyn Files>, path: &Path) -> Result<Self, LogError> {
        let window = Window::default();
        let mut cursor =
            Self { files, path: path.into(), window, segment: None, group: None, within: 0, next: 0 };
        cursor.next = cursor.firsts()?[0];
        Ok(cursor)
    }

    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    pub(crate) const fn group(&self) -> Option<&GroupHead> {
        self.group.as_ref()
    }

    /// The first record of the segment, and the time before it.
    pub(crate) fn segment(&self) -> Option<(u64, u64)> {
        self.segment.as_ref().map(|segment| (segment.head.first, segment.head.time))
    }

    /// The first records of the segments; at least one.
    pub(crate) fn firsts(&self) -> Result<Vec<u64>, LogError> {
        let firsts = segments::list(&*self.files).map_err(|error| LogError::io(&*self.path, error))?;
        match firsts.is_empty() {
            true => Err(LogError::io(&*self.path, std::io::ErrorKind::NotFound.into())),
            false => Ok(firsts),
        }
    }

    /// Goes to the beginning of a segment.
    pub(crate) fn enter(&mut self, first: u64) -> Result<(), LogError> {
        if self.segment().is_none_or(|(own, _)| own != first) {
            let path = self.files.path(&segments::name(first));
            let failed = |error| LogError::io(&path, error);
            let file = self.files.open(&segments::name(first), false).map_err(failed)?;
            let Some(head) = segments::head(&*self.files, first, &*file)? else {
                return Err(LogError::damaged(&path, 0, "the head of the segment is missing"));
            };
            let size = file.size().map_err(failed)?;
            let (index, indexed) = match segments::seal(&*file, size, head.id).map_err(failed)? {
                Some((seal, offset)) => (Index { entries: seal.index }, (offset, seal.end)),
                None => (Index::default(), (SEGMENT_HEAD as u64, first)),
            };
            self.segment = Some(Segment { head, file, size, index, indexed, at: 0 });
            self.window.forget();
        }
        self.go(SEGMENT_HEAD as u64, first);
        Ok(())
    }

    /// Goes to the segment that begins at this place; `false` if it is not there yet.
    ///
    /// # Errors
    ///
    /// If it is not there any more: the place is then before the first record that is. If it is missing among others.
    pub(crate) fn follow(&mut self) -> Result<bool, LogError> {
        let firsts = self.firsts()?;
        if self.next < firsts[0] {
            let seq = self.next;
            self.enter(firsts[0])?;
            return Err(LogError::missing(&self.path, seq, firsts[0]));
        }
        if firsts.contains(&self.next) && self.segment().is_none_or(|(own, _)| own != self.next) {
            self.enter(self.next)?;
            return Ok(true);
        }
        if firsts.last().is_some_and(|last| self.next < *last) {
            let path = self.files.path(&segments::name(self.next));
            return Err(LogError::damaged(path, 0, "the segment is missing"));
        }
        Ok(false)
    }

    /// Goes before the group at an offset of this segment, whose first record is known.
    pub(crate) fn go(&mut self, offset: u64, first: u64) {
        (self.group, self.within, self.next) = (None, 0, first);
        if let Some(segment) = &mut self.segment {
            segment.at = offset;
        }
    }

    /// Goes before the part of this segment that the record is in, or to the segment's beginning.
    pub(crate) fn go_near(&mut self, find: impl FnOnce(&Index) -> Option<(u64, u64)>) {
        let Some(segment) = &self.segment else { return };
        let (offset, first) = find(&segment.index).unwrap_or((SEGMENT_HEAD as u64, segment.head.first));
        self.go(offset, first);
    }

    /// Passes over a group that begins here.
    pub(crate) fn pass(&mut self, head: &GroupHead) {
        let at = self.offset();
        self.go(at + head.size(), head.end());
    }

    /// Where in the segment the group is.
    pub(crate) fn offset(&self) -> u64 {
        self.segment.as_ref().map_or(0, |segment| segment.at)
    }

    /// What stands at the place, which is between groups.
    pub(crate) fn look(&mut self) -> Result<Found, LogError> {
        let Some(segment) = &mut self.segment else { return Ok(Found::Nothing) };
        let path = || self.files.path(&segments::name(segment.head.first));
        let at = segment.at;
        for again in [true, false] {
            let left = segment.size.saturating_sub(at);
            let bytes: &[u8] = match left < GROUP_HEAD as u64 {
                true => &[],
                false => self
                    .window
                    .get(&*segment.file, at, GROUP_HEAD)
                    .map_err(|error| LogError::io(path(), error))?,
            };
            if bytes.len() == GROUP_HEAD {
                match part(bytes, segment.head.id) {
                    Part::Seal => return Ok(Found::Seal),
                    Part::Group(head) if head.first == self.next && head.size() <= left => {
                        return Ok(Found::Group(head));
                    }
                    Part::Group(head) if head.first != self.next && !again => {
                        return Err(LogError::damaged(path(), at, "its groups are not in order"));
                    }
                    Part::Damaged if !again => {
                        return Err(LogError::damaged(path(), at, "the head of a group"));
                    }
                    // The writer may be in the middle of it, or a new one may have cut it off and gone on.
                    Part::Group(_) | Part::Damaged => {}
                }
            }
            self.window.forget();
            segment.size = segment.file.size().map_err(|error| LogError::io(path(), error))?;
        }
        Ok(Found::Nothing)
    }

    /// Reads the group that begins here, and stands before its first record.
    pub(crate) fn load(&mut self, head: GroupHead) -> Result<(), LogError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let size = head.size() as usize;
        self.window
            .get(&*segment.file, segment.at, size)
            .map_err(|error| LogError::io(self.files.path(&segments::name(segment.head.first)), error))?;
        (self.next, self.within) = (head.first, GROUP_HEAD);
        self.group = Some(head);
        Ok(())
    }

    /// Goes to the next group and reads it; `false` if there is none yet.
    pub(crate) fn next_group(&mut self) -> Result<bool, LogError> {
        if self.segment.is_none() && !self.follow()? {
            return Ok(false);
        }
        if let Some(group) = self.group.take() {
            self.pass(&group);
        }
        loop {
            match self.look()? {
                Found::Group(head) => return self.load(head).map(|()| true),
                Found::Seal => {
                    if !self.follow()? {
                        return Ok(false);
                    }
                }
                Found::Nothing => {
                    let own = self.segment().map_or(0, |(first, _)| first);
                    let is_last = self.firsts()?.last().is_none_or(|last| *last <= own);
                    // It may have become full meanwhile.
                    if !is_last && matches!(self.look()?, Found::Nothing) {
                        let path = self.files.path(&segments::name(own));
                        let at = self.offset();
                        return Err(LogError::damaged(path, at, "the segment ends without a seal"));
                    }
                    if is_last {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Notes in the index what was written since, up to the group of a record, and stands behind it.
    pub(crate) fn extend_index(&mut self, to: u64) -> Result<(), LogError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let (offset, next) = segment.indexed;
        self.go(offset, next);
        while self.next <= to
            && let Found::Group(head) = self.look()?
        {
            if let Some(segment) = &mut self.segment {
                segment.index.note(&head, segment.at);
                segment.indexed = (segment.at + head.size(), head.end());
            }
            self.pass(&head);
        }
        Ok(())
    }

    /// The record behind the place, checked; `None` at the end of the group.
    #[inline]
    pub(crate) fn span(&mut self) -> Result<Option<Span>, LogError> {
        let (Some(group), Some(segment)) = (&self.group, &self.segment) else { return Ok(None) };
        if group.end() <= self.next {
            return Ok(None);
        }
        let size = group.size() as usize;
        if !self.window.holds(segment.at, size) {
            self.window
                .get(&*segment.file, segment.at, size)
                .map_err(|error| LogError::io(self.files.path(&segments::name(segment.head.first)), error))?;
        }
        let bytes = self.window.held(segment.at, size);
        match bytes.get(self.within..).and_then(|bytes| record(bytes, segment.head.id, self.next)) {
            Some(span) => Ok(Some(span)),
            None => Err(self.damaged("a record")),
        }
    }

    /// The damage at the record behind the place.
    #[cold]
    pub(crate) fn damaged(&self, what: &'static str) -> LogError {
        let first = self.segment().map_or(0, |(first, _)| first);
        let path = self.files.path(&segments::name(first));
        LogError::damaged(path, self.offset() + self.within as u64, what)
    }

    /// Where in its group the record behind the place begins.
    pub(crate) const fn within(&self) -> usize {
        self.within
    }

    /// Passes over the record behind the place.
    #[inline]
    pub(crate) const fn step(&mut self, span: &Span) {
        self.next += 1;
        self.within += span.size;
    }

    /// Stands before a record of this group, which begins there.
    pub(crate) const fn stand(&mut self, seq: u64, within: usize) {
        (self.next, self.within) = (seq, within);
    }

    /// The bytes of the group from there on.
    #[inline]
    pub(crate) fn bytes(&self, within: usize) -> &[u8] {
        let (Some(group), Some(segment)) = (&self.group, &self.segment) else { return &[] };
        self.window.held(segment.at, group.size() as usize).get(within..).unwrap_or_default()
    }

    /// Where the records of the group begin.
    pub(crate) fn offsets(&mut self, offsets: &mut Vec<usize>) -> Result<(), LogError> {
        offsets.clear();
        let (Some(group), Some(segment)) = (&self.group, &self.segment) else { return Ok(()) };
        let path = || self.files.path(&segments::name(segment.head.first));
        let bytes = self.window.get(&*segment.file, segment.at, group.size() as usize);
        let bytes = bytes.map_err(|error| LogError::io(path(), error))?;
        let mut at = GROUP_HEAD;
        for _ in 0..group.count {
            offsets.push(at);
            let size = bytes.get(at..).and_then(record_size);
            at += size.ok_or_else(|| LogError::damaged(path(), segment.at + at as u64, "a record"))?;
        }
        Ok(())
    }
}
