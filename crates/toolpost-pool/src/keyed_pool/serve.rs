//! Who of those that wait is served.

use std::hash::Hash;
use std::time::Instant;

use super::{Checkout, KeyedPool};
use crate::error::PoolError;
use crate::line::WaitId;

impl<K: Clone + Eq + Hash, C: Clone, W> KeyedPool<K, C, W> {
    /// Decides about one of those that wait, if there is something to decide: it gets a connection, or room for one, or is
    /// refused because its deadline has passed or the pool is closed.
    pub fn next(&mut self, now: Instant) -> Option<(WaitId, W, Result<Checkout<C>, PoolError>)> {
        if self.line.is_empty() {
            return None;
        }
        if self.is_closed {
            let arrival = self.line.first()?;
            self.counts.refused += 1;
            return self.decided(arrival, Err(PoolError::Closed));
        }
        if let Some(arrival) = self.line.lapsed(now) {
            self.counts.timeouts += 1;
            return self.decided(arrival, Err(PoolError::TimedOut));
        }
        let mut from = 0;
        loop {
            let (arrival, key) = self.line.eligible(from)?;
            if let Some(checkout) = self.reuse(key, now).or_else(|| self.make_room(key, now)) {
                return self.decided(arrival, Ok(checkout));
            }
            // It waits for any connection of the pool to be idle. Then so do all others, but for those that may share one.
            if self.options.shared_by == 1 {
                return None;
            }
            self.relist(key);
            from = arrival + 1;
        }
    }

    fn decided(
        &mut self,
        arrival: u64,
        decision: Result<Checkout<C>, PoolError>,
    ) -> Option<(WaitId, W, Result<Checkout<C>, PoolError>)> {
        self.leave(arrival).map(|waiter| (WaitId(arrival), waiter, decision))
    }

    /// Takes one out of the line.
    pub(super) fn leave(&mut self, arrival: u64) -> Option<W> {
        let (at, waiter) = self.line.leave(arrival)?;
        let waiting = &mut self.keys[at].waiting;
        if let Ok(place) = waiting.binary_search(&arrival) {
            waiting.remove(place);
        }
        self.relist(at);
        self.keys.forget_unused(at);
        Some(waiter)
    }

    /// Lists a key among those that may be served, or takes it from there, after something of it changed.
    pub(super) fn relist(&mut self, at: u32) {
        let key = &mut self.keys[at];
        let allows = !key.idle.is_empty() || !key.open.is_empty() || key.connections < self.options.per_key;
        let first = key.waiting.front().copied().filter(|_| allows);
        if first != key.listed {
            let before = std::mem::replace(&mut key.listed, first);
            self.line.list(at, before, first);
        }
    }
}
