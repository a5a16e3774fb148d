//! The table of legacy sessions: bounded, for each who opens them too, and nothing stays in it for ever.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use toolpost_tool::Principal;

use super::HttpLimits;
use super::session_id::SessionId;
use crate::clock;
use crate::service::session::Session;

/// The legacy sessions there are.
pub(crate) struct Sessions {
    most: usize,
    share: usize,
    idle: Duration,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<SessionId, Entry>,
    counts: HashMap<Holder, usize>,
}

struct Entry {
    session: Arc<Session>,
    holder: Holder,
    /// Whether there was any request after the first.
    used: bool,
}

/// Whose session it is: a principal's, or that of whoever comes from an address.
type Holder = (Principal, Option<IpAddr>);

impl Sessions {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        let HttpLimits { sessions, sessions_per_principal, session_idle, .. } = *limits;
        Self { most: sessions, share: sessions_per_principal, idle: session_idle, table: Mutex::default() }
    }

    /// Keeps `session`, opened from `address`; another one may have to give way. `None` if all there are
    /// are in use, or there is no randomness.
    pub(crate) fn open(&self, session: Arc<Session>, address: Option<IpAddr>) -> Option<SessionId> {
        let now = clock::now();
        session.touch(now);
        let holder = (session.principal.clone(), address.filter(|_| session.principal.is_anonymous()));
        // Where nothing tells callers apart, nobody in particular holds too many.
        let shared = holder == (Principal::anonymous(), None);
        let mut table = self.lock();
        let full = |table: &Table| {
            let own = table.counts.get(&holder).copied().unwrap_or(0);
            (!shared && self.share <= own, self.most <= table.sessions.len())
        };
        if full(&table) != (false, false) {
            table.forget_if(|entry| self.is_idle(&entry.session, now));
        }
        if full(&table).0 && !table.make_room(Some(&holder)) {
            return None;
        }
        if full(&table).1 && !table.make_room(None) {
            return None;
        }
        let id = SessionId::random()?;
        *table.counts.entry(holder.clone()).or_default() += 1;
        table.sessions.insert(id.clone(), Entry { session, holder, used: false });
        Some(id)
    }

    /// Finds a session that is still alive, and keeps it so.
    pub(crate) fn find(&self, id: &SessionId) -> Option<Arc<Session>> {
        let now = clock::now();
        let mut table = self.lock();
        let entry = table.sessions.get_mut(id)?;
        if self.is_idle(&entry.session, now) {
            table.remove(id);
            return None;
        }
        entry.used = true;
        entry.session.touch(now);
        Some(Arc::clone(&entry.session))
    }

    /// Ends a session.
    pub(crate) fn close(&self, session: &Arc<Session>) {
        self.lock().forget_if(|entry| Arc::ptr_eq(&entry.session, session));
    }

    fn is_idle(&self, session: &Arc<Session>, now: Instant) -> bool {
        let used = session.last_used();
        !in_use(session) && used.is_none_or(|used| self.idle <= now.saturating_duration_since(used))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends one session that is not in use: of `holder`, or else of whoever has the most. One that was never
    /// used goes before one that was, and what has been idle for longer before the rest.
    fn make_room(&mut self, holder: Option<&Holder>) -> bool {
        let rank = |entry: &Entry| {
            let many = self.counts.get(&entry.holder).copied();
            (std::cmp::Reverse(many), entry.used, entry.session.last_used())
        };
        let candidates = self.sessions.iter().filter(|(_, entry)| {
            holder.is_none_or(|holder| entry.holder == *holder) && !in_use(&entry.session)
        });
        let chosen = candidates.min_by_key(|(_, entry)| rank(entry)).map(|(id, _)| id.clone());
        chosen.is_some_and(|id| self.remove(&id).is_some())
    }

    fn forget_if(&mut self, is_over: impl Fn(&Entry) -> bool) {
        let over = self.sessions.iter().filter(|(_, entry)| is_over(entry)).map(|(id, _)| id.clone());
        for id in over.collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &SessionId) -> Option<Arc<Session>> {
        let Entry { session, holder, .. } = self.sessions.remove(id)?;
        if let Some(count) = self.counts.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&holder);
            }
        }
        session.closed.cancel();
        Some(session)
    }
}

/// A session with a call running or a stream open is held by it.
fn in_use(session: &Arc<Session>) -> bool {
    1 < Arc::strong_count(session)
}

/// A session that is in use until this is dropped, and idle from then on.
#[derive(Debug)]
pub(crate) struct InUse(pub(crate) Arc<Session>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.touch(clock::now());
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("open", &self.lock().sessions.len())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
