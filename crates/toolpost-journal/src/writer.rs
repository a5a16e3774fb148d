//! The one writer of a log.

use std::collections::VecDeque;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::chain::{Chain, LogHead};
use crate::error::LogError;
use crate::files::{Blob, Files, OsFiles, write_full};
use crate::format::{Hash, SEGMENT_HEAD, Seal, SegmentHead};
use crate::group::Group;
use crate::lock::Lock;
use crate::options::{Durability, LogOptions};
use crate::reader::LogReader;
use crate::record::{NewRecord, nanos};
use crate::recover::{Older, Recovered, recover};
use crate::segments::{self, Index};

/// Appends records to a log, a directory of segment files, and is the only one that does: a second writer, in this process
/// or another, is refused. Its calls block; `rt::Log` (feature `tokio`) is the front for many writers at once.
///
/// Records are collected by [`append`](Self::append) and written by [`commit`](Self::commit) as one group, of which a crash
/// leaves all or nothing.
///
/// ```
/// use std::time::SystemTime;
/// use toolpost_journal::{LogOptions, LogReader, LogWriter, NewRecord};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit");
/// let now = SystemTime::UNIX_EPOCH; // time is an argument: nothing here reads a clock
/// let mut log = LogWriter::open(&path, LogOptions::new())?;
/// log.append(NewRecord::new("call.started", b"{}").correlation("7f3a"), now)?;
/// log.append(NewRecord::new("call.ended", b"{\"outcome\":\"completed\"}").correlation("7f3a"), now)?;
/// assert_eq!(log.commit()?.seq(), 2); // both are on disk, or neither is
///
/// let mut reader = LogReader::open(&path)?; // by anyone, while the writer goes on
/// reader.seek(1)?;
/// while let Some(record) = reader.next_record()? {
///     println!("{} {} {}", record.seq(), record.kind(), record.correlation());
/// }
/// # Ok::<_, toolpost_journal::LogError>(())
/// # .unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # What a crash leaves, and what is damage
///
/// A crash can tear the last group. Opening cuts it off ([`cut`](Self::cut) says how much that was). Anything else that is
/// not whole is damage: opening fails with the file and the offset ([`LogError::damaged_at`]), and nothing is changed. Opening
/// checks the last segment wholly, and of all others that each leads to the next; [`LogReader::verify`] checks every byte.
///
/// After a failed write or sync the log takes no more: a sync that failed may have lost what was written, and a second one
/// that succeeds would not say so. Every call fails with that error until the log is opened anew.
#[derive(Debug)]
pub struct LogWriter {
    files: Arc<dyn Files>,
    path: Arc<Path>,
    options: LogOptions,
    chain: Chain,
    older: VecDeque<Older>,
    head: SegmentHead,
    file: Box<dyn Blob>,
    end: u64,
    /// Up to where the segment is known to be durable.
    synced: u64,
    index: Index,
    /// Behind the last group that is written.
    next: u64,
    time: u64,
    link: Hash,
    group: Group,
    failed: Option<LogError>,
    cut: u64,
    /// Until the log is closed.
    _lock: Option<Lock>,
}

impl LogWriter {
    /// Opens the log in the directory `path`, or creates it.
    ///
    /// # Errors
    ///
    /// When another writer has it open, when it is damaged, is no log or needs another key, or cannot be read or written.
    pub fn open(path: impl AsRef<Path>, options: LogOptions) -> Result<Self, LogError> {
        let path = path.as_ref();
        let failed = |error| LogError::io(path, error);
        if path.is_file() {
            return Err(LogError::foreign(path));
        }
        create(path).map_err(failed)?;
        // One directory has one lock, whatever links lead to it.
        let real = fs::canonicalize(path).map_err(failed)?;
        let lock = Lock::take(&real.join("lock")).map_err(failed)?;
        let lock = lock.ok_or_else(|| LogError::in_use(path))?;
        Self::open_on(Arc::new(OsFiles(real.clone())), &real, options, Some(lock))
    }

