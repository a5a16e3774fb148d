//! The calls that run now.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::Notify;
use toolpost_protocol::Id;
use toolpost_tool::Principal;

/// Names a running call: the connection or session it came on, and its request id there.
///
/// Ids of two connections never meet: whoever makes keys gives every connection its own number. A call whose key
/// is in use is refused, unless its key [may recur](Self::recurring).
#[derive(Clone, Debug)]
pub struct CallKey {
    connection: u64,
    id: Id,
    /// Says nothing of which call is meant, so it is left out where keys are compared.
    recurs: bool,
}

impl CallKey {
    /// The call with request id `id` on connection number `connection`.
    #[must_use]
    pub const fn new(connection: u64, id: Id) -> Self {
        Self { connection, id, recurs: false }
    }

    /// The same key, under which several calls may run at once: where an answer finds its request without its id, as
    /// over HTTP, some clients give all of them one. Who cancels the key cancels all that run under it.
    #[must_use]
    pub const fn recurring(mut self) -> Self {
        self.recurs = true;
        self
    }
}

impl PartialEq for CallKey {
    fn eq(&self, other: &Self) -> bool {
        self.connection == other.connection && self.id == other.id
    }
}

impl Eq for CallKey {}

impl Hash for CallKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.connection.hash(state);
        self.id.hash(state);
    }
}

/// Counts every running call, and knows those that can be cancelled by key.
pub(crate) struct InFlight {
    /// How many calls run, and in the highest bit whether new ones are refused: one word, so that a call that is
    /// refused is never counted, and a drain that has begun misses none.
    state: AtomicUsize,
    /// How many of them were made by calls that run: they are nobody's in `callers`.
    within: AtomicUsize,
    idle: Notify,
    keyed: DashMap<CallKey, Slot>,
    /// Where calls can be reached whose key another call had already, by a number of their own.
    more: DashMap<CallKey, BTreeMap<u32, Slot>>,
    /// How many calls of each caller run that can be told apart; nobody is in it without a call.
    callers: DashMap<Caller, usize>,
    limits: CallerLimits,
}

/// How many calls of one caller may run at once.
pub(crate) struct CallerLimits {
    /// Of a principal.
    pub(crate) per_principal: usize,
    /// Of these, an address without a name may have half of what others leave free.
    pub(crate) permits: Box<dyn Fn() -> usize + Send + Sync>,
}

/// Whose calls are counted together.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Caller {
    Named(Principal),
    /// All who come from one place without a name.
    From(NonZeroU64),
}

impl CallerLimits {
    /// The most calls of `caller`, of whose calls so many run, as of those of everyone.
    fn of(&self, caller: &Caller, own: usize, all: usize) -> usize {
        match caller {
            Caller::Named(_) => self.per_principal,
            Caller::From(_) => {
                // The host's function may panic: then nobody has more than a principal.
                let permits = catch_unwind(AssertUnwindSafe(&*self.permits)).unwrap_or(0);
                let free = permits.saturating_sub(all.saturating_sub(own));
                self.per_principal.max(free / 2)
            }
        }
    }
}

/// The bit that says that no call may start.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Where a keyed call can be reached.
#[derive(Default)]
struct Slot {
    cancelled: bool,
    waker: Option<Waker>,
}

/// Why a call may not start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AdmissionError {
    Draining,
    KeyInUse,
    /// So many calls of the caller run.
    TooMany(usize),
}

impl InFlight {
    /// An empty table.
    pub(crate) fn new(limits: CallerLimits) -> Self {
        Self {
            state: AtomicUsize::default(),
            within: AtomicUsize::default(),
            idle: Notify::default(),
            keyed: DashMap::default(),
            more: DashMap::with_shard_amount(2),
            callers: DashMap::default(),
            limits,
        }
    }

