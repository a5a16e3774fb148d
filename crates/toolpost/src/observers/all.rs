//! Several observers as one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use toolpost_dispatch::{Event, Observe};

/// The host's observers. One that panics costs neither the call nor what the others are told.
pub(crate) struct All(Arc<[Box<dyn Observe>]>);

impl All {
    pub(crate) fn of(observers: &Arc<[Box<dyn Observe>]>) -> Self {
        Self(Arc::clone(observers))
    }
}

impl Observe for All {
    fn on(&self, event: &Event<'_>) {
        match &*self.0 {
            // Nobody is left to be told, and whoever tells this catches a panic.
            [only] => only.on(event),
            observers => observers.iter().for_each(|observer| {
                let _told = catch_unwind(AssertUnwindSafe(|| observer.on(event)));
            }),
        }
    }
}
