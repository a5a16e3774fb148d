//! Priority inheritance across gates: what a waiter lends to a place in a queue, until it leaves.

use std::collections::HashMap;
use std::fmt;

use super::line::Shared;
use super::sync::{Arc, Mutex, lock};
use crate::inherit::Inheritance;
use crate::priority::{Priority, Urgency};
use crate::slots::JobId;

/// Something that can be waited for, or somebody who waits: shared work, a step, a caller. Gone when dropped.
///
/// Urgent work must not wait behind the less urgent that stands in front of what it needs. So whoever waits
/// [donates](Self::donate) its urgency to what it waits for, and that passes it on; the places in queues that follow
/// ([`Waiting::raised_by`](super::Waiting::raised_by)) move forward at once, in whatever gate, and back when the donor leaves.
/// All handles of a process are in one graph, behind one lock, which is taken when a donation begins or ends.
///
/// ```
/// use toolpost_scheduler::rt::PriorityHandle;
/// use toolpost_scheduler::{Priority, Urgency};
///
/// let report = PriorityHandle::new(Urgency::new(Priority::Background));
/// let caller = PriorityHandle::new(Urgency::new(Priority::Urgent));
/// let donation = caller.donate(&report);
/// assert_eq!(report.urgency().priority, Priority::Urgent);
/// drop(donation);
/// assert_eq!(report.urgency().priority, Priority::Background);
/// ```
#[derive(Debug)]
#[must_use = "a handle that is dropped takes back what it lends"]
pub struct PriorityHandle {
    id: u64,
}

/// The lock of the graph is taken before that of a gate, never after; both are held while places move.
#[cfg(not(any(loom, shuttle)))]
static GRAPH: std::sync::LazyLock<Mutex<Graph>> = std::sync::LazyLock::new(Mutex::default);
#[cfg(loom)]
loom::lazy_static! { static ref GRAPH: Mutex<Graph> = Mutex::new(Graph::default()); }
#[cfg(shuttle)]
shuttle::lazy_static! { static ref GRAPH: Mutex<Graph> = Mutex::new(Graph::default()); }

/// Everything that is waited for, and everybody who waits.
#[derive(Debug, Default)]
struct Graph {
    waits: Inheritance<u64>,
    next: u64,
    followers: HashMap<u64, Vec<Place>>,
}

/// A place in the queue of a gate.
struct Place {
    gate: Arc<Shared>,
    id: JobId,
}

/// A place that follows a handle, until this is dropped.
#[derive(Debug)]
pub(crate) struct Follow {
    handle: u64,
    gate: Arc<Shared>,
    id: JobId,
}

impl PriorityHandle {
    /// Adds something that is this urgent by itself.
    pub fn new(own: Urgency) -> Self {
        let mut graph = lock(&GRAPH);
        let id = graph.next;
        graph.next += 1;
        graph.waits.insert(id, own);
        Self { id }
    }

    /// How urgent it is, by itself and by those that wait for it.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        lock(&GRAPH).waits.urgency(&self.id).unwrap_or_default()
    }

    /// Gives it another urgency of its own.
    pub fn set(&self, own: Urgency) {
        change(|waits| waits.insert(self.id, own));
    }

    /// Lends this one's urgency to another, and what is lent to it in turn, until the donation is dropped, or either of the
    /// two is.
    ///
    /// The donation is a handle between them, of the least urgency by itself.
    pub fn donate(&self, to: &Self) -> Self {
        let donation = Self::new(Urgency::new(Priority::Background));
        change(|waits| {
            waits.wait(self.id, donation.id);
            waits.wait(donation.id, to.id)
        });
        donation
    }

    pub(crate) fn follow(&self, gate: &Arc<Shared>, id: JobId) -> Follow {
        let mut graph = lock(&GRAPH);
        graph.followers.entry(self.id).or_default().push(Place { gate: gate.clone(), id });
        if let Some(urgency) = graph.waits.urgency(&self.id) {
            lock(&gate.line).queue.raise(id, urgency);
        }
        drop(graph);
        Follow { handle: self.id, gate: gate.clone(), id }
    }
}

/// Changes who waits for whom, and moves the places that this makes more or less urgent.
fn change(change: impl FnOnce(&mut Inheritance<u64>) -> Vec<(u64, Urgency)>) {
    let mut graph = lock(&GRAPH);
    let changed = change(&mut graph.waits);
    for (node, urgency) in changed {
        for Place { gate, id } in graph.followers.get(&node).into_iter().flatten() {
            lock(&gate.line).queue.raise(*id, urgency);
        }
    }
}

impl Drop for PriorityHandle {
    fn drop(&mut self) {
        change(|waits| waits.remove(&self.id));
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let mut graph = lock(&GRAPH);
        if let Some(places) = graph.followers.get_mut(&self.handle) {
            // Handles are unique in their gate only.
            places.retain(|place| place.id != self.id || !Arc::ptr_eq(&place.gate, &self.gate));
            if places.is_empty() {
                graph.followers.remove(&self.handle);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.id).finish()
    }
}
