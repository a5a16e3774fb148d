//! One breaker per key, within a bound.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::breaker::Breaker;
use crate::policy::FailurePolicy;
use crate::settings::BreakerSettings;
use crate::sync::{AtomicU64, Ordering};
use crate::transition::BreakerState;

/// A bounded set of breakers by key, which share their [`BreakerSettings`].
///
/// Two methods, for two kinds of keys. [`get`](Self::get) creates nothing: it is for keys that strangers send.
/// [`ensure`](Self::ensure) is for keys that you know to exist. When the set is full, breakers that nobody else holds make
/// room: the closed ones that were asked for longest ago, and if there are none, of those whose open time is over (what is
/// gone for good is never asked again) the ones asked for longest ago. One that is still open, or forced, stays, until it
/// is [removed](Self::remove).
///
/// ```
/// use std::time::Instant;
/// use toolpost_breaker::{BreakerSettings, Breakers, Consecutive};
///
/// let now = Instant::now();
/// let breakers = Breakers::new(1_000, BreakerSettings::new(now), || Consecutive::new(5));
/// let search = breakers.ensure(&"search", now).expect("there is room");
/// for _ in 0..5 {
///     search.admit(now).expect("closed").failure(now);
/// }
/// let fetch = breakers.ensure(&"fetch", now).expect("there is room");
/// assert!(search.admit(now).is_err() && fetch.admit(now).is_ok(), "one that is down stops nobody else");
/// assert!(breakers.get(&"what a stranger sent", now).is_none());
/// ```
pub struct Breakers<K, P> {
    /// Nothing awaits, and no listener is called, while this is held.
    by_key: RwLock<HashMap<K, Entry<P>>>,
    most: usize,
    settings: Arc<BreakerSettings>,
    policy: Box<dyn Fn() -> P + Send + Sync>,
    name: Option<NameOf<K>>,
}

type NameOf<K> = Box<dyn Fn(&K) -> Arc<str> + Send + Sync>;

struct Entry<P> {
    breaker: Arc<Breaker<P>>,
    /// When it was last asked for, in milliseconds since the start.
    used: AtomicU64,
}

impl<K: Clone + Eq + Hash, P: FailurePolicy> Breakers<K, P> {
    /// Begins empty, for at most so many breakers, each with a policy of its own.
    ///
    /// # Panics
    ///
    /// If `most` is zero.
    pub fn new(
        most: usize,
        settings: impl Into<Arc<BreakerSettings>>,
        policy: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        assert!(0 < most, "room for at least one breaker");
        Self {
            by_key: RwLock::default(),
            most,
            settings: settings.into(),
            policy: Box::new(policy),
            name: None,
        }
    }

    /// Sets how each breaker is named after its key, for those who listen to [transitions](crate::Transition::name).
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use toolpost_breaker::{Breakers, Consecutive, BreakerSettings};
    /// # let now = Instant::now();
    /// let hosts = Breakers::new(100, BreakerSettings::new(now), || Consecutive::new(5)).naming(|host: &String| host.as_str().into());
    /// assert_eq!(hosts.ensure("example.org", now).expect("there is room").name(), Some("example.org"));
    /// ```
    #[must_use]
    pub fn naming(mut self, name: impl Fn(&K) -> Arc<str> + Send + Sync + 'static) -> Self {
        self.name = Some(Box::new(name));
        self
    }

