//! Those that wait, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Names one that waits; never used again once that one has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaitId(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct Line<W> {
    waiters: BTreeMap<u64, Waiter<W>>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// The first that waits of each key whose own bound allows one more: arrival and key.
    eligible: BTreeMap<u64, u32>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter<W> {
    key: u32,
    deadline: Option<Instant>,
    waiter: W,
}

impl<W> Line<W> {
    pub(crate) const fn new() -> Self {
        Self { waiters: BTreeMap::new(), deadlines: BTreeSet::new(), eligible: BTreeMap::new(), arrivals: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(crate) fn join(&mut self, key: u32, deadline: Option<Instant>, waiter: W) -> u64 {
        self.arrivals += 1;
        self.deadlines.extend(deadline.map(|deadline| (deadline, self.arrivals)));
        self.waiters.insert(self.arrivals, Waiter { key, deadline, waiter });
        self.arrivals
    }

    /// Takes out one that waits, with its key.
    pub(crate) fn leave(&mut self, arrival: u64) -> Option<(u32, W)> {
        let Waiter { key, deadline, waiter } = self.waiters.remove(&arrival)?;
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, arrival));
        }
        Some((key, waiter))
    }

    pub(crate) fn waiter_mut(&mut self, arrival: u64) -> Option<&mut W> {
        self.waiters.get_mut(&arrival).map(|waiting| &mut waiting.waiter)
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.waiters.first_key_value().map(|(arrival, _)| *arrival)
    }

    /// One whose deadline has passed, the earliest first.
    pub(crate) fn lapsed(&self, now: Instant) -> Option<u64> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, arrival)| *arrival)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The one that came first, at `from` or after, of those whose key may have one more.
    pub(crate) fn eligible(&self, from: u64) -> Option<(u64, u32)> {
        self.eligible.range(from..).next().map(|(arrival, key)| (*arrival, *key))
    }

    /// Lists a key under another arrival than before, or under none.
    pub(crate) fn list(&mut self, key: u32, before: Option<u64>, now: Option<u64>) {
        if let Some(before) = before {
            self.eligible.remove(&before);
        }
        self.eligible.extend(now.map(|arrival| (arrival, key)));
    }
}
