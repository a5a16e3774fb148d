//! Stores that have to wait.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::cache::Cache;
use crate::entry::CacheEntry;
use crate::key::CacheKey;

/// Keeps entries where reaching them takes time: on disk, or on another machine.
///
/// A [`ReadThrough`](crate::rt::ReadThrough) asks it after a miss in memory, and writes to it behind what it stores. An
/// error is never worse than a miss: the value is loaded again. Implementations store the whole key and compare it, and
/// remove what they cannot read. Times are on the wall clock, which another process and another machine share.
///
/// A store that several processes share passes on the invalidations of the others through [`attach`](Self::attach).
///
/// A process that starts anew finds what the one before it has stored (here a map, in the place of a server):
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use std::time::{Duration, SystemTime};
/// use toolpost_cache::rt::ReadThrough;
/// use toolpost_cache::{Cache, CacheKey, Capacity, Memory, SlowStore, StoreError, StoredEntry};
///
/// type Value = Result<String, std::fmt::Error>;
///
/// #[derive(Clone, Default)]
/// struct Server(Arc<Mutex<HashMap<CacheKey, StoredEntry<Value>>>>);
///
/// #[async_trait::async_trait]
/// impl SlowStore<Value> for Server {
///     async fn get(&self, key: &CacheKey, now: SystemTime) -> Result<Option<StoredEntry<Value>>, StoreError> {
///         Ok(self.0.lock().unwrap().get(key).filter(|entry| entry.is_alive(now)).cloned())
///     }
///
///     async fn put(&self, key: &CacheKey, entry: StoredEntry<Value>) -> Result<(), StoreError> {
///         if entry.is_current() {
///             self.0.lock().unwrap().insert(key.clone(), entry);
///         }
///         Ok(())
///     }
///
///     async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError> {
///         Ok(self.0.lock().unwrap().remove(key).is_some())
///     }
///
///     async fn invalidate(&self, tag: &str) -> Result<(), StoreError> {
///         self.0.lock().unwrap().retain(|_, entry| entry.tags.iter().all(|of| **of != *tag));
///         Ok(())
///     }
///
///     async fn clear(&self) -> Result<(), StoreError> {
///         self.0.lock().unwrap().clear();
///         Ok(())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let server = Server::default();
/// let process = || ReadThrough::over(Cache::new(Memory::new(Capacity::entries(100))), server.clone());
/// let minute = Duration::from_secs(60);
///
/// let first = process();
/// first.load_for("/index", minute, async { Ok("loaded once".to_owned()) }).await?;
/// first.drain().await; // what is being written is written
///
/// let second = process();
/// let page = second.load_for("/index", minute, async { unreachable!("it is in the store") }).await?;
/// assert_eq!(page, "loaded once");
/// # second.drain().await;
/// # Ok(()) })
/// # }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
#[async_trait]
pub trait SlowStore<V>: Send + Sync + 'static {
    /// The entry under `key` that is not expired at `now`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    async fn get(&self, key: &CacheKey, now: SystemTime) -> Result<Option<StoredEntry<V>>, StoreError>;

    /// Stores `entry`, unless it is no longer [current](StoredEntry::is_current) when its turn comes.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; what was there is then either kept or gone.
    ///
    /// # Cancel safety
    ///
    /// After a drop the entry may be stored or not.
    async fn put(&self, key: &CacheKey, entry: StoredEntry<V>) -> Result<(), StoreError>;

    /// Removes what is under `key`; true if something was.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be gone or not.
    async fn remove(&self, key: &CacheKey) -> Result<bool, StoreError>;

    /// Expires everything stored so far that carries `tag`, for good.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    async fn invalidate(&self, tag: &str) -> Result<(), StoreError>;

    /// Removes everything.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    async fn clear(&self) -> Result<(), StoreError>;

    /// Receives the cache in memory above this store, once, before any other call.
    ///
    /// A shared store keeps it, and when another process invalidates something, calls the same
    /// [`invalidate`](Cache::invalidate), [`remove`](Cache::remove) or [`clear`](Cache::clear) on it; after a lost connection
    /// `clear`, since nobody knows what was missed. Until then this process serves what it has. By default nothing.
    fn attach(&self, memory: &Cache<V>) {
        let _ = memory;
    }
}

/// An entry as a [`SlowStore`] writes and reads it, with times on the wall clock.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredEntry<V> {
    /// The value.
    pub value: V,
    /// When it was stored. One from the future, where a clock was set back, is expired; one that was written by a machine
    /// whose clock is ahead is a miss until the reader's own has come that far.
    pub stored_at: SystemTime,
    /// Served before this.
    pub fresh_until: SystemTime,
    /// Served and refreshed before this; not earlier than `fresh_until`.
    pub stale_until: SystemTime,
    /// Served before this if loading it again fails; not earlier than `stale_until`.
    pub error_until: SystemTime,
    /// Bytes of the value, as its options gave them, without its key.
    pub weight: usize,
    /// The tags it carries.
    pub tags: Vec<Box<str>>,
    /// What is asked whether it is current; none once it has been read back.
    source: Option<Arc<dyn Current>>,
}

impl<V> StoredEntry<V> {
    /// An entry read back from a store: fresh until `fresh_until` and then expired, without weight and tags.
    #[must_use]
    pub fn new(value: V, stored_at: SystemTime, fresh_until: SystemTime) -> Self {
        Self {
            value,
            stored_at,
            fresh_until,
            stale_until: fresh_until,
            error_until: fresh_until,
            weight: 0,
            tags: Vec::new(),
            source: None,
        }
    }

    /// Whether nothing has invalidated it since its load began.
    ///
    /// A store asks this inside its write transaction, so that no entry is written behind the invalidation that overtook
    /// it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.source.as_ref().is_none_or(|source| source.is_current())
    }

    /// Whether it is neither expired nor from the future at `now`.
    #[must_use]
    pub fn is_alive(&self, now: SystemTime) -> bool {
        self.stored_at <= now && now < self.error_until
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn with_source(self, source: Arc<CacheEntry<V>>) -> Self
    where
        V: Send + Sync + 'static,
    {
        Self { source: Some(source), ..self }
    }
}

/// What an entry in memory says of itself, whatever its value.
trait Current: Send + Sync {
    fn is_current(&self) -> bool;
}

impl<V: Send + Sync> Current for CacheEntry<V> {
    fn is_current(&self) -> bool {
        self.is_current()
    }
}

impl<V: fmt::Debug> fmt::Debug for StoredEntry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredEntry")
            .field("value", &self.value)
            .field("fresh_until", &self.fresh_until)
            .field("error_until", &self.error_until)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// Reports that a store cannot be opened, read or written; [`source`](Error::source) says why.
#[derive(Debug)]
pub struct StoreError {
    source: Box<dyn Error + Send + Sync>,
    in_use: bool,
}

impl StoreError {
    /// Wraps the error of a database or a connection.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into(), in_use: false }
    }

    /// Says that another process, or this one, has the store open already.
    #[must_use]
    pub fn in_use(self) -> Self {
        Self { in_use: true, ..self }
    }

    /// Whether another process, or this one, has the store open already.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        self.in_use
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.in_use { "the cache's store is in use" } else { "the cache's store failed" })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}
