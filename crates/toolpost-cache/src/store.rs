//! Where entries are kept.

mod bounds;
#[cfg(feature = "disk")]
mod disk;
mod lru;
mod memory;
#[cfg(feature = "moka")]
mod moka;
mod slow;
mod tiered;

use std::fmt;
use std::sync::Arc;

pub use bounds::Bounds;
#[cfg(feature = "disk")]
pub use disk::{Codec, Disk, DiskError, Own, Persist};
pub use lru::Lru;
pub use memory::{Memory, Seeded};
#[cfg(feature = "moka")]
pub use moka::Moka;
pub use slow::{Recalled, SlowStore};
pub use tiered::Tiered;

use crate::entry::Entry;
use crate::key::{Key, KeyRef};

/// Keeps entries within bounds, and decides which to give up.
///
/// Synchronous, because every look-up goes through it; a store that has to wait is a [`SlowStore`]
/// behind a [`Tiered`]. It never looks at an entry's age: the [`Cache`](crate::Cache) does.
pub trait Store<V>: Send + Sync + 'static {
    /// The entry under exactly these bytes.
    fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry<V>>>;

    /// Keeps `entry` in place of what was under `key`, giving up others as the bounds demand.
    ///
    /// # Errors
    ///
    /// If the entry is too heavy ever to be kept; then only what was under `key` is gone.
    fn put(&self, key: Key, entry: Arc<Entry<V>>) -> Result<(), Oversized>;

    /// Drops what is under `key`; true if something was.
    fn remove(&self, key: KeyRef<'_>) -> bool;

    /// Drops `entry` if it is what is under `key`; true if it was.
    fn remove_entry(&self, key: KeyRef<'_>, entry: &Arc<Entry<V>>) -> bool;

    /// Visits the entries, in no order, holding no lock that a look-up waits for meanwhile; what is put or dropped at the
    /// same time is visited or not.
    ///
    /// By default none: a store that cannot tell what it holds is neither swept nor searched.
    fn each(&self, visit: &mut dyn FnMut(KeyRef<'_>, &Arc<Entry<V>>)) {
        let _ = visit;
    }

    /// Drops everything; returns how many entries there were.
    fn clear(&self) -> usize;

    /// What it holds now, and how many entries it has given up for others so far.
    fn usage(&self) -> Usage;
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Entries held.
    pub entries: usize,
    /// Their [weight](Entry::weight) in bytes.
    pub bytes: usize,
    /// Entries given up for others so far.
    pub evicted: u64,
}

impl Usage {
    /// These figures.
    #[must_use]
    pub const fn new(entries: usize, bytes: usize, evicted: u64) -> Self {
        Self { entries, bytes, evicted }
    }
}

/// The entry is too heavy for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized;

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entry is heavier than the store takes")
    }
}

impl std::error::Error for Oversized {}