    pub(crate) fn open_on(
        files: Arc<dyn Files>,
        path: &Path,
        options: LogOptions,
        lock: Option<Lock>,
    ) -> Result<Self, LogError> {
        let chain = options.chain();
        let unsynced = options.durability == Durability::Process;
        let found = match recover(&*files, &chain, path, unsynced)? {
            Some(found) => {
                // Whoever wrote before may have failed to.
                if !unsynced {
                    files.sync().map_err(|error| LogError::io(path, error))?;
                }
                found
            }
            None => {
                // Drawn by the standard library's random keys: no generator of our own.
                let id = RandomState::new().hash_one(path);
                let key_check = chain.key_check(id);
                let head = SegmentHead { id, first: 1, time: 0, previous: Hash::default(), key_check };
                let file = segment(&*files, &head, !unsynced).map_err(|error| LogError::io(path, error))?;
                Recovered::new(head, file)
            }
        };
        let mut writer = Self {
            files,
            path: path.into(),
            options,
            chain,
            older: found.older,
            group: Group::new(found.head.id, found.next, found.time),
            head: found.head,
            file: found.file,
            end: found.end,
            synced: found.end,
            index: found.index,
            next: found.next,
            time: found.time,
            link: found.link,
            failed: None,
            cut: found.cut,
            _lock: lock,
        };
        if found.sealed {
            writer.begin_segment().map_err(|error| LogError::io(&*writer.path, error))?;
        }
        Ok(writer)
    }

    /// Adds a record to the group that the next [`commit`](Self::commit) writes; its sequence number. `now` is when it
    /// happened: a time before that of the last record becomes the same.
    ///
    /// # Errors
    ///
    /// When the record is too long (nothing of it is kept), or a write has failed before.
    pub fn append(&mut self, record: NewRecord<'_>, now: SystemTime) -> Result<u64, LogError> {
        self.check()?;
        fits(&self.path, &self.options, &record)?;
        Ok(self.group.push(&record, nanos(now)))
    }

    /// Writes what was appended as one group, and syncs it with [`Durability::Machine`]; where the chain stands then.
    ///
    /// # Errors
    ///
    /// When it cannot be written or synced, now or ever before: the log takes no more, and what was appended may be kept or
    /// not, all or nothing of it.
    pub fn commit(&mut self) -> Result<LogHead, LogError> {
        let mut group = std::mem::replace(&mut self.group, Group::new(self.head.id, self.next, self.time));
        let written = self.write(&mut group);
        group.restart(self.next, self.time);
        self.group = group;
        written.map(|()| self.head())
    }

