//! A permit: the permission to run, as a guard.

use std::fmt;
use std::ops::Deref;

use super::line::{Grant, Shared, Use};
use super::sync::Arc;

/// The permission to run, given back when dropped.
///
/// Dropping it says that the work was given up: its time is charged to the tenant, but says nothing of how long such
/// work takes. [`settle`](Permit::settle) says that it was done.
#[must_use = "a permit that is dropped is given back"]
pub struct Permit<'g>(Kind<'g>);

/// One pointer and a tag, so that a free permit is handed over in two registers.
enum Kind<'g> {
    /// A permit that was free and needs no timing.
    Free(&'g Arc<Shared>),
    FreeOwned(Arc<Shared>),
    Granted(Box<(Hold<'g>, Grant)>),
    /// Given back, or passed on to another guard.
    Gone,
}

/// A gate that is borrowed, or held alive.
#[derive(Clone)]
pub(crate) enum Hold<'g> {
    Borrowed(&'g Arc<Shared>),
    Owned(Arc<Shared>),
}

impl<'g> Permit<'g> {
    #[inline]
    pub(crate) fn new(gate: Hold<'g>, grant: Option<Grant>) -> Self {
        Self(match (gate, grant) {
            (gate, Some(grant)) => Kind::Granted(Box::new((gate, grant))),
            (Hold::Borrowed(gate), None) => Kind::Free(gate),
            (Hold::Owned(gate), None) => Kind::FreeOwned(gate),
        })
    }

    /// Gives the permit back after work that was done.
    #[inline]
    pub fn settle(mut self) {
        self.give_back(Use::Settled);
        // There is nothing left to give back.
        std::mem::forget(self);
    }

    /// The same permit, holding the gate alive by itself.
    pub fn into_owned(mut self) -> Permit<'static> {
        Permit(match self.take() {
            Kind::Free(gate) => Kind::FreeOwned(gate.clone()),
            Kind::FreeOwned(gate) => Kind::FreeOwned(gate),
            Kind::Granted(held) => {
                let (gate, grant) = *held;
                Kind::Granted(Box::new((Hold::Owned(gate.shared().clone()), grant)))
            }
            Kind::Gone => Kind::Gone,
        })
    }

    #[inline]
    fn give_back(&mut self, how: Use) {
        match self.take() {
            Kind::Free(gate) => gate.release(None, how),
            Kind::FreeOwned(gate) => gate.release(None, how),
            Kind::Granted(held) => {
                let (gate, grant) = *held;
                gate.release(Some(grant), how);
            }
            Kind::Gone => {}
        }
    }

    const fn take(&mut self) -> Kind<'g> {
        std::mem::replace(&mut self.0, Kind::Gone)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.give_back(Use::Abandoned);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grant = match &self.0 {
            Kind::Granted(held) => Some(&held.1),
            Kind::Free(_) | Kind::FreeOwned(_) | Kind::Gone => None,
        };
        f.debug_struct("Permit").field("grant", &grant).finish_non_exhaustive()
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
