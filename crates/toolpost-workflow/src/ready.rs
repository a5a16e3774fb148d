//! The set of ready steps: a tree of 64-way bitmaps, so that the first one is found in a few instructions.

/// A set of numbers below a fixed bound, which gives up its smallest.
///
/// Each level holds one bit per non-zero word of the level below: insertion and removal touch one
/// word per level, three levels for 262,144 steps. (A van Emde Boas layout with a 64-way word as its node.)
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    words: Vec<u64>,
    /// Where each level begins in `words`, the leaves first.
    levels: [u32; 7],
    depth: usize,
    /// The only number in the set, while the tree is empty: a chain never touches the tree.
    only: Option<u32>,
}

impl Ready {
    pub(crate) fn new(bound: usize) -> Self {
        let mut levels = [0_u32; 7];
        let mut depth = 0;
        let mut total = 0_usize;
        let mut width = bound;
        loop {
            width = width.div_ceil(64).max(1);
            levels[depth] = total as u32;
            total += width;
            depth += 1;
            if width == 1 {
                break;
            }
        }
        Self { words: vec![0; total], levels, depth, only: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.only.is_none() && self.is_bare()
    }

    pub(crate) fn insert(&mut self, number: u32) {
        match self.only.take() {
            None if self.is_bare() => self.only = Some(number),
            None => self.plant(number),
            Some(only) => {
                self.plant(only);
                self.plant(number);
            }
        }
    }

    fn is_bare(&self) -> bool {
        self.words[self.words.len() - 1] == 0
    }

    fn plant(&mut self, number: u32) {
        let mut at = number as usize;
        for level in 0..self.depth {
            let word = &mut self.words[self.levels[level] as usize + at / 64];
            let before = *word;
            *word |= 1 << (at % 64);
            if before != 0 {
                return;
            }
            at /= 64;
        }
    }

    /// Takes out the smallest.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        if self.only.is_some() {
            return self.only.take();
        }
        let mut at = 0;
        for level in (1..self.depth).rev() {
            let word = self.words[self.levels[level] as usize + at];
            if word == 0 {
                return None;
            }
            at = at * 64 + word.trailing_zeros() as usize;
        }
        let leaf = &mut self.words[at];
        if *leaf == 0 {
            return None;
        }
        let number = at as u32 * 64 + leaf.trailing_zeros();
        *leaf &= *leaf - 1;
        if *leaf == 0 {
            self.clear(1, at);
        }
        Some(number)
    }

    pub(crate) fn remove(&mut self, number: u32) {
        if self.only.is_some() {
            self.only = self.only.filter(|&only| only != number);
            return;
        }
        self.clear(0, number as usize);
    }

    /// Clears a bit of a level, and above it that of a word that is zero now.
    fn clear(&mut self, from: usize, mut at: usize) {
        for level in from..self.depth {
            let word = &mut self.words[self.levels[level] as usize + at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                return;
            }
            at /= 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Ready;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn is_an_ordered_set(bound in 1_usize..10_000, ops in prop::collection::vec((0..4_u8, any::<prop::sample::Index>()), 0..300)) {
            let mut ready = Ready::new(bound);
            let mut model = BTreeSet::new();
            for (op, index) in ops {
                let number = index.index(bound) as u32;
                match op {
                    0 | 1 => {
                        ready.insert(number);
                        model.insert(number);
                    }
                    2 => {
                        ready.remove(number);
                        model.remove(&number);
                    }
                    _ => prop_assert_eq!(ready.pop(), model.pop_first()),
                }
                prop_assert_eq!(ready.is_empty(), model.is_empty());
            }
            while let Some(number) = model.pop_first() {
                prop_assert_eq!(ready.pop(), Some(number));
            }
            prop_assert_eq!(ready.pop(), None);
        }
    }
}
