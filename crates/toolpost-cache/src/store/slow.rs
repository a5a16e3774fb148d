//! Stores that have to wait.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::entry::Entry;
use crate::key::Key;
use crate::lifetime::Windows;
use crate::tags::Tags;

/// Keeps entries where reaching them takes time: on disk, or on another machine.
///
/// An error is never worse than a miss: the caller asks the question again. Implementations keep the
/// whole key and compare it, and drop what they cannot read.
#[async_trait]
pub trait SlowStore<V>: Send + Sync + 'static {
    /// What is kept under `key` and not dead at `now`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn get(&self, key: &Key, now: Instant) -> io::Result<Option<Recalled<V>>>;

    /// Keeps `entry`, unless it is no longer [current](Entry::is_current) when its turn comes.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; what was there is then either kept or gone.
    ///
    /// # Cancel safety
    ///
    /// After a drop the entry may be kept or not.
    async fn put(&self, key: &Key, entry: &Arc<Entry<V>>, now: Instant) -> io::Result<()>;

    /// Drops what is under `key`; true if something was.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be gone or not.
    async fn remove(&self, key: &Key) -> io::Result<bool>;

    /// Makes everything kept so far that depends on `tag` dead, and keeps that for good.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    async fn invalidate(&self, tag: &str) -> io::Result<()>;

    /// Drops everything.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    async fn clear(&self) -> io::Result<()>;
}

/// An answer read back from a slow store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recalled<V> {
    /// The answer.
    pub value: V,
    /// What is left of its windows.
    pub windows: Windows,
    /// Bytes of the value, as its terms gave them.
    pub weight: usize,
    /// The tags it depends on.
    pub tags: Tags,
}

impl<V> Recalled<V> {
    /// An answer with these windows, weight and tags.
    #[must_use]
    pub fn new(value: V, windows: Windows, weight: usize, tags: Tags) -> Self {
        Self { value, windows, weight, tags }
    }
}