    /// Makes durable what was written: for [`Durability::Interval`], whose time is the caller's to keep.
    ///
    /// # Errors
    ///
    /// As of `commit`.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.check()?;
        self.or_fail(Self::sync_segment)
    }

    /// Ends the segment, so that what follows is in another. Nothing happens if it holds no record.
    ///
    /// # Errors
    ///
    /// As of `commit`.
    pub fn rotate(&mut self) -> Result<(), LogError> {
        self.check()?;
        self.or_fail(Self::next_segment)
    }

    /// Removes the oldest segments as long as they hold no record from `seq` on; how many bytes that freed.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed. The log goes on.
    pub fn remove_before(&mut self, seq: u64) -> Result<u64, LogError> {
        let mut freed = 0;
        while let Some(oldest) = self.older.front() {
            let end = self.older.get(1).map_or(self.head.first, |next| next.first);
            if seq < end {
                break;
            }
            self.files
                .remove(&segments::name(oldest.first))
                .map_err(|error| LogError::io(self.files.path(&segments::name(oldest.first)), error))?;
            freed += oldest.bytes;
            self.older.pop_front();
        }
        Ok(freed)
    }

    /// Where the chain stands behind the last group that is written.
    #[must_use]
    pub const fn head(&self) -> LogHead {
        LogHead::new(self.next - 1, self.link)
    }

    /// The sequence number of the first record that is still there, or would be.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.older.front().map_or(self.head.first, |oldest| oldest.first)
    }

    /// The bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.older.iter().map(|older| older.bytes).sum::<u64>() + self.end
    }

    /// How many bytes of a torn group were cut off when the log was opened.
    #[must_use]
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// A reader of this log.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn reader(&self) -> Result<LogReader, LogError> {
        LogReader::open_on(Arc::clone(&self.files), &self.path)
    }

    /// An empty group behind the last that is written.
    #[cfg(feature = "tokio")]
    pub(crate) const fn new_group(&self) -> Group {
        Group::new(self.head.id, self.next, self.time)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn path(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }

    /// Lets others open the log; nothing is to be written behind this.
    #[cfg(feature = "tokio")]
    pub(crate) fn close(&mut self) {
        let closed = io::Error::other("the log was closed");
        self.failed.get_or_insert_with(|| LogError::io(&*self.path, closed).as_failed());
        self._lock = None;
    }

    /// Writes a group that begins behind the last one.
    pub(crate) fn write(&mut self, group: &mut Group) -> Result<(), LogError> {
        self.check()?;
        if group.is_empty() {
            return Ok(());
        }
        debug_assert_eq!(group.first(), self.next, "groups follow each other");
        let fills = self.options.segment_bytes < self.end + group.size() as u64;
        self.or_fail(|log| {
            if fills {
                log.next_segment()?;
            }
            let (head, bytes) = group.finish(&log.chain, &log.link);
            write_full(&*log.file, bytes, log.end)?;
            log.index.note(&head, log.end);
            log.end += head.size();
            (log.next, log.time, log.link) = (head.end(), head.time, head.link);
            match log.options.durability {
                Durability::Machine => log.sync_segment(),
                _ => Ok(()),
            }
        })
    }

    fn check(&self) -> Result<(), LogError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Takes no more if `step` fails.
    fn or_fail(&mut self, step: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), LogError> {
        step(self).map_err(|error| {
            let error = LogError::io(&*self.path, error);
            self.failed = Some(error.as_failed());
            if self.options.durability == Durability::Machine {
                // Nobody was told that what is behind this is kept. A reader that finds it in the system's memory, where a
                // failed sync may have left it and nowhere else, would take it to be on disk.
                let _ = self.file.set_size(self.synced);
            }
            error
        })
    }

    fn sync_segment(&mut self) -> io::Result<()> {
        if self.synced < self.end {
            self.file.sync()?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Seals the segment and begins the next.
    fn next_segment(&mut self) -> io::Result<()> {
        if self.index.entries.is_empty() {
            return Ok(());
        }
        let index = std::mem::take(&mut self.index.entries);
        let seal = Seal { end: self.next, time: self.time, link: self.link, index };
        let bytes = seal.encode(self.head.id, self.end);
        // Whole before there is a seal: what is torn is always the end.
        if self.options.durability != Durability::Process {
            self.sync_segment()?;
        }
        write_full(&*self.file, &bytes, self.end)?;
        self.end += bytes.len() as u64;
        if self.options.durability != Durability::Process {
            self.sync_segment()?;
        }
        self.begin_segment()
    }

    /// Begins a segment behind one that is sealed, and removes what need not be retained.
    fn begin_segment(&mut self) -> io::Result<()> {
        let head =
            SegmentHead { first: self.next, time: self.time, previous: self.link, ..self.head.clone() };
        let file = segment(&*self.files, &head, self.options.durability != Durability::Process)?;
        self.older.push_back(Older { first: self.head.first, bytes: self.end, time: self.time });
        (self.head, self.file, self.end) = (head, file, SEGMENT_HEAD as u64);
        (self.synced, self.index) = (self.end, Index::default());
        self.retain();
        Ok(())
    }

    /// Removes the oldest segments beyond what is retained. One that cannot be removed is tried again next time.
    fn retain(&mut self) {
        let age = u64::try_from(self.options.retain_for.as_nanos()).unwrap_or(u64::MAX);
        while 1 < self.older.len() {
            let oldest = self.older[0];
            let needed = self.bytes() <= self.options.retain_bytes && self.time - oldest.time <= age;
            if needed || self.files.remove(&segments::name(oldest.first)).is_err() {
                break;
            }
            self.older.pop_front();
        }
    }
}

/// Whether a record may be appended.
pub(crate) fn fits(path: &Path, options: &LogOptions, record: &NewRecord<'_>) -> Result<(), LogError> {
    let length = record.kind.len() + record.correlation.len() + record.payload.len();
    let what = if usize::from(u8::MAX) < record.kind.len() {
        "the kind of the record is longer than 255 bytes"
    } else if usize::from(u16::MAX) < record.correlation.len() {
        "the correlation of the record is longer than 65,535 bytes"
    } else if options.record_bytes < length {
        "the record is longer than `LogOptions::record_bytes` allows"
    } else {
        return Ok(());
    };
    Err(LogError::invalid(path, what))
}

/// Makes a segment with nothing but a head: whole under its name, or not there.
fn segment(files: &dyn Files, head: &SegmentHead, sync: bool) -> io::Result<Box<dyn Blob>> {
    let name = segments::name(head.first);
    let new = format!("{name}.new");
    let file = files.create(&new)?;
    write_full(&*file, &head.encode(), 0)?;
    if sync {
        file.sync()?;
    }
    files.rename(&new, &name)?;
    if sync {
        files.sync()?;
    }
    Ok(file)
}

/// Makes the directory, and its name durable.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent: PathBuf = parent.map_or_else(|| ".".into(), Path::to_owned);
    OsFiles(parent).sync()
}
