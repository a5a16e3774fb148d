//! Sessions of the legacy era over HTTP.
//!
//! A session is [sealed into its own id](super::sealed_session), so that one which is idle costs nothing here. Remembered
//! are those that a call or a stream is using; those that have what the id cannot say (a log level, subscriptions, changes
//! not yet told), in a bounded number and not for ever; and the last ones that were ended.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use http::HeaderValue;
use lru::LruCache;
use toolpost_tool::Principal;

use super::HttpLimits;
use super::sealed_session::SessionId;
use crate::clock;
use crate::service::seal::Sealer;
use crate::service::session::Session;

/// So many of those that were ended are remembered, so that they stay ended.
const ENDED: usize = 10_000;

/// The table is looked through for sessions that nobody uses any more when it has twice as many as after the last time,
/// and this many.
const FEW: usize = 64;

/// The legacy sessions.
pub(crate) struct Sessions {
    most: usize,
    share: usize,
    idle: Duration,
    lifetime: Duration,
    table: Mutex<Table>,
}

/// Sessions by their numbers.
struct Table {
    /// In use, or lately.
    open: HashMap<u64, Weak<Session>>,
    /// How many `open` may hold before it is looked through.
    look_through_at: usize,
    /// With something that the id does not say.
    kept: HashMap<u64, Kept>,
    counts: HashMap<Holder, usize>,
    ended: LruCache<u64, ()>,
}

struct Kept {
    session: Arc<Session>,
    holder: Holder,
}

/// Whose session it is: a principal's, or that of whoever comes from an address.
type Holder = (Principal, Option<IpAddr>);

