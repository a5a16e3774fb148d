//! An indexed four-ary heap: smallest key first, and any member removed or moved in O(log n).
//!
//! A member is a small number; where it sits is written to a table that the caller owns, so that many heaps share one.

const ARITY: usize = 4;
const ABSENT: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Heap<I> {
    items: Vec<I>,
}

/// A member with its key.
pub(crate) trait Item: Copy {
    fn member(self) -> u32;

    fn is_before(self, other: Self) -> bool;
}

impl<K: Ord + Copy> Item for (K, u32) {
    fn member(self) -> u32 {
        self.1
    }

    fn is_before(self, other: Self) -> bool {
        self.0 < other.0
    }
}

impl<I> Default for Heap<I> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

/// Where each member sits in the one heap it is in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Positions(Vec<u32>);

impl Positions {
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.get(id as usize).is_some_and(|&at| at != ABSENT)
    }

    fn set(&mut self, id: u32, at: usize) {
        self.0[id as usize] = at as u32;
    }

    fn make_room(&mut self, id: u32) {
        if self.0.len() <= id as usize {
            self.0.resize(id as usize + 1, ABSENT);
        }
    }
}

impl<I: Item> Heap<I> {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn first(&self) -> Option<I> {
        self.items.first().copied()
    }

    pub(crate) fn push(&mut self, positions: &mut Positions, item: I) {
        positions.make_room(item.member());
        debug_assert!(!positions.contains(item.member()), "a member is in one heap, once");
        self.items.push(item);
        self.rise(positions, self.items.len() - 1);
    }

    pub(crate) fn pop(&mut self, positions: &mut Positions) -> Option<I> {
        let first = self.first()?;
        self.remove_at(positions, 0);
        Some(first)
    }

    /// Removes a member that is in this very heap.
    pub(crate) fn remove(&mut self, positions: &mut Positions, id: u32) {
        let at = positions.0[id as usize] as usize;
        debug_assert_eq!(self.items[at].member(), id, "the member is in this heap");
        self.remove_at(positions, at);
    }

    /// Gives a member of this very heap another key.
    pub(crate) fn change(&mut self, positions: &mut Positions, item: I) {
        let at = positions.0[item.member() as usize] as usize;
        debug_assert_eq!(self.items[at].member(), item.member(), "the member is in this heap");
        self.items[at] = item;
        let at = self.rise(positions, at);
        self.sink(positions, at);
    }

    /// Estimates how many members are before `item`: exact up to 32 members, an even sample of 32 above.
    pub(crate) fn before(&self, item: I) -> usize {
        const SAMPLE: usize = 32;
        let stride = self.items.len().div_ceil(SAMPLE).max(1);
        let before = self.items.iter().step_by(stride).filter(|other| other.is_before(item)).count();
        (before * stride).min(self.items.len())
    }

    /// Counts the members that are not after `item`, in time proportional to that count.
    pub(crate) fn count_until(&self, item: I) -> usize {
        let mut open = vec![0];
        let mut count = 0;
        while let Some(at) = open.pop() {
            if self.items.get(at).is_some_and(|other| !item.is_before(*other)) {
                count += 1;
                open.extend(at * ARITY + 1..=at * ARITY + ARITY);
            }
        }
        count
    }

    /// Lists the first `limit` members in order, without removing any, in O(limit log limit).
    pub(crate) fn smallest(&self, limit: usize) -> Vec<u32>
    where
        I: Ord,
    {
        let mut open = std::collections::BTreeSet::new();
        let mut listed = Vec::with_capacity(limit.min(self.items.len()));
        open.extend(self.items.first().map(|item| (*item, 0)));
        while listed.len() < limit {
            let Some((_, at)) = open.pop_first() else { break };
            listed.push(self.items[at].member());
            let children = at * ARITY + 1..(at * ARITY + ARITY + 1).min(self.items.len());
            open.extend(children.map(|child| (self.items[child], child)));
        }
        listed
    }

    /// Gives back room that a burst needed and nobody needs now.
    pub(crate) fn shrink(&mut self) {
        if self.items.is_empty() && self.items.capacity() > 64 {
            self.items = Vec::new();
        }
    }

    fn remove_at(&mut self, positions: &mut Positions, at: usize) {
        let item = self.items.swap_remove(at);
        positions.0[item.member() as usize] = ABSENT;
        if at < self.items.len() {
            let at = if at == 0 { at } else { self.rise(positions, at) };
            self.sink(positions, at);
        }
    }

    fn rise(&mut self, positions: &mut Positions, mut at: usize) -> usize {
        let item = self.items[at];
        while 0 < at {
            let parent = (at - 1) / ARITY;
            if !item.is_before(self.items[parent]) {
                break;
            }
            self.items[at] = self.items[parent];
            positions.set(self.items[at].member(), at);
            at = parent;
        }
        self.items[at] = item;
        positions.set(item.member(), at);
        at
    }

    fn sink(&mut self, positions: &mut Positions, mut at: usize) {
        let item = self.items[at];
        loop {
            let first = at * ARITY + 1;
            let offset = match self.items.get(first..) {
                // A tournament of all four, without a loop: most of the time of a deep queue is spent here.
                Some([a, b, c, d, ..]) => {
                    let (left, one) = if b.is_before(*a) { (1, b) } else { (0, a) };
                    let (right, two) = if d.is_before(*c) { (3, d) } else { (2, c) };
                    if two.is_before(*one) { right } else { left }
                }
                Some([a, rest @ ..]) => {
                    let smaller =
                        |(best, first): (usize, I), (at, item): (usize, &I)| match item.is_before(first) {
                            true => (at + 1, *item),
                            false => (best, first),
                        };
                    rest.iter().enumerate().fold((0, *a), smaller).0
                }
                Some([]) | None => break,
            };
            let child = self.items[first + offset];
            if !child.is_before(item) {
                break;
            }
            self.items[at] = child;
            positions.set(child.member(), at);
            at = first + offset;
        }
        self.items[at] = item;
        positions.set(item.member(), at);
    }
}

/// Two numbers as one key, the first before the second: compared without a branch between them.
pub(crate) const fn pair(first: u64, second: u64) -> u128 {
    (first as u128) << 64 | second as u128
}
