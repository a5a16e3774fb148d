//! The table of legacy sessions: bounded, and nothing stays in it for ever.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::service::session::{Session, SessionId};

/// The legacy sessions there are.
pub(crate) struct Sessions {
    most: usize,
    idle: Duration,
    table: Mutex<HashMap<SessionId, Arc<Session>>>,
}

impl Sessions {
    pub(crate) fn new(most: usize, idle: Duration) -> Self {
        Self { most, idle, table: Mutex::default() }
    }

    /// Keeps `session`; `None` if the table is full of sessions in use, or there is no randomness.
    pub(crate) fn open(&self, session: Arc<Session>) -> Option<SessionId> {
        let now = clock::now();
        session.touch(now);
        let mut table = self.lock();
        if self.most <= table.len() {
            table.retain(|_, session| !self.is_idle(session, now));
        }
        if self.most <= table.len() {
            return None;
        }
        let id = SessionId::random()?;
        table.insert(id.clone(), session);
        Some(id)
    }

    /// Finds a session that is still alive, and keeps it so.
    pub(crate) fn find(&self, id: &SessionId) -> Option<Arc<Session>> {
        let now = clock::now();
        let mut table = self.lock();
        let session = table.get(id)?;
        if self.is_idle(session, now) {
            table.remove(id);
            return None;
        }
        session.touch(now);
        Some(Arc::clone(session))
    }

    /// Ends a session; says whether there was one.
    pub(crate) fn close(&self, id: &SessionId) -> bool {
        let session = self.lock().remove(id);
        session.inspect(|session| session.closed.cancel()).is_some()
    }

    fn is_idle(&self, session: &Arc<Session>, now: std::time::Instant) -> bool {
        // A session with a call running is not idle: the call holds it.
        let unused = Arc::strong_count(session) == 1;
        unused && session.last_used().is_none_or(|used| self.idle <= now.saturating_duration_since(used))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("open", &self.lock().len())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
