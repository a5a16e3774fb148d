//! How a connection comes into the pool, is lent, comes back, and leaves.

use std::hash::Hash;
use std::time::Instant;

use super::entry::{Entry, Standing};
use super::{Checkout, KeyedPool, Lease, earlier};
use crate::idle::{NONE, Of};

impl<K: Clone + Eq + Hash, C: Clone, W> KeyedPool<K, C, W> {
    /// A connection of this key that is there.
    pub(super) fn reuse(&mut self, key: u32, now: Instant) -> Option<Checkout<C>> {
        self.take_idle(key, now, true).or_else(|| self.share(key, now))
    }

    /// A connection of this key that is there, and need not be asked whether it is alive.
    pub(super) fn reuse_unchecked(&mut self, key: u32, now: Instant) -> Option<Checkout<C>> {
        self.take_idle(key, now, false).or_else(|| self.share(key, now))
    }

    /// The one used last of those that may be used, so that what is not needed stays idle and ends.
    fn take_idle(&mut self, key: u32, now: Instant, may_need_check: bool) -> Option<Checkout<C>> {
        let mut at = self.keys[key].idle.newest;
        while at != NONE
            && (self.is_over(at, now)
                || self.is_idle_for_too_long(at, now)
                || !may_need_check && self.needs_check(at, now))
        {
            at = self.entries[at].of_key.older;
        }
        if at == NONE {
            return None;
        }
        let check = self.needs_check(at, now);
        self.unlink(at);
        let entry = &mut self.entries[at];
        entry.users = 1;
        let lease = Lease { at, serial: entry.serial };
        let connection = if self.options.shared_by == 1 {
            entry.kept.take()
        } else {
            // It may be dead: nobody shares it before it was asked, which is when it comes back or is told to be connected.
            if !check {
                self.keys[key].open.push(at);
                self.relist(key);
            }
            self.entries[at].kept.clone()
        };
        self.counts.hits += 1;
        Some(Checkout::Ready { lease, connection: connection.expect("an idle connection is kept"), check })
    }

    /// The one with the fewest users of those that may have one more.
    fn share(&mut self, key: u32, now: Instant) -> Option<Checkout<C>> {
        loop {
            let open = &self.keys[key].open;
            let at = open.iter().copied().min_by_key(|at| self.entries[*at].users)?;
            if self.is_over(at, now) {
                self.close_to_others(at);
                continue;
            }
            let entry = &mut self.entries[at];
            entry.users += 1;
            let lease = Lease { at, serial: entry.serial };
            let connection = entry.kept.clone().expect("a shared connection is kept");
            if entry.users == self.options.shared_by {
                self.close_to_others(at);
            }
            self.counts.hits += 1;
            return Some(Checkout::Ready { lease, connection, check: false });
        }
    }

    /// A slot for a new connection of this key, of which nothing can be reused.
    pub(super) fn make_room(&mut self, key: u32, now: Instant) -> Option<Checkout<C>> {
        let gives_way = if self.options.per_key <= self.keys[key].connections {
            Some(self.keys[key].idle.oldest)
        } else if self.options.total <= self.entries.len() {
            Some(self.idle.oldest)
        } else {
            None
        };
        if gives_way == Some(NONE) {
            return None;
        }
        // Before the other goes: it may be of the same key, which is forgotten when nothing is left of it.
        self.keys[key].connections += 1;
        let replaced = gives_way.and_then(|at| self.evict(at, now));
        let serial = self.next_serial();
        let entry = Entry::new(key, serial, self.options.end_of_life(serial, now), now);
        let at = self.entries.insert(entry);
        self.counts.misses += 1;
        self.relist(key);
        Some(Checkout::Connect { lease: Lease { at, serial }, replaced })
    }

    fn evict(&mut self, at: u32, now: Instant) -> Option<C> {
        let is_over = self.is_over(at, now) || self.is_idle_for_too_long(at, now);
        self.unlink(at);
        let entry = self.entries.remove(at)?;
        match is_over {
            true => self.counts.expired += 1,
            false => self.counts.evictions += 1,
        }
        self.leave_key(entry.key);
        entry.kept
    }

