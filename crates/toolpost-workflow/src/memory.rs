//! The memory of a run, handed on to the next run of its plan.

use std::sync::{Mutex, PoisonError};

use crate::compiled::Cell;
use crate::value::Value;

/// The two large blocks of a run. An allocator handles blocks of their size slowly, and a short run
/// consists of little else.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) cells: Vec<Cell>,
    /// By step; empty until the first value.
    pub(crate) values: Vec<Option<Value>>,
}

/// What one run that is over has left, or nothing.
#[derive(Default)]
pub(crate) struct Spare {
    /// Held for a take or a swap; never over a drop of values.
    memory: Mutex<Option<Memory>>,
}

impl Spare {
    /// Memory of any content.
    pub(crate) fn take(&self) -> Memory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    pub(crate) fn put(&self, mut memory: Memory) {
        memory.values.clear();
        let previous = self.memory.lock().unwrap_or_else(PoisonError::into_inner).replace(memory);
        drop(previous);
    }
}
