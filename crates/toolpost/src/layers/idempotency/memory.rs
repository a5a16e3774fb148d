//! Idempotency keys in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use tokio::sync::watch;
use toolpost_tool::{
    BoxFuture, IdempotencyClaim, IdempotencyKey, IdempotencyStore, Principal, Refusal, ToolError,
};

use crate::clock;

/// Stores idempotency keys in memory: those of one process. Cheap to clone; clones are one store, which several runtimes may
/// share.
///
/// It holds 50,000 keys and 64 MiB in all, and 10,000 keys and 16 MiB of one principal; a key counts its texts, its result
/// and 256 bytes. At the bound of a principal its key that would expire first is forgotten; at the bound in all, one of
/// the principal that has most. A key whose call runs is never forgotten: where there are only such, a call with a new one
/// is refused.
///
/// ```
/// use toolpost::Runtime;
/// use toolpost::layers::MemoryIdempotencyStore;
///
/// let store = MemoryIdempotencyStore::new().capacity(200_000, 256 << 20);
/// let [public, internal] = [(); 2].map(|()| Runtime::builder().idempotency(store.clone()).build().unwrap());
/// # let _ = (public, internal);
/// ```
#[derive(Clone)]
pub struct MemoryIdempotencyStore {
    all: Bound,
    own: Bound,
    table: Arc<Mutex<Table>>,
}

/// What a key takes beside its texts and its end.
const OVERHEAD: usize = 256;

impl MemoryIdempotencyStore {
    /// An empty store with the bounds above.
    #[must_use]
    pub fn new() -> Self {
        Self {
            all: Bound(Size { keys: 50_000, bytes: 64 << 20 }),
            own: Bound(Size { keys: 10_000, bytes: 16 << 20 }),
            table: Arc::default(),
        }
    }

    /// Sets how many keys there may be in all, and how many bytes of them.
    #[must_use]
    pub const fn capacity(mut self, keys: usize, bytes: usize) -> Self {
        self.all = Bound(Size { keys, bytes });
        self
    }

    /// Sets how many keys of one principal there may be, and how many bytes of them.
    #[must_use]
    pub const fn per_principal(mut self, keys: usize, bytes: usize) -> Self {
        self.own = Bound(Size { keys, bytes });
        self
    }

    /// How many keys are remembered now.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.table().expired().records.len()
    }

    /// How many bytes they count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table().expired().size.bytes
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(
        &self,
        key: &IdempotencyKey,
        arguments: [u8; 32],
        ttl: Duration,
    ) -> Result<IdempotencyClaim, ToolError> {
        let mut table = self.table();
        let table = table.expired();
        if let Some(record) = table.records.get(key) {
            return Ok(match &record.state {
                _ if record.arguments != arguments => IdempotencyClaim::Conflict,
                State::Running(ended) => {
                    let mut ended = ended.subscribe();
                    IdempotencyClaim::Running(Box::pin(async move {
                        // The sender is dropped with the state.
                        let _ended = ended.changed().await;
                    }))
                }
                State::Ended(Some(end)) => IdempotencyClaim::Ended(end.clone()),
                State::Ended(None) => IdempotencyClaim::Unknown,
            });
        }
        let size = Size { keys: 1, bytes: OVERHEAD + key.weight() };
        if !table.make_room(key.principal(), size, self) {
            let message = "too many calls with an idempotency key run: wait until one of them has ended";
            return Err(ToolError::refused(Refusal::TooManyAtOnce, message, None));
        }
        table.fences += 1;
        let fence = table.fences;
        let record = Record { fence, arguments, ttl, size, state: State::Running(watch::Sender::new(())) };
        table.records.insert(key.clone(), record);
        table.resize(key.principal(), size, Size::default());
        Ok(IdempotencyClaim::New(fence))
    }

    /// Ends the claim; `end` is none if nobody knows how.
    fn end(&self, key: &IdempotencyKey, fence: u64, end: Option<ByteString>) -> bool {
        let mut table = self.table();
        let Some(mut record) = table.take(key, fence) else { return false };
        let more = |end: &ByteString| Size { keys: 0, bytes: end.len() };
        // It has left its place: there is room for as much as it had.
        let end = end.filter(|end| table.make_room(key.principal(), record.size + more(end), self));
        record.size = record.size + end.as_ref().map_or_else(Size::default, more);
        let until = clock::after(record.ttl);
        record.state = State::Ended(end);
        table.put(key, record, until);
        true
    }

    fn free(&self, key: &IdempotencyKey, fence: u64) -> bool {
        self.table().take(key, fence).is_some()
    }
}

