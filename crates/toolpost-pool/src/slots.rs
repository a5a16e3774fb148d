//! A table whose places are named by small numbers, and used again.

use std::ops::{Index, IndexMut};

#[derive(Debug)]
pub(crate) struct Slots<V> {
    cells: Vec<Option<V>>,
    free: Vec<u32>,
}

impl<V> Slots<V> {
    pub(crate) const fn new() -> Self {
        Self { cells: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: V) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.cells[at as usize] = Some(value);
                at
            }
            None => {
                self.cells.push(Some(value));
                (self.cells.len() - 1) as u32
            }
        }
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<V> {
        let value = self.cells.get_mut(at as usize)?.take()?;
        self.free.push(at);
        Some(value)
    }
}

impl<V> Index<u32> for Slots<V> {
    type Output = V;

    fn index(&self, at: u32) -> &V {
        self.cells[at as usize].as_ref().expect("a lease is of the pool that it is given back to")
    }
}

impl<V> IndexMut<u32> for Slots<V> {
    fn index_mut(&mut self, at: u32) -> &mut V {
        self.cells[at as usize].as_mut().expect("a lease is of the pool that it is given back to")
    }
}
