//! Who has a turn, and when: a run of those that came in order, beside a heap of those that did not.
//!
//! Whoever comes back begins at the virtual time of the latest start, which only grows; so most come in order, and a
//! run takes them in, and gives them out, in O(1).

use std::collections::VecDeque;

use crate::heap::{Heap, Item, Positions, pair};

/// When a flow is served: its virtual start time, its turn and its number, from the high bits to the low.
///
/// Turns wrap after 2^40 of them, which is out of order once, and only among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u128);

const NONE: u64 = u64::MAX;

/// Flows in the order of their turns; each is in it at most once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// In order. A turn that its flow has no more stays until it comes to the front, which is never such a one.
    run: VecDeque<Turn>,
    /// By flow: the turn it has in the run, by its low half, or [`NONE`].
    in_run: Vec<u64>,
    /// How many of the run are those that flows have.
    live: usize,
    heap: Heap<Turn>,
    positions: Positions,
}

impl Turn {
    /// The bits of a flow's number.
    pub(crate) const FLOW: u32 = 24;

    /// The turn of `flow` that starts at `tag`, behind its equals with a smaller number than `turn`.
    pub(crate) const fn new(tag: u64, turn: u64, flow: u32) -> Self {
        Self(pair(tag, turn << Self::FLOW | flow as u64))
    }

    pub(crate) const fn flow(self) -> u32 {
        self.0 as u32 & ((1 << Self::FLOW) - 1)
    }

    const fn low(self) -> u64 {
        self.0 as u64
    }
}

impl Item for Turn {
    fn member(self) -> u32 {
        self.flow()
    }

    fn is_before(self, other: Self) -> bool {
        self < other
    }
}

impl Turns {
    pub(crate) fn len(&self) -> usize {
        self.live + self.heap.len()
    }

    /// The flow whose turn it is.
    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        let turn = match (self.run.front(), self.heap.first()) {
            (Some(&run), Some(heap)) => run.min(heap),
            (Some(&run), None) => run,
            (None, heap) => heap?,
        };
        Some(turn.flow())
    }

    /// Gives a turn to a flow that has none.
    #[inline]
    pub(crate) fn push(&mut self, turn: Turn) {
        match self.in_run.get_mut(turn.flow() as usize) {
            Some(low) if self.run.back().is_none_or(|&last| last < turn) => {
                *low = turn.low();
                self.live += 1;
                self.run.push_back(turn);
            }
            _ => self.push_late(turn),
        }
    }

    /// Gives a turn to a flow that is new, or before those that have come in order.
    #[cold]
    fn push_late(&mut self, turn: Turn) {
        let known = turn.flow() as usize + 1;
        if self.in_run.len() < known {
            self.in_run.resize(known, NONE);
            self.push(turn);
        } else {
            self.heap.push(&mut self.positions, turn);
        }
    }

    /// Takes the first turn.
    #[inline]
    pub(crate) fn pop(&mut self) {
        match (self.run.front(), self.heap.first()) {
            (Some(&run), heap) if heap.is_none_or(|heap| run < heap) => {
                self.run.pop_front();
                self.in_run[run.flow() as usize] = NONE;
                self.live -= 1;
                self.tidy();
            }
            _ => _ = self.heap.pop(&mut self.positions),
        }
    }

    /// Takes the turn of a flow that has one.
    #[inline]
    pub(crate) fn remove(&mut self, flow: u32) {
        match self.in_run.get_mut(flow as usize) {
            Some(turn) if *turn != NONE => *turn = NONE,
            _ => return self.heap.remove(&mut self.positions, flow),
        }
        self.live -= 1;
        self.tidy();
    }

    /// Gives a flow that has a turn another.
    pub(crate) fn change(&mut self, turn: Turn) {
        self.remove(turn.flow());
        self.push(turn);
    }

    /// Drops what no flow has any more from the front, and from the whole when it is the greater part.
    #[inline]
    fn tidy(&mut self) {
        if self.live < self.run.len() {
            self.drop_stale();
        }
    }

    fn drop_stale(&mut self) {
        while self.run.front().is_some_and(|&turn| !is_live(&self.in_run, turn)) {
            self.run.pop_front();
        }
        if 2 * self.live + 64 < self.run.len() {
            self.compact();
        }
    }

    /// Drops what no flow has any more: after as many removals as that, so that each has paid for its part.
    #[cold]
    fn compact(&mut self) {
        self.run.retain(|&turn| is_live(&self.in_run, turn));
        self.run.shrink_to(4 * self.live + 64);
    }
}

fn is_live(in_run: &[u64], turn: Turn) -> bool {
    in_run[turn.flow() as usize] == turn.low()
}
