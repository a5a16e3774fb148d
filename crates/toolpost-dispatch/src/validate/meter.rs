//! How much work a value may cost to be held against a schema.

use std::cell::Cell;
use std::time::Instant;

use toolpost_json::Node;

use crate::clock;

/// The steps that any value may cost, and those it may cost besides for each of its bytes.
const STEPS: u64 = 100_000;
const STEPS_PER_BYTE: u64 = 16;

/// How many steps are taken between two looks at the clock: fewer than a millisecond's worth.
const STRIDE: u64 = 1 << 14;

/// The most faults that are collected to describe a value; the description holds a few of them.
const FAULTS: u32 = 64;

/// Counts the steps of one validation, and ends it when there are too many.
///
/// The validator cannot be stopped from within: once the meter has run out, every value looks like one that holds
/// nothing, so that what is left to do is nothing. What the validator says then does not count.
pub(crate) struct Meter {
    /// Steps until the next look at the rest.
    stride: Cell<u64>,
    /// Steps beyond the stride.
    rest: Cell<u64>,
    faults: Cell<u32>,
    deadline: Option<Instant>,
    over: Cell<Option<Over>>,
}

/// Why a validation ended early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    /// It took too many steps.
    Steps,
    /// Its deadline passed.
    Deadline,
    /// As many faults are known as anyone wants to hear of.
    Faults,
}

impl Meter {
    /// For one validation of `node`, until `deadline`.
    pub(crate) fn new(node: Node<'_>, deadline: Option<Instant>) -> Self {
        Self::of(steps(node), deadline)
    }

    pub(crate) const fn of(steps: u64, deadline: Option<Instant>) -> Self {
        let stride = if steps < STRIDE { steps } else { STRIDE };
        Self {
            stride: Cell::new(stride),
            rest: Cell::new(steps - stride),
            faults: Cell::new(FAULTS),
            deadline,
            over: Cell::new(None),
        }
    }

    /// Takes steps; says whether there were that many left.
    #[inline]
    pub(crate) fn spend(&self, steps: u64) -> bool {
        match self.stride.get().checked_sub(steps) {
            Some(left) => {
                self.stride.set(left);
                true
            }
            None => self.stride_on(steps),
        }
    }

    /// Notes a fault that is being made; says whether it may be.
    pub(crate) fn fault(&self) -> bool {
        if self.over.get().is_some() {
            return false;
        }
        let left = self.faults.get();
        self.faults.set(left.saturating_sub(1));
        if left == 0 {
            self.end(Over::Faults);
        }
        0 < left
    }

    /// Why the validation ended early, if it did.
    pub(crate) const fn over(&self) -> Option<Over> {
        self.over.get()
    }

    /// A meter for what remains to be done about the same value.
    pub(crate) fn rest(&self) -> Self {
        Self::of(self.left(), self.deadline)
    }

    /// The steps that are left.
    pub(crate) const fn left(&self) -> u64 {
        self.stride.get().saturating_add(self.rest.get())
    }

    #[cold]
    fn stride_on(&self, steps: u64) -> bool {
        if self.over.get().is_some() {
            return false;
        }
        if self.deadline.is_some_and(|deadline| deadline <= clock::now()) {
            self.end(Over::Deadline);
            return false;
        }
        let Some(left) = self.left().checked_sub(steps) else {
            self.end(Over::Steps);
            return false;
        };
        self.stride.set(left.min(STRIDE));
        self.rest.set(left - left.min(STRIDE));
        true
    }

    fn end(&self, why: Over) {
        self.over.set(Some(why));
        self.stride.set(0);
        self.rest.set(0);
    }
}

/// The steps that `node` may cost: they grow with it, as the honest cost does.
fn steps(node: Node<'_>) -> u64 {
    STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(node.raw().len() as u64))
}
