//! A table of jobs with handles that go stale: a freed slot is used again, its old handle is not.

/// Names one submitted job; issued by the queue, and never valid again once the job has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId {
    pub(crate) slot: u32,
    generation: u32,
}

#[derive(Debug)]
pub(crate) struct Slots<V> {
    cells: Vec<Cell<V>>,
    free: Vec<u32>,
}

/// On a cache line of its own where it is small enough, so that one miss brings all of it.
#[derive(Debug)]
#[repr(align(64))]
struct Cell<V> {
    generation: u32,
    value: Option<V>,
}

impl<V> Default for Slots<V> {
    fn default() -> Self {
        Self { cells: Vec::new(), free: Vec::new() }
    }
}

impl<V> Slots<V> {
    pub(crate) fn len(&self) -> usize {
        self.cells.len() - self.free.len()
    }

    /// Puts what `value` makes for the slot into it.
    pub(crate) fn insert(&mut self, value: impl FnOnce(u32) -> V) -> JobId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.cells.push(Cell { generation: 0, value: None });
            (self.cells.len() - 1) as u32
        });
        let cell = &mut self.cells[slot as usize];
        cell.value = Some(value(slot));
        JobId { slot, generation: cell.generation }
    }

    pub(crate) fn remove(&mut self, id: JobId) -> Option<V> {
        let cell = self.cells.get(id.slot as usize)?;
        let (_, value) = (cell.generation == id.generation).then(|| self.remove_at(id.slot))??;
        Some(value)
    }

    /// Removes whatever sits in a slot, with the handle it had.
    pub(crate) fn remove_at(&mut self, slot: u32) -> Option<(JobId, V)> {
        let cell = self.cells.get_mut(slot as usize)?;
        let value = cell.value.take()?;
        let id = JobId { slot, generation: cell.generation };
        cell.generation = cell.generation.wrapping_add(1);
        self.free.push(slot);
        Some((id, value))
    }

    pub(crate) fn value(&self, id: JobId) -> Option<&V> {
        let cell = self.cells.get(id.slot as usize).filter(|cell| cell.generation == id.generation)?;
        cell.value.as_ref()
    }

    pub(crate) fn value_mut(&mut self, id: JobId) -> Option<&mut V> {
        let cell = self.cells.get_mut(id.slot as usize).filter(|cell| cell.generation == id.generation)?;
        cell.value.as_mut()
    }

    /// The handle of the job that sits in a slot now.
    pub(crate) fn handle(&self, slot: u32) -> Option<JobId> {
        let cell = self.cells.get(slot as usize)?;
        cell.value.is_some().then_some(JobId { slot, generation: cell.generation })
    }
}
