//! The keys that have connections, or somebody who waits.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::ops::{Index, IndexMut};

use crate::idle::Ends;
use crate::slots::Slots;

/// Each key once, under a small number while something is of it.
#[derive(Debug)]
pub(crate) struct Keys<K> {
    by_key: HashMap<K, u32>,
    slots: Slots<Key<K>>,
}

#[derive(Debug)]
pub(crate) struct Key<K> {
    key: K,
    /// All of them, in use or idle.
    pub(crate) connections: usize,
    pub(crate) idle: Ends,
    /// Those in use that may be lent to one more.
    pub(crate) open: Vec<u32>,
    /// Those that wait, by arrival.
    pub(crate) waiting: VecDeque<u64>,
    /// The arrival under which the line has this key among those that may be served.
    pub(crate) listed: Option<u64>,
    /// Connections with a smaller serial are cleared.
    pub(crate) valid_from: u64,
}

impl<K: Clone + Eq + Hash> Keys<K> {
    pub(crate) fn new() -> Self {
        Self { by_key: HashMap::new(), slots: Slots::new() }
    }

    pub(crate) fn find<Q>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.by_key.get(key).copied()
    }

    pub(crate) fn ensure<Q>(&mut self, key: &Q) -> u32
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(at) = self.find(key) {
            return at;
        }
        let key = key.to_owned();
        let at = self.slots.insert(Key {
            key: key.clone(),
            connections: 0,
            idle: Ends::EMPTY,
            open: Vec::new(),
            waiting: VecDeque::new(),
            listed: None,
            valid_from: 0,
        });
        self.by_key.insert(key, at);
        at
    }

    /// Forgets a key of which there is nothing left.
    pub(crate) fn forget_unused(&mut self, at: u32) {
        let key = &self.slots[at];
        if key.connections == 0
            && key.waiting.is_empty()
            && let Some(key) = self.slots.remove(at)
        {
            self.by_key.remove(&key.key);
        }
    }
}

impl<K> Index<u32> for Keys<K> {
    type Output = Key<K>;

    fn index(&self, at: u32) -> &Key<K> {
        &self.slots[at]
    }
}

impl<K> IndexMut<u32> for Keys<K> {
    fn index_mut(&mut self, at: u32) -> &mut Key<K> {
        &mut self.slots[at]
    }
}
