//! Jobs of one class in the order they came, linked through a table that all classes share: O(1) for everything.

const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Arrivals {
    head: u32,
    tail: u32,
    len: usize,
}

/// By slot: the one before and the one after.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<(u32, u32)>);

impl Default for Arrivals {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

impl Arrivals {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(crate) fn push(&mut self, links: &mut Links, slot: u32) {
        if links.0.len() <= slot as usize {
            links.0.resize(slot as usize + 1, (NONE, NONE));
        }
        links.0[slot as usize] = (self.tail, NONE);
        match self.tail {
            NONE => self.head = slot,
            tail => links.0[tail as usize].1 = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, links: &mut Links, slot: u32) {
        let (before, after) = links.0[slot as usize];
        match before {
            NONE => self.head = after,
            before => links.0[before as usize].1 = after,
        }
        match after {
            NONE => self.tail = before,
            after => links.0[after as usize].0 = before,
        }
        self.len -= 1;
    }

    pub(crate) fn iter<'l>(&self, links: &'l Links) -> impl Iterator<Item = u32> + use<'l> {
        std::iter::successors(self.first(), |&slot| {
            let after = links.0[slot as usize].1;
            (after != NONE).then_some(after)
        })
    }
}
