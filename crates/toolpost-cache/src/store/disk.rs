//! Entries on disk, for a warm start.

mod record;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use async_trait::async_trait;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, WriteTransaction};

use self::record::{Record, Times};
use super::{Recalled, SlowStore};
use crate::entry::Entry;
use crate::key::Key;

/// The digest of the key, and the record.
const ENTRIES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("entries");
/// The order in which entries were written, and their digests.
const ORDER: TableDefinition<'_, u64, &[u8; 32]> = TableDefinition::new("order");
/// The last invalidation of each tag, in the same order.
const TAGS: TableDefinition<'_, &str, u64> = TableDefinition::new("tags");
const FIGURES: TableDefinition<'_, &str, u64> = TableDefinition::new("figures");

/// The place of the next write in the order.
const NEXT: &str = "next";
/// The bytes of all records.
const BYTES: &str = "bytes";
/// No forgotten tag was invalidated after this.
const FLOOR: &str = "floor";

/// More tags than this are forgotten at once, and what depends on any of them.
const MAX_TAGS: u64 = 10_000;

/// Keeps entries in one file, across restarts; use it below a cache in memory, through [`Tiered`](crate::Tiered).
///
/// Its use is a warm start: a server that dies with each session finds what the last one knew. Every
/// write is a transaction of the `redb` crate and is on disk when it ends, so that a process killed at
/// any moment leaves the old value or the new one. A record carries its whole key, its times and a
/// checksum; what does not fit is a miss, and is removed. When the records together grow beyond the
/// bound, the oldest give way. Reads and writes run on the runtime's blocking threads; one already
/// started is not stopped by dropping its future.
///
/// Ages are kept by the wall clock, which alone survives a restart. An entry from the future (the clock
/// was set back) is dead.
pub struct Disk<V, C = Own> {
    file: Arc<File>,
    value: PhantomData<fn() -> (V, C)>,
}

struct File {
    database: Database,
    max_bytes: u64,
    clock: Clock,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
struct Clock {
    instant: Instant,
    wall: SystemTime,
}

/// A value that can be written to disk.
///
/// The bytes are read back by the same type in another process, perhaps of another version:
/// [`decode`](Self::decode) gives `None` for what it does not know.
pub trait Persist: Sized + Send + Sync + 'static {
    /// Appends the value to `bytes`; false if it should not be kept on disk.
    fn encode(&self, bytes: &mut Vec<u8>) -> bool;

    /// Reads what [`encode`](Self::encode) has written.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// How values of another crate's type are written to disk, where [`Persist`] cannot be implemented for them.
pub trait Codec<V>: Send + Sync + 'static {
    /// Appends the value to `bytes`; false if it should not be kept on disk.
    fn encode(value: &V, bytes: &mut Vec<u8>) -> bool;

    /// Reads what [`encode`](Self::encode) has written; `None` for what it does not know.
    fn decode(bytes: &[u8]) -> Option<V>;
}

/// As the value itself says, see [`Persist`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Own;

