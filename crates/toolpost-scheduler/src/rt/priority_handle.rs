//! Priority inheritance across gates: what a waiter lends to a place in a queue, until it leaves.

use std::collections::HashMap;
use std::fmt;

use super::line::Shared;
use super::sync::{Arc, Mutex, lock};
use crate::inherit::Inheritance;
use crate::priority::Urgency;
use crate::slots::JobId;

/// Everything that is waited for, and everybody who waits, in one runtime.
///
/// ```
/// use toolpost_scheduler::rt::PriorityGraph;
/// use toolpost_scheduler::{Priority, Urgency};
///
/// let priorities = PriorityGraph::new();
/// let flight = priorities.handle(Urgency::new(Priority::Background));
/// let caller = priorities.handle(Urgency::new(Priority::Urgent));
/// let donation = caller.donate(&flight);
/// assert_eq!(flight.urgency().priority, Priority::Urgent);
/// drop(donation);
/// assert_eq!(flight.urgency().priority, Priority::Background);
/// ```
#[derive(Clone, Debug, Default)]
pub struct PriorityGraph(Arc<Mutex<Graph>>);

/// The lock of the graph is taken before that of a gate, never after; both are held while places move.
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

/// Something that can be waited for, or somebody who waits: a flight, a step, a caller. Gone when dropped.
#[derive(Debug)]
pub struct PriorityHandle {
    graph: PriorityGraph,
    id: u64,
}

/// What one lends to another; taken back when dropped.
#[derive(Debug)]
#[must_use = "a donation that is dropped is taken back"]
pub struct Donation {
    graph: PriorityGraph,
    from: u64,
    to: u64,
}

/// A place that follows a lift, until this is dropped.
#[derive(Debug)]
pub(crate) struct Follow {
    graph: PriorityGraph,
    lift: u64,
    gate: Arc<Shared>,
    id: JobId,
}

impl PriorityGraph {
    /// Nobody waits for anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds something that is this urgent by itself.
    #[must_use]
    pub fn handle(&self, own: Urgency) -> PriorityHandle {
        let mut graph = lock(&self.0);
        let id = graph.next;
        graph.next += 1;
        graph.waits.insert(id, own);
        PriorityHandle { graph: self.clone(), id }
    }

    fn change(&self, change: impl FnOnce(&mut Inheritance<u64>) -> Vec<(u64, Urgency)>) {
        let mut graph = lock(&self.0);
        let changed = change(&mut graph.waits);
        for (node, urgency) in changed {
            for Place { gate, id } in graph.followers.get(&node).into_iter().flatten() {
                lock(&gate.line).queue.raise(*id, urgency);
            }
        }
    }
}

impl PriorityHandle {
    /// How urgent it is, by itself and by those that wait for it.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        lock(&self.graph.0).waits.urgency(&self.id).unwrap_or_default()
    }

    /// Gives it another urgency of its own.
    pub fn set(&self, own: Urgency) {
        self.graph.change(|waits| waits.insert(self.id, own));
    }

    /// Lends this one's urgency to another of the same runtime, and what is lent to it in turn.
    pub fn donate(&self, to: &Self) -> Donation {
        self.graph.change(|waits| waits.wait(self.id, to.id));
        Donation { graph: self.graph.clone(), from: self.id, to: to.id }
    }

    pub(crate) fn follow(&self, gate: &Arc<Shared>, id: JobId) -> Follow {
        let mut graph = lock(&self.graph.0);
        graph.followers.entry(self.id).or_default().push(Place { gate: gate.clone(), id });
        if let Some(urgency) = graph.waits.urgency(&self.id) {
            lock(&gate.line).queue.raise(id, urgency);
        }
        drop(graph);
        Follow { graph: self.graph.clone(), lift: self.id, gate: gate.clone(), id }
    }
}

impl Drop for PriorityHandle {
    fn drop(&mut self) {
        self.graph.change(|waits| waits.remove(&self.id));
    }
}

impl Drop for Donation {
    fn drop(&mut self) {
        self.graph.change(|waits| waits.leave(&self.from, &self.to));
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let mut graph = lock(&self.graph.0);
        if let Some(places) = graph.followers.get_mut(&self.lift) {
            // Handles are unique in their gate only.
            places.retain(|place| place.id != self.id || !Arc::ptr_eq(&place.gate, &self.gate));
            if places.is_empty() {
                graph.followers.remove(&self.lift);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.id).finish()
    }
}
