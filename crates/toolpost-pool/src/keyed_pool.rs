//! The pool without input or output: who gets which connection, and when.

mod entry;
mod serve;
mod slot;

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::time::Instant;

use self::entry::{Entry, Standing};
use crate::error::PoolError;
use crate::idle::Ends;
use crate::keys::Keys;
use crate::line::{Line, WaitId};
use crate::options::PoolOptions;
use crate::slots::Slots;
use crate::stats::PoolStats;

/// A keyed pool that opens and closes nothing, waits for nothing, and is told the time.
///
/// Call [`try_acquire`](Self::try_acquire) for a connection, and [`wait`](Self::wait) when there is none; after whatever gives
/// something back, call [`next`](Self::next) until it returns none: each time it says who of those that wait is served, or
/// refused. So nobody waits whom something could serve, and nobody passes those that wait.
///
/// Of those that wait the first that can be served is, whatever its key: one whose key is at its bound holds up nobody of
/// another key, and where the pool is full, a connection that comes back goes to its own key only if nobody of another key
/// has waited for longer.
///
/// A lease is used with the pool that it is of. `C` is cloned only where one connection is lent to several
/// ([`PoolOptions::shared_by`]); wrap what has no `Clone` in an `Arc`. `W` is whatever stands for one that waits.
///
/// ```
/// use std::time::{Duration, Instant};
/// use toolpost_pool::{Checkout, KeyedPool, PoolError, PoolOptions};
///
/// # #[expect(clippy::disallowed_methods, reason = "an example has to start somewhere")]
/// let now = Instant::now();
/// let mut pool: KeyedPool<String, u32, &str> = KeyedPool::new(PoolOptions::new().per_key(1));
/// let Some(Checkout::Connect { lease, .. }) = pool.try_acquire("db", now) else { panic!("the pool is empty") };
///
/// let second = Duration::from_secs(1);
/// pool.wait("db", "patient", None, now).expect("there is room to wait");
/// pool.wait("db", "hasty", Some(now + second), now).expect("there is room to wait");
/// assert!(pool.next(now).is_none(), "one connection, and it is in use");
///
/// let later = now + 2 * second;
/// assert!(matches!(pool.next(later), Some((_, "hasty", Err(PoolError::TimedOut)))));
/// pool.give_back(lease, 7, later).expect("it is kept");
/// assert!(matches!(pool.next(later), Some((_, "patient", Ok(Checkout::Ready { connection: 7, .. })))));
/// ```
pub struct KeyedPool<K, C, W = ()> {
    options: PoolOptions,
    keys: Keys<K>,
    entries: Slots<Entry<C>>,
    /// Of all keys.
    idle: Ends,
    idle_count: usize,
    line: Line<W>,
    counts: PoolStats,
    /// Of the connection that was made last.
    serial: u64,
    /// Connections with a smaller serial are cleared.
    valid_from: u64,
    /// No idle connection is over before then.
    sweep_at: Option<Instant>,
    is_closed: bool,
}

/// A slot of the pool, held by whoever uses, makes or closes a connection.
///
/// One that is dropped stays taken: give it back by [`KeyedPool::give_back`] or [`KeyedPool::release`].
#[derive(Debug)]
#[must_use = "a slot that is not given back stays taken"]
pub struct Lease {
    at: u32,
    serial: u64,
}

/// What whoever asks gets.
#[derive(Debug)]
pub enum Checkout<C> {
    /// A connection.
    Ready {
        /// Its slot.
        lease: Lease,
        /// The connection.
        connection: C,
        /// Whether it was idle for so long that it should be asked whether it is alive.
        check: bool,
    },
    /// Room to make one.
    Connect {
        /// The slot of the one to be made.
        lease: Lease,
        /// The connection that gave way, to be closed before another is made.
        replaced: Option<C>,
    },
}

