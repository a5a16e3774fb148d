//! Calls that a server of the older revisions has suspended: it holds the request open, and so does this table, until the
//! answer of the call's user comes with another call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use toolpost_tool::Principal;

use crate::asker::Running;

/// How many calls are suspended at once.
pub(crate) const PARKED_MAX: usize = 64;
/// How long an answer is waited for: as long as a server lets a state come back.
pub(crate) const PARKED_FOR: Duration = Duration::from_secs(600);

/// The suspended calls of one upstream.
#[derive(Default)]
pub(crate) struct Parking {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    parked: BTreeMap<u64, Parked>,
}

struct Parked {
    running: Running,
    principal: Principal,
    until: Instant,
}

impl Parking {
    /// Keeps a call; gives it back if there are too many.
    pub(crate) fn park(&self, running: Running, principal: &Principal, now: Instant) -> Result<u64, Running> {
        let mut inner = self.inner();
        if PARKED_MAX <= inner.parked.len() {
            return Err(running);
        }
        inner.last += 1;
        let id = inner.last;
        let until = now + PARKED_FOR;
        inner.parked.insert(id, Parked { running, principal: principal.clone(), until });
        Ok(id)
    }

    /// Takes a call back that is this principal's.
    pub(crate) fn take(&self, id: u64, principal: &Principal) -> Option<Running> {
        let mut inner = self.inner();
        let is_its = inner.parked.get(&id).is_some_and(|parked| parked.principal == *principal);
        if is_its { inner.parked.remove(&id).map(|parked| parked.running) } else { None }
    }

    /// Gives up calls whose answers did not come; when to look again.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let (late, next) = {
            let mut inner = self.inner();
            let late: Vec<u64> =
                inner.parked.iter().filter(|(_, parked)| parked.until <= now).map(|(id, _)| *id).collect();
            let late: Vec<Parked> = late.iter().filter_map(|id| inner.parked.remove(id)).collect();
            (late, inner.parked.values().map(|parked| parked.until).min())
        };
        // Without the lock: a call that is dropped is cancelled at its server.
        drop(late);
        next
    }

    /// Gives up all of them.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut self.inner().parked);
        drop(all);
    }

    pub(crate) fn len(&self) -> usize {
        self.inner().parked.len()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