    /// Counts a call in; it is counted out when the flight is dropped.
    pub(crate) fn enter(
        self: &Arc<Self>,
        key: Option<CallKey>,
        principal: &Principal,
        origin: Option<NonZeroU64>,
    ) -> Result<Flight, AdmissionError> {
        // What the flight has taken it gives back, also when the call is barred by what it takes next.
        let mut flight = Flight::new(self);
        let caller = match principal.is_anonymous() {
            true => origin.map(Caller::From),
            false => Some(Caller::Named(principal.clone())),
        };
        if let Some(caller) = caller {
            let mut calls = self.callers.entry(caller.clone()).or_default();
            if self.limits.of(&caller, *calls, self.running_by_callers()) <= *calls {
                return Err(AdmissionError::TooMany(*calls));
            }
            *calls += 1;
            drop(calls);
            flight.caller = Some(caller);
        }
        if let Some(key) = key {
            match self.keyed.entry(key.clone()) {
                Entry::Occupied(_) if !key.recurs => return Err(AdmissionError::KeyInUse),
                Entry::Occupied(_) => flight.recurrence = self.recur(&key)?,
                Entry::Vacant(vacant) => drop(vacant.insert(Slot::default())),
            }
            flight.key = Some(key);
        }
        let open = |state: usize| (state & CLOSED == 0).then_some(state + 1);
        match self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, open) {
            Ok(_) => flight.counted = true,
            Err(_closed) => return Err(AdmissionError::Draining),
        }
        Ok(flight)
    }

    /// Counts in a call made by a call that is counted already, and so not to be barred.
    pub(crate) fn enter_within(self: &Arc<Self>) -> Flight {
        self.within.fetch_add(1, Ordering::Relaxed);
        self.state.fetch_add(1, Ordering::SeqCst);
        let mut flight = Flight::new(self);
        (flight.counted, flight.within) = (true, true);
        flight
    }

    /// Makes a slot for one more call under a key that is in use; its number there, from 1.
    #[cold]
    fn recur(&self, key: &CallKey) -> Result<u32, AdmissionError> {
        let mut slots = self.more.entry(key.clone()).or_default();
        let last = slots.last_key_value().map_or(0, |(last, _)| *last);
        let number = last.checked_add(1).ok_or(AdmissionError::KeyInUse)?;
        slots.insert(number, Slot::default());
        Ok(number)
    }

    /// Cancels every call under `key`; false if there is none.
    pub(crate) fn cancel(&self, key: &CallKey) -> bool {
        let first = self.keyed.get_mut(key).map(|mut slot| slot.cancel());
        let more = self.more.get_mut(key);
        let more = more.map(|mut slots| slots.values_mut().map(Slot::cancel).collect::<Vec<_>>());
        let found = first.is_some() || more.is_some();
        // Woken without a lock: a waker may drop its call.
        first.into_iter().chain(more.into_iter().flatten()).flatten().for_each(Waker::wake);
        found
    }

    pub(crate) fn running(&self) -> usize {
        self.state.load(Ordering::SeqCst) & !CLOSED
    }

    /// Those that no running call has made.
    fn running_by_callers(&self) -> usize {
        self.running().saturating_sub(self.within.load(Ordering::Relaxed))
    }

    /// From now on no call may start.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Resolves when nothing runs. Cancel safe.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            // Listen before looking, so that the last call cannot end unheard in between.
            notified.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("running", &self.running())
            .field("draining", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Slot {
    /// Who is to be woken for it.
    const fn cancel(&mut self) -> Option<Waker> {
        self.cancelled = true;
        self.waker.take()
    }

    fn is_cancelled(&mut self, waker: &Waker) -> bool {
        if !self.cancelled && !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        self.cancelled
    }
}

/// One running call; dropping it counts the call out.
#[derive(Debug)]
pub(crate) struct Flight {
    table: Arc<InFlight>,
    /// What it can be cancelled by.
    key: Option<CallKey>,
    /// Whose calls it is counted among.
    caller: Option<Caller>,
    /// Whether it is counted among all that run.
    counted: bool,
    /// Whether a running call made it.
    within: bool,
    /// Its number among those whose key was in use; 0 if it was not.
    recurrence: u32,
}

impl Flight {
    fn new(table: &Arc<InFlight>) -> Self {
        Self {
            table: Arc::clone(table),
            key: None,
            caller: None,
            counted: false,
            within: false,
            recurrence: 0,
        }
    }

    /// Whether the call was cancelled; if not, `waker` is woken when it is.
    pub(crate) fn is_cancelled(&self, waker: &Waker) -> bool {
        let Some(key) = &self.key else { return false };
        if self.recurrence != 0 {
            return self.is_recurrence_cancelled(key, waker);
        }
        self.table.keyed.get_mut(key).is_some_and(|mut slot| slot.is_cancelled(waker))
    }

    #[cold]
    fn is_recurrence_cancelled(&self, key: &CallKey, waker: &Waker) -> bool {
        let slots = self.table.more.get_mut(key);
        slots.is_some_and(|mut slots| {
            slots.get_mut(&self.recurrence).is_some_and(|slot| slot.is_cancelled(waker))
        })
    }

    #[cold]
    fn leave_recurrence(&self, key: &CallKey) {
        self.table.more.remove_if_mut(key, |_, slots| {
            slots.remove(&self.recurrence);
            slots.is_empty()
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            match self.recurrence {
                0 => drop(self.table.keyed.remove(key)),
                _ => self.leave_recurrence(key),
            }
        }
        if let Some(caller) = &self.caller {
            self.table.callers.remove_if_mut(caller, |_, calls| {
                *calls -= 1;
                *calls == 0
            });
        }
        if self.within {
            self.table.within.fetch_sub(1, Ordering::Relaxed);
        }
        if self.counted && self.table.state.fetch_sub(1, Ordering::SeqCst) & !CLOSED == 1 {
            self.table.idle.notify_waiters();
        }
    }
}
