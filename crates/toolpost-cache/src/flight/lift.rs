//! Tells a load how urgent its most urgent waiter is.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "tokio")]
use crate::key::Key;
use crate::sync::{Mutex, lock};

/// How urgent the waiters of a load are, for the load to act on.
///
/// A load that queues somewhere registers a hook here, and is told whenever somebody more urgent than
/// everyone before joins. Urgency never sinks while the load runs.
pub struct Lift<L> {
    flight: Arc<dyn Raised<L>>,
    load: u64,
    start: L,
}

/// What is lifted: a flight, whatever its answers are.
pub(super) trait Raised<L>: Send + Sync {
    fn height(&self) -> &Mutex<Height<L>>;

    #[cfg(feature = "tokio")]
    fn key(&self) -> &Key;
}

pub(super) struct Height<L> {
    most: L,
    hook: Option<Hook<L>>,
    /// Of the loads of its flight, the one this is about.
    load: u64,
}

type Hook<L> = Arc<dyn Fn(&L) + Send + Sync>;

/// The number of the first load.
const FIRST: u64 = 0;

impl<L: Ord + Clone> Height<L> {
    pub(super) const fn new(urgency: L) -> Self {
        Self { most: urgency, hook: None, load: FIRST }
    }

    /// Begins anew, for another load.
    pub(super) fn restart(&mut self, urgency: L) {
        *self = Self { most: urgency, hook: None, load: self.load + 1 };
    }
}

impl<L: Ord + Clone> Lift<L> {
    /// Of the first load of its flight.
    pub(super) const fn first(flight: Arc<dyn Raised<L>>, start: L) -> Self {
        Self { flight, load: FIRST, start }
    }

    /// Of the load that its flight has come to.
    pub(super) fn latest(flight: Arc<dyn Raised<L>>) -> Self {
        let height = lock(flight.height());
        let (load, start) = (height.load, height.most.clone());
        drop(height);
        Self { flight, load, start }
    }

    /// Whether the load is the first of its flight, which was made when its waiter was first polled.
    #[cfg(feature = "tokio")]
    pub(crate) const fn is_first(&self) -> bool {
        self.load == FIRST
    }

    /// What the load is to answer.
    #[cfg(feature = "tokio")]
    pub(crate) fn key(&self) -> &Key {
        self.flight.key()
    }

    /// How urgent the most urgent waiter was when the load was made.
    #[must_use]
    pub const fn start(&self) -> &L {
        &self.start
    }

    /// How urgent the most urgent waiter so far is.
    #[must_use]
    pub fn urgency(&self) -> L {
        lock(self.flight.height()).most.clone()
    }

    /// Calls `hook` now, and then whenever the urgency rises; a later hook replaces it.
    ///
    /// Once the load has ended, it is called now and never again.
    pub fn on_rise(&self, hook: impl Fn(&L) + Send + Sync + 'static) {
        let hook: Hook<L> = Arc::new(hook);
        let mut height = lock(self.flight.height());
        let mut replaced = None;
        if height.load == self.load {
            replaced = height.hook.replace(Arc::clone(&hook));
        }
        let most = height.most.clone();
        drop(height);
        drop(replaced);
        tell(self.flight.height(), self.load, &hook, most);
    }
}

/// Calls the hook of a load, and again for as long as what it was told last is not the most: another thread may have told it
/// less in the meantime.
fn tell<L: Ord + Clone>(height: &Mutex<Height<L>>, load: u64, hook: &Hook<L>, mut told: L) {
    loop {
        hook(&told);
        let height = lock(height);
        if height.load != load || height.most <= told {
            return;
        }
        told = height.most.clone();
    }
}

/// Somebody of this urgency has joined.
pub(super) fn raise<L: Ord + Clone>(shared: &Mutex<Height<L>>, urgency: &L) {
    let mut height = lock(shared);
    if height.most < *urgency {
        height.most = urgency.clone();
        let (hook, load) = (height.hook.clone(), height.load);
        drop(height);
        if let Some(hook) = hook {
            tell(shared, load, &hook, urgency.clone());
        }
    }
}

impl<L: Clone> Clone for Lift<L> {
    fn clone(&self) -> Self {
        Self { flight: Arc::clone(&self.flight), load: self.load, start: self.start.clone() }
    }
}

impl<L: fmt::Debug> fmt::Debug for Lift<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = lock(self.flight.height());
        f.debug_struct("Lift").field("most", &height.most).finish_non_exhaustive()
    }
}
