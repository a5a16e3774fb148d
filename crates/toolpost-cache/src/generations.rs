//! Invalidation by counting: who was born before the last change is dead.
//!
//! One counter orders everything: an [`Epoch`] is its value when a load began, and an invalidation
//! takes the next one. A tag remembers only its last invalidation, so invalidating it costs the same
//! whether one entry carries it or a million do, and an answer whose load began before the
//! invalidation can never be taken for one that began after it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::key::KeyRef;
use crate::store::Seeded;

/// When a load began, in invalidations since the cache was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(crate) u64);

/// A tag and its last invalidation, shared by the entries that carry it.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: Box<str>,
    last: AtomicU64,
    /// How many entries carry it.
    carriers: AtomicUsize,
}

impl Tag {
    pub(crate) fn last(&self) -> Epoch {
        Epoch(self.last.load(Ordering::Acquire))
    }

    pub(crate) fn gain(&self) {
        self.carriers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lose(&self) {
        self.carriers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Removals of single keys are remembered by hash: a collision costs one answer not kept.
const KEYS: usize = 1024;

/// Where the removals of a key are remembered, and of those that share its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(usize);

#[derive(Debug)]
pub(crate) struct Generations {
    /// The number of invalidations so far.
    clock: AtomicU64,
    /// Everything that began before this is gone.
    cleared: AtomicU64,
    keys: Box<[AtomicU64]>,
    /// How often what the store keeps under the keys of each hash has changed.
    versions: Box<[AtomicU64]>,
    tags: RwLock<Tags>,
}

#[derive(Debug, Default)]
struct Tags {
    by_name: HashMap<Box<str>, Arc<Tag>, Seeded>,
    /// No forgotten tag was invalidated after this.
    floor: u64,
    /// At this many tags, those that nobody holds are forgotten.
    sweep_at: usize,
}

impl Generations {
    pub(crate) fn new() -> Self {
        Self {
            clock: AtomicU64::new(0),
            cleared: AtomicU64::new(0),
            keys: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            versions: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            tags: RwLock::new(Tags { sweep_at: 256, ..Tags::default() }),
        }
    }

    pub(crate) fn now(&self) -> Epoch {
        Epoch(self.clock.load(Ordering::Acquire))
    }

    /// Invalidates a tag; returns how many entries carry it.
    pub(crate) fn invalidate(&self, name: &str) -> usize {
        let tag = self.tag(name);
        tag.last.fetch_max(self.tick(), Ordering::AcqRel);
        tag.carriers.load(Ordering::Relaxed)
    }

    pub(crate) fn remove(&self, key: KeyRef<'_>) {
        let tick = self.tick();
        self.keys[Self::place(key).0].fetch_max(tick, Ordering::AcqRel);
    }

    pub(crate) fn clear(&self) {
        let tick = self.tick();
        self.cleared.fetch_max(tick, Ordering::AcqRel);
    }

    /// When the tag of that name was last invalidated, at the latest.
    pub(crate) fn last(&self, name: &str) -> Epoch {
        let known = self.tags.read().unwrap_or_else(PoisonError::into_inner);
        known.by_name.get(name).map_or(Epoch(known.floor), |tag| tag.last())
    }

    /// The tag of that name, known from now on.
    pub(crate) fn tag(&self, name: &str) -> Arc<Tag> {
        // A poisoned map is whole: nothing panics between its changes.
        let known = self.tags.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tag) = known.by_name.get(name) {
            return Arc::clone(tag);
        }
        drop(known);
        let mut known = self.tags.write().unwrap_or_else(PoisonError::into_inner);
        if known.sweep_at <= known.by_name.len() {
            known.sweep();
        }
        let floor = known.floor;
        let tag = || {
            Arc::new(Tag { name: name.into(), last: AtomicU64::new(floor), carriers: AtomicUsize::new(0) })
        };
        Arc::clone(known.by_name.entry(name.into()).or_insert_with(tag))
    }

    /// Where the removals of `key` are remembered.
    pub(crate) const fn place(key: KeyRef<'_>) -> Place {
        Place(key.hashed() as usize % KEYS)
    }

    /// The earliest epoch at which a load of a key there may have begun to be of use still.
    pub(crate) fn since_at(&self, place: Place) -> Epoch {
        Epoch(self.keys[place.0].load(Ordering::Acquire).max(self.cleared.load(Ordering::Acquire)))
    }

    /// Says that the store keeps something else under a key there, after it does.
    pub(crate) fn changed(&self, place: Place) {
        self.versions[place.0].fetch_add(1, Ordering::AcqRel);
    }

    /// Says that the store keeps nothing of what it kept.
    pub(crate) fn changed_everywhere(&self) {
        (0..KEYS).for_each(|place| self.changed(Place(place)));
    }

    /// As long as this stays the same, a look-up of a key there would find what it found before, or nothing.
    #[cfg(feature = "tokio")]
    pub(crate) fn version(&self, place: Place) -> u64 {
        self.versions[place.0].load(Ordering::Acquire)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::AcqRel) + 1
    }
}

impl Tags {
    /// Forgets the tags that no entry and no list holds, and lets the floor stand for them.
    fn sweep(&mut self) {
        let mut floor = self.floor;
        self.by_name.retain(|_, tag| {
            // Under the write lock nobody takes a new share, so one share is the map's own.
            let held = Arc::get_mut(tag).is_none();
            if !held {
                floor = floor.max(tag.last.load(Ordering::Acquire));
            }
            held
        });
        self.floor = floor;
        self.sweep_at = (2 * self.by_name.len()).max(256);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_tags_stay_invalidated() {
        let generations = Generations::new();
        let before = generations.now();
        generations.invalidate("early");
        let invalidated = generations.now();
        for n in 0..2_000 {
            drop(generations.tag(&format!("passing {n}")));
        }
        let known = generations.tags.read().map(|tags| tags.by_name.len()).unwrap_or(0);
        assert!(known <= 512, "{known} tags that nothing carries");
        assert_eq!(generations.last("early"), invalidated, "though it is forgotten");
        assert!(before < generations.tag("early").last());
        assert!(generations.tag("early").last() <= generations.now());
    }
}
