//! Events of streams, kept in memory.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::event_store::{EventStore, StreamEvents};
use crate::clock;

/// What an event counts for beside its bytes: its place in the store.
const EVENT: usize = 64;

/// Expired streams are looked for this often.
const SWEEP: Duration = Duration::from_secs(1);

/// Keeps the events of streams in this process, within bounds.
///
/// Nothing is allocated before there is an event. Servers in one process may share it.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// # use toolpost_dispatch::{Dispatcher, Registry};
/// use toolpost_server::{MemoryEventStore, Server};
///
/// # let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap()).build();
/// let events = MemoryEventStore::new(|limits| {
///     limits.bytes = 256 << 20;
///     limits.age = Duration::from_secs(3_600);
/// });
/// let server = Server::builder(dispatcher).event_store(Arc::new(events)).build();
/// ```
#[derive(Default)]
pub struct MemoryEventStore {
    limits: EventLimits,
    kept: Mutex<Kept>,
}

/// Bounds on what a [`MemoryEventStore`] keeps.
///
/// An event counts with its bytes and 64 more. Where something has to give way, it is the stream that nothing was added
/// to for longest: of the owner that has reached its bound, or else of the one that keeps the most.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EventLimits {
    /// Streams at once. Default: 1,000.
    pub streams: usize,
    /// The same of one owner: of a principal, of an address where nobody says who calls. Default: 250.
    pub streams_per_owner: usize,
    /// Events of one stream; the oldest give way. Default: 1,000.
    pub events: usize,
    /// Bytes of all events. Default: 64 MiB.
    pub bytes: usize,
    /// The same of one owner. Default: 32 MiB.
    pub bytes_per_owner: usize,
    /// How long a stream is kept after the last event was added and the call behind it has ended. What is older is never
    /// read, and freed when the store is next used. Default: 5 min.
    pub age: Duration,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            streams: 1_000,
            streams_per_owner: 250,
            events: 1_000,
            bytes: 64 << 20,
            bytes_per_owner: 32 << 20,
            age: Duration::from_secs(300),
        }
    }
}

#[derive(Default)]
struct Kept {
    streams: HashMap<String, Stream>,
    owners: HashMap<String, Share>,
    bytes: usize,
    swept: Option<Instant>,
}

/// What is kept for one owner.
#[derive(Default)]
struct Share {
    streams: usize,
    bytes: usize,
}

struct Stream {
    owner: String,
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// The number of the last event that was added.
    last: u64,
    ended: bool,
    touched: Instant,
    changed: Arc<Notify>,
}

impl MemoryEventStore {
    /// Makes a store whose default bounds are `change`d first.
    #[must_use]
    pub fn new(change: impl FnOnce(&mut EventLimits)) -> Self {
        let mut limits = EventLimits::default();
        change(&mut limits);
        Self { limits, kept: Mutex::default() }
    }

    /// What is kept and has not expired.
    fn lock(&self) -> (MutexGuard<'_, Kept>, Instant) {
        let (mut kept, now) = (self.kept.lock().unwrap_or_else(PoisonError::into_inner), clock::now());
        if kept.swept.is_none_or(|swept| SWEEP <= now.saturating_duration_since(swept)) {
            kept.swept = Some(now);
            let old = |stream: &Stream| self.limits.age <= now.saturating_duration_since(stream.touched);
            let expired = kept.streams.iter().filter(|(_, stream)| old(stream)).map(|(name, _)| name.clone());
            for name in expired.collect::<Vec<_>>() {
                kept.remove(&name);
            }
        }
        (kept, now)
    }
}

#[async_trait]
impl EventStore for MemoryEventStore {
    async fn open(&self, stream: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (mut kept, now) = self.lock();
        if kept.streams.contains_key(stream) {
            return Ok(());
        }
        let EventLimits { streams, streams_per_owner, .. } = self.limits;
        while streams_per_owner.max(1) <= kept.owners.get(owner).map_or(0, |share| share.streams) {
            kept.give_way(Some(owner), "");
        }
        while streams.max(1) <= kept.streams.len() {
            kept.give_way(None, "");
        }
        kept.owners.entry(owner.to_owned()).or_default().streams += 1;
        let fresh = Stream {
            owner: owner.to_owned(),
            events: VecDeque::new(),
            bytes: 0,
            last: 0,
            ended: false,
            touched: now,
            changed: Arc::default(),
        };
        kept.streams.insert(stream.to_owned(), fresh);
        Ok(())
    }

