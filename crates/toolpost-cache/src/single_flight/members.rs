//! The waiters of a flight, by order of arrival.

use std::collections::BTreeMap;
use std::task::Waker;

/// Whoever has been polled at least once and is neither answered nor dropped. The first has a place of its own, and
/// mostly nobody else comes.
pub(super) struct Members<T, L> {
    first: Option<(u64, Member<T, L>)>,
    /// All of them came later than the first; `None` until somebody does.
    #[expect(clippy::box_collection, reason = "mostly nobody does, and a flight is moved when it is made")]
    others: Option<Box<BTreeMap<u64, Member<T, L>>>>,
    next: u64,
}

pub(super) struct Member<T, L> {
    pub(super) waker: Waker,
    pub(super) urgency: L,
    /// The personal answer of this member's load, which another waiter polled to its end. Boxed, since there hardly ever
    /// is one.
    pub(super) own: Option<Box<T>>,
}

/// The number of whoever came first.
pub(super) const FIRST: u64 = 0;

impl<T, L> Members<T, L> {
    /// One waiter, in the member [`FIRST`].
    pub(super) const fn of(member: Member<T, L>) -> Self {
        Self { first: Some((FIRST, member)), others: None, next: FIRST + 1 }
    }

    /// Takes in another waiter, and numbers it.
    pub(super) fn add(&mut self, member: Member<T, L>) -> u64 {
        let number = self.next;
        self.next += 1;
        if self.is_empty() {
            self.first = Some((number, member));
        } else {
            self.others.get_or_insert_default().insert(number, member);
        }
        number
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Member<T, L>> {
        match &mut self.first {
            Some((first, member)) if *first == number => Some(member),
            _ => self.others.as_mut()?.get_mut(&number),
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        match &self.first {
            Some((first, _)) if *first == number => self.first = None,
            _ => drop(self.others.as_mut().and_then(|others| others.remove(&number))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.as_ref().is_none_or(|others| others.is_empty())
    }

    /// Whether nobody waits but the one with this number.
    pub(super) fn is_alone(&self, number: u64) -> bool {
        self.iter().all(|(other, _)| other == number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Member<T, L>)> {
        let first = self.first.iter().map(|(number, member)| (*number, member));
        let others =
            self.others.iter().flat_map(|others| others.iter()).map(|(number, member)| (*number, member));
        first.chain(others)
    }
}
