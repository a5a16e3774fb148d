//! The calls that run now.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::Notify;
use toolpost_protocol::Id;

/// Names a running call: the connection or session it came on, and its request id there.
///
/// Ids of two connections never meet: whoever makes keys gives every connection its own number.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CallKey {
    connection: u64,
    id: Id,
}

impl CallKey {
    /// The call with request id `id` on connection number `connection`.
    #[must_use]
    pub const fn new(connection: u64, id: Id) -> Self {
        Self { connection, id }
    }
}

/// Counts every running call, and knows those that can be cancelled by key.
#[derive(Default)]
pub(crate) struct InFlight {
    /// How many calls run, and in the highest bit whether new ones are refused: one word, so that a call that is
    /// refused is never counted, and a drain that has begun misses none.
    state: AtomicUsize,
    idle: Notify,
    keyed: DashMap<CallKey, Slot>,
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
pub(crate) enum Barred {
    Draining,
    KeyInUse,
}

impl InFlight {
    /// Counts a call in; it is counted out when the flight is dropped.
    pub(crate) fn enter(self: &Arc<Self>, key: Option<CallKey>) -> Result<Flight, Barred> {
        let Some(key) = key else {
            self.count_in()?;
            return Ok(Flight { table: Arc::clone(self), key: None });
        };
        match self.keyed.entry(key.clone()) {
            Entry::Occupied(_) => return Err(Barred::KeyInUse),
            Entry::Vacant(vacant) => drop(vacant.insert(Slot::default())),
        }
        if let Err(barred) = self.count_in() {
            self.keyed.remove(&key);
            return Err(barred);
        }
        Ok(Flight { table: Arc::clone(self), key: Some(key) })
    }

    fn count_in(&self) -> Result<(), Barred> {
        let open = |state: usize| (state & CLOSED == 0).then_some(state + 1);
        match self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, open) {
            Ok(_) => Ok(()),
            Err(_closed) => Err(Barred::Draining),
        }
    }

    /// Counts in a call made by a call that is counted already, and so not to be barred.
    pub(crate) fn enter_within(self: &Arc<Self>) -> Flight {
        self.state.fetch_add(1, Ordering::SeqCst);
        Flight { table: Arc::clone(self), key: None }
    }

    /// Cancels the call under `key`; false if there is none.
    pub(crate) fn cancel(&self, key: &CallKey) -> bool {
        let Some(mut slot) = self.keyed.get_mut(key) else { return false };
        slot.cancelled = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    pub(crate) fn running(&self) -> usize {
        self.state.load(Ordering::SeqCst) & !CLOSED
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

/// One running call; dropping it counts the call out.
#[derive(Debug)]
pub(crate) struct Flight {
    table: Arc<InFlight>,
    key: Option<CallKey>,
}

impl Flight {
    /// Whether the call was cancelled; if not, `waker` is woken when it is.
    pub(crate) fn is_cancelled(&self, waker: &Waker) -> bool {
        let Some(key) = &self.key else { return false };
        let Some(mut slot) = self.table.keyed.get_mut(key) else { return false };
        if !slot.cancelled && !slot.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
        slot.cancelled
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.table.keyed.remove(key);
        }
        if self.table.state.fetch_sub(1, Ordering::SeqCst) & !CLOSED == 1 {
            self.table.idle.notify_waiters();
        }
    }
}
