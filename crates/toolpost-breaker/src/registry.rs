//! One breaker per key, within a bound.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use crate::breaker::Breaker;
use crate::policy::FailurePolicy;
use crate::settings::Settings;
use crate::sync::{AtomicU64, Ordering};
use crate::transition::State;

/// A bounded set of breakers by key, which share their [`Settings`].
///
/// Two methods, for two kinds of keys. [`get`](Self::get) creates nothing: it is for keys that strangers send.
/// [`ensure`](Self::ensure) is for keys that you know to exist. When the set is full, breakers that are closed, held by
/// nobody else, and asked for longest ago make room.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use toolpost_breaker::{Breakers, Consecutive, Settings};
///
/// let now = Instant::now();
/// let breakers = Breakers::new(1_000, Settings::new(now), || Consecutive::new(5));
/// let search = breakers.ensure(&"search", now)?;
/// assert!(Arc::ptr_eq(&search, &breakers.get(&"search", now).unwrap()));
/// assert!(breakers.get(&"what a stranger sent", now).is_none());
/// # Ok::<_, toolpost_breaker::Full>(())
/// ```
pub struct Breakers<K, P> {
    /// Nothing awaits, and no listener is called, while this is held.
    by_key: RwLock<HashMap<K, Entry<P>>>,
    most: usize,
    settings: Arc<Settings>,
    policy: Box<dyn Fn() -> P + Send + Sync>,
}

struct Entry<P> {
    breaker: Arc<Breaker<P>>,
    /// When it was last asked for, in milliseconds since the start.
    used: AtomicU64,
}

impl<K: Clone + Eq + Hash, P: FailurePolicy> Breakers<K, P> {
    /// An empty set of at most so many breakers, each with a policy of its own.
    ///
    /// # Panics
    ///
    /// If `most` is zero.
    pub fn new(
        most: usize,
        settings: impl Into<Arc<Settings>>,
        policy: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        assert!(0 < most, "room for at least one breaker");
        Self { by_key: RwLock::default(), most, settings: settings.into(), policy: Box::new(policy) }
    }

    /// The breaker of this key, if it has one.
    pub fn get(&self, key: &K, now: Instant) -> Option<Arc<Breaker<P>>> {
        let by_key = self.by_key.read().unwrap_or_else(PoisonError::into_inner);
        by_key.get(key).map(|entry| entry.take(self.settings.millis(now)))
    }

    /// The breaker of this key, made if there was none.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room and every breaker is in use or not closed.
    pub fn ensure(&self, key: &K, now: Instant) -> Result<Arc<Breaker<P>>, Full> {
        if let Some(breaker) = self.get(key, now) {
            return Ok(breaker);
        }
        let now = self.settings.millis(now);
        // A panicking policy leaves the map as it was, so poison says nothing.
        let mut by_key = self.by_key.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = by_key.get(key) {
            return Ok(entry.take(now));
        }
        if self.most <= by_key.len() {
            make_room(&mut by_key);
        }
        if self.most <= by_key.len() {
            return Err(Full);
        }
        let breaker = Arc::new(Breaker::with((self.policy)(), Arc::clone(&self.settings)));
        by_key.insert(key.clone(), Entry { breaker: Arc::clone(&breaker), used: AtomicU64::new(now) });
        Ok(breaker)
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

/// Drops an eighth of the idle breakers, and at least one: those asked for longest ago.
fn make_room<K: Clone + Eq + Hash, P: FailurePolicy>(by_key: &mut HashMap<K, Entry<P>>) {
    let mut idle: Vec<(u64, K)> = by_key
        .iter()
        .filter(|(_, entry)| {
            // The map is locked for writing: whoever is not counted now cannot come before it is dropped.
            Arc::strong_count(&entry.breaker) == 1 && entry.breaker.state() == State::Closed
        })
        .map(|(key, entry)| (entry.used.load(Ordering::Relaxed), key.clone()))
        .collect();
    idle.sort_unstable_by_key(|(used, _)| *used);
    idle.truncate(idle.len().div_ceil(8));
    for (_, key) in idle {
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

/// The answer of [`Breakers::ensure`] when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many breakers as may be are in use")
    }
}

impl Error for Full {}
