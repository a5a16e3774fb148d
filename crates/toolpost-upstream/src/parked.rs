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
    /// Keeps a call; gives it up if there are too many.
    pub(crate) fn park(&self, running: Running, principal: &Principal, now: Instant) -> Option<u64> {
        let mut inner = self.inner();
        if PARKED_MAX <= inner.parked.len() {
            drop(inner);
            // Without the lock: a call that is dropped is cancelled at its server.
            drop(running);
            return None;
        }
        inner.last += 1;
        let id = inner.last;
        let until = now + PARKED_FOR;
        inner.parked.insert(id, Parked { running, principal: principal.clone(), until });
        Some(id)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use toolpost_client::{ClientOptions, McpClient};
    use toolpost_protocol::Version;
    use toolpost_tool::{Call, InputCapabilities, NoArgs};

    use super::*;
    use crate::asker::Asker;
    use crate::clock::now;
    use crate::connection::{Connection, Held, Lease};

    #[tokio::test(start_paused = true)]
    async fn as_many_are_kept_as_may_for_as_long_as_they_may() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let (reader, writer) = tokio::io::split(ours);
        let client = McpClient::over_stdio(reader, writer, ClientOptions::new("test", "1"));
        let connection = Arc::new(Connection::new(client, Version::V2025_11_25));
        let running = || Running {
            lease: Lease::new(Arc::clone(&connection), Held::Shared, &Call::new(&NoArgs {}).unwrap()),
            request: Box::pin(std::future::pending()),
            asker: Asker::new(InputCapabilities::default()),
            open: None,
            asked: 0,
        };
        let parking = Parking::default();
        let principal = Principal::new("ada");
        let parked: Vec<_> = (0..=PARKED_MAX).map(|_| parking.park(running(), &principal, now())).collect();
        assert_eq!(parked.iter().filter(|id| id.is_some()).count(), PARKED_MAX);
        assert!(parked[PARKED_MAX].is_none());
        let id = parked[0].unwrap();
        assert!(parking.take(id, &Principal::new("eve")).is_none());
        assert!(parking.take(id, &principal).is_some() && parking.take(id, &principal).is_none());
        assert_eq!(parking.len(), PARKED_MAX - 1);
        let next = parking.expire(now()).unwrap();
        assert_eq!(next, now() + PARKED_FOR);
        assert_eq!((parking.expire(next), parking.len()), (None, 0));
        parking.clear();
    }
}
