//! Jobs in the order they came, in their class and in their tenant's queue, through one table: O(1) for everything.

use crate::discipline::QueuedJob;
use crate::heap::Positions;

const NONE: u32 = u32::MAX;

/// The lists that a job may be in: that of its class, and that of its tenant.
pub(crate) const BY_CLASS: usize = 0;
pub(crate) const BY_TENANT: usize = 1;

/// What a discipline knows of the job in each slot.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    records: Vec<Record>,
    /// Where those that are in a heap by deadline sit in it.
    pub(crate) timed: Positions,
}

/// Half a cache line, so that one miss brings all of it.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Record {
    arrival: u64,
    account: u32,
    /// By list: the one before and the one after.
    links: [(u32, u32); 2],
}

/// Jobs linked through the table, the first that came first.
#[derive(Debug)]
pub(crate) struct List<const LIST: usize> {
    head: u32,
    tail: u32,
    len: u32,
}

impl Jobs {
    /// Takes a job in, which is in no list yet.
    pub(crate) fn enter(&mut self, entry: &QueuedJob) {
        if self.records.len() <= entry.slot as usize {
            let fresh = Record { arrival: 0, account: 0, links: [(NONE, NONE); 2] };
            self.records.resize(entry.slot as usize + 1, fresh);
        }
        self.records[entry.slot as usize].arrival = entry.arrival;
    }

    pub(crate) fn arrival(&self, slot: u32) -> u64 {
        self.records[slot as usize].arrival
    }

    pub(crate) fn account(&self, slot: u32) -> u32 {
        self.records[slot as usize].account
    }

    pub(crate) fn set_account(&mut self, slot: u32, account: u32) {
        self.records[slot as usize].account = account;
    }
}

impl<const LIST: usize> Default for List<LIST> {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

impl<const LIST: usize> List<LIST> {
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(crate) fn last(&self) -> Option<u32> {
        (self.tail != NONE).then_some(self.tail)
    }

    pub(crate) fn push(&mut self, jobs: &mut Jobs, slot: u32) {
        jobs.records[slot as usize].links[LIST] = (self.tail, NONE);
        match self.tail {
            NONE => self.head = slot,
            tail => jobs.records[tail as usize].links[LIST].1 = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, jobs: &mut Jobs, slot: u32) {
        let (before, after) = jobs.records[slot as usize].links[LIST];
        match before {
            NONE => self.head = after,
            before => jobs.records[before as usize].links[LIST].1 = after,
        }
        match after {
            NONE => self.tail = before,
            after => jobs.records[after as usize].links[LIST].0 = before,
        }
        self.len -= 1;
    }

    pub(crate) fn iter<'j>(&self, jobs: &'j Jobs) -> impl Iterator<Item = u32> + use<'j, LIST> {
        std::iter::successors(self.first(), |&slot| {
            let (_, after) = jobs.records[slot as usize].links[LIST];
            (after != NONE).then_some(after)
        })
    }
}
