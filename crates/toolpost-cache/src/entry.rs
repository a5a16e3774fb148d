//! The envelope around a stored answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::generations::{Epoch, Generations, Place};
use crate::key::Key;
use crate::lifetime::{State, Terms, Windows};
use crate::tags::{Tied, Ties};

/// A stored answer with what decides whether it may be served.
///
/// What is asked of an entry that is given up, and what it lets go of, stands together: by then it is in nobody's cache
/// lines.
#[derive(Debug)]
#[repr(C)]
pub struct Entry<V> {
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

impl<V> Entry<V> {
    pub(crate) fn new(
        value: V,
        key: &Key,
        windows: Windows,
        terms: &Terms,
        born: Epoch,
        free: &Arc<Ties>,
        now: Instant,
    ) -> Self {
        Self {
            ties: terms.tags().tie(free),
            born,
            value,
            windows,
            stored: now,
            weight: terms.weight.saturating_add(key.as_bytes().len()),
            place: Generations::place(key.into()),
            refresh_after: AtomicU64::new(0),
        }
    }

    /// Adds so many bytes to its weight.
    pub(crate) const fn add_weight(&mut self, bytes: usize) {
        self.weight = self.weight.saturating_add(bytes);
    }

    /// The answer.
    pub const fn value(&self) -> &V {
        &self.value
    }

    /// What the entry is at `now`.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        if self.is_invalidated() { State::Dead } else { self.windows.state(now) }
    }

    /// Whether one of its tags has been invalidated since its load began.
    #[must_use]
    pub fn is_invalidated(&self) -> bool {
        self.ties.tags().any(|tag| self.born < tag.last())
    }

    /// Whether neither its tags nor its key nor the whole cache has been invalidated since its load began.
    ///
    /// A slow store asks this inside its write transaction, so that an answer overtaken by an
    /// invalidation is not written behind it.
    #[must_use]
    pub fn is_current(&self) -> bool {
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
    #[must_use]
    pub const fn windows(&self) -> Windows {
        self.windows
    }

    /// How long it has been stored.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stored)
    }

    /// Bytes of the value, as its terms gave them, and of its key.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// The tags it depends on.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.ties.tags().map(|tag| &*tag.name)
    }

    /// Claims the refresh for `hold`; true for exactly one caller until then.
    ///
    /// There is nothing to give back: a claim whose holder vanished ends by itself.
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

    /// Lets the next refresh begin only after `pause`, because the last one failed.
    pub fn postpone_refresh(&self, now: Instant, pause: Duration) {
        self.refresh_after.store(nanos(self.age(now).saturating_add(pause)), Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
