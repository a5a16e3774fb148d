//! A seat: the permission to run, as a guard.

use std::fmt;
use std::ops::Deref;

use super::line::{Grant, Shared, Use};
use super::sync::Arc;

/// The permission to run, given back when dropped.
///
/// Dropping it says that the work was given up: its time is charged to the tenant, but says nothing of how long such
/// work takes. [`settle`](Seat::settle) says that it was done.
#[must_use = "a seat that is dropped is given back"]
pub struct Seat<'g> {
    /// None once the seat has been passed on to another guard.
    gate: Option<Hold<'g>>,
    /// None for a seat that was free and needs no timing.
    grant: Option<Box<Grant>>,
    how: Use,
}

/// A gate that is borrowed, or held alive.
#[derive(Clone)]
pub(crate) enum Hold<'g> {
    Borrowed(&'g Arc<Shared>),
    Owned(Arc<Shared>),
}

impl<'g> Seat<'g> {
    pub(crate) const fn new(gate: Hold<'g>, grant: Option<Box<Grant>>) -> Self {
        Self { gate: Some(gate), grant, how: Use::Abandoned }
    }

    /// Gives the seat back after work that was done.
    pub fn settle(mut self) {
        self.how = Use::Settled;
    }

    /// The same seat, holding the gate alive by itself.
    pub fn into_owned(mut self) -> Seat<'static> {
        let gate = self.gate.take().map(|gate| Hold::Owned(gate.shared().clone()));
        Seat { gate, grant: self.grant.take(), how: self.how }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.release(self.grant.take(), self.how);
        }
    }
}

impl fmt::Debug for Seat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("grant", &self.grant).finish_non_exhaustive()
    }
}

impl Hold<'_> {
    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        match self {
            Self::Borrowed(shared) => shared,
            Self::Owned(shared) => shared,
        }
    }
}

impl Deref for Hold<'_> {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.shared()
    }
}
