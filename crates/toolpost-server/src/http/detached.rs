//! A call that goes on when its connection does not: in the legacy era a client that disconnects
//! has not taken its call back.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;
use toolpost_tool::Principal;

use super::HttpLimits;
use super::pooled::PooledCall;
use crate::{Peer, Reply};

/// The calls of one server that go on without their connections, in all and of each owner.
#[derive(Clone)]
pub(crate) struct DetachedCalls {
    tracker: TaskTracker,
    most: usize,
    share: usize,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    /// Nobody is in it without a call.
    owners: HashMap<Owner, usize>,
}

/// Whose a call is: a principal's, or an address's where nobody says who calls.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Owner(Principal, Option<u64>);

/// The place of one call among them, until it is dropped.
pub(crate) struct DetachedPlace {
    counts: Arc<Mutex<Counts>>,
    owner: Owner,
}

impl DetachedCalls {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        let (most, share) = (limits.detached_calls, limits.detached_calls_per_principal);
        Self { tracker: TaskTracker::new(), most, share, counts: Arc::default() }
    }

    /// A place for a call of `owner`, if there is one.
    pub(super) fn enter(&self, owner: &Owner) -> Option<DetachedPlace> {
        let mut counts = lock(&self.counts);
        let own = counts.owners.get(owner).copied().unwrap_or(0);
        if self.most <= counts.all || self.share <= own && owner.is_told_apart() {
            return None;
        }
        counts.all += 1;
        counts.owners.insert(owner.clone(), own + 1);
        drop(counts);
        Some(DetachedPlace { counts: Arc::clone(&self.counts), owner: owner.clone() })
    }
}

impl Owner {
    pub(super) fn new(principal: &Principal, address: Option<u64>) -> Self {
        Self(principal.clone(), address.filter(|_| principal.is_anonymous()))
    }

    pub(super) fn of(peer: &Peer) -> Self {
        Self::new(&peer.principal, peer.address.map(u64::from))
    }

    /// Where nothing tells callers apart, nobody in particular has too many.
    fn is_told_apart(&self) -> bool {
        !self.0.is_anonymous() || self.1.is_some()
    }
}

impl Drop for DetachedPlace {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all -= 1;
        if let Some(own) = counts.owners.get_mut(&self.owner) {
            *own -= 1;
            if *own == 0 {
                counts.owners.remove(&self.owner);
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs in its connection's task while there is one, and in a task of its own from then on.
///
/// Nothing is spawned for a call that ends first. The tracker owns what is spawned.
pub(crate) struct Detached {
    call: Option<PooledCall>,
    calls: DetachedCalls,
    owner: Owner,
}

impl Detached {
    /// A call that outlives its connection, unless too many others do so already.
    pub(crate) const fn new(call: PooledCall, calls: DetachedCalls, owner: Owner) -> Self {
        Self { call: Some(call), calls, owner }
    }
}

impl Future for Detached {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let Some(call) = &mut self.call else { return Poll::Ready(Reply::accepted()) };
        let reply = std::task::ready!(Pin::new(call).poll(cx));
        self.call = None;
        Poll::Ready(reply)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        // Outside a runtime there is nobody to go on running it.
        if tokio::runtime::Handle::try_current().is_ok()
            && let Some(place) = self.calls.enter(&self.owner)
        {
            self.calls.tracker.spawn(async move {
                let _place = place;
                call.await
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_a_share_and_places_come_back() {
        let mut limits = HttpLimits::default();
        (limits.detached_calls, limits.detached_calls_per_principal) = (4, 2);
        let calls = DetachedCalls::new(&limits);
        let ann = Owner::new(&Principal::new("ann"), Some(1));
        let [one, two] = [1, 2].map(|address| Owner::new(&Principal::anonymous(), Some(address)));
        let places = [calls.enter(&ann), calls.enter(&ann), calls.enter(&one)];
        assert!(places.iter().all(Option::is_some) && calls.enter(&ann).is_none());
        let last = calls.enter(&two);
        assert!(last.is_some() && calls.enter(&one).is_none(), "four in all");
        drop((places, last));
        let counts = lock(&calls.counts);
        assert_eq!((counts.all, counts.owners.len()), (0, 0));
        drop(counts);
        // From this machine nothing tells callers apart.
        let local = Owner::new(&Principal::anonymous(), None);
        let places: Vec<_> = std::iter::from_fn(|| calls.enter(&local)).collect();
        assert_eq!(places.len(), 4);
    }
}
