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

/// So many of those that a principal ended, or that gave way, are remembered, so that they stay ended; of the last so many
/// principals.
const ENDED: usize = 100;
const ENDERS: usize = 1_000;

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
    ended: LruCache<Principal, LruCache<u64, ()>>,
}

/// What became of a session that should be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keeping {
    Kept,
    /// All that are kept are in use.
    Full,
    /// It was ended meanwhile.
    Ended,
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
        // The seal is asked every time: what is remembered outlives neither its lifetime nor its key.
        let Some(agreed) = id.open(sealer, principal) else {
            self.lock().end_if_of(number, principal);
            return None;
        };
        {
            let (now, mut table) = (clock::now(), self.lock());
            if table.kept.get(&number).is_some_and(|kept| self.is_idle(&kept.session, now)) {
                table.end(number, principal);
            }
            if table.has_ended(number, principal) {
                return None;
            }
            if let Some(Kept { session, .. }) = table.kept.get(&number) {
                session.touch(now);
                return Some(Arc::clone(session));
            }
            if let Some(session) = table.open.get(&number).and_then(Weak::upgrade) {
                return Some(session);
            }
        }
        let session = Arc::new(Session::new(number, principal.clone()));
        session.agree(agreed);
        self.lock().open(session)
    }

    /// Keeps `session`, used from `address`, for what its id does not say; another one that is not in use may have to end.
    pub(crate) fn keep(&self, session: &Arc<Session>, address: Option<IpAddr>) -> Keeping {
        let now = clock::now();
        session.touch(now);
        let mut table = self.lock();
        if table.has_ended(session.number, &session.principal) {
            return Keeping::Ended;
        }
        if table.kept.contains_key(&session.number) {
            return Keeping::Kept;
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
            let idle = idle.map(|(number, kept)| (*number, kept.session.principal.clone()));
            for (number, principal) in idle.collect::<Vec<_>>() {
                table.end(number, &principal);
            }
        }
        if full(&table).0 && !table.make_room(Some(&holder)) {
            return Keeping::Full;
        }
        if full(&table).1 && !table.make_room(None) {
            return Keeping::Full;
        }
        *table.counts.entry(holder.clone()).or_default() += 1;
        table.kept.insert(session.number, Kept { session: Arc::clone(session), holder });
        Keeping::Kept
    }

    /// Ends a session: its streams close, and its id leads nowhere from now on.
    pub(crate) fn end(&self, session: &Session) {
        self.lock().end(session.number, &session.principal);
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
        if self.has_ended(number, &session.principal) {
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
        let chosen = candidates.min_by_key(|(_, kept)| rank(kept));
        let chosen = chosen.map(|(number, kept)| (*number, kept.session.principal.clone()));
        chosen.is_some_and(|(number, principal)| {
            self.end(number, &principal);
            true
        })
    }

    fn has_ended(&mut self, number: u64, principal: &Principal) -> bool {
        self.ended.get_mut(principal).is_some_and(|ended| ended.get(&number).is_some())
    }

    /// Ends what is kept of a session whose id does not open any more, if it is one of `principal`.
    fn end_if_of(&mut self, number: u64, principal: &Principal) {
        if self.kept.get(&number).is_some_and(|kept| kept.session.principal == *principal) {
            self.end(number, principal);
        }
    }

    /// Ends a session of `principal`. Nobody else's are forgotten for it.
    fn end(&mut self, number: u64, principal: &Principal) {
        let own = self.ended.get_or_insert_mut(principal.clone(), LruCache::unbounded);
        own.put(number, ());
        if ENDED < own.len() {
            own.pop_lru();
        }
        if ENDERS < self.ended.len() {
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
        assert_eq!(sessions.keep(&first, None), Keeping::Kept);
        assert!(sessions.find(&sealer, &id, &bob).is_none(), "also while it is kept");
        let number = first.number;
        drop(first);
        assert_eq!(sessions.find(&sealer, &id, &ann).unwrap().number, number);
        sessions.end(&sessions.find(&sealer, &id, &ann).unwrap());
        assert!(sessions.find(&sealer, &id, &ann).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_that_ended_are_remembered_whatever_others_end() {
        let sessions = Sessions::new(&HttpLimits::default());
        let (sealer, ann, bob) = (Sealer::new(Some([1; 32])), Principal::new("ann"), Principal::new("bob"));
        let anns = opened(&sessions, &sealer, &ann);
        sessions.end(&sessions.find(&sealer, &anns, &ann).unwrap());
        for number in 0..2 * ENDED as u64 {
            sessions.lock().end(number, &bob);
        }
        assert!(sessions.find(&sealer, &anns, &ann).is_none());
        assert_eq!(sessions.lock().ended.get(&bob).unwrap().len(), ENDED);
        for number in 0..2 * ENDERS {
            sessions.lock().end(1, &Principal::new(number.to_string()));
        }
        assert_eq!(sessions.lock().ended.len(), ENDERS);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_outlives_neither_its_lifetime_nor_its_key() {
        let limits = HttpLimits { session_lifetime: Duration::from_secs(60), ..HttpLimits::default() };
        let sessions = Sessions::new(&limits);
        let (sealer, ann, bob) = (Sealer::new(Some([1; 32])), Principal::new("ann"), Principal::new("bob"));
        let kept = || {
            let id = opened(&sessions, &sealer, &ann);
            let session = sessions.find(&sealer, &id, &ann).unwrap();
            assert_eq!(sessions.keep(&session, None), Keeping::Kept);
            (id, session)
        };
        let (id, session) = kept();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(sessions.find(&sealer, &id, &bob).is_none() && !session.closed.is_cancelled());
        assert!(sessions.find(&sealer, &id, &ann).is_none() && session.closed.is_cancelled());
        let (id, _session) = kept();
        for key in [[2; 32], [2; 32]] {
            sealer.rotate(&key);
            assert!(
                sessions.find(&sealer, &id, &ann).is_some(),
                "a key that is current already changes nothing"
            );
        }
        sealer.rotate(&[3; 32]);
        assert!(sessions.find(&sealer, &id, &ann).is_none());
        assert_eq!(sessions.lock().kept.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_ended_is_not_kept_and_nobody_else_keeps_it_from_being_idle() {
        let sessions = Sessions::new(&HttpLimits::default());
        let (sealer, ann, bob) = (Sealer::new(Some([1; 32])), Principal::new("ann"), Principal::new("bob"));
        let id = opened(&sessions, &sealer, &ann);
        let used = sessions.find(&sealer, &id, &ann).unwrap();
        sessions.end(&used);
        assert_eq!((sessions.keep(&used, None), sessions.lock().kept.len()), (Keeping::Ended, 0));
        let id = opened(&sessions, &sealer, &ann);
        assert_eq!(sessions.keep(&sessions.find(&sealer, &id, &ann).unwrap(), None), Keeping::Kept);
        tokio::time::advance(Duration::from_secs(29 * 60)).await;
        assert!(sessions.find(&sealer, &id, &bob).is_none());
        tokio::time::advance(Duration::from_secs(2 * 60)).await;
        assert!(sessions.find(&sealer, &id, &ann).is_none());
    }
}