    async fn append(
        &self,
        stream: &str,
        event: Bytes,
        last: bool,
    ) -> Result<u64, Box<dyn Error + Send + Sync>> {
        let (mut kept, now) = self.lock();
        let EventLimits { events, bytes, bytes_per_owner, .. } = self.limits;
        let cost = event.len().saturating_add(EVENT);
        if bytes.min(bytes_per_owner) < cost {
            return Err("the event is larger than what may be kept".into());
        }
        let found = kept.streams.get_mut(stream).filter(|stream| !stream.ended);
        let found = found.ok_or("there is no such stream, or it has ended")?;
        found.last += 1;
        found.events.push_back((found.last, event));
        (found.ended, found.touched) = (last, now);
        let (number, owner, changed) = (found.last, found.owner.clone(), Arc::clone(&found.changed));
        kept.charge(stream, cost);
        while kept.streams.get(stream).is_some_and(|stream| events.max(1) < stream.events.len()) {
            kept.forget_oldest(stream);
        }
        while kept.owners.get(&owner).is_some_and(|share| bytes_per_owner < share.bytes) {
            if !kept.give_way(Some(&owner), stream) {
                kept.forget_oldest(stream);
            }
        }
        while bytes < kept.bytes {
            if !kept.give_way(None, stream) {
                kept.forget_oldest(stream);
            }
        }
        drop(kept);
        changed.notify_waiters();
        Ok(number)
    }

    async fn touch(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (mut kept, now) = self.lock();
        kept.streams.get_mut(stream).ok_or("there is no such stream")?.touched = now;
        Ok(())
    }

    async fn read(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Option<StreamEvents>, Box<dyn Error + Send + Sync>> {
        let (kept, now) = self.lock();
        let Some(found) = kept.streams.get(stream) else { return Ok(None) };
        let quiet = now.saturating_duration_since(found.touched);
        if self.limits.age <= quiet {
            return Ok(None);
        }
        let first = found.events.partition_point(|(number, _)| *number <= after);
        let events = found.events.range(first..).cloned().collect();
        Ok(Some(StreamEvents { events, ended: found.ended, quiet }))
    }

    async fn changed(&self, stream: &str, after: u64) {
        let changed = {
            let (kept, _) = self.lock();
            let Some(found) = kept.streams.get(stream) else { return };
            Arc::clone(&found.changed)
        };
        let told = changed.notified();
        tokio::pin!(told);
        // Listens before it looks, so that nothing is added unheard in between.
        told.as_mut().enable();
        let waits = {
            let (kept, _) = self.lock();
            kept.streams.get(stream).is_some_and(|found| found.last <= after && !found.ended)
        };
        if waits {
            told.await;
        }
    }

    async fn remove(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.lock().0.remove(stream);
        Ok(())
    }
}

impl Kept {
    fn charge(&mut self, stream: &str, cost: usize) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        found.bytes += cost;
        self.bytes += cost;
        if let Some(share) = self.owners.get_mut(&found.owner) {
            share.bytes += cost;
        }
    }

    fn forget_oldest(&mut self, stream: &str) {
        let Some(found) = self.streams.get_mut(stream) else { return };
        let Some((_, event)) = found.events.pop_front() else { return };
        let cost = event.len() + EVENT;
        found.bytes -= cost;
        self.bytes -= cost;
        if let Some(share) = self.owners.get_mut(&found.owner) {
            share.bytes -= cost;
        }
    }

    /// Removes one stream, of `owner` or of whoever keeps the most, that is not `spared`; false if there is none.
    fn give_way(&mut self, owner: Option<&str>, spared: &str) -> bool {
        let rank = |stream: &Stream| {
            let share = self.owners.get(&stream.owner).map(|share| (share.bytes, share.streams));
            (Reverse(share), stream.touched)
        };
        let candidates = self
            .streams
            .iter()
            .filter(|(name, stream)| **name != *spared && owner.is_none_or(|owner| stream.owner == *owner));
        let chosen = candidates.min_by_key(|(_, stream)| rank(stream)).map(|(name, _)| name.clone());
        chosen.is_some_and(|name| {
            self.remove(&name);
            true
        })
    }

    fn remove(&mut self, stream: &str) {
        let Some(Stream { owner, bytes, changed, .. }) = self.streams.remove(stream) else { return };
        self.bytes -= bytes;
        if let Some(share) = self.owners.get_mut(&owner) {
            share.bytes -= bytes;
            share.streams -= 1;
            if share.streams == 0 {
                self.owners.remove(&owner);
            }
        }
        changed.notify_waiters();
    }
}