    /// The breaker of this key, if it has one.
    pub fn get<Q>(&self, key: &Q, now: Instant) -> Option<Arc<Breaker<P>>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let by_key = self.by_key.read().unwrap_or_else(PoisonError::into_inner);
        by_key.get(key).map(|entry| entry.take(self.settings.millis(now)))
    }

    /// The breaker of this key, made if there was none; `None` if there is no room and every breaker is in use, still open, or
    /// forced.
    pub fn ensure<Q>(&self, key: &Q, now: Instant) -> Option<Arc<Breaker<P>>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(breaker) = self.get(key, now) {
            return Some(breaker);
        }
        let (at, now) = (now, self.settings.millis(now));
        // A panicking policy leaves the map as it was, so poison says nothing.
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = by_key.get(key) {
            return Some(entry.take(now));
        }
        if self.most <= by_key.len() {
            make_room(&mut by_key, at);
        }
        if self.most <= by_key.len() {
            return None;
        }
        let key = key.to_owned();
        let mut breaker = Breaker::with_settings((self.policy)(), Arc::clone(&self.settings));
        if let Some(name) = &self.name {
            breaker = breaker.named(name(&key));
        }
        let breaker = Arc::new(breaker);
        by_key.insert(key, Entry { breaker: Arc::clone(&breaker), used: AtomicU64::new(now) });
        Some(breaker)
    }

    /// Forgets the breaker of this key, and returns it. Who holds it goes on with it; the next to ask gets a new one.
    pub fn remove<Q>(&self, key: &Q) -> Option<Arc<Breaker<P>>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        by_key.remove(key).map(|entry| entry.breaker)
    }

    /// Forgets every breaker for which `keep` says no.
    ///
    /// `keep` is also told when the breaker was last asked for: as a time since the start of the [`BreakerSettings`], to the
    /// millisecond. It must not ask this set for anything. If it panics, nothing is forgotten.
    pub fn retain(&self, mut keep: impl FnMut(&K, &Breaker<P>, Duration) -> bool) {
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        let used = |entry: &Entry<P>| Duration::from_millis(entry.used.load(Ordering::Relaxed));
        let goes: Vec<K> = by_key
            .iter()
            .filter(|(key, entry)| !keep(key, &entry.breaker, used(entry)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in goes {
            by_key.remove(&key);
        }
    }

    /// Every breaker with its key, in no order.
    pub fn all(&self) -> Vec<(K, Arc<Breaker<P>>)> {
        let by_key = self.by_key.read().unwrap_or_else(PoisonError::into_inner);
        by_key.iter().map(|(key, entry)| (key.clone(), Arc::clone(&entry.breaker))).collect()
    }

    /// Closes every breaker.
    pub fn reset(&self, now: Instant) {
        for (_, breaker) in self.all() {
            breaker.reset(now);
        }
    }

    /// How many breakers there are.
    pub fn len(&self) -> usize {
        self.by_key.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<P> Entry<P> {
    fn take(&self, now: u64) -> Arc<Breaker<P>> {
        self.used.fetch_max(now, Ordering::Relaxed);
        Arc::clone(&self.breaker)
    }
}

/// Drops an eighth of the closed breakers that nobody holds, and at least one: those asked for longest ago. If there is
/// none, the same of those whose open time is over.
fn make_room<K: Clone + Eq + Hash, P: FailurePolicy>(by_key: &mut HashMap<K, Entry<P>>, now: Instant) {
    let (mut closed, mut over) = (Vec::new(), Vec::new());
    for (key, entry) in by_key.iter() {
        // The map is locked for writing: whoever is not counted now cannot come before it is dropped. And who borrows a
        // permit holds the breaker, so that a half-open one has no probe that could still report.
        if Arc::strong_count(&entry.breaker) != 1 {
            continue;
        }
        let idle = match entry.breaker.state() {
            BreakerState::Closed => &mut closed,
            BreakerState::HalfOpen => &mut over,
            BreakerState::Open if entry.breaker.snapshot(now).retry_after.is_none() => &mut over,
            BreakerState::Open | BreakerState::ForcedOpen | BreakerState::ForcedClosed => continue,
        };
        idle.push((entry.used.load(Ordering::Relaxed), key.clone()));
    }
    let mut goes = if closed.is_empty() { over } else { closed };
    goes.sort_unstable_by_key(|(used, _)| *used);
    goes.truncate(goes.len().div_ceil(8));
    for (_, key) in goes {
        by_key.remove(&key);
    }
}

impl<K: fmt::Debug, P: fmt::Debug> fmt::Debug for Breakers<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers")
            .field("most", &self.most)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
