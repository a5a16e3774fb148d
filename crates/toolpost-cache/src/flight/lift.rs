//! Tells a load how urgent its most urgent waiter is.

use std::fmt;
use std::sync::Arc;

use crate::sync::{Mutex, lock};

/// How urgent the waiters of a load are, for the load to act on.
///
/// A load that queues somewhere registers a hook here, and is told whenever somebody more urgent than
/// everyone before joins. Urgency never sinks while the load runs.
pub struct Lift<L>(Arc<Mutex<State<L>>>);

struct State<L> {
    most: L,
    hook: Option<Hook<L>>,
}

type Hook<L> = Arc<dyn Fn(&L) + Send + Sync>;

impl<L: Ord + Clone> Lift<L> {
    pub(super) fn new(urgency: L) -> Self {
        Self(Arc::new(Mutex::new(State { most: urgency, hook: None })))
    }

    /// How urgent the most urgent waiter so far is.
    #[must_use]
    pub fn urgency(&self) -> L {
        lock(&self.0).most.clone()
    }

    /// Calls `hook` now, and then whenever the urgency rises; a later hook replaces it.
    pub fn on_rise(&self, hook: impl Fn(&L) + Send + Sync + 'static) {
        let hook: Hook<L> = Arc::new(hook);
        let mut state = lock(&self.0);
        let replaced = state.hook.replace(Arc::clone(&hook));
        let most = state.most.clone();
        drop(state);
        drop(replaced);
        hook(&most);
    }

    pub(super) fn raise(&self, urgency: &L) {
        let mut state = lock(&self.0);
        if state.most < *urgency {
            state.most = urgency.clone();
            let hook = state.hook.clone();
            drop(state);
            if let Some(hook) = hook {
                hook(urgency);
            }
        }
    }
}

impl<L> Clone for Lift<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: fmt::Debug> fmt::Debug for Lift<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lift").field("most", &lock(&self.0).most).finish_non_exhaustive()
    }
}