impl fmt::Debug for MemoryEventStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, _) = self.lock();
        f.debug_struct("MemoryEventStore")
            .field("streams", &kept.streams.len())
            .field("bytes", &kept.bytes)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn filled(store: &MemoryEventStore, owner: &str, streams: usize, bytes: usize) -> usize {
        let mut taken = 0;
        for n in 0..streams {
            let name = format!("{owner}{n}");
            store.open(&name, owner).await.unwrap();
            taken += usize::from(store.append(&name, vec![b'x'; bytes].into(), true).await.is_ok());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        taken
    }

    fn has(store: &MemoryEventStore, stream: &str) -> bool {
        store.lock().0.streams.contains_key(stream)
    }

    fn shares_add_up(store: &MemoryEventStore) {
        let (kept, _) = store.lock();
        let of = |owner: &str| {
            kept.streams.values().filter(|stream| stream.owner == *owner).fold(
                (0, 0),
                |(n, bytes), stream| {
                    let own: usize = stream.events.iter().map(|(_, event)| event.len() + EVENT).sum();
                    assert_eq!(own, stream.bytes);
                    (n + 1, bytes + own)
                },
            )
        };
        for (owner, share) in &kept.owners {
            assert_eq!((share.streams, share.bytes), of(owner), "{owner}");
        }
        assert_eq!(kept.bytes, kept.owners.values().map(|share| share.bytes).sum::<usize>());
        assert_eq!(kept.streams.len(), kept.owners.values().map(|share| share.streams).sum::<usize>());
    }

    #[tokio::test(start_paused = true)]
    async fn streams_have_a_bound_in_all_and_of_each_owner() {
        let store = MemoryEventStore::new(|limits| (limits.streams, limits.streams_per_owner) = (5, 3));
        filled(&store, "ann", 10, 10).await;
        assert_eq!(store.lock().0.streams.len(), 3);
        assert!(!has(&store, "ann6") && has(&store, "ann7"), "the oldest of her own gave way");
        filled(&store, "bob", 10, 10).await;
        shares_add_up(&store);
        let (kept, _) = store.lock();
        assert_eq!(kept.streams.len(), 5);
        let shares = (kept.owners["ann"].streams, kept.owners["bob"].streams);
        assert!(shares == (2, 3) || shares == (3, 2), "{shares:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_have_a_bound_in_all_and_of_each_owner() {
        let store = MemoryEventStore::new(|limits| (limits.bytes, limits.bytes_per_owner) = (10_000, 6_000));
        assert_eq!(filled(&store, "ann", 20, 1_000).await, 20);
        assert!(store.lock().0.bytes <= 6_000);
        assert_eq!(filled(&store, "bob", 20, 1_000).await, 20);
        assert!(store.lock().0.bytes <= 10_000);
        assert!(has(&store, "ann19") && has(&store, "bob19"), "nobody loses everything to another");
        shares_add_up(&store);
        store.open("large", "eve").await.unwrap();
        assert!(store.append("large", vec![0; 6_000].into(), false).await.is_err());
        // One stream alone keeps the newest of its events.
        for n in 0..20_u8 {
            store.append("large", vec![n; 1_000].into(), false).await.unwrap();
        }
        let read = store.read("large", 0).await.unwrap().unwrap();
        assert_eq!(read.events.last().unwrap().0, 20);
        assert!(read.events.len() <= 5 && read.events.windows(2).all(|two| two[0].0 + 1 == two[1].0));
        shares_add_up(&store);
    }

    #[tokio::test(start_paused = true)]
    async fn events_of_a_stream_have_a_bound() {
        let store = MemoryEventStore::new(|limits| limits.events = 3);
        store.open("a", "ann").await.unwrap();
        for n in 0..10_u8 {
            store.append("a", vec![n].into(), false).await.unwrap();
        }
        let read = store.read("a", 2).await.unwrap().unwrap();
        assert_eq!(read.events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [8, 9, 10]);
        shares_add_up(&store);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_gone_and_freed() {
        let store = MemoryEventStore::new(|limits| limits.age = Duration::from_secs(60));
        store.open("runs", "ann").await.unwrap();
        filled(&store, "ann", 3, 10).await;
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(10)).await;
            store.touch("runs").await.unwrap();
        }
        assert!(store.read("ann0", 0).await.unwrap().is_none());
        assert!(store.read("runs", 0).await.unwrap().is_some(), "whoever writes it is there");
        assert_eq!(store.lock().0.streams.len(), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(store.append("runs", Bytes::new(), false).await.is_err());
        let (kept, _) = store.lock();
        assert_eq!((kept.streams.len(), kept.owners.len(), kept.bytes), (0, 0, 0));
    }
}