impl IdempotencyStore for MemoryIdempotencyStore {
    fn begin<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        arguments: &'a [u8; 32],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IdempotencyClaim, ToolError>> {
        Box::pin(async move { self.claim(key, *arguments, ttl) })
    }

    fn renew<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move { Ok(self.table().runs(key, fence)) })
    }

    fn finish<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        fence: u64,
        end: Option<ByteString>,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move { Ok(self.end(key, fence, end)) })
    }

    fn release<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move { Ok(self.free(key, fence)) })
    }

    fn abandon(&self, key: &IdempotencyKey, fence: u64, began: bool) {
        let _was_its_own = if began { self.end(key, fence, None) } else { self.free(key, fence) };
    }
}

impl Default for MemoryIdempotencyStore {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryIdempotencyStore").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

/// The most that there may be.
#[derive(Clone, Copy)]
struct Bound(Size);

#[derive(Clone, Copy, Default)]
struct Size {
    keys: usize,
    bytes: usize,
}

struct Record {
    fence: u64,
    arguments: [u8; 32],
    ttl: Duration,
    size: Size,
    state: State,
}

enum State {
    /// Those who wait for its end are woken by the drop.
    Running(watch::Sender<()>),
    /// None: nobody knows how.
    Ended(Option<ByteString>),
}

#[derive(Default)]
struct Table {
    records: HashMap<IdempotencyKey, Record>,
    /// Those that have ended, by when they expire and their fence.
    expiring: BTreeMap<(Instant, u64), IdempotencyKey>,
    principals: HashMap<Principal, Share>,
    /// Whose share is how large, for the ones who have anything that can be forgotten.
    shares: BTreeSet<(usize, Principal)>,
    size: Size,
    fences: u64,
}

/// What one principal has.
#[derive(Default)]
struct Share {
    size: Size,
    expiring: BTreeSet<(Instant, u64)>,
}

impl Table {
    /// Without what has expired.
    fn expired(&mut self) -> &mut Self {
        let now = clock::now();
        while let Some((&(until, fence), _)) = self.expiring.first_key_value() {
            if now < until {
                break;
            }
            self.forget((until, fence));
        }
        self
    }

    fn runs(&self, key: &IdempotencyKey, fence: u64) -> bool {
        let is_its_own = |record: &Record| record.fence == fence && matches!(record.state, State::Running(_));
        self.records.get(key).is_some_and(is_its_own)
    }

    /// Takes the record of a claim that runs.
    fn take(&mut self, key: &IdempotencyKey, fence: u64) -> Option<Record> {
        let record = if self.runs(key, fence) { self.records.remove(key) } else { None }?;
        self.resize(key.principal(), Size::default(), record.size);
        Some(record)
    }

    /// Puts a record there that has ended.
    fn put(&mut self, key: &IdempotencyKey, record: Record, until: Instant) {
        let (at, size) = ((until, record.fence), record.size);
        self.expiring.insert(at, key.clone());
        self.principals.entry(key.principal().clone()).or_default().expiring.insert(at);
        self.records.insert(key.clone(), record);
        self.resize(key.principal(), size, Size::default());
    }

    fn forget(&mut self, at: (Instant, u64)) {
        let Some(key) = self.expiring.remove(&at) else { return };
        if let Some(share) = self.principals.get_mut(key.principal()) {
            share.expiring.remove(&at);
        }
        if let Some(record) = self.records.remove(&key) {
            self.resize(key.principal(), Size::default(), record.size);
        }
    }

    /// Forgets what is in the way of `more`; whether there is room now.
    fn make_room(&mut self, principal: &Principal, more: Size, bounds: &MemoryIdempotencyStore) -> bool {
        if !bounds.own.holds(more) || !bounds.all.holds(more) {
            return false;
        }
        loop {
            let share = self.principals.get(principal);
            if share.is_none_or(|share| bounds.own.holds(share.size + more)) {
                break;
            }
            let Some(first) = share.and_then(|share| share.expiring.first().copied()) else { return false };
            self.forget(first);
        }
        while !bounds.all.holds(self.size + more) {
            let largest = self.shares.last().and_then(|(_, principal)| self.principals.get(principal));
            let Some(first) = largest.and_then(|share| share.expiring.first().copied()) else { return false };
            self.forget(first);
        }
        true
    }

    /// Counts what a principal has gained and lost.
    fn resize(&mut self, principal: &Principal, gained: Size, lost: Size) {
        self.size = self.size + gained - lost;
        let share = self.principals.entry(principal.clone()).or_default();
        self.shares.remove(&(share.size.bytes, principal.clone()));
        share.size = share.size + gained - lost;
        if share.size.keys == 0 {
            self.principals.remove(principal);
        } else if !share.expiring.is_empty() {
            self.shares.insert((share.size.bytes, principal.clone()));
        }
    }
}

impl Bound {
    const fn holds(self, size: Size) -> bool {
        size.keys <= self.0.keys && size.bytes <= self.0.bytes
    }
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::Sub for Size {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { keys: self.keys - other.keys, bytes: self.bytes - other.bytes }
    }
}
