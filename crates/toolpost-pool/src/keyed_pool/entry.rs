//! One connection, as the pool knows it.

use std::time::Instant;

use crate::idle::{Linked, Links, Of};

#[derive(Debug)]
pub(super) struct Entry<C> {
    pub(super) key: u32,
    /// No two have the same, and later ones have greater.
    pub(super) serial: u64,
    pub(super) dies: Option<Instant>,
    /// Those that hold a lease of it; none while it is idle.
    pub(super) users: u32,
    pub(super) standing: Standing,
    /// The connection, while it is idle or may be shared.
    pub(super) kept: Option<C>,
    pub(super) idle_since: Instant,
    pub(super) of_all: Links,
    pub(super) of_key: Links,
}

/// Whether a connection may still be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Over,
    Broken,
}

impl<C> Entry<C> {
    pub(super) const fn new(key: u32, serial: u64, dies: Option<Instant>, now: Instant) -> Self {
        Self {
            key,
            serial,
            dies,
            users: 1,
            standing: Standing::Good,
            kept: None,
            idle_since: now,
            of_all: Links::NONE,
            of_key: Links::NONE,
        }
    }
}

impl<C> Linked for Entry<C> {
    fn links(&mut self, of: Of) -> &mut Links {
        match of {
            Of::All => &mut self.of_all,
            Of::Key => &mut self.of_key,
        }
    }
}