impl Sessions {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        let HttpLimits { sessions, sessions_per_principal, session_idle, session_lifetime, .. } = *limits;
        Self {
            most: sessions,
            share: sessions_per_principal,
            idle: session_idle,
            lifetime: session_lifetime,
            table: Mutex::new(Table {
                open: HashMap::new(),
                look_through_at: FEW,
                kept: HashMap::new(),
                counts: HashMap::new(),
                ended: LruCache::unbounded(),
            }),
        }
    }

    /// The id of what `initialize` settled for `principal`; `None` without a key or randomness.
    pub(crate) fn seal(&self, sealer: &Sealer, session: &Session) -> Option<HeaderValue> {
        SessionId::seal(sealer, &session.principal, session.agreed()?, self.lifetime)
    }

    /// The session that `value` names, if it is one of `principal` and has not ended.
    pub(crate) fn find(
        &self,
        sealer: &Sealer,
        value: &HeaderValue,
        principal: &Principal,
    ) -> Option<Arc<Session>> {
        let id = SessionId::parse(value)?;
        let number = id.number();
        let known = |session: Arc<Session>| (session.principal == *principal).then_some(session);
        {
            let (now, mut table) = (clock::now(), self.lock());
            if table.kept.get(&number).is_some_and(|kept| self.is_idle(&kept.session, now)) {
                table.end(number);
            }
            if table.ended.get(&number).is_some() {
                return None;
            }
            if let Some(Kept { session, .. }) = table.kept.get(&number) {
                session.touch(now);
                return known(Arc::clone(session));
            }
            if let Some(session) = table.open.get(&number).and_then(Weak::upgrade) {
                return known(session);
            }
        }
        let agreed = id.open(sealer, principal)?;
        let session = Arc::new(Session::new(number, principal.clone()));
        session.agree(agreed);
        self.lock().open(session)
    }

    /// Keeps `session`, used from `address`, for what its id does not say; another one that is not in use may have to end.
    /// False if all that are kept are in use.
    pub(crate) fn keep(&self, session: &Arc<Session>, address: Option<IpAddr>) -> bool {
        let now = clock::now();
        session.touch(now);
        let mut table = self.lock();
        if table.kept.contains_key(&session.number) {
            return true;
        }
        let holder = (session.principal.clone(), address.filter(|_| session.principal.is_anonymous()));
        // Where nothing tells callers apart, nobody in particular holds too many.
        let shared = holder == (Principal::anonymous(), None);
        let full = |table: &Table| {
            let own = table.counts.get(&holder).copied().unwrap_or(0);
            (!shared && self.share <= own, self.most <= table.kept.len())
        };
        if full(&table) != (false, false) {
            let idle = table.kept.iter().filter(|(_, kept)| self.is_idle(&kept.session, now));
            for number in idle.map(|(number, _)| *number).collect::<Vec<_>>() {
                table.end(number);
            }
        }
        if full(&table).0 && !table.make_room(Some(&holder)) {
            return false;
        }
        if full(&table).1 && !table.make_room(None) {
            return false;
        }
        *table.counts.entry(holder.clone()).or_default() += 1;
        table.kept.insert(session.number, Kept { session: Arc::clone(session), holder });
        true
    }

    /// Ends a session: its streams close, and its id leads nowhere from now on.
    pub(crate) fn end(&self, session: &Session) {
        self.lock().end(session.number);
        session.closed.cancel();
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
    /// Adds a session that is in use from now on, unless somebody else was faster or ended it.
    fn open(&mut self, session: Arc<Session>) -> Option<Arc<Session>> {
        let number = session.number;
        if self.ended.contains(&number) {
            return None;
        }
        let kept = self.kept.get(&number).map(|kept| Arc::clone(&kept.session));
        let opened = kept.or_else(|| self.open.get(&number)?.upgrade());
        if let Some(opened) = opened {
            return (opened.principal == session.principal).then_some(opened);
        }
        if self.look_through_at <= self.open.len() {
            self.open.retain(|_, session| 0 < session.strong_count());
            self.look_through_at = 2 * self.open.len() + FEW;
        }
        self.open.insert(number, Arc::downgrade(&session));
        Some(session)
    }

    /// Ends one kept session that is not in use: of `holder`, or else of whoever has the most. What has been idle for
    /// longest goes first.
    fn make_room(&mut self, holder: Option<&Holder>) -> bool {
        let rank = |kept: &Kept| (Reverse(self.counts.get(&kept.holder).copied()), kept.session.last_used());
        let candidates = self
            .kept
            .iter()
            .filter(|(_, kept)| holder.is_none_or(|holder| kept.holder == *holder) && !in_use(&kept.session));
        let chosen = candidates.min_by_key(|(_, kept)| rank(kept)).map(|(number, _)| *number);
        chosen.is_some_and(|number| {
            self.end(number);
            true
        })
    }

    fn end(&mut self, number: u64) {
        self.ended.put(number, ());
        if ENDED < self.ended.len() {
            self.ended.pop_lru();
        }
        self.open.remove(&number);
        let Some(Kept { session, holder }) = self.kept.remove(&number) else { return };
        if let Some(count) = self.counts.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&holder);
            }
        }
        session.closed.cancel();
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
        let table = self.lock();
        f.debug_struct("Sessions")
            .field("in_use_or_lately", &table.open.len())
            .field("kept", &table.kept.len())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use toolpost_protocol::Version;
    use toolpost_tool::InputCapabilities;

    use super::*;
    use crate::service::session::Agreed;

    fn opened(sessions: &Sessions, sealer: &Sealer, who: &Principal) -> HeaderValue {
        let session = Session::new(1, who.clone());
        session.agree(Agreed { version: Version::V2025_06_18, client: InputCapabilities::default() });
        sessions.seal(sealer, &session).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_that_nobody_uses_cost_nothing() {
        let sessions = Sessions::new(&HttpLimits::default());
        let (sealer, ann) = (Sealer::new(Some([1; 32])), Principal::new("ann"));
        for _ in 0..10_000 {
            let id = opened(&sessions, &sealer, &ann);
            assert!(sessions.find(&sealer, &id, &ann).is_some());
        }
        let table = sessions.lock();
        assert!(table.open.len() <= 2 * FEW, "{}", table.open.len());
        assert_eq!((table.kept.len(), table.counts.len(), table.ended.len()), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_in_use_is_one_and_the_same_for_all_its_requests() {
        let sessions = Sessions::new(&HttpLimits::default());
        let (sealer, ann, bob) = (Sealer::new(Some([1; 32])), Principal::new("ann"), Principal::new("bob"));
        let id = opened(&sessions, &sealer, &ann);
        let first = sessions.find(&sealer, &id, &ann).unwrap();
        assert!(Arc::ptr_eq(&first, &sessions.find(&sealer, &id, &ann).unwrap()));
        assert!(sessions.find(&sealer, &id, &bob).is_none(), "also while it is in use");
        assert!(sessions.keep(&first, None));
        assert!(sessions.find(&sealer, &id, &bob).is_none(), "also while it is kept");
        let number = first.number;
        drop(first);
        assert_eq!(sessions.find(&sealer, &id, &ann).unwrap().number, number);
        sessions.end(&sessions.find(&sealer, &id, &ann).unwrap());
        assert!(sessions.find(&sealer, &id, &ann).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_that_ended_are_remembered() {
        let sessions = Sessions::new(&HttpLimits::default());
        let (sealer, ann) = (Sealer::new(Some([1; 32])), Principal::new("ann"));
        let last = opened(&sessions, &sealer, &ann);
        for number in 0..2 * ENDED as u64 {
            sessions.lock().end(number);
        }
        sessions.end(&sessions.find(&sealer, &last, &ann).unwrap());
        assert_eq!(sessions.lock().ended.len(), ENDED);
        assert!(sessions.find(&sealer, &last, &ann).is_none());
    }
}
