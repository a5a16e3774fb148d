//! Priority inheritance: whoever waits for something lends it urgency.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::priority::Urgency;

/// Who waits for whom, and how urgent each is by that (Sha, Rajkumar and Lehoczky, "Priority Inheritance", 1990).
///
/// A node is anything that can be waited for or wait: a coalesced flight, a workflow step, a caller. A node is as
/// urgent as itself or as the most urgent that waits for it, directly or through others, whichever is more; never less
/// than itself. When a waiter leaves, what it lent goes with it. Cycles are harmless: those in a cycle are as urgent as
/// the most urgent of them, and support nobody's urgency but their own members' own.
#[derive(Clone, Debug)]
pub(crate) struct Inheritance<N> {
    nodes: HashMap<N, Node<N>>,
}

#[derive(Clone, Debug)]
struct Node<N> {
    own: Urgency,
    /// Its own, or the most urgent that reaches it, whichever is more.
    effective: Urgency,
    waits_for: Vec<N>,
    waiters: Vec<N>,
}

impl<N: Copy + Eq + Hash> Inheritance<N> {
    /// Nobody waits for anything.
    pub(crate) fn new() -> Self {
        Self { nodes: HashMap::new() }
    }

    /// Adds a node, or gives one another urgency of its own; returns the nodes whose urgency changed by it.
    pub(crate) fn insert(&mut self, node: N, own: Urgency) -> Vec<(N, Urgency)> {
        match self.nodes.get_mut(&node) {
            Some(known) => {
                known.own = own;
                self.renew(node)
            }
            None => {
                let fresh = Node { own, effective: own, waits_for: Vec::new(), waiters: Vec::new() };
                self.nodes.insert(node, fresh);
                vec![(node, own)]
            }
        }
    }

    /// Removes a node and everything it waits for or is waited for by; returns the nodes whose urgency changed by it.
    pub(crate) fn remove(&mut self, node: &N) -> Vec<(N, Urgency)> {
        let Some(gone) = self.nodes.remove(node) else { return Vec::new() };
        for waiter in gone.waiters {
            if let Some(waiter) = self.nodes.get_mut(&waiter) {
                waiter.waits_for.retain(|other| other != node);
            }
        }
        let mut changed = Vec::new();
        for target in gone.waits_for {
            if let Some(known) = self.nodes.get_mut(&target) {
                known.waiters.retain(|other| other != node);
                changed.extend(self.renew(target));
            }
        }
        changed
    }

    /// Lets `waiter` lend to `target`, once; returns the nodes whose urgency changed by it.
    ///
    /// Nothing happens when either is unknown, or they are the same.
    pub(crate) fn wait(&mut self, waiter: N, target: N) -> Vec<(N, Urgency)> {
        if waiter == target || !self.nodes.contains_key(&target) {
            return Vec::new();
        }
        match self.nodes.get_mut(&waiter) {
            Some(known) if !known.waits_for.contains(&target) => known.waits_for.push(target),
            _ => return Vec::new(),
        }
        if let Some(known) = self.nodes.get_mut(&target) {
            known.waiters.push(waiter);
        }
        self.renew(target)
    }

    /// How urgent a node is, by itself and by those that wait for it.
    pub(crate) fn urgency(&self, node: &N) -> Option<Urgency> {
        self.nodes.get(node).map(|node| node.effective)
    }

    /// Works out anew everything that `node` lends to, itself included.
    ///
    /// All of it starts from its own urgency and from waiters outside, so that a cycle does not hold itself up.
    fn renew(&mut self, node: N) -> Vec<(N, Urgency)> {
        let touched = self.reachable(node);
        let inside: HashSet<N> = touched.iter().copied().collect();
        let before: Vec<_> = touched.iter().filter_map(|node| self.urgency(node)).collect();
        for node in &touched {
            let Some(known) = self.nodes.get(node) else { continue };
            let outside = known.waiters.iter().filter(|waiter| !inside.contains(waiter));
            let fresh = outside.filter_map(|waiter| self.urgency(waiter)).fold(known.own, Urgency::raised_by);
            if let Some(known) = self.nodes.get_mut(node) {
                known.effective = fresh;
            }
        }
        let mut open = touched.clone();
        while let Some(node) = open.pop() {
            let Some(known) = self.nodes.get(&node) else { continue };
            let (lent, targets) = (known.effective, known.waits_for.clone());
            for target in targets {
                if let Some(known) = self.nodes.get_mut(&target) {
                    let raised = known.effective.raised_by(lent);
                    if raised != known.effective {
                        known.effective = raised;
                        open.push(target);
                    }
                }
            }
        }
        let after = touched.into_iter().filter_map(|node| Some((node, self.urgency(&node)?)));
        after.zip(before).filter(|((_, after), before)| after != before).map(|(after, _)| after).collect()
    }

    fn reachable(&self, from: N) -> Vec<N> {
        let mut seen = HashSet::from([from]);
        let mut listed = vec![from];
        let mut next = 0;
        while let Some(node) = listed.get(next).and_then(|node| self.nodes.get(node)) {
            listed.extend(node.waits_for.iter().filter(|target| seen.insert(**target)));
            next += 1;
        }
        listed
    }
}

impl<N: Copy + Eq + Hash> Default for Inheritance<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::priority::Priority::{Background, Normal, Urgent};

    #[test]
    fn urgency_is_lent_through_a_chain_and_taken_back() {
        let mut waits = Inheritance::new();
        for (node, priority) in
            [("step", Background), ("flight", Normal), ("caller", Urgent), ("other", Normal)]
        {
            waits.insert(node, Urgency::new(priority));
        }
        let urgency =
            |waits: &Inheritance<&'static str>, node| waits.urgency(&node).map(|urgency| urgency.priority);
        waits.wait("flight", "step");
        assert_eq!(urgency(&waits, "step"), Some(Normal));
        let changed = waits.wait("caller", "flight");
        assert_eq!(changed.len(), 2, "the flight, and the step it waits for");
        assert_eq!(urgency(&waits, "step"), Some(Urgent));
        assert!(waits.wait("other", "step").is_empty(), "a less urgent waiter changes nothing");
        waits.remove(&"caller");
        assert_eq!((urgency(&waits, "flight"), urgency(&waits, "step")), (Some(Normal), Some(Normal)));
        waits.remove(&"flight");
        waits.remove(&"other");
        assert_eq!(urgency(&waits, "step"), Some(Background));
        waits.insert("late", Urgency::new(Urgent));
        waits.wait("step", "late");
        assert_eq!(urgency(&waits, "late"), Some(Urgent), "a donation never lowers");
    }

    #[test]
    fn a_cycle_of_waiters_holds_nothing_up() {
        let mut waits = Inheritance::new();
        for node in 0..4 {
            waits.insert(node, Urgency::new(Background));
        }
        for (waiter, target) in [(0, 1), (1, 2), (2, 0), (3, 3)] {
            waits.wait(waiter, target);
        }
        waits.insert(3, Urgency::new(Urgent));
        waits.wait(3, 1);
        assert!((0..3).all(|node| waits.urgency(&node).unwrap().priority == Urgent));
        waits.remove(&3);
        assert!(
            (0..3).all(|node| waits.urgency(&node).unwrap().priority == Background),
            "nobody supports himself"
        );
    }
}
