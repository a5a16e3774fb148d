//! The envelope around a stored answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::generations::{Epoch, Generations, Place};
use crate::key::CacheKey;
use crate::options::{EntryOptions, Freshness, Windows};
use crate::tags::{Tied, Ties};

/// A value in a cache, with its age, its weight and its tags.
///
/// It is read through an `Arc`, and outlives its eviction for as long as somebody holds that.
#[derive(Debug)]
// What eviction reads and drops comes first, in one cache line: by then the entry is in nobody's cache.
#[repr(C)]
pub struct CacheEntry<V> {
    /// Bytes of the value and its key.
    weight: usize,
    ties: Tied,
    born: Epoch,
    value: V,
    windows: Windows,
    stored: Instant,
    place: Place,
    /// Nanoseconds after `stored` before which nobody else refreshes.
    refresh_after: AtomicU64,
}

impl<V> CacheEntry<V> {
    pub(crate) fn new(
        value: V,
        key: &CacheKey,
        windows: Windows,
        options: &EntryOptions,
        born: Epoch,
        free: &Arc<Ties>,
        now: Instant,
    ) -> Self {
        Self {
            ties: options.tags().tie(free),
            born,
            value,
            windows,
            stored: now,
            weight: options.weight.saturating_add(key.as_bytes().len()),
            place: Generations::place(key.into()),
            refresh_after: AtomicU64::new(0),
        }
    }

    /// Adds so many bytes to its weight.
    pub(crate) const fn add_weight(&mut self, bytes: usize) {
        self.weight = self.weight.saturating_add(bytes);
    }

    /// The value.
    pub const fn value(&self) -> &V {
        &self.value
    }

    /// What the entry is at `now`.
    pub(crate) fn state(&self, now: Instant) -> Freshness {
        if self.is_invalidated() { Freshness::Expired } else { self.windows.state(now) }
    }

    /// Whether one of its tags has been invalidated since its load began.
    fn is_invalidated(&self) -> bool {
        self.ties.tags().any(|tag| self.born < tag.last())
    }

    /// Whether neither its tags nor its key nor the whole cache has been invalidated since its load began.
    pub(crate) fn is_current(&self) -> bool {
        !self.is_invalidated() && self.ties.generations().since_at(self.place) <= self.born
    }

    /// When its load began.
    pub(crate) const fn born(&self) -> Epoch {
        self.born
    }

    /// Where the removals of its key are remembered.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// When it stops being fresh, stale and of use.
    #[cfg(feature = "tokio")]
    pub(crate) const fn windows(&self) -> Windows {
        self.windows
    }

    /// How long it has been stored at `now`.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stored)
    }

    /// Bytes of the value, as its options gave them, and of its key.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// The tags it carries.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.ties.tags().map(|tag| &*tag.name)
    }

    /// Claims the refresh of a stale entry for `hold`; true for exactly one caller until then.
    ///
    /// There is nothing to give back: a claim ends by itself.
    #[must_use]
    pub fn claim_refresh(&self, now: Instant, hold: Duration) -> bool {
        let at = nanos(self.age(now));
        let free_after = self.refresh_after.load(Ordering::Relaxed);
        free_after <= at
            && self
                .refresh_after
                .compare_exchange(
                    free_after,
                    nanos(self.age(now).saturating_add(hold)).max(at + 1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Delays the next refresh by `pause`, after one has failed.
    pub fn postpone_refresh(&self, now: Instant, pause: Duration) {
        self.refresh_after.store(nanos(self.age(now).saturating_add(pause)), Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