impl<K: Clone + Eq + Hash, C: Clone, W> KeyedPool<K, C, W> {
    /// Begins empty.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        Self {
            options,
            keys: Keys::new(),
            entries: Slots::new(),
            idle: Ends::EMPTY,
            idle_count: 0,
            line: Line::new(),
            counts: PoolStats::default(),
            serial: 0,
            valid_from: 0,
            sweep_at: None,
            is_closed: false,
        }
    }

    /// Gives what `key` can have at once: its idle connection that was used last, one that it may share, or room for a new
    /// one; none if it has to wait.
    pub fn try_acquire<Q>(&mut self, key: &Q, now: Instant) -> Option<Checkout<C>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if self.is_closed {
            return None;
        }
        match self.keys.find(key) {
            Some(at) if !self.keys[at].waiting.is_empty() => None,
            Some(at) => self.reuse(at, now).or_else(|| self.make_room(at, now)),
            None if self.entries.len() < self.options.total || !self.idle.is_empty() => {
                let at = self.keys.ensure(key);
                self.make_room(at, now)
            }
            None => None,
        }
    }

    /// Joins the line.
    ///
    /// # Errors
    ///
    /// Hands `waiter` back when too many wait, the deadline has passed, or the pool is closed.
    pub fn wait<Q>(
        &mut self,
        key: &Q,
        waiter: W,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<WaitId, (W, PoolError)>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let waiting = self.line.len();
        let refusal = if self.is_closed {
            PoolError::Closed
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            self.counts.timeouts += 1;
            return Err((waiter, PoolError::TimedOut));
        } else if self.options.waiting <= waiting {
            PoolError::Full { waiting }
        } else {
            let at = self.keys.ensure(key);
            let arrival = self.line.join(at, deadline, waiter);
            self.keys[at].waiting.push_back(arrival);
            self.relist(at);
            self.counts.waits += 1;
            return Ok(WaitId(arrival));
        };
        self.counts.refused += 1;
        Err((waiter, refusal))
    }

    /// What stands for one that waits; none if it does not wait (any more).
    pub fn waiter_mut(&mut self, id: WaitId) -> Option<&mut W> {
        self.line.waiter_mut(id.0)
    }

    /// Takes one out of the line that has given up; none if it does not wait (any more).
    pub fn cancel(&mut self, id: WaitId) -> Option<W> {
        self.leave(id.0)
    }

    /// Tells that the connection of a lease has been made: from now on others may share it. Without
    /// [`PoolOptions::shared_by`] there is nothing to tell.
    pub fn connected(&mut self, lease: &Lease, connection: &C, now: Instant) {
        if self.options.shared_by == 1 || self.is_over(lease.at, now) {
            return;
        }
        let entry = &mut self.entries[lease.at];
        entry.kept = Some(connection.clone());
        let key = entry.key;
        self.keys[key].open.push(lease.at);
        self.relist(key);
    }

    /// Gives a connection back that was used, and can be used again.
    ///
    /// # Errors
    ///
    /// Hands both back when the connection is not kept: it is to be closed, and then its slot [released](Self::release).
    pub fn give_back(&mut self, lease: Lease, connection: C, now: Instant) -> Result<(), (Lease, C)> {
        self.put_back(lease, connection, now, true)
    }

    /// Gives a connection back that was not used: it has been idle since it was used last.
    ///
    /// # Errors
    ///
    /// As [`give_back`](Self::give_back).
    pub fn give_back_unused(&mut self, lease: Lease, connection: C, now: Instant) -> Result<(), (Lease, C)> {
        self.counts.hits = self.counts.hits.saturating_sub(1);
        self.put_back(lease, connection, now, false)
    }

    /// Marks the connection of a lease as broken: nobody gets it from now on, whoever shares it. Returns the pool's own
    /// handle of a shared one, to be dropped.
    pub fn mark_broken(&mut self, lease: &Lease) -> Option<C> {
        self.end(lease.at, Standing::Broken)
    }

    /// Gives a slot back whose connection is closed, or was never made.
    #[expect(clippy::needless_pass_by_value, reason = "whoever gives a slot back has it no more")]
    pub fn release(&mut self, lease: Lease) {
        self.leave_entry(lease.at);
    }

    /// Gives another connection, or room for one, in place of one that turned out broken before it was used. That one was
    /// [marked](Self::mark_broken), and is closed. None if others still use it, or the pool is closed: ask anew.
    ///
    /// It gives none that would have to be asked whether it is alive: whoever has waited for one such answer in vain waits for
    /// no other.
    pub fn replace(&mut self, lease: Lease, now: Instant) -> Option<Checkout<C>> {
        self.counts.hits = self.counts.hits.saturating_sub(1);
        let entry = &self.entries[lease.at];
        if 1 < entry.users || self.is_closed {
            self.release(lease);
            return None;
        }
        let key = entry.key;
        if let Some(checkout) = self.reuse_unchecked(key, now) {
            self.release(lease);
            return Some(checkout);
        }
        let serial = self.next_serial();
        let dies = self.options.end_of_life(serial, now);
        self.entries[lease.at] = Entry::new(key, serial, dies, now);
        self.counts.misses += 1;
        Some(Checkout::Connect { lease: Lease { at: lease.at, serial }, replaced: None })
    }

    /// Takes out an idle connection that is to be closed: idle for too long, over its life, or cleared. Its slot is to be
    /// released once it is. Call it until none is left; while none is due it costs a comparison.
    pub fn expire(&mut self, now: Instant) -> Option<(Lease, C)> {
        if self.sweep_at.is_none_or(|at| now < at) {
            return None;
        }
        let (mut at, mut earliest) = (self.idle.oldest, None);
        while at != crate::idle::NONE {
            if self.is_over(at, now) || self.is_idle_for_too_long(at, now) {
                self.unlink(at);
                let closing = self.end(at, Standing::Over);
                let entry = &mut self.entries[at];
                entry.users = 1;
                let lease = Lease { at, serial: entry.serial };
                return closing.map(|connection| (lease, connection));
            }
            earliest = earlier(earliest, self.expiry(at));
            at = self.entries[at].of_all.newer;
        }
        self.sweep_at = earliest;
        None
    }

    /// Clears the pool: closes every connection, those in use when they come back. Returns how many were idle, which
    /// [`expire`](Self::expire) takes out.
    pub fn clear(&mut self, now: Instant) -> usize {
        self.valid_from = self.serial + 1;
        self.sweep_at = Some(now);
        self.idle_count
    }

    /// Clears one key: as [`clear`](Self::clear), for one whose credentials changed, say.
    pub fn clear_key<Q>(&mut self, key: &Q, now: Instant) -> usize
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let Some(at) = self.keys.find(key) else { return 0 };
        self.keys[at].valid_from = self.serial + 1;
        self.sweep_at = Some(now);
        let mut idle = self.keys[at].idle.newest;
        let mut count = 0;
        while idle != crate::idle::NONE {
            count += 1;
            idle = self.entries[idle].of_key.older;
        }
        count
    }

    /// Closes the pool: hands out nothing more, refuses those that wait, and [clears](Self::clear) it.
    pub fn close(&mut self, now: Instant) -> usize {
        self.is_closed = true;
        self.clear(now)
    }
}

impl<K, C, W> KeyedPool<K, C, W> {
    /// When to call [`next`](Self::next) for those whose deadline passes, and [`expire`](Self::expire), if nothing else happens.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        earlier(self.line.next_deadline(), self.sweep_at.filter(|_| 0 < self.idle_count))
    }

    /// What it holds, and what it did.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let (idle, waiting) = (self.idle_count, self.line.len());
        PoolStats { idle, in_use: self.entries.len() - idle, waiting, ..self.counts }
    }

    /// How many connections are in use, being made, or being closed.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.entries.len() - self.idle_count
    }

    /// Whether it was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl<K, C, W> fmt::Debug for KeyedPool<K, C, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPool")
            .field("options", &self.options)
            .field("stats", &self.stats())
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}