impl<V: Persist> Codec<V> for Own {
    fn encode(value: &V, bytes: &mut Vec<u8>) -> bool {
        value.encode(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<V> {
        V::decode(bytes)
    }
}

impl Persist for Vec<u8> {
    fn encode(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(self);
        true
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Persist for String {
    fn encode(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(self.as_bytes());
        true
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// An answer is kept on disk, a failure is not.
impl<V: Persist, E: Send + Sync + 'static> Persist for Result<V, E> {
    fn encode(&self, bytes: &mut Vec<u8>) -> bool {
        self.as_ref().is_ok_and(|value| value.encode(bytes))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        V::decode(bytes).map(Ok)
    }
}

impl<V: Persist> Persist for Arc<V> {
    fn encode(&self, bytes: &mut Vec<u8>) -> bool {
        V::encode(self, bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        V::decode(bytes).map(Self::new)
    }
}

impl<V: Persist> Disk<V> {
    /// Opens the file at `path`, or makes it, for records of at most `max_bytes` together.
    ///
    /// `now` and `wall` are the present moment on both clocks. The file itself is somewhat larger than
    /// its records. A file that was damaged is set aside under the name `<path>.damaged`, and a new one
    /// is made.
    ///
    /// # Errors
    ///
    /// If another process has the file open, if it is not a cache, or if it cannot be read or written.
    pub fn open(
        path: impl AsRef<Path>,
        max_bytes: u64,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Self, DiskError> {
        Self::open_as(path, max_bytes, now, wall)
    }

    #[cfg_attr(not(test), expect(dead_code, reason = "faults are injected here"))]
    fn with_backend(backend: impl StorageBackend, max_bytes: u64, clock: Clock) -> Result<Self, DiskError> {
        let database = Database::builder().create_with_backend(backend).map_err(DiskError::new)?;
        Self::over(database, max_bytes, clock)
    }
}

impl<V, C> Disk<V, C> {
    /// As [`open`](Disk::open), for values that are written as `C` says.
    ///
    /// # Errors
    ///
    /// As those of [`open`](Disk::open).
    pub fn open_as(
        path: impl AsRef<Path>,
        max_bytes: u64,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Self, DiskError> {
        let path = path.as_ref();
        let clock = Clock { instant: now, wall };
        let opened = Database::create(path)
            .map_err(DiskError::new)
            .and_then(|database| Self::over(database, max_bytes, clock));
        match opened {
            Err(error) if error.is_damage() => {
                let mut aside = path.as_os_str().to_owned();
                aside.push(".damaged");
                std::fs::rename(path, aside).map_err(DiskError::new)?;
                Self::over(Database::create(path).map_err(DiskError::new)?, max_bytes, clock)
            }
            opened => opened,
        }
    }

    fn over(database: Database, max_bytes: u64, clock: Clock) -> Result<Self, DiskError> {
        let disk = Self { file: Arc::new(File { database, max_bytes, clock }), value: PhantomData };
        // Makes the tables, so that a read never meets a file without them.
        disk.file.write(|tables| tables.open().map(drop)).map_err(DiskError::new)?;
        Ok(disk)
    }

    async fn blocking<R: Send + 'static>(
        &self,
        run: impl FnOnce(&File) -> Result<R, redb::Error> + Send + 'static,
    ) -> io::Result<R> {
        let file = Arc::clone(&self.file);
        match tokio::task::spawn_blocking(move || run(&file)).await {
            Ok(result) => result.map_err(io::Error::other),
            // A panic over damaged pages, or a runtime that is shutting down.
            Err(broken) => Err(io::Error::other(broken)),
        }
    }
}

#[async_trait]
impl<V: Send + Sync + 'static, C: Codec<V>> SlowStore<V> for Disk<V, C> {
    async fn get(&self, key: &Key, now: Instant) -> io::Result<Option<Recalled<V>>> {
        let key = key.clone();
        self.blocking(move |file| file.get::<V, C>(&key, now)).await
    }

    async fn put(&self, key: &Key, entry: &Arc<Entry<V>>, now: Instant) -> io::Result<()> {
        let (key, entry) = (key.clone(), Arc::clone(entry));
        self.blocking(move |file| file.put::<V, C>(&key, &entry, now)).await
    }

    async fn remove(&self, key: &Key) -> io::Result<bool> {
        let digest = key.digest();
        self.blocking(move |file| file.write(|tables| tables.open()?.remove(&digest))).await
    }

    async fn invalidate(&self, tag: &str) -> io::Result<()> {
        let tag = tag.to_owned();
        self.blocking(move |file| file.write(|tables| tables.open()?.invalidate(&tag))).await
    }

    async fn clear(&self) -> io::Result<()> {
        self.blocking(|file| file.write(|tables| tables.clear())).await
    }
}

impl File {
    fn get<V, C: Codec<V>>(&self, key: &Key, now: Instant) -> Result<Option<Recalled<V>>, redb::Error> {
        let digest = key.digest();
        let reading = self.database.begin_read()?;
        let Some(bytes) = reading.open_table(ENTRIES)?.get(&digest)? else { return Ok(None) };
        let recalled = Record::read(bytes.value()).filter(|record| record.key == key.as_bytes());
        let (tags, figures) = (reading.open_table(TAGS)?, reading.open_table(FIGURES)?);
        let floor = figures.get(FLOOR)?.map_or(0, |floor| floor.value());
        let found = recalled.and_then(|record| {
            let windows = record.times.windows(self.clock, now)?;
            let value = C::decode(record.value)?;
            let tags = record.tags.iter().copied().collect();
            Some((record.written, Recalled::new(value, windows, record.weight, tags)))
        });
        if let Some((written, recalled)) = found {
            let mut last = if recalled.tags.is_empty() { 0 } else { floor };
            for tag in recalled.tags.iter() {
                last = last.max(tags.get(tag)?.map_or(0, |at| at.value()));
            }
            if last <= written {
                return Ok(Some(recalled));
            }
        }
        // Damaged, foreign, expired or invalidated: never asked for again in vain, unless it was just replaced.
        let found = bytes.value().to_vec();
        drop(bytes);
        self.write(|tables| {
            let mut tables = tables.open()?;
            let same = tables.entries.get(&digest)?.is_some_and(|bytes| bytes.value() == found);
            if same { tables.remove(&digest).map(drop) } else { Ok(()) }
        })?;
        Ok(None)
    }

    fn put<V, C: Codec<V>>(&self, key: &Key, entry: &Entry<V>, now: Instant) -> Result<(), redb::Error> {
        let mut value = Vec::new();
        if !C::encode(entry.value(), &mut value) {
            return Ok(());
        }
        let weight = entry.weight().saturating_sub(key.as_bytes().len());
        let times = Times::of(entry.windows(), self.clock, now);
        let tags: Vec<&str> = entry.tags().collect();
        let (key, digest) = (key.as_bytes(), key.digest());
        self.write(|tables| {
            let mut tables = tables.open()?;
            // Inside the transaction: an invalidation is then either before this or in line behind it.
            if !entry.is_current() {
                return Ok(());
            }
            let written = tables.tick()?;
            let record = Record { key, written, times, weight, tags, value: &value }.write();
            tables.remove(&digest)?;
            if self.max_bytes < record.len() as u64 {
                return Ok(());
            }
            tables.make_room(self.max_bytes - record.len() as u64)?;
            tables.insert(written, &digest, &record)
        })
    }

    /// Runs `change` as one transaction, which is on disk when this returns.
    fn write<R>(&self, change: impl FnOnce(&Tables<'_>) -> Result<R, redb::Error>) -> Result<R, redb::Error> {
        let writing = self.database.begin_write()?;
        let result = change(&Tables { writing: &writing })?;
        writing.commit()?;
        Ok(result)
    }
}

struct Tables<'t> {
    writing: &'t WriteTransaction,
}

struct Open<'t> {
    entries: redb::Table<'t, &'static [u8; 32], &'static [u8]>,
    order: redb::Table<'t, u64, &'static [u8; 32]>,
    tags: redb::Table<'t, &'static str, u64>,
    figures: redb::Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    fn open(&self) -> Result<Open<'t>, redb::Error> {
        Ok(Open {
            entries: self.writing.open_table(ENTRIES)?,
            order: self.writing.open_table(ORDER)?,
            tags: self.writing.open_table(TAGS)?,
            figures: self.writing.open_table(FIGURES)?,
        })
    }

    fn clear(&self) -> Result<(), redb::Error> {
        self.writing.delete_table(ENTRIES)?;
        self.writing.delete_table(ORDER)?;
        let mut open = self.open()?;
        open.figures.insert(BYTES, 0)?;
        Ok(())
    }
}

impl Open<'_> {
    fn figure(&self, name: &str) -> Result<u64, redb::Error> {
        Ok(self.figures.get(name)?.map_or(0, |figure| figure.value()))
    }

    /// Takes the next place in the order.
    fn tick(&mut self) -> Result<u64, redb::Error> {
        let next = self.figure(NEXT)? + 1;
        self.figures.insert(NEXT, next)?;
        Ok(next)
    }

    fn insert(&mut self, written: u64, digest: &[u8; 32], record: &[u8]) -> Result<(), redb::Error> {
        self.entries.insert(digest, record)?;
        self.order.insert(written, digest)?;
        let bytes = self.figure(BYTES)? + record.len() as u64;
        self.figures.insert(BYTES, bytes)?;
        Ok(())
    }

    fn remove(&mut self, digest: &[u8; 32]) -> Result<bool, redb::Error> {
        let Some(removed) = self.entries.remove(digest)? else { return Ok(false) };
        let size = removed.value().len() as u64;
        let written = Record::read(removed.value()).map(|record| record.written);
        drop(removed);
        // A damaged record has lost its place; the place is skipped when its turn to go comes.
        if let Some(written) = written {
            self.order.remove(written)?;
        }
        let bytes = self.figure(BYTES)?.saturating_sub(size);
        self.figures.insert(BYTES, bytes)?;
        Ok(true)
    }

    /// Gives up the oldest records until the rest fit into `bytes`.
    fn make_room(&mut self, bytes: u64) -> Result<(), redb::Error> {
        while bytes < self.figure(BYTES)? {
            let Some((_, digest)) = self.order.pop_first()?.map(|(at, digest)| (at.value(), *digest.value()))
            else {
                break;
            };
            self.remove(&digest)?;
        }
        Ok(())
    }

    fn invalidate(&mut self, tag: &str) -> Result<(), redb::Error> {
        use redb::ReadableTableMetadata;
        let at = self.tick()?;
        if MAX_TAGS <= self.tags.len()? {
            self.tags.retain(|_, _| false)?;
            self.figures.insert(FLOOR, at)?;
        }
        self.tags.insert(tag, at)?;
        Ok(())
    }
}

/// Why a file could not be opened.
#[derive(Debug)]
pub struct DiskError(Box<redb::Error>);

impl DiskError {
    fn new(error: impl Into<redb::Error>) -> Self {
        Self(Box::new(error.into()))
    }

    /// Whether another process, or this one, has the file open already.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(*self.0, redb::Error::DatabaseAlreadyOpen)
    }

    fn is_damage(&self) -> bool {
        use redb::Error::{Corrupted, RepairAborted, TableTypeMismatch, UpgradeRequired};
        matches!(*self.0, Corrupted(_) | RepairAborted | TableTypeMismatch { .. } | UpgradeRequired(_))
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_in_use() {
            "the cache file is in use"
        } else {
            "the cache file cannot be opened"
        })
    }
}

impl Error for DiskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl<V, C> fmt::Debug for Disk<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("max_bytes", &self.file.max_bytes).finish_non_exhaustive()
    }
}
