//! Several observers as one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use toolpost_dispatch::{Event, Observe};

/// The host's observers; a clone tells the same ones.
#[derive(Clone)]
pub(crate) struct Observers(Arc<dyn Observe>);

impl Observers {
    /// None if there are none.
    pub(crate) fn new(mut observers: Vec<Box<dyn Observe>>) -> Option<Self> {
        Some(Self(match observers.pop()? {
            // Nobody is left to be told, and whoever tells this one catches its panic.
            only if observers.is_empty() => only.into(),
            last => {
                observers.push(last);
                Arc::new(Several(observers))
            }
        }))
    }
}

impl Observe for Observers {
    #[inline]
    fn on(&self, event: &Event<'_>) {
        self.0.on(event);
    }
}

/// One that panics costs neither the call nor what the others are told.
struct Several(Vec<Box<dyn Observe>>);

impl Observe for Several {
    fn on(&self, event: &Event<'_>) {
        for observer in &self.0 {
            let _told = catch_unwind(AssertUnwindSafe(|| observer.on(event)));
        }
    }
}