    pub(super) fn put_back(
        &mut self,
        lease: Lease,
        connection: C,
        now: Instant,
        used: bool,
    ) -> Result<(), (Lease, C)> {
        let at = lease.at;
        debug_assert_eq!(self.entries[at].serial, lease.serial, "a lease is of the pool it is given back to");
        if self.is_over(at, now) {
            // Of two handles of one connection, the one that is returned is the last.
            let kept = self.end(at, Standing::Over);
            return Err((lease, kept.unwrap_or(connection)));
        }
        let entry = &mut self.entries[at];
        let key = entry.key;
        if 1 < entry.users {
            entry.users -= 1;
            if entry.users + 1 == self.options.shared_by {
                self.keys[key].open.push(at);
            }
        } else {
            entry.users = 0;
            entry.kept = Some(connection);
            if used {
                entry.idle_since = now;
            }
            self.close_to_others(at);
            self.link(at);
        }
        self.relist(key);
        Ok(())
    }

    /// Ends that a connection is handed out, and returns the pool's handle of it.
    pub(super) fn end(&mut self, at: u32, standing: Standing) -> Option<C> {
        self.close_to_others(at);
        let entry = &mut self.entries[at];
        if entry.standing == Standing::Good {
            entry.standing = standing;
            match standing {
                Standing::Good => {}
                Standing::Over => self.counts.expired += 1,
                Standing::Broken => self.counts.broken += 1,
            }
        }
        entry.kept.take()
    }

    /// One user less of a connection that is closed; with the last one its slot is free.
    pub(super) fn leave_entry(&mut self, at: u32) {
        self.close_to_others(at);
        let entry = &mut self.entries[at];
        entry.users -= 1;
        entry.kept = None;
        let (key, users) = (entry.key, entry.users);
        if users == 0 {
            self.entries.remove(at);
            self.leave_key(key);
        } else {
            entry.standing = match entry.standing {
                Standing::Good => Standing::Over,
                known => known,
            };
        }
    }

    fn leave_key(&mut self, key: u32) {
        self.keys[key].connections -= 1;
        self.relist(key);
        self.keys.forget_unused(key);
    }

    /// Nobody more shares this connection.
    fn close_to_others(&mut self, at: u32) {
        if self.options.shared_by != 1 {
            let key = self.entries[at].key;
            self.keys[key].open.retain(|open| *open != at);
            self.relist(key);
        }
    }

    fn link(&mut self, at: u32) {
        let key = self.entries[at].key;
        self.idle.push(&mut self.entries, Of::All, at);
        self.keys[key].idle.push(&mut self.entries, Of::Key, at);
        self.idle_count += 1;
        self.sweep_at = earlier(self.sweep_at, self.expiry(at));
    }

    pub(super) fn unlink(&mut self, at: u32) {
        let key = self.entries[at].key;
        self.idle.remove(&mut self.entries, Of::All, at);
        self.keys[key].idle.remove(&mut self.entries, Of::Key, at);
        self.idle_count -= 1;
        self.relist(key);
    }

    /// Whether a connection is not to be handed out any more, however long it is idle.
    pub(super) fn is_over(&self, at: u32, now: Instant) -> bool {
        let entry = &self.entries[at];
        self.is_closed
            || entry.standing != Standing::Good
            || entry.serial < self.valid_from.max(self.keys[entry.key].valid_from)
            || entry.dies.is_some_and(|dies| dies <= now)
    }

    pub(super) fn is_idle_for_too_long(&self, at: u32, now: Instant) -> bool {
        self.options.idle_time <= now.saturating_duration_since(self.entries[at].idle_since)
    }

    fn needs_check(&self, at: u32, now: Instant) -> bool {
        self.options.check_after <= now.saturating_duration_since(self.entries[at].idle_since)
    }

    /// When an idle connection is to be closed.
    pub(super) fn expiry(&self, at: u32) -> Option<Instant> {
        let entry = &self.entries[at];
        earlier(entry.dies, entry.idle_since.checked_add(self.options.idle_time))
    }

    pub(super) const fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
