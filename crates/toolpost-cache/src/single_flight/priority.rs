//! Tells a load how urgent its most urgent waiter is.

use std::fmt;
use std::sync::Arc;

use crate::key::CacheKey;
use crate::sync::{Mutex, lock};

/// Through which the waiters of a load raise its urgency, and the load learns of it.
pub(crate) struct PriorityHandle<L> {
    flight: Arc<dyn Raisable<L>>,
    load: u64,
    start: L,
}

/// Whose urgency is raised: a flight, whatever its values are.
pub(super) trait Raisable<L>: Send + Sync {
    fn max_urgency(&self) -> &Mutex<MaxUrgency<L>>;

    fn key(&self) -> &CacheKey;
}

pub(super) struct MaxUrgency<L> {
    most: L,
    hook: Option<Hook<L>>,
    /// Of the loads of its flight, the one this is about.
    load: u64,
}

type Hook<L> = Arc<dyn Fn(&L) + Send + Sync>;

/// The number of the first load.
const FIRST: u64 = 0;

impl<L: Ord + Clone> MaxUrgency<L> {
    pub(super) const fn new(urgency: L) -> Self {
        Self { most: urgency, hook: None, load: FIRST }
    }

    /// Begins anew, for another load.
    pub(super) fn restart(&mut self, urgency: L) {
        *self = Self { most: urgency, hook: None, load: self.load + 1 };
    }
}

impl<L: Ord + Clone> PriorityHandle<L> {
    /// Of the first load of its flight.
    pub(super) const fn first(flight: Arc<dyn Raisable<L>>, start: L) -> Self {
        Self { flight, load: FIRST, start }
    }

    /// Of the load that its flight has come to.
    pub(super) fn latest(flight: Arc<dyn Raisable<L>>) -> Self {
        let max_urgency = lock(flight.max_urgency());
        let (load, start) = (max_urgency.load, max_urgency.most.clone());
        drop(max_urgency);
        Self { flight, load, start }
    }

    /// Whether the load is the first of its flight, which was made when its waiter was first polled.
    pub(crate) const fn is_first(&self) -> bool {
        self.load == FIRST
    }

    /// The key that is loaded.
    pub(crate) fn key(&self) -> &CacheKey {
        self.flight.key()
    }

    /// How urgent the most urgent waiter was when the load was made.
    pub(crate) const fn initial(&self) -> &L {
        &self.start
    }

    /// How urgent the most urgent waiter so far is.
    pub(crate) fn urgency(&self) -> L {
        lock(self.flight.max_urgency()).most.clone()
    }

    /// Calls `hook` now, and then whenever the urgency rises; a later hook replaces it.
    ///
    /// Once the load has ended, it is called now and never again.
    pub(crate) fn on_raise(&self, hook: impl Fn(&L) + Send + Sync + 'static) {
        let hook: Hook<L> = Arc::new(hook);
        let mut max_urgency = lock(self.flight.max_urgency());
        let mut replaced = None;
        if max_urgency.load == self.load {
            replaced = max_urgency.hook.replace(Arc::clone(&hook));
        }
        let most = max_urgency.most.clone();
        drop(max_urgency);
        drop(replaced);
        tell(self.flight.max_urgency(), self.load, &hook, most);
    }
}

/// Calls the hook of a load, and again for as long as what it was told last is not the most: another thread may have told it
/// less in the meantime.
fn tell<L: Ord + Clone>(max_urgency: &Mutex<MaxUrgency<L>>, load: u64, hook: &Hook<L>, mut told: L) {
    loop {
        hook(&told);
        let max_urgency = lock(max_urgency);
        if max_urgency.load != load || max_urgency.most <= told {
            return;
        }
        told = max_urgency.most.clone();
    }
}

/// Somebody of this urgency has joined.
pub(super) fn raise<L: Ord + Clone>(shared: &Mutex<MaxUrgency<L>>, urgency: &L) {
    let mut max_urgency = lock(shared);
    if max_urgency.most < *urgency {
        max_urgency.most = urgency.clone();
        let (hook, load) = (max_urgency.hook.clone(), max_urgency.load);
        drop(max_urgency);
        if let Some(hook) = hook {
            tell(shared, load, &hook, urgency.clone());
        }
    }
}

impl<L: Clone> Clone for PriorityHandle<L> {
    fn clone(&self) -> Self {
        Self { flight: Arc::clone(&self.flight), load: self.load, start: self.start.clone() }
    }
}

impl<L: fmt::Debug> fmt::Debug for PriorityHandle<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max_urgency = lock(self.flight.max_urgency());
        f.debug_struct("PriorityHandle").field("most", &max_urgency.most).finish_non_exhaustive()
    }
}
