//! Entries on disk, for a warm start.

mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
#[cfg(test)]
use redb::StorageBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use self::record::{Record, Times};
use super::{Codec, SlowStore, StoreError, StoredEntry};
use crate::key::CacheKey;

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

/// Keeps entries in one file across restarts, below a cache in memory: see
/// [`ReadThrough::over`](crate::rt::ReadThrough::over). `C` encodes the values; a value that is a [`Codec`] of itself needs
/// none.
///
/// Its use is a warm start: a server that dies with each session finds what the last one knew. Every
/// write is a transaction of the `redb` crate and is on disk when it ends, so that a process killed at
/// any moment leaves the old value or the new one. A record carries its whole key, its times and a
/// checksum; what does not fit is a miss, and is removed. When the records together grow beyond the
/// bound, the oldest give way. Reads and writes run on the runtime's blocking threads; one already
/// started is not stopped by dropping its future.
///
/// Ages are kept by the wall clock, in milliseconds, which alone survives a restart.
pub struct Disk<V, C = V> {
    file: Arc<File>,
    value: PhantomData<fn() -> (V, C)>,
}

struct File {
    database: Database,
    max_bytes: u64,
}

impl<V: Codec<V>> Disk<V> {
    /// Opens the file at `path`, or creates it, for records of at most `max_bytes` together.
    ///
    /// The file itself is somewhat larger than its records. A damaged file is set aside under the name `<path>.damaged`,
    /// and a new one is created. Blocks while it opens the file.
    ///
    /// # Errors
    ///
    /// If another process has the file open ([`StoreError::is_in_use`]), if it is not a cache, or if it cannot be read or
    /// written.
    pub fn open(path: impl AsRef<Path>, max_bytes: u64) -> Result<Self, StoreError> {
        Self::open_as(path, max_bytes)
    }

    #[cfg(test)]
    fn with_backend(backend: impl StorageBackend, max_bytes: u64) -> Result<Self, StoreError> {
        let database = Database::builder().create_with_backend(backend).map_err(failed)?;
        Self::over(database, max_bytes).map_err(failed)
    }
}

impl<V, C> Disk<V, C> {
    /// Opens as [`open`](Disk::open) does, for values that the codec `C` encodes.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Disk::open).
    pub fn open_as(path: impl AsRef<Path>, max_bytes: u64) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let open = || Self::over(Database::create(path)?, max_bytes);
        let opened = match open() {
            Err(error) if is_damage(&error) => {
                let mut aside = path.as_os_str().to_owned();
                aside.push(".damaged");
                std::fs::rename(path, aside)?;
                open()
            }
            opened => opened,
        };
        opened.map_err(failed)
    }

    fn over(database: Database, max_bytes: u64) -> Result<Self, redb::Error> {
        let disk = Self { file: Arc::new(File { database, max_bytes }), value: PhantomData };
        // Makes the tables, so that a read never meets a file without them.
        disk.file.write(|tables| tables.open().map(drop))?;
        Ok(disk)
    }

    async fn blocking<R: Send + 'static>(
        &self,
        run: impl FnOnce(&File) -> Result<R, redb::Error> + Send + 'static,
    ) -> Result<R, StoreError> {
        let file = Arc::clone(&self.file);
        match tokio::task::spawn_blocking(move || run(&file)).await {
            Ok(result) => result.map_err(failed),
            // A panic over damaged pages, or a runtime that is shutting down.
            Err(broken) => Err(StoreError::new(broken)),
        }
    }
}

#[async_trait]
impl<V: Send + Sync + 'static, C: Codec<V>> SlowStore<V> for Disk<V, C> {
    async fn get(&self, key: &CacheKey, now: SystemTime) -> Result<Option<StoredEntry<V>>, StoreError> {
        let key = key.clone();
        self.blocking(move |file| file.get::<V, C>(&key, now)).await
    }

    async fn put(&self, key: &CacheKey, entry: StoredEntry<V>) -> Result<(), StoreError> {
        let key = key.clone();
        self.blocking(move |file| file.put::<V, C>(&key, &entry)).await
    }

    async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError> {
        let digest = key.digest();
        self.blocking(move |file| file.write(|tables| tables.open()?.remove(&digest))).await
    }

    async fn invalidate(&self, tag: &str) -> Result<(), StoreError> {
        let tag = tag.to_owned();
        self.blocking(move |file| file.write(|tables| tables.open()?.invalidate(&tag))).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.blocking(|file| file.write(|tables| tables.clear())).await
    }
}

impl File {
    fn get<V, C: Codec<V>>(
        &self,
        key: &CacheKey,
        now: SystemTime,
    ) -> Result<Option<StoredEntry<V>>, redb::Error> {
        let digest = key.digest();
        let reading = self.database.begin_read()?;
        let Some(bytes) = reading.open_table(ENTRIES)?.get(&digest)? else { return Ok(None) };
        let stored = Record::read(bytes.value()).filter(|record| record.key == key.as_bytes());
        let (tags, figures) = (reading.open_table(TAGS)?, reading.open_table(FIGURES)?);
        let floor = figures.get(FLOOR)?.map_or(0, |floor| floor.value());
        let found = stored.and_then(|record| {
            let mut stored = record.times.restore(C::decode(record.value)?);
            stored.weight = record.weight;
            stored.tags = record.tags.iter().copied().map(Into::into).collect();
            stored.is_alive(now).then_some((record.written, stored))
        });
        if let Some((written, stored)) = found {
            let mut last = if stored.tags.is_empty() { 0 } else { floor };
            for tag in stored.tags.iter() {
                last = last.max(tags.get(&**tag)?.map_or(0, |at| at.value()));
            }
            if last <= written {
                return Ok(Some(stored));
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

    fn put<V, C: Codec<V>>(&self, key: &CacheKey, entry: &StoredEntry<V>) -> Result<(), redb::Error> {
        let mut value = Vec::new();
        if !C::encode(&entry.value, &mut value) {
            return Ok(());
        }
        let (weight, times) = (entry.weight, Times::of(entry));
        let tags: Vec<&str> = entry.tags.iter().map(|tag| &**tag).collect();
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

fn is_damage(error: &redb::Error) -> bool {
    use redb::Error::{Corrupted, RepairAborted, TableTypeMismatch, UpgradeRequired};
    matches!(error, Corrupted(_) | RepairAborted | TableTypeMismatch { .. } | UpgradeRequired(_))
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    let error = error.into();
    let in_use = matches!(error, redb::Error::DatabaseAlreadyOpen);
    let error = StoreError::new(error);
    if in_use { error.in_use() } else { error }
}

impl<V, C> fmt::Debug for Disk<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("max_bytes", &self.file.max_bytes).finish_non_exhaustive()
    }
}
