//! The order in which idle connections came back: of a key, and of all.
//!
//! Two doubly linked lists through one table: a connection leaves both from wherever it is, and nothing is allocated.

use crate::slots::Slots;

/// No place.
pub(crate) const NONE: u32 = u32::MAX;

/// Which list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    All,
    Key,
}

/// The neighbours of a connection in one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) older: u32,
    pub(crate) newer: u32,
}

impl Links {
    pub(crate) const NONE: Self = Self { older: NONE, newer: NONE };
}

pub(crate) trait Linked {
    fn links(&mut self, of: Of) -> &mut Links;
}

/// The ends of one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
}

impl Ends {
    pub(crate) const EMPTY: Self = Self { oldest: NONE, newest: NONE };

    pub(crate) const fn is_empty(self) -> bool {
        self.oldest == NONE
    }

    pub(crate) fn push<V: Linked>(&mut self, slots: &mut Slots<V>, of: Of, at: u32) {
        *slots[at].links(of) = Links { older: self.newest, newer: NONE };
        match self.newest {
            NONE => self.oldest = at,
            newest => slots[newest].links(of).newer = at,
        }
        self.newest = at;
    }

    /// Removes what is in this very list.
    pub(crate) fn remove<V: Linked>(&mut self, slots: &mut Slots<V>, of: Of, at: u32) {
        let Links { older, newer } = std::mem::replace(slots[at].links(of), Links::NONE);
        match older {
            NONE => self.oldest = newer,
            older => slots[older].links(of).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => slots[newer].links(of).older = older,
        }
    }
}
